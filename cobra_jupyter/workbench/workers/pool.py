"""A pool of workers: work waits for a slot, and all work has an outcome."""

from __future__ import annotations

import bisect
import itertools
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench import disk, results
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.workers.worker import Work

TAIL_BYTES = 4_000


@dataclass(frozen=True)
class Failure:
    """Why work failed. `kind` is error, timeout, out_of_memory, killed, invalid_prediction or cancelled."""

    kind: str
    message: str
    rule: str | None = None
    place: str | None = None
    tail: str = ""

    def record(self) -> results.Failure:
        return as_record(results.Failure, self)


@dataclass(frozen=True)
class Outcome:
    """The outcome of work. `answer` is the worker's JSON; `seconds` is wall time, with the fork."""

    failure: Failure | None
    answer: dict[str, Any]
    seconds: float
    beside: bool = False  # work of the other sort, background or not, ran at its begin or end


class Queue:
    """Admits `slots` pieces of work at once, in order; work that a call waits for goes first."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self.running = Counter[bool]()  # work in the background (True) and other work
        self._changed = threading.Condition()
        self._waiting: list[tuple[bool, int]] = []
        self._numbers = itertools.count()

    def enter(self, cancelled: threading.Event, background: bool) -> bool:
        """Wait for a slot. Returns False if cancelled first."""
        with self._changed:
            ticket = (background, next(self._numbers))
            bisect.insort(self._waiting, ticket)
            try:
                while not (self._free and self._waiting[0] == ticket):
                    if cancelled.is_set():
                        return False
                    self._changed.wait(0.2)
                self._free -= 1
                self.running[background] += 1
                return True
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def leave(self, background: bool = False) -> None:
        with self._changed:
            self._free += 1
            self.running[background] -= 1
            self._changed.notify_all()


class Pool(ABC):
    """Runs at most `slots` pieces of work at once. Thread-safe. Subclasses implement where work runs.

    Work may take `patience` times as long as it is told."""

    def __init__(
        self,
        slots: int,
        memory_bytes: int,
        data_view: Callable[[Work], Path] | None = None,
        patience: float = 1.0,
    ) -> None:
        self.slots, self.patience, self.memory_bytes = slots, patience, memory_bytes
        self._data_view = data_view
        self._queue = Queue(slots)

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether any work runs."""

    @abstractmethod
    def warm(self) -> None:
        """Prepare the pool, so that the first work need not wait."""

    @abstractmethod
    def close(self) -> None:
        """End all work."""

    @abstractmethod
    def _run(self, work: Work, seconds: float, cancelled: threading.Event) -> Outcome:
        """Do work that has a slot."""

    def run(
        self, work: Work, seconds: float, cancelled: threading.Event | None = None, background: bool = False
    ) -> Outcome:
        """Wait for a free slot, then do `work` within `seconds` of wall time; repeat it once if killed.

        Work in the `background` lets other work go first. Raises DiskFull if a full disk made it fail."""
        cancelled = cancelled or threading.Event()
        if not self._queue.enter(cancelled, background):
            return Outcome(Failure("cancelled", "cancelled before it started"), {}, 0.0)
        beside = self._queue.running[not background] > 0
        try:
            if cancelled.is_set():
                return Outcome(Failure("cancelled", "cancelled before it started"), {}, 0.0)
            outcome = self._run(work, seconds, cancelled)
            if _from_outside(outcome) and outcome.seconds < seconds and not cancelled.is_set():
                outcome = self._run(work, seconds - outcome.seconds, cancelled)
            if outcome.failure and outcome.failure.kind in ("error", "killed"):
                disk.check(work.out.parent)
            return replace(outcome, beside=beside or self._queue.running[not background] > 0)
        finally:
            self._queue.leave(background)


MakePool = Callable[[int, int, Callable[[Work], Path], float], Pool]


def _from_outside(outcome: Outcome) -> bool:
    """Whether a person killed the worker, or the system because memory was short."""
    return outcome.failure is not None and outcome.failure.rule in ("SIGKILL", "SIGTERM")


def failure_of(message: dict[str, Any]) -> Failure | None:
    """Return the failure in a worker's answer, if any."""
    if message.get("status") == "ok":
        return None
    return Failure(
        str(message.get("kind", "error")),
        str(message.get("message", "")),
        message.get("rule"),
        message.get("place"),
    )


def tail(path: Path) -> str:
    """Return the end of the output of work."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-25:])
    except OSError:
        return ""
