"""Attaches a Jupyter session to the kernel of a run. The runner keeps owning the kernel.

The kernelspec `cobra` names this provisioner. For the notebook of a live run it asks the runner for the
kernel's connection. For any other notebook, and after the run has ended, it starts an ordinary local
kernel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket as sockets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from cobra_jupyter.records import ledger
from cobra_jupyter.run import attach, registry
from cobra_jupyter.run.attach import AttachError
from cobra_jupyter.run.registry import Entry

Json = dict[str, Any]
_log = logging.getLogger(__name__)
RESTART = 90.0  # seconds in which a runner restarts its kernel
START = 30.0  # seconds in which a starting run gets its kernel
GRACE = 5.0  # seconds between the end of a runner and the start of our own kernel
SLOW = 20.0  # the same if the runner or its kernel is still alive


@dataclass(frozen=True)
class LiveAgent:
    """An agent of a live run, with the registry entry of its runner."""

    entry: Entry
    agent: str


def agent_at(status: Mapping[str, Any], run: Path, notebook: Path) -> str | None:
    """Returns the agent that owns a notebook according to its runner's status."""
    real = notebook.resolve()
    for agent in status.get("agents", ()):
        if (run / str(agent["notebook"])).resolve() == real:
            return str(agent["name"])
    return None


def live_agent_of(notebook: Path) -> LiveAgent | None:
    """Returns the agent of a live run that owns a notebook. Asks runners: call it in a thread."""
    real = notebook.resolve()
    entries = sorted(registry.entries(), key=lambda entry: not real.is_relative_to(entry.run.resolve()))
    for entry in entries:
        with contextlib.suppress(AttachError, KeyError, TypeError):
            agent = agent_at(attach.ask(entry, "status", 10.0), entry.run, real)
            if agent is not None:
                return LiveAgent(entry, agent)
    return None


class AttachProvisioner(LocalProvisioner):
    """`attached` is the agent whose kernel is used; None while the kernel is a local one."""

    attached: LiveAgent | None = None
    relaunching = False  # true between detaching and the next launch
    _launch_options: Json | None = None  # reused if we start our own kernel later
    _restart = False  # the next launch is the second half of a restart
    _gone_since: float | None = None
    _swapping = False
    _ours = True  # we started the kernel, so its sockets are ours

    @property
    def _manager(self) -> Any:
        return self.parent

    # ---- launching

    async def pre_launch(self, **kwargs: Any) -> Json:
        restart, self._restart = self._restart, False
        self.attached, self._gone_since, self.relaunching = None, None, True
        notebook = self._notebook(kwargs)
        live_agent = await asyncio.to_thread(live_agent_of, notebook) if notebook is not None else None
        if live_agent is not None:
            info = await asyncio.to_thread(_connection, live_agent, restart)
            if info is not None:
                return await self._attach(live_agent, info, kwargs)
        self._ours = True
        self._make_socket_folder()
        local: Json = await super().pre_launch(**kwargs)
        return local

    async def _attach(self, live_agent: LiveAgent, info: Json, kwargs: Json) -> Json:
        for name in ("extra_arguments", "transport_encryption"):
            kwargs.pop(name, None)
        self.connection_info = info  # type: ignore[assignment]
        self._keep_off_the_kernel()
        self._forget_connection()
        prepared: Json = await KernelProvisionerBase.pre_launch(self, cmd=[], **kwargs)
        self._launch_options = {name: prepared[name] for name in ("env", "cwd") if name in prepared}
        self.attached, self._ours = live_agent, False
        return prepared

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        self.relaunching = False
        if self.attached is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info

    def _notebook(self, kwargs: Json) -> Path | None:
        """The session's notebook. Jupyter passes its path in the environment, maybe relative to the root."""
        name = str((kwargs.get("env") or {}).get("JPY_SESSION_NAME") or "")
        name = name.removeprefix("RTC:")  # the drive of jupyter-collaboration
        if not name.endswith(".ipynb"):
            return None
        root = getattr(getattr(self.parent, "parent", None), "root_dir", None) or kwargs.get("cwd") or "."
        return Path(root) / name  # an absolute path stays unchanged

    def _forget_connection(self) -> None:
        """Removes a connection file of this kernel id that an earlier server left behind.

        Otherwise the manager compares it with its own (still empty) connection and refuses to start."""
        self._manager._connection_file_written = False
        Path(self._manager.connection_file).unlink(missing_ok=True)

    def _keep_off_the_kernel(self) -> None:
        """Stops this manager from shutting down a kernel that belongs to a run.

        When a session ends, the manager sends `shutdown_request` and removes the kernel's sockets. No trait
        prevents this, so two methods of the manager are wrapped. They act as before while the kernel is our
        own."""
        manager = self._manager
        if getattr(manager, "_cobra_wrapped", None) is self:
            return
        request, cleanup = type(manager)._async_request_shutdown, type(manager).cleanup_ipc_files

        async def request_shutdown(restart: bool = False) -> None:
            if self.attached is None:
                await request(manager, restart=restart)
                return
            self._detach(restart)

        def cleanup_ipc_files() -> None:
            if self._ours:
                cleanup(manager)

        manager._async_request_shutdown = request_shutdown
        if asyncio.iscoroutinefunction(manager.request_shutdown):
            manager.request_shutdown = request_shutdown
        manager.cleanup_ipc_files = cleanup_ipc_files
        manager._cobra_wrapped = self

    # ---- while it runs

    @property
    def has_process(self) -> bool:
        return self.attached is not None or bool(super().has_process)

    async def poll(self) -> int | None:
        if self.attached is None:
            result: int | None = await super().poll()
            return result
        if self._swapping or not await self._is_gone():
            return None  # never report the end: attached tabs continue with the kernel that replaces this one
        self._swapping = True
        try:
            await self._start_own_kernel()
        finally:
            self._swapping = False
        return None

    async def _is_gone(self) -> bool:
        """Whether the run's kernel has been gone for long enough, because its runner or its agent has
        ended."""
        assert self.attached is not None
        alive = ledger.is_locked(self.attached.entry.run)
        listens = await asyncio.to_thread(_answers, self.connection_info)
        if alive and (listens or await asyncio.to_thread(_has_kernel, self.attached)):
            self._gone_since = None
            return False
        self._gone_since = self._gone_since or time.monotonic()
        return time.monotonic() - self._gone_since > (SLOW if alive or listens else GRACE)

    async def _start_own_kernel(self) -> None:
        """Starts a local kernel on the run kernel's sockets, so that clients reconnect by themselves."""
        manager = self._manager
        self._make_socket_folder()
        manager.write_connection_file()  # if it was removed
        command = manager.format_kernel_cmd()
        self.attached = None
        self._ours = True
        if hasattr(manager, "execution_state"):
            manager.execution_state = "idle"  # the state of the run's kernel no longer counts
        options = {
            name: value for name, value in (self._launch_options or {}).items() if _is_usable(name, value)
        }
        await super().launch_kernel(command, **options)

    def _make_socket_folder(self) -> None:
        """Makes the private folder of the sockets again; the run removed it when it ended."""
        if self._manager is not None and self._manager.transport == "ipc":
            Path(str(self._manager.ip)).parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def wait(self) -> int | None:
        if self.attached is not None:
            return 0
        result: int | None = await super().wait()
        return result

    async def send_signal(self, signum: int) -> None:
        if self.attached is None:
            await super().send_signal(signum)
        elif signum == signal.SIGINT and not self._manager.shutting_down:
            # the manager also interrupts while it shuts down; nobody asked for that interrupt
            with contextlib.suppress(AttachError):  # without a runner there is nothing to interrupt
                await asyncio.to_thread(
                    attach.ask, self.attached.entry, "interrupt_kernel", agent=self.attached.agent
                )

    # ---- detaching

    async def kill(self, restart: bool = False) -> None:
        if self.attached is not None:
            self._detach(restart)
        else:
            await super().kill(restart=restart)

    async def terminate(self, restart: bool = False) -> None:
        if self.attached is not None:
            self._detach(restart)
        else:
            await super().terminate(restart=restart)

    def _detach(self, restart: bool) -> None:
        """Detaches; the kernel keeps running."""
        self.attached, self._restart, self.relaunching = None, restart, restart


