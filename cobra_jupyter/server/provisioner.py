"""A Jupyter session on the kernel of a run: it attaches, and the kernel stays the run's.

The kernelspec `cobra` names this provisioner. For the notebook of a living run it asks the runner for the kernel's
connection; for all other notebooks, and when the run is over, it is an ordinary local kernel."""

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
BEGIN = 30.0  # seconds in which a run that starts has its kernel
GRACE = 5.0  # seconds between a runner's end and a kernel of our own in its place
SLOW = 20.0  # the same where the runner lives, or its kernel outlives it


@dataclass(frozen=True)
class LiveAgent:
    """An agent of a living run, and the runner that it belongs to."""

    entry: Entry
    agent: str


def agent_at(status: Mapping[str, Any], run: Path, notebook: Path) -> str | None:
    """Whose notebook that is, by a runner's status."""
    real = notebook.resolve()
    for agent in status.get("agents", ()):
        if (run / str(agent["notebook"])).resolve() == real:
            return str(agent["name"])
    return None


def live_agent_of(notebook: Path) -> LiveAgent | None:
    """The agent of a living run that a notebook belongs to. Asks runners: call it in a thread."""
    real = notebook.resolve()
    entries = sorted(registry.entries(), key=lambda entry: not real.is_relative_to(entry.run.resolve()))
    for entry in entries:
        with contextlib.suppress(AttachError, KeyError, TypeError):
            agent = agent_at(attach.ask(entry, "status", 10.0), entry.run, real)
            if agent is not None:
                return LiveAgent(entry, agent)
    return None


class AttachProvisioner(LocalProvisioner):
    """`seat` is whose kernel this is attached to; None while it is a local kernel."""

    seat: LiveAgent | None = None
    moving = False  # between leaving a kernel and being launched anew
    _launched: Json | None = None  # how the session was launched, for a kernel of our own later
    _restart = False  # whether the next launch is the other half of a restart
    _gone: float | None = None  # since when the runner is
    _swapping = False
    _ours = True  # whether the sockets are those of a kernel that we started

    @property
    def _manager(self) -> Any:
        return self.parent

    # ---- launching

    async def pre_launch(self, **kwargs: Any) -> Json:
        restart, self._restart = self._restart, False
        self.seat, self._gone, self.moving = None, None, True
        notebook = self._notebook(kwargs)
        seat = await asyncio.to_thread(live_agent_of, notebook) if notebook is not None else None
        if seat is not None:
            info = await asyncio.to_thread(_connection, seat, restart)
            if info is not None:
                return await self._attach(seat, info, kwargs)
        self._ours = True
        self._make_socket_folder()
        local: Json = await super().pre_launch(**kwargs)
        return local

    async def _attach(self, seat: LiveAgent, info: Json, kwargs: Json) -> Json:
        for name in ("extra_arguments", "transport_encryption"):
            kwargs.pop(name, None)
        self.connection_info = info  # type: ignore[assignment]
        self._keep_off_the_kernel()
        self._forget_connection()
        prepared: Json = await KernelProvisionerBase.pre_launch(self, cmd=[], **kwargs)
        self._launched = {name: prepared[name] for name in ("env", "cwd") if name in prepared}
        self.seat, self._ours = seat, False
        return prepared

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        self.moving = False
        if self.seat is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info

    def _notebook(self, kwargs: Json) -> Path | None:
        """The notebook that the session is for: Jupyter gives its path in the environment, whole or from the root."""
        name = str((kwargs.get("env") or {}).get("JPY_SESSION_NAME") or "")
        name = name.removeprefix("RTC:")  # jupyter-collaboration names a drive
        if not name.endswith(".ipynb"):
            return None
        root = getattr(getattr(self.parent, "parent", None), "root_dir", None) or kwargs.get("cwd") or "."
        return Path(root) / name  # a whole path stays what it is

    def _forget_connection(self) -> None:
        """A connection file of this kernel's id may be left from an earlier server; the manager would compare with it
        what it knows (nothing yet), and refuse."""
        self._manager._connection_file_written = False
        Path(self._manager.connection_file).unlink(missing_ok=True)

    def _keep_off_the_kernel(self) -> None:
        """Shutting a session down, the manager sends `shutdown_request` on the control channel and removes the
        kernel's sockets: there is no trait to prevent it, so two methods of this one manager are covered. They
        pass through while the kernel is our own."""
        manager = self._manager
        if getattr(manager, "_cobra_covered", None) is self:
            return
        request, cleanup = type(manager)._async_request_shutdown, type(manager).cleanup_ipc_files

        async def request_shutdown(restart: bool = False) -> None:
            if self.seat is None:
                await request(manager, restart=restart)
                return
            self._let_go(restart)

        def cleanup_ipc_files() -> None:
            if self._ours:
                cleanup(manager)

        manager._async_request_shutdown = request_shutdown
        if asyncio.iscoroutinefunction(manager.request_shutdown):
            manager.request_shutdown = request_shutdown
        manager.cleanup_ipc_files = cleanup_ipc_files
        manager._cobra_covered = self

    # ---- living

    @property
    def has_process(self) -> bool:
        return self.seat is not None or bool(super().has_process)

    async def poll(self) -> int | None:
        if self.seat is None:
            result: int | None = await super().poll()
            return result
        if self._swapping or not await self._is_gone():
            return (
                None  # nobody is told of an end: whoever is attached goes on with the kernel that comes next
            )
        self._swapping = True
        try:
            await self._own_kernel()
        finally:
            self._swapping = False
        return None

    async def _is_gone(self) -> bool:
        """Whether the run's kernel has been gone for long enough: with its runner, or (of an agent that has come back)
        before it."""
        assert self.seat is not None
        alive = ledger.is_locked(self.seat.entry.run)
        listens = await asyncio.to_thread(_answers, self.connection_info)
        if alive and (listens or await asyncio.to_thread(_has_kernel, self.seat)):
            self._gone = None
            return False
        self._gone = self._gone or time.monotonic()
        return time.monotonic() - self._gone > (SLOW if alive or listens else GRACE)

    async def _own_kernel(self) -> None:
        """A local kernel where the run's kernel was, on the same sockets: clients reconnect by themselves."""
        manager = self._manager
        self._make_socket_folder()
        manager.write_connection_file()  # where it is no longer there
        command = manager.format_kernel_cmd()
        self.seat = None
        self._ours = True
        if hasattr(manager, "execution_state"):
            manager.execution_state = "idle"  # what the run's kernel did is over
        kept = {name: value for name, value in (self._launched or {}).items() if _usable(name, value)}
        await super().launch_kernel(command, **kept)

    def _make_socket_folder(self) -> None:
        """The private folder of the run's sockets went with the run; it is made anew, as private."""
        if self._manager is not None and self._manager.transport == "ipc":
            Path(str(self._manager.ip)).parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def wait(self) -> int | None:
        if self.seat is not None:
            return 0
        result: int | None = await super().wait()
        return result

    async def send_signal(self, signum: int) -> None:
        if self.seat is None:
            await super().send_signal(signum)
        elif signum == signal.SIGINT and not self._manager.shutting_down:
            # the manager also interrupts as it shuts down: that is not the person's wish
            with contextlib.suppress(AttachError):  # the runner is gone: so is what it ran
                await asyncio.to_thread(
                    attach.ask, self.seat.entry, "interrupt_kernel", agent=self.seat.agent
                )

    # ---- leaving

    async def kill(self, restart: bool = False) -> None:
        if self.seat is not None:
            self._let_go(restart)
        else:
            await super().kill(restart=restart)

    async def terminate(self, restart: bool = False) -> None:
        if self.seat is not None:
            self._let_go(restart)
        else:
            await super().terminate(restart=restart)

    def _let_go(self, restart: bool) -> None:
        """Detach; the kernel lives on."""
        self.seat, self._restart, self.moving = None, restart, restart


