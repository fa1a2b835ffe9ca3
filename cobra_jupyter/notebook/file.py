"""The notebook's file: it follows the document's changes and is written whole or not at all."""

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

_DELAY = 0.1  # seconds from a change to its write: tabs that follow the document get the change first
_TRIES = 10  # writes, if another program writes the file each time
_log = logging.getLogger(__name__)


class NotebookWriteError(OSError):
    """The notebook could not be written; the previous file on disk is unharmed."""


class _Overtaken(Exception):  # noqa: N818
    """Another program wrote the file while we wrote ours beside it."""


class NotebookFile:
    """Writes a document to `path` at most once every `interval` seconds while it changes.

    A write goes to a temporary file that then replaces the old one, in a separate thread; `flush` also waits
    until the data is on disk. Create it inside a running event loop (outside of one, only `flush` writes).
    """

    def __init__(self, document: Document, path: Path, *, interval: float = 1.0) -> None:
        self.path = Path(path).resolve()  # a link stays a link
        self.error: NotebookWriteError | None = None  # set if the last write failed
        self.writes = 0
        self.seq = document.seq  # of the document at the last write
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
        )  # one thread keeps writes in order
        self._unsubscribe = document.subscribe(self._changed)
        self._seen: tuple[int, ...] | None = None  # inode, size and time of the file as we know it
        # called with what another program wrote, before our next write
        self.on_foreign: Callable[[str], None] | None = None

    async def look(self) -> None:
        """Check whether another program has written the file."""
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(self._thread, self._foreign)
        if text is not None and self.on_foreign is not None:
            self.on_foreign(text)
            self._dirty = True
            self._schedule()

    def move(self, path: Path) -> None:
        """From now on, write to `path`."""
        self.path = Path(path).resolve()
        self._changed(None)

    def digest(self) -> str | None:
        """SHA-256 (hex) of the last written content; None before the first write."""
        return self._digest

    async def flush(self) -> None:
        """Write pending changes and wait until they are on disk. Raises NotebookWriteError."""
        self._cancel_timer()
        if self._dirty or not self._synced:
            await self._write(sync=True)
        if self.error is not None:
            if not self._closed:
                self._schedule()  # try again later
            raise self.error

    async def settle(self) -> None:
        """Write pending changes, if there are any. Raises NotebookWriteError."""
        await self.look()
        if self._dirty or (self._task is not None and not self._task.done()):
            await self.flush()

    async def close(self) -> None:
        """Flush and stop following the document. Raises NotebookWriteError, but closes in any case."""
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
        wait = max(_DELAY, self._last + self._interval - loop.time())
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
        """Merge what another program wrote, then write; repeat until nobody wrote in between."""
        for _ in range(_TRIES):
            await self.look()
            self._last = asyncio.get_running_loop().time()
            self._synced = False
            parts, seq = self._document.parts(), self._document.seq
            self._dirty = False
            # shielded: a cancelled wait must not lose the thread's result
            if await asyncio.shield(asyncio.ensure_future(self._write_parts(parts, seq, sync))):
                return
        self._fail(OSError(errno.EBUSY, "another program keeps writing it"))

    async def _write_parts(self, parts: list[str], seq: int, sync: bool) -> bool:
        """→ False if another program wrote first, so the write must be repeated; else True, also on error."""
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
        """Whether another program has written the file since we last saw it."""
        now = _stat(self.path)
        return self._seen is not None and now is not None and now != self._seen

    def _foreign(self) -> str | None:
        """What another program wrote since our last write."""
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
                for part in parts:  # short parts: the event loop runs in between
                    data = part.encode("utf-8")
                    digest.update(data)
                    file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            if self.path.exists():
                shutil.copymode(self.path, fresh)
            seen = _stat(fresh)  # before replacing: another program may write right after it
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
    with contextlib.suppress(OSError):  # some file systems refuse; the content is already safe
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
