"""Jupyter sessions for the kernels of living runs.

Their ids follow from the run's: after a restart of the server the same session and kernel are there again before an
open tab asks for them, so the tab goes on as if nothing had been."""

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
AGAIN = 3.0  # seconds before an agent without a kernel is asked for one again
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "cobra-jupyter")
_log = logging.getLogger(__name__)


def kernel_id(run: str, agent: str) -> str:
    return str(uuid.uuid5(_NAMES, f"kernel/{run}/{agent}"))


def session_id(run: str, agent: str) -> str:
    return str(uuid.uuid5(_NAMES, f"session/{run}/{agent}"))


class Kernels:
    """`kernels` and `sessions` are Jupyter's managers; `sockets` is the class of its kernel websockets."""

    def __init__(self, places: Paths, kernels: Any, sessions: Any, specs: Any, sockets: Any = None) -> None:
        self._places, self._kernels, self._sessions = places, kernels, sessions
        self._specs, self._sockets = specs, sockets
        self._locks: dict[str, asyncio.Lock] = {}
        self._held: dict[str, dict[str, str]] = {}  # run → agent → kernel id
        self._not_before: dict[tuple[str, str], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._installed: bool | None = None

    async def installed(self) -> bool:
        """Whether the kernelspec is there; without it notebooks keep their own."""
        if self._installed is None:
            try:
                await ensure_async(self._specs.get_kernel_spec(SPEC))
                self._installed = True
            except Exception:  # NoSuchKernel, or what a spec manager of another kind raises
                self._installed = False
                _log.warning("no kernelspec %s: run notebooks open with a kernel of their own", SPEC)
        return self._installed

    def has(self, run: str, agent: str) -> bool:
        return kernel_id(run, agent) in self._kernels

    def told(self, run: str, entry: Entry | None, status: Json) -> None:
        """A status of a run was heard: see to its sessions without holding anyone up."""
        if entry is None:
            self._later(self.end(run))
            return
        held, agents = self._held.get(run, {}), status.get("agents", ())
        if any(agent["name"] not in held for agent in agents):
            self._later(self.ensure(entry, status))
        if back := [agent["name"] for agent in agents if agent["name"] in held and not agent.get("busy")]:
            self._later(self.leave(entry, back))

    async def ensure(self, entry: Entry, status: Json) -> None:
        """Have a session for each notebook of a living run. Never raises."""
        if status.get("state") == "starting" or not await self.installed():
            return  # its kernel is not there yet
        async with self._lock(entry.id):
            for agent in status.get("agents", ()):
                try:
                    await self._session(entry, str(agent["name"]), entry.run / str(agent["notebook"]))
                except Exception:
                    _log.exception("no session for %s of run %s", agent.get("name"), entry.id)

    async def moved(self, run: str, agent: str, path: str) -> None:
        """A notebook has a new path."""
        with contextlib.suppress(HTTPError, KeyError):
            session = await self._sessions.get_session(kernel_id=kernel_id(run, agent))
            await self._sessions.update_session(session["id"], path=path, name=path.rpartition("/")[2])

    async def leave(self, entry: Entry, agents: list[str]) -> None:
        """Of these agents, those who have come back have no kernel any more: their sessions go as at the end of a run."""
        async with self._lock(entry.id):
            held = self._held.get(entry.id, {})
            for agent in agents:
                kernel = held.get(agent)
                if kernel is None or self._connections(kernel) or not await self._came_back(entry, agent):
                    continue
                del held[agent]
                if kernel in self._kernels and self._attached(kernel, entry):  # else it is a tab's own by now
                    await self._delete(kernel)

    async def end(self, run: str) -> None:
        """A run is over: sessions that no tab is attached to go; where one is, the provisioner starts a kernel of
        its own in the place of the run's."""
        async with self._lock(run):
            for kernel in self._held.pop(run, {}).values():
                if kernel in self._kernels and not self._connections(kernel):
                    await self._delete(kernel)

    async def close(self) -> None:
        """Forget all; the server's own end shuts the sessions down, which only detaches."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- one session

    async def _session(self, entry: Entry, agent: str, notebook: Path) -> None:
        path = self._places.shown(notebook)
        if path is None or not await asyncio.to_thread(notebook.is_file):
            return
        kernel = kernel_id(entry.id, agent)
        folder, _, name = path.rpartition("/")
        if kernel not in self._kernels:
            if not await self._has_kernel(entry, agent):
                return
            await self._start(kernel, path, folder, name)
        elif not self._attached(kernel, entry):
            if not await self._has_kernel(entry, agent):
                return  # it has come back, and the kernel is the own one of a tab that goes on
            await self._attach_again(kernel)
        self._held.setdefault(entry.id, {})[agent] = kernel
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
        """One that has come back has none; asked again only after a while, as statuses come often."""
        now = asyncio.get_running_loop().time()
        if now < self._not_before.get((entry.token, agent), 0.0):
            return False
        try:
            await ask(entry, "kernel", 10.0, agent=agent)
        except AttachError:
            self._not_before[entry.token, agent] = now + AGAIN
            return False
        return True

    async def _came_back(self, entry: Entry, agent: str) -> bool:
        """Whether the runner says that an agent has no kernel; one that does not answer says nothing."""
        try:
            await ask(entry, "kernel", 10.0, agent=agent)
        except AttachError as error:
            return error.kind in ("Unknown", "Refused")
        return False

    async def _attach_again(self, kernel: str) -> None:
        """The run has a new runner: from the kernel that stood in for it, to that of the run. Its sockets are others,
        so what listened to the old ones begins anew; browsers connect again by themselves."""
        await ensure_async(self._kernels.restart_kernel(kernel))
        with contextlib.suppress(AttributeError, KeyError):
            self._kernels.stop_watching_activity(kernel)
            self._kernels.start_watching_activity(kernel)
            self._kernels.stop_buffering(kernel)
        for connection in list(getattr(self._sockets, "_open_sockets", ())):
            if getattr(connection, "kernel_id", None) == kernel:
                # what is buffered under a tab's key is taken up when it is back: here that would be the old sockets
                connection.session_key = f"left:{uuid.uuid4().hex}"
                connection.websocket_handler.close()

    async def _record(self, run: str, agent: str, kernel: str, path: str, name: str) -> None:
        """The row of the session: the one of the tab's if it has one, else ours."""
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

    def _attached(self, kernel: str, entry: Entry) -> bool:
        """Or about to be: a restart from the menu is under way."""
        provisioner = getattr(self._kernels.get_kernel(kernel), "provisioner", None)
        if getattr(provisioner, "moving", False):
            return True
        seat = getattr(provisioner, "seat", None)
        return seat is not None and bool(seat.entry == entry)

    def _connections(self, kernel: str) -> int:
        with contextlib.suppress(Exception):
            return int(self._kernels.kernel_model(kernel).get("connections") or 0)
        return 0

    # ---- order

    @contextlib.asynccontextmanager
    async def _lock(self, run: str) -> AsyncIterator[None]:
        async with self._locks.setdefault(run, asyncio.Lock()):
            yield

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Gate:
    """Until the sessions of living runs are there again, nobody is told which kernels and sessions there are: a tab that
    misses its own in the list gives it up."""

    def __init__(self, kernels: Any, sessions: Any, seconds: float = 15.0) -> None:
        self._open, self._seconds = asyncio.Event(), seconds
        self._undo = [self._hold(kernels, "list_kernels"), self._hold(sessions, "list_sessions")]

    def open(self) -> None:
        self._open.set()
        for undo in self._undo:
            undo()
        self._undo.clear()

    def _hold(self, manager: Any, name: str) -> Any:
        original = getattr(manager, name)

        async def held(*args: Any, **kwargs: Any) -> Any:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._open.wait(), self._seconds)
            return await ensure_async(original(*args, **kwargs))

        setattr(manager, name, held)
        return lambda: delattr(manager, name)
