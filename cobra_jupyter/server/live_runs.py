"""The runs that live: found by what their runners registered, each attached to once, their statuses kept fresh."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.run import registry
from cobra_jupyter.run.attach import AttachError, Attachment
from cobra_jupyter.run.registry import Entry
from cobra_jupyter.server import stored_runs
from cobra_jupyter.server.errors import RequestError, refusal_of
from cobra_jupyter.server.paths import Paths

Json = dict[str, Any]
LOOK = 1.0  # seconds between two looks at the registry
PATIENCE = 10.0  # seconds in which a runner answers what takes it no time
SOON = 3.0  # seconds for which those who look wait until a runner that was found has been attached to
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Begun:
    """An attachment that is being made; `until` is the loop's time to which those who look wait for it."""

    task: asyncio.Task[None]
    until: float

    async def wait(self) -> None:
        left = self.until - asyncio.get_running_loop().time()
        if left > 0 and not self.task.done():
            await asyncio.wait([self.task], timeout=left)


class LiveRuns:
    """Of one event loop. `listeners` are told of every status: `(id, entry, status)`, the entry None when the run has
    ended."""

    def __init__(self, places: Paths) -> None:
        self.entries: dict[str, Entry] = {}
        self.statuses: dict[str, Json] = {}
        self.listeners: list[Callable[[str, Entry | None, Json], object]] = []
        self._places = places
        self._attachments: dict[str, Attachment] = {}
        self._attaching: dict[str, _Begun] = {}
        self._changed = asyncio.Event()
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    # ---- life

    async def start(self) -> None:
        """Find the runs that live already; then go on looking."""
        await self.look()
        self._task = asyncio.create_task(self._look_on())

    async def stop(self) -> None:
        """Detach from all; they live on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for run in {*self._attaching, *self._attachments}:
            await self._detach(run)

    @contextlib.asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Nobody looks meanwhile."""
        async with self._looking:
            yield

    async def look(self) -> None:
        """Take notice of runs that came to life and of those that ended. A runner that hangs holds up nobody for long, and
        only those who look right when it is found: it is attached to whenever it answers."""
        async with self._looking:
            found = {
                entry.id: entry
                for entry in await asyncio.to_thread(registry.entries)
                if self._places.shown(entry.run) is not None
            }
            before, self.entries = self.entries, found
            for run, entry in before.items():
                if found.get(run) != entry:
                    await self._let_go(run, entry, ended=run not in found)
            for entry in found.values():
                self._begin(entry)
            if before != found:
                self._changed.set()
                self._changed = asyncio.Event()
        await asyncio.gather(*(begun.wait() for begun in tuple(self._attaching.values())))

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.look()
            except Exception:  # a look that failed must not be the last
                _log.exception("looking for runs failed")

    # ---- what others ask

    async def entry(self, run: str) -> Entry | None:
        """Where a run's runner listens, if it lives."""
        if run not in self.entries:
            await self.look()
        return self.entries.get(run)

    async def until_changed(self, seconds: float) -> None:
        """Wait until runs come or go, or for some seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def call(self, run: str, name: str, seconds: float = PATIENCE, **args: Any) -> Json:
        """Ask a living run's runner. Raises Refusal."""
        attachment = self._attachments.get(run)
        if attachment is None or attachment.closed.is_set():
            await self.look()
            attachment = self._attachments.get(run)
        if attachment is None:
            raise RequestError(409, "the run's runner is gone: resume the run first")
        try:
            return await asyncio.wait_for(attachment.call(name, **args), seconds)
        except AttachError as error:
            raise refusal_of(error) from error
        except TimeoutError:
            raise RequestError(504, f"the runner has not answered for {seconds:.0f} s; try again") from None

    async def status(self, run: str) -> Json:
        """A living run's status, at this moment if the runner is quick, else the last that it told. Raises Refusal where it
        has told none."""
        try:
            found = await self.call(run, "status", 2.0)
        except RequestError:
            if run not in self.statuses:
                raise
            return self.statuses[run]
        self.statuses[run] = found
        return found

    # ---- attaching

    def _begin(self, entry: Entry) -> None:
        """Attach, unless that is done or under way."""
        held, begun = self._attachments.get(entry.id), self._attaching.get(entry.id)
        if (held is not None and not held.closed.is_set()) or (begun is not None and not begun.task.done()):
            return
        until = asyncio.get_running_loop().time() + SOON
        self._attaching[entry.id] = _Begun(asyncio.create_task(self._attach(entry)), until)

    async def _attach(self, entry: Entry) -> None:
        attachment = None
        try:
            attachment = await Attachment.open(entry)
            attachment.subscribe(lambda event: self._heard(entry, event))
            self._attachments[entry.id] = attachment
            found = await attachment.call(
                "watch"
            )  # however long it hangs: asked again, it would have the more to do
            self._tell(entry.id, entry, found["status"])
        except (AttachError, KeyError) as error:
            _log.info("run %s: not attached (%s)", entry.id, error)
            self._attachments.pop(entry.id, None)
            if attachment is not None:
                await attachment.close()

    async def _detach(self, run: str) -> None:
        begun = self._attaching.pop(run, None)
        if begun is not None:
            begun.task.cancel()
            await asyncio.gather(begun.task, return_exceptions=True)
        attachment = self._attachments.pop(run, None)
        if attachment is not None:
            await attachment.close()

    def _heard(self, entry: Entry, event: Json) -> None:
        if event.get("event") == "status" and isinstance(event.get("status"), dict):
            self._tell(entry.id, entry, event["status"])

    async def _let_go(self, run: str, entry: Entry, ended: bool) -> None:
        await self._detach(run)
        self.statuses.pop(run, None)
        if ended:
            with contextlib.suppress(RequestError):
                self._tell(
                    run,
                    None,
                    await asyncio.to_thread(stored_runs.status, entry.run.resolve(), self._places.root),
                )

    def _tell(self, run: str, entry: Entry | None, status: Json) -> None:
        if entry is not None:
            self.statuses[run] = status
        for listener in tuple(self.listeners):
            try:
                listener(run, entry, status)
            except Exception:  # one who listens must not stop the rest
                _log.exception("a listener failed")
