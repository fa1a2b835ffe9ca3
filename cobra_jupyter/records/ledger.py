"""The record of a run: append-only, hash-chained JSON lines, from which everything else can be rebuilt.

Each line is `{"seq", "time", "kind", "data", "prev", "hash"}`. The hash is SHA-256 over the previous hash and
the line without its own hash. `run.json` and the report contain head and length too, so a cut tail is
noticed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cobra_jupyter.workbench import disk
from cobra_jupyter.workbench.kind import Kind
from cobra_jupyter.workbench.rebuild import Line

START = "0" * 64
T = TypeVar("T", bound=Mapping[str, Any])
LOOK = 0.3  # seconds to wait for the lock: `is_locked` holds it for an instant
DURABLE = frozenset({"run", "state", "protocol", "selection", "submission", "proof", "decision", "finish"})


class LedgerError(ValueError):
    """The record is broken or in use; the message names the line or the run."""


@dataclass(frozen=True)
class Record(Line):
    """One line with its hashes."""

    prev: str
    hash: str


def _chained(seq: int, when: float, kind: str, data: Mapping[str, Any], prev: str) -> tuple[str, str]:
    """→ hash, the line as written to the file."""
    body = json.dumps(
        {"seq": seq, "time": when, "kind": kind, "data": data, "prev": prev},
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    digest = hashlib.sha256(f"{prev}{body}".encode()).hexdigest()
    return digest, f'{body[:-1]},"hash":"{digest}"}}\n'


class Ledger:
    """The only writer of a run's record. Thread-safe. Every line is flushed; decisions are synced to disk."""

    def __init__(
        self,
        path: Path,
        secrets: Iterable[str] = (),
        on_earlier: Callable[[Record], object] = lambda record: None,
    ) -> None:
        """Start a new record, or continue an existing one: cut a torn last line and pass its records to
        `on_earlier`. `secrets` are replaced wherever they would appear. Raises LedgerError if the chain is
        broken or another process writes this record."""
        self.path = path
        self.head, self.length, self.cut = START, 0, 0
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 6)
        self._file = path.open("ab", buffering=0)
        self._lock = threading.RLock()  # followers are called within it, so in order
        self._followers: list[Callable[[Record], object]] = []
        self._failure: OSError | None = None
        try:
            _lock_file(self._file.fileno(), path)
            self._go_on(on_earlier)
        except BaseException:
            self._file.close()
            raise

    def _go_on(self, on_earlier: Callable[[Record], object]) -> None:
        """Find the end of the record; `cut` becomes the size of a torn last line in bytes."""
        size = self.path.stat().st_size
        whole = _whole_bytes(self.path)
        self.cut = size - whole
        if self.cut:
            os.ftruncate(self._file.fileno(), whole)
        for record in read(self.path):
            self.head, self.length = record.hash, self.length + 1
            on_earlier(record)

    def follow(self, callback: Callable[[Record], object]) -> None:
        """Pass every record from now on to `callback`, in order."""
        self._followers.append(callback)

    def append(self, kind: Kind[T], data: T) -> Record:
        """Write one record. Raises DiskFull."""
        return self.write(kind, data)

    def write(self, kind: str, data: Mapping[str, Any]) -> Record:
        """Write one record of any kind. Raises DiskFull; then all later writes fail too, as the record would
        have a gap."""
        clean = self._without_secrets(data)
        with self._lock:
            if self._failure:
                raise self._failure
            when = round(time.time(), 6)
            digest, line = _chained(self.length, when, kind, clean, self.head)
            self._write(line.encode(), kind in DURABLE)
            record = Record(self.length, when, kind, clean, self.head, digest)
            self.head, self.length = digest, self.length + 1
            for callback in self._followers:
                callback(record)
        return record

    def _write(self, line: bytes, durable: bool) -> None:
        """Write the whole line or nothing."""
        begin = os.fstat(self._file.fileno()).st_size
        try:
            while line:
                line = line[self._file.write(line) :]
            if durable:
                getattr(os, "fdatasync", os.fsync)(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), begin)
            self._failure = disk.no_room(self.path.parent, error) if error.errno in disk.NO_ROOM else error
            raise self._failure from error

    def _without_secrets(self, data: Mapping[str, Any]) -> dict[str, Any]:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, default=str)
        for secret in self._secrets:
            text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "[secret]")
        clean: dict[str, Any] = json.loads(text)
        return clean

    def clean(self, text: str) -> str:
        """A text without secrets, for files beside the record."""
        return str(self._without_secrets({"text": text})["text"])

    def close(self) -> None:
        with self._lock:
            if not self._file.closed:
                with contextlib.suppress(OSError):
                    os.fsync(self._file.fileno())
                self._file.close()


def _lock_file(descriptor: int, path: Path) -> None:
    end = time.monotonic() + LOOK
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if time.monotonic() > end:
                raise LedgerError(f"{path.parent}: this run is going on in another process") from error
            time.sleep(0.02)


def _whole_bytes(path: Path) -> int:
    """Where the last complete line ends; an interrupted write left the rest."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while size:
            start = max(0, size - 65_536)
            file.seek(start)
            end = file.read(size - start).rfind(b"\n")
            if end >= 0:
                return start + end + 1
            size = start
    return 0


def read(path: Path) -> Iterator[Record]:
    """The records of a file, each checked against the chain. Raises LedgerError at the first broken line."""
    prev = START
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            try:
                found = json.loads(line)
                record = Record(**found)
            except (ValueError, TypeError) as error:
                raise LedgerError(f"{path.name}, line {number + 1}: not a record ({error})") from error
            digest, _ = _chained(record.seq, record.time, record.kind, record.data, prev)
            if record.seq != number or record.prev != prev or record.hash != digest:
                raise LedgerError(f"{path.name}, line {number + 1}: the chain is broken here")
            prev = digest
            yield record


def verify(path: Path, head: str, length: int) -> None:
    """Check the whole chain, and that it ends where `run.json` says. Raises LedgerError."""
    last, count = START, 0
    for record in read(path):
        last, count = record.hash, count + 1
    if (last, count) != (head, length):
        raise LedgerError(f"{path.name} ends at line {count}, not where it was closed (line {length})")


def is_locked(folder: Path) -> bool:
    """Whether a runner writes this run's record now. It holds a lock, which ends with its process."""
    try:
        with (folder / "ledger.jsonl").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
