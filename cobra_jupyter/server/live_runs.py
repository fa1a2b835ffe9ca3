"""Finds live runs in the registry, attaches once to each and keeps their statuses up to date."""

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
from cobra_jupyter.server.errors import RequestError, request_error
from cobra_jupyter.server.paths import Paths

Json = dict[str, Any]
LOOK_EVERY = 1.0  # seconds between two looks at the registry
TIMEOUT = 10.0  # seconds for a runner to answer a quick call
ATTACH_WAIT = 3.0  # seconds for which `look` waits for a new attachment
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Pending:
    """An attachment in the making. `look` waits for it up to `until`, in the loop's time."""

    task: asyncio.Task[None]
    until: float

    async def wait(self) -> None:
        left = self.until - asyncio.get_running_loop().time()
        if left > 0 and not self.task.done():
            await asyncio.wait([self.task], timeout=left)


class LiveRuns:
    """Belongs to one event loop. Calls each of `listeners` with `(id, entry, status)` for every status.

    The entry is None when the run has ended."""

    def __init__(self, paths: Paths) -> None:
        self.entries: dict[str, Entry] = {}
        self.statuses: dict[str, Json] = {}
        self.listeners: list[Callable[[str, Entry | None, Json], object]] = []
        self._paths = paths
        self._attachments: dict[str, Attachment] = {}
        self._attaching: dict[str, _Pending] = {}
        self._changed = asyncio.Event()
        self._look_lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    # ---- start and stop

    async def start(self) -> None:
        """Finds the runs that are alive now, then keeps looking."""
        await self.look()
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Detaches from all runs; they keep running."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for run in {*self._attaching, *self._attachments}:
            await self._detach(run)

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Pauses looking for runs."""
        async with self._look_lock:
            yield

    async def look(self) -> None:
        """Notices runs that started or ended.

        Waits only briefly for a new runner that hangs; the attachment follows when that runner answers."""
        async with self._look_lock:
            found = {
                entry.id: entry
                for entry in await asyncio.to_thread(registry.entries)
                if self._paths.shown(entry.run) is not None
            }
            before, self.entries = self.entries, found
            for run, entry in before.items():
                if found.get(run) != entry:
                    await self._drop(run, entry, ended=run not in found)
            for entry in found.values():
                self._start_attaching(entry)
            if before != found:
                self._changed.set()
                self._changed = asyncio.Event()
        await asyncio.gather(*(pending.wait() for pending in tuple(self._attaching.values())))

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except Exception:  # keep looking after a failure
                _log.exception("looking for runs failed")

    # ---- queries

    async def entry(self, run: str) -> Entry | None:
        """Returns the registry entry of a live run, or None."""
        if run not in self.entries:
            await self.look()
        return self.entries.get(run)

    async def until_changed(self, seconds: float) -> None:
        """Waits until a run starts or ends, at most for `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def call(self, run: str, name: str, seconds: float = TIMEOUT, **args: Any) -> Json:
        """Calls the runner of a live run. Raises RequestError."""
        attachment = self._attachments.get(run)
        if attachment is None or attachment.closed.is_set():
            await self.look()
            attachment = self._attachments.get(run)
        if attachment is None:
            raise RequestError(409, "the run's runner is gone: resume the run first")
        try:
            return await asyncio.wait_for(attachment.call(name, **args), seconds)
        except AttachError as error:
            raise request_error(error) from error
        except TimeoutError:
            raise RequestError(504, f"the runner has not answered for {seconds:.0f} s; try again") from None

    async def status(self, run: str) -> Json:
        """Returns the status of a live run: the current one if the runner answers quickly, else the last
        known one.

        Raises RequestError if there is none."""
        try:
            found = await self.call(run, "status", 2.0)
        except RequestError:
            if run not in self.statuses:
                raise
            return self.statuses[run]
        self.statuses[run] = found
        return found

    # ---- attaching

    def _start_attaching(self, entry: Entry) -> None:
        """Attaches in the background, unless this is done or under way."""
        attachment, pending = self._attachments.get(entry.id), self._attaching.get(entry.id)
        if (attachment is not None and not attachment.closed.is_set()) or (
            pending is not None and not pending.task.done()
        ):
            return
        until = asyncio.get_running_loop().time() + ATTACH_WAIT
        self._attaching[entry.id] = _Pending(asyncio.create_task(self._attach(entry)), until)

    async def _attach(self, entry: Entry) -> None:
        attachment = None
        try:
            attachment = await Attachment.open(entry)
            attachment.subscribe(lambda event: self._on_event(entry, event))
            self._attachments[entry.id] = attachment
            found = await attachment.call(
                "watch"
            )  # no timeout: a second call would only add work for a slow runner
            self._publish(entry.id, entry, found["status"])
        except (AttachError, KeyError) as error:
            _log.info("run %s: not attached (%s)", entry.id, error)
            self._attachments.pop(entry.id, None)
            if attachment is not None:
                await attachment.close()

    async def _detach(self, run: str) -> None:
        pending = self._attaching.pop(run, None)
        if pending is not None:
            pending.task.cancel()
            await asyncio.gather(pending.task, return_exceptions=True)
        attachment = self._attachments.pop(run, None)
        if attachment is not None:
            await attachment.close()

    def _on_event(self, entry: Entry, event: Json) -> None:
        if event.get("event") == "status" and isinstance(event.get("status"), dict):
            self._publish(entry.id, entry, event["status"])

    async def _drop(self, run: str, entry: Entry, ended: bool) -> None:
        await self._detach(run)
        self.statuses.pop(run, None)
        if ended:
            with contextlib.suppress(RequestError):
                self._publish(
                    run,
                    None,
                    await asyncio.to_thread(stored_runs.status, entry.run.resolve(), self._paths.root),
                )

    def _publish(self, run: str, entry: Entry | None, status: Json) -> None:
        if entry is not None:
            self.statuses[run] = status
        for listener in tuple(self.listeners):
            try:
                listener(run, entry, status)
            except Exception:  # a failing listener must not stop the others
                _log.exception("a listener failed")
