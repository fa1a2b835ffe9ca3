"""The record of a run: append-only, hash-chained JSON lines; everything else can be rebuilt from it.

Each line is `{"seq", "time", "kind", "data", "prev", "hash"}`, its hash being SHA-256 over the previous hash and the
line without its own. Head and length stand in `run.json` and the report too, so a cut tail shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START = "0" * 64
DURABLE = frozenset({"run", "state", "protocol", "selection", "submission", "proof", "decision", "finish"})


class LedgerError(ValueError):
    """The record does not hold; the message names the line."""


@dataclass(frozen=True)
class Record:
    """One line. `time` is seconds since the epoch."""

    seq: int
    time: float
    kind: str
    data: dict[str, Any]
    prev: str
    hash: str


def _chained(seq: int, when: float, kind: str, data: Mapping[str, Any], prev: str) -> tuple[str, str]:
    """→ hash, the line as it is written."""
    body = json.dumps(
        {"seq": seq, "time": when, "kind": kind, "data": data, "prev": prev},
        ensure_ascii=False, allow_nan=False, separators=(",", ":"),
    )  # fmt: skip
    digest = hashlib.sha256(f"{prev}{body}".encode()).hexdigest()
    return digest, f'{body[:-1]},"hash":"{digest}"}}\n'


class Ledger:
    """The one writer of a run's record. Thread-safe; every line is flushed, decisions are on disk before it returns."""

    def __init__(self, path: Path, secrets: Iterable[str] = ()) -> None:
        """Start a new record. `secrets` are replaced wherever they would appear."""
        self.path = path
        self.head, self.length = START, 0
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 6)
        self._file = path.open("x", encoding="utf-8")
        self._lock = threading.Lock()
        self._followers: list[Callable[[Record], object]] = []

    def follow(self, callback: Callable[[Record], object]) -> None:
        """Give every record from now on to `callback`, in order."""
        self._followers.append(callback)

    def append(self, kind: str, data: Mapping[str, Any]) -> Record:
        """Write one record. Raises OSError when the disk will not take it."""
        clean = self._without_secrets(data)
        with self._lock:
            when = round(time.time(), 6)
            digest, line = _chained(self.length, when, kind, clean, self.head)
            self._file.write(line)
            self._file.flush()
            if kind in DURABLE:
                os.fdatasync(self._file.fileno()) if hasattr(os, "fdatasync") else os.fsync(
                    self._file.fileno()
                )
            record = Record(self.length, when, kind, clean, self.head, digest)
            self.head, self.length = digest, self.length + 1
        for callback in self._followers:
            callback(record)
        return record

    def _without_secrets(self, data: Mapping[str, Any]) -> dict[str, Any]:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, default=str)
        for secret in self._secrets:
            text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "[secret]")
        clean: dict[str, Any] = json.loads(text)
        return clean

    def close(self) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()


def read(path: Path) -> Iterator[Record]:
    """The records of a file, each checked against the chain. Raises LedgerError at the first that does not hold."""
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
    """Check the whole chain and that it ends where `run.json` says. Raises LedgerError."""
    last, count = START, 0
    for record in read(path):
        last, count = record.hash, count + 1
    if (last, count) != (head, length):
        raise LedgerError(f"{path.name} ends at line {count}, not where it was closed (line {length})")