def _connection(live_agent: LiveAgent, restart: bool) -> Json | None:
    """Returns the kernel's connection, after a restart if requested; None if the agent has no kernel now."""
    if restart:
        try:
            attach.ask(live_agent.entry, "restart_kernel", RESTART, agent=live_agent.agent)
        except AttachError as error:  # a kernel that was not restarted is better than none
            _log.warning("run %s: its kernel was not restarted: %s", live_agent.entry.id, error)
    deadline = time.monotonic() + START
    while True:
        try:
            info = attach.ask(live_agent.entry, "kernel", agent=live_agent.agent)
        except AttachError as error:
            if error.kind in ("Gone", "Busy") or time.monotonic() > deadline or not _is_starting(live_agent):
                return None
            time.sleep(0.2)
            continue
        return {"signature_scheme": "hmac-sha256", **info, "key": str(info.get("key", "")).encode()}


def _has_kernel(live_agent: LiveAgent) -> bool:
    """Whether the agent has a kernel. If the runner does not answer, assume that it has."""
    try:
        attach.ask(live_agent.entry, "kernel", 10.0, agent=live_agent.agent)
    except AttachError as error:
        return error.kind in ("Gone", "Busy")
    return True


def _is_starting(live_agent: LiveAgent) -> bool:
    try:
        return bool(attach.ask(live_agent.entry, "status", 10.0).get("state") == "starting")
    except AttachError:
        return False


def _answers(info: Mapping[str, Any]) -> bool:
    """Whether something listens on the kernel's shell socket."""
    ipc = info.get("transport") == "ipc"
    address: Any = f"{info['ip']}-{info['shell_port']}" if ipc else (info["ip"], info["shell_port"])
    with sockets.socket(sockets.AF_UNIX if ipc else sockets.AF_INET) as sock:
        sock.settimeout(0.5)
        try:
            sock.connect(address)
        except OSError:
            return False
        return True


def _is_usable(name: str, value: Any) -> bool:
    return name != "cwd" or Path(str(value)).is_dir()