def _connection(seat: LiveAgent, restart: bool) -> Json | None:
    """The kernel's connection, after a restart if one is wanted; None where that agent has no kernel (now)."""
    if restart:
        try:
            attach.ask(seat.entry, "restart_kernel", RESTART, agent=seat.agent)
        except AttachError as error:  # better the kernel as it is than a session without one
            _log.warning("run %s: its kernel was not restarted: %s", seat.entry.id, error)
    deadline = time.monotonic() + BEGIN
    while True:
        try:
            info = attach.ask(seat.entry, "kernel", agent=seat.agent)
        except AttachError as error:
            if error.kind in ("Gone", "Busy") or time.monotonic() > deadline or not _starts(seat):
                return None
            time.sleep(0.2)
            continue
        return {"signature_scheme": "hmac-sha256", **info, "key": str(info.get("key", "")).encode()}


def _has_kernel(seat: LiveAgent) -> bool:
    """Whether the runner gives that agent a kernel; one that does not answer is taken to."""
    try:
        attach.ask(seat.entry, "kernel", 10.0, agent=seat.agent)
    except AttachError as error:
        return error.kind in ("Gone", "Busy")
    return True


def _starts(seat: LiveAgent) -> bool:
    try:
        return bool(attach.ask(seat.entry, "status", 10.0).get("state") == "starting")
    except AttachError:
        return False


def _answers(info: Mapping[str, Any]) -> bool:
    """Whether something listens where the kernel was."""
    ipc = info.get("transport") == "ipc"
    place: Any = f"{info['ip']}-{info['shell_port']}" if ipc else (info["ip"], info["shell_port"])
    with sockets.socket(sockets.AF_UNIX if ipc else sockets.AF_INET) as sock:
        sock.settimeout(0.5)
        try:
            sock.connect(place)
        except OSError:
            return False
        return True


def _usable(name: str, value: Any) -> bool:
    return name != "cwd" or Path(str(value)).is_dir()
