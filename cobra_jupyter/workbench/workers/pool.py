"""A pool of workers: work waits for a slot, and all work has an outcome."""

from __future__ import annotations

import bisect
import itertools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, order=True)
class Ticket:
    """A place in the queue: work needs `cores`, and perhaps the GPU."""

    background: bool
    number: int
    cores: int = 1
    gpu: bool = False


class Queue:
    """Admits work in order, as long as cores are free; work that a call waits for goes first. One piece of
    work has the GPU at a time: those that wait for it let others pass."""

    def __init__(self, slots: int) -> None:
        self._slots = self._free = slots
        self._gpu_free = True
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._numbers = itertools.count()

    def enter(
        self, cancelled: threading.Event, background: bool, cores: int = 1, gpu: bool = False
    ) -> Ticket | None:
        """Wait for a place. Returns None if cancelled first."""
        with self._changed:
            ticket = Ticket(background, next(self._numbers), min(cores, self._slots), gpu)
            bisect.insort(self._waiting, ticket)
            try:
                while self._next() != ticket:
                    if cancelled.is_set():
                        return None
                    self._changed.wait(0.2)
                self._free -= ticket.cores
                self._gpu_free = self._gpu_free and not gpu
                return ticket
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _next(self) -> Ticket | None:
        """The first that does not wait for the GPU, if there are cores enough for it."""
        first = next((ticket for ticket in self._waiting if self._gpu_free or not ticket.gpu), None)
        return first if first is not None and first.cores <= self._free else None

    def leave(self, ticket: Ticket) -> None:
        with self._changed:
            self._free += ticket.cores
            self._gpu_free = self._gpu_free or ticket.gpu
            self._changed.notify_all()


class Pool(ABC):
    """Runs work on `slots` cores; work takes as many as it has threads. Thread-safe. Subclasses implement
    where work runs.

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
        ticket = self._queue.enter(cancelled, background, work.threads, work.gpu)
        if ticket is None:
            return Outcome(Failure("cancelled", "cancelled before it started"), {}, 0.0)
        try:
            if cancelled.is_set():
                return Outcome(Failure("cancelled", "cancelled before it started"), {}, 0.0)
            outcome = self._run(work, seconds, cancelled)
            if _from_outside(outcome) and outcome.seconds < seconds and not cancelled.is_set():
                outcome = self._run(work, seconds - outcome.seconds, cancelled)
            if outcome.failure and outcome.failure.kind in ("error", "killed"):
                disk.check(work.out.parent)
            return outcome
        finally:
            self._queue.leave(ticket)


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
