"""The notebook's file: written behind the document's changes, whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import itertools
import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cobra_jupyter.notebook.document import Document, Operation

_BREATH = 0.1  # seconds from a change to its write: those who follow the document learn of it first
_TRIES = 10  # of a write under which somebody else writes the file every time
_log = logging.getLogger(__name__)


class NotebookWriteError(OSError):
    """The notebook could not be written; the file on disk is the previous one, unharmed."""


class _Overtaken(Exception):  # noqa: N818
    """Somebody else wrote the file while we wrote ours beside it."""


class NotebookFile:
    """Writes a document to `path` at most once every `interval` seconds while it changes.

    A write goes to a file beside it that then takes its place, in a thread of its own; `flush` also waits
    until the disk has it. Make it inside a running event loop (outside of one only `flush` writes).
    """

    def __init__(self, document: Document, path: Path, *, interval: float = 1.0) -> None:
        self.path = Path(path).resolve()  # a link stays a link
        self.error: NotebookWriteError | None = None  # of the last write, if it failed
        self.writes = 0
        self.seq = document.seq  # of the document as it was written last
        self._document = document
        self._interval = interval
        self._dirty = True
        self._synced = False
        self._closed = False
        self._digest: str | None = None
        self._last = -interval
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._numbers = itertools.count()
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="notebook-file"
        )  # one: writes keep their order
        self._unsubscribe = document.subscribe(self._changed)
        self._seen: tuple[int, ...] | None = None  # of the file as we know it: its number, size and time
        self.on_foreign: Callable[[str], None] | None = (
            None  # given what somebody else wrote, before our next write
        )

    async def look(self) -> None:
        """See whether somebody else has written the file."""
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(self._thread, self._foreign)
        if text is not None and self.on_foreign is not None:
            self.on_foreign(text)
            self._dirty = True
            self._schedule()

    def move(self, path: Path) -> None:
        """Write there from now on."""
        self.path = Path(path).resolve()
        self._changed(None)

    def digest(self) -> str | None:
        """SHA-256, in hex, of what was last written; None before the first write."""
        return self._digest

    async def flush(self) -> None:
        """Write what is unwritten and wait until the disk has it. Raises NotebookWriteError."""
        self._cancel_timer()
        if self._dirty or not self._synced:
            await self._write(sync=True)
        if self.error is not None:
            if not self._closed:
                self._schedule()  # what could not be written now may be later
            raise self.error

    async def settle(self) -> None:
        """Write what is unwritten, if anything is. Raises NotebookWriteError."""
        await self.look()
        if self._dirty or (self._task is not None and not self._task.done()):
            await self.flush()

    async def close(self) -> None:
        """Flush and follow the document no longer. Raises NotebookWriteError, but is closed all the same."""
        self._unsubscribe()
        self._closed = True
        try:
            await self.flush()
        finally:
            self._thread.shutdown(wait=False)

    def _changed(self, _: Operation | None) -> None:
        self._dirty = True
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None or (self._task is not None and not self._task.done()):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        wait = max(_BREATH, self._last + self._interval - loop.time())
        self._timer = loop.call_later(wait, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.create_task(self._write(sync=False))
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and self._dirty and not self._closed:
            self._schedule()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _write(self, sync: bool) -> None:
        """Take in what somebody else wrote, then write, until nobody wrote in between."""
        for _ in range(_TRIES):
            await self.look()
            self._last = asyncio.get_running_loop().time()
            self._synced = False
            parts, seq = self._document.parts(), self._document.seq
            self._dirty = False
            # shielded: a cancelled wait must not lose what the thread reports
            if await asyncio.shield(asyncio.ensure_future(self._write_parts(parts, seq, sync))):
                return
        self._fail(OSError(errno.EBUSY, "another program keeps writing it"))

    async def _write_parts(self, parts: list[str], seq: int, sync: bool) -> bool:
        """→ whether the try is over, for better or worse: it is not where somebody else's write came before ours."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._replace, parts, sync)
        try:
            self._digest = await work
        except _Overtaken:
            self._dirty = True
            return False
        except OSError as error:
            self._dirty = True
            self._fail(error)
            return True
        self.error, self.seq = None, seq
        self.writes += 1
        self._synced = sync
        return True

    def _fail(self, error: OSError) -> None:
        if self.error is None:
            _log.warning("notebook not written: %s", error)
        self.error = NotebookWriteError(
            error.errno, f"notebook not written ({error.strerror})", str(self.path)
        )
        self.error.__cause__ = error

    def _overtaken(self) -> bool:
        """Whether somebody else has written the file since we saw it last."""
        now = _stat(self.path)
        return self._seen is not None and now is not None and now != self._seen

    def _foreign(self) -> str | None:
        """What somebody else wrote since we did."""
        if not self._overtaken():
            return None
        self._seen = _stat(self.path) or self._seen
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return self.path.read_text(encoding="utf-8")
        return None

    def _replace(self, parts: list[str], sync: bool) -> str:
        digest = hashlib.sha256()
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}-{next(self._numbers)}.tmp")
        try:
            with fresh.open("xb") as file:
                for part in parts:  # each short: the event loop goes on between two
                    data = part.encode("utf-8")
                    digest.update(data)
                    file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            if self.path.exists():
                shutil.copymode(self.path, fresh)
            seen = _stat(fresh)  # now: once in its place, the next writer may be quicker than a look
            if self._overtaken():
                raise _Overtaken
            fresh.replace(self.path)
            self._seen = seen
        except BaseException:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise
        if sync:
            _sync_folder(self.path.parent)
        return digest.hexdigest()


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems refuse; the content is safe by then
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
