"""A pool whose work runs in threads of this process, one piece at a time as random states belong to the
process.

Not here: the guard on files, the limit of memory. A candidate that does not come back from native code is
left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from cobra_jupyter.workbench.workers.pool import Failure, Outcome, Pool, Queue, failure_of, tail
from cobra_jupyter.workbench.workers.worker import Surroundings, Work, do
from tests.inprocess import threads

LOOK = 0.05  # seconds between two looks whether the work is still wanted


class Ended(BaseException):
    """Raised in work that is not wanted any more."""


class InProcessPool(Pool):
    def __init__(
        self,
        slots: int,
        memory_bytes: int,
        data_view: Callable[[Work], Path] | None = None,
        patience: float = 1.0,
    ) -> None:
        super().__init__(slots, memory_bytes, data_view, patience)
        self._queue = Queue(1)
        self._working: threading.Thread | None = None
        self._closed = threading.Event()

    @property
    def busy(self) -> bool:
        return self._working is not None

    def warm(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        self._closed.set()

    def _run(self, work: Work, seconds: float, cancelled: threading.Event) -> Outcome:
        if self._closed.is_set():
            raise RuntimeError("the harness is closing")
        begun, answers = time.monotonic(), list[dict[str, Any]]()
        thread = threading.Thread(target=self._work, args=(work, begun + seconds, answers), daemon=True)
        self._working = thread
        try:
            thread.start()
            failure = self._watch(thread, begun + seconds * self.patience, cancelled)
        finally:
            self._working = None
        answer = answers[0] if answers and failure is None else {}
        if failure is None:
            failure = failure_of(answer)
        if failure and cancelled.is_set():
            failure = Failure("cancelled", "cancelled")
        if failure:
            failure = Failure(**{**failure.record(), "tail": tail(work.out / "output.log")})
        return Outcome(failure, answer, time.monotonic() - begun)

    def _work(self, work: Work, deadline: float, answers: list[dict[str, Any]]) -> None:
        work.out.mkdir(parents=True, exist_ok=True)
        begun, cpu = time.monotonic(), time.thread_time()
        with (
            threads.streams(),
            (work.out / "output.log").open("a") as log,
            threads.listening(lambda name, text: log.write(text) and None),
        ):
            answer = do(work, deadline, Surroundings(lambda: self._data_view(work), lambda work: None))
        answer["seconds"], answer["cpu_seconds"] = time.monotonic() - begun, time.thread_time() - cpu
        answer["rss_mb"] = psutil.Process().memory_info().rss / 2**20
        answers.append(answer)

    def _watch(self, thread: threading.Thread, deadline: float, cancelled: threading.Event) -> Failure | None:
        while thread.is_alive():
            thread.join(LOOK)
            if not thread.is_alive():
                return None
            if cancelled.is_set() or self._closed.is_set():
                threads.raise_in(thread, Ended)
                return Failure("cancelled", "cancelled")
            if time.monotonic() > deadline:
                threads.raise_in(thread, Ended)
                return Failure(
                    "timeout",
                    "not done within its time; give the trial more with timeout=…, or make it smaller",
                )
        return None
