"""Keeps a Jupyter session for each kernel of a live run.

Session and kernel ids are derived from the run's id. After a restart of the server they exist again before an
open tab asks for them, so the tab continues without noticing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from tornado.web import HTTPError

from cobra_jupyter.run.attach import AttachError
from cobra_jupyter.run.registry import Entry
from cobra_jupyter.server.paths import Paths
from cobra_jupyter.server.runner_calls import ask

Json = dict[str, Any]
SPEC = "cobra"  # the kernelspec
RETRY_AFTER = 3.0  # seconds before we ask again for the kernel of an agent that had none
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "cobra-jupyter")
_log = logging.getLogger(__name__)


def kernel_id(run: str, agent: str) -> str:
    return str(uuid.uuid5(_NAMES, f"kernel/{run}/{agent}"))


def session_id(run: str, agent: str) -> str:
    return str(uuid.uuid5(_NAMES, f"session/{run}/{agent}"))


class Kernels:
    """`kernels`, `sessions`, `specs` are Jupyter's managers; `sockets` is the class of kernel websockets."""

    def __init__(self, paths: Paths, *, kernels: Any, sessions: Any, specs: Any, sockets: Any = None) -> None:
        self._paths, self._kernels, self._sessions = paths, kernels, sessions
        self._specs, self._sockets = specs, sockets
        self._locks: dict[str, asyncio.Lock] = {}
        self._kernel_ids: dict[str, dict[str, str]] = {}  # by run, then by agent
        self._not_before: dict[tuple[str, str], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._installed: bool | None = None

    async def installed(self) -> bool:
        """Whether the kernelspec is installed. Without it, notebooks keep their own kernelspec."""
        if self._installed is None:
            try:
                await ensure_async(self._specs.get_kernel_spec(SPEC))
                self._installed = True
            except Exception:  # NoSuchKernel, or another error from a custom spec manager
                self._installed = False
                _log.warning(
                    "kernelspec %s is not installed: notebooks of runs open with a separate kernel", SPEC
                )
        return self._installed

    def has(self, run: str, agent: str) -> bool:
        return kernel_id(run, agent) in self._kernels

    def on_status(self, run: str, entry: Entry | None, status: Json) -> None:
        """Updates the run's sessions in the background."""
        if entry is None:
            self._in_background(self.end(run))
            return
        known, agents = self._kernel_ids.get(run, {}), status.get("agents", ())
        if any(agent["name"] not in known for agent in agents):
            self._in_background(self.ensure(entry, status))
        if returned := [
            agent["name"] for agent in agents if agent["name"] in known and not agent.get("busy")
        ]:
            self._in_background(self.remove_sessions(entry, returned))

    async def ensure(self, entry: Entry, status: Json) -> None:
        """Makes sure that each notebook of a live run has a session. Never raises."""
        if status.get("state") == "starting" or not await self.installed():
            return  # a starting run has no kernel yet
        async with self._lock(entry.id):
            for agent in status.get("agents", ()):
                try:
                    await self._session(entry, str(agent["name"]), entry.run / str(agent["notebook"]))
                except Exception:
                    _log.exception("no session for %s of run %s", agent.get("name"), entry.id)

    async def moved(self, run: str, agent: str, path: str) -> None:
        """Updates the session of a notebook that has a new path."""
        with contextlib.suppress(HTTPError, KeyError):
            session = await self._sessions.get_session(kernel_id=kernel_id(run, agent))
            await self._sessions.update_session(session["id"], path=path, name=path.rpartition("/")[2])

    async def remove_sessions(self, entry: Entry, agents: list[str]) -> None:
        """Removes the sessions of those agents that have finished and so have no kernel any more."""
        async with self._lock(entry.id):
            known = self._kernel_ids.get(entry.id, {})
            for agent in agents:
                kernel = known.get(agent)
                if kernel is None or self._connections(kernel) or not await self._has_returned(entry, agent):
                    continue
                del known[agent]
                if kernel in self._kernels and self._is_attached(
                    kernel, entry
                ):  # else a tab uses it as its own
                    await self._delete(kernel)

    async def end(self, run: str) -> None:
        """Removes the sessions of a run that has ended, except those that a tab uses.

        For those, the provisioner replaces the run's kernel with its own."""
        async with self._lock(run):
            for kernel in self._kernel_ids.pop(run, {}).values():
                if kernel in self._kernels and not self._connections(kernel):
                    await self._delete(kernel)

    async def close(self) -> None:
        """Stops the background work. The server then shuts the sessions down, which only detaches."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- one session

    async def _session(self, entry: Entry, agent: str, notebook: Path) -> None:
        path = self._paths.shown(notebook)
        if path is None or not await asyncio.to_thread(notebook.is_file):
            return
        kernel = kernel_id(entry.id, agent)
        folder, _, name = path.rpartition("/")
        if kernel not in self._kernels:
            if not await self._has_kernel(entry, agent):
                return
            await self._start(kernel, path, folder, name)
        elif not self._is_attached(kernel, entry):
            if not await self._has_kernel(entry, agent):
                return  # the agent has finished, and a tab uses the kernel as its own
            await self._attach_again(kernel)
        self._kernel_ids.setdefault(entry.id, {})[agent] = kernel
        await self._record(entry.id, agent, kernel, path, name)

    async def _delete(self, kernel: str) -> None:
        with contextlib.suppress(HTTPError, KeyError):
            session = await self._sessions.get_session(kernel_id=kernel)
            await self._sessions.delete_session(session["id"])

    async def _start(self, kernel: str, path: str, folder: str, name: str) -> None:
        environment = self._sessions.get_kernel_env(path, name)
        await ensure_async(
            self._kernels.start_kernel(kernel_id=kernel, kernel_name=SPEC, path=folder or "", env=environment)
        )

    async def _has_kernel(self, entry: Entry, agent: str) -> bool:
        """Whether the agent has a kernel; a finished agent has none. Repeats a no for a while."""
        now = asyncio.get_running_loop().time()
        if now < self._not_before.get((entry.token, agent), 0.0):
            return False
        try:
            await ask(entry, "kernel", 10.0, agent=agent)
        except AttachError:
            self._not_before[entry.token, agent] = now + RETRY_AFTER
            return False
        return True

    async def _has_returned(self, entry: Entry, agent: str) -> bool:
        """Whether the runner says that the agent has no kernel. False if the runner does not answer."""
        try:
            await ask(entry, "kernel", 10.0, agent=agent)
        except AttachError as error:
            return error.kind in ("Unknown", "Refused")
        return False

    async def _attach_again(self, kernel: str) -> None:
        """Switches from our replacement kernel to the kernel of the run's new runner.

        The sockets change, so everything that listens to them is restarted. Browsers reconnect by
        themselves."""
        await ensure_async(self._kernels.restart_kernel(kernel))
        with contextlib.suppress(AttributeError, KeyError):
            self._kernels.stop_watching_activity(kernel)
            self._kernels.start_watching_activity(kernel)
            self._kernels.stop_buffering(kernel)
        for connection in list(getattr(self._sockets, "_open_sockets", ())):
            if getattr(connection, "kernel_id", None) == kernel:
                # a returning tab gets the buffer under its key back, with the old sockets: change the key
                connection.session_key = f"left:{uuid.uuid4().hex}"
                connection.websocket_handler.close()

    async def _record(self, run: str, agent: str, kernel: str, path: str, name: str) -> None:
        """Updates the session of the kernel or the path if there is one; otherwise saves ours."""
        for known in ({"kernel_id": kernel}, {"path": path}):
            try:
                session = await self._sessions.get_session(**known)
            except (HTTPError, KeyError):
                continue
            if session["kernel"]["id"] != kernel or session["path"] != path:
                await self._sessions.update_session(session["id"], kernel_id=kernel, path=path, name=name)
            return
        await self._sessions.save_session(
            session_id(run, agent), path=path, name=name, type="notebook", kernel_id=kernel
        )

    def _is_attached(self, kernel: str, entry: Entry) -> bool:
        """Also True while a restart from the menu is under way."""
        provisioner = getattr(self._kernels.get_kernel(kernel), "provisioner", None)
        if getattr(provisioner, "relaunching", False):
            return True
        attached = getattr(provisioner, "attached", None)
        return attached is not None and bool(attached.entry == entry)

    def _connections(self, kernel: str) -> int:
        with contextlib.suppress(Exception):
            return int(self._kernels.kernel_model(kernel).get("connections") or 0)
        return 0

    # ---- concurrency

    @contextlib.asynccontextmanager
    async def _lock(self, run: str) -> AsyncIterator[None]:
        async with self._locks.setdefault(run, asyncio.Lock()):
            yield

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Gate:
    """Delays the lists of kernels and sessions until the sessions of live runs exist again.

    A tab that does not find its session in the list gives it up."""

    def __init__(self, kernels: Any, sessions: Any, seconds: float = 15.0) -> None:
        self._open, self._seconds = asyncio.Event(), seconds
        self._undo = [self._delay(kernels, "list_kernels"), self._delay(sessions, "list_sessions")]

    def open(self) -> None:
        self._open.set()
        for undo in self._undo:
            undo()
        self._undo.clear()

    def _delay(self, manager: Any, name: str) -> Any:
        original = getattr(manager, name)

        async def delayed(*args: Any, **kwargs: Any) -> Any:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._open.wait(), self._seconds)
            return await ensure_async(original(*args, **kwargs))

        setattr(manager, name, delayed)
        return lambda: delattr(manager, name)
