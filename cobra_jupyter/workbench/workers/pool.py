"""Runs each piece of work in its own forked process, with limits on time and memory.

A worker costs a few milliseconds because it is forked from a server that has already loaded the libraries. It
has its own process session; when it ends for any reason, its descendants end too."""

from __future__ import annotations

import bisect
import contextlib
import ctypes
import itertools
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing import connection, forkserver, resource_tracker
from pathlib import Path
from typing import Any

import psutil

from cobra_jupyter.workbench import disk
from cobra_jupyter.workbench.workers.worker import Work, wait_for_work

PRELOAD = (
    "cobra_jupyter.workbench.workers.worker",
    "cobra_jupyter.workbench.workers.preload",
    "lightgbm",
)
THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
TAIL_BYTES = 4_000
MOST_WAITING = 8  # workers forked ahead


@dataclass(frozen=True)
class Failure:
    """Why work failed. Kind: error, timeout, out_of_memory, killed, invalid_prediction or cancelled."""

    kind: str
    message: str
    rule: str | None = None
    place: str | None = None
    tail: str = ""

    def record(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """The result of a piece of work. `answer` is the worker's JSON, `seconds` wall time with the fork."""

    failure: Failure | None
    answer: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class _Worker:
    """A forked process that waits for its piece of work, and our end of its pipe."""

    process: Any
    pipe: connection.Connection


class Queue:
    """Admits `slots` pieces of work at a time, in order; background work comes last."""

    def __init__(self, slots: int) -> None:
        self._room = slots
        self._changed = threading.Condition()
        self._waiting: list[tuple[bool, int]] = []
        self._numbers = itertools.count()

    def enter(self, cancelled: threading.Event, background: bool) -> bool:
        """Waits for a slot. Returns False if the work is cancelled meanwhile."""
        with self._changed:
            ticket = (background, next(self._numbers))
            bisect.insort(self._waiting, ticket)
            try:
                while not (self._room and self._waiting[0] == ticket):
                    if cancelled.is_set():
                        return False
                    self._changed.wait(0.2)
                self._room -= 1
                return True
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def leave(self) -> None:
        with self._changed:
            self._room += 1
            self._changed.notify_all()


class Pool:
    """Runs work in forked processes, at most `slots` at once. Thread-safe.

    The next workers are forked ahead of time and wait, so a trial pays neither for the fork nor for the
    libraries."""

    def __init__(
        self,
        slots: int,
        memory_bytes: int,
        data_view: Callable[[Work], Path] | None = None,
        patience: float = 1.0,
    ) -> None:
        self.slots, self.patience = slots, patience  # work is stopped after its seconds times `patience`
        self.memory_bytes = memory_bytes
        self._data_view = data_view
        self._queue = Queue(slots)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOAD))
        self._running: set[int] = set()
        self._starting = threading.Lock()
        self._waiting: list[_Worker] = []
        self._closed = False
        _adopt_orphans()

    @property
    def busy(self) -> bool:
        """Whether any work is running."""
        return bool(self._running)

    def warm(self) -> None:
        """Starts the server, loads its libraries and forks the first workers, before any trial needs them."""
        with self._starting:
            while len(self._waiting) < min(self.slots, MOST_WAITING) and not self._closed:
                try:
                    self._waiting.append(self._fork())
                except (OSError, EOFError):
                    if not self._closed:
                        raise

    def _fork(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=wait_for_work, args=(theirs,), daemon=False)
        process.start()
        theirs.close()
        ours.recv_bytes()  # the worker is ready
        return _Worker(process, ours)

    def _take(self) -> _Worker:
        """Returns a waiting worker. The next one is forked in the background."""
        while True:
            with contextlib.suppress(IndexError):
                worker = self._waiting.pop(0)
                if worker.process.is_alive():
                    threading.Thread(target=self.warm, name="warm", daemon=True).start()
                    return worker
                continue
            if self._closed:
                raise RuntimeError("the harness is closing")
            self.warm()

    def run(
        self, work: Work, seconds: float, cancelled: threading.Event | None = None, background: bool = False
    ) -> Outcome:
        """Waits for a free slot, then does `work` within `seconds` of wall time; repeats it once if it was
        killed from outside. Work in the `background` lets other work go first. Raises DiskFull if the disk
        was full."""
        cancelled = cancelled or threading.Event()
        if not self._queue.enter(cancelled, background):
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
            self._queue.leave()

    def _run(self, work: Work, seconds: float, cancelled: threading.Event) -> Outcome:
        worker = self._take()
        started = time.monotonic()  # a cold start is not the work's time
        pid = worker.process.pid
        self._running.add(pid)
        try:
            with contextlib.suppress(OSError):  # if it has died, `_watch` notices
                worker.pipe.send((work, seconds))
            answer, failure = self._watch(
                worker.process, worker.pipe, work, started + seconds * self.patience, cancelled
            )
        finally:
            _end(pid)
            worker.process.join(5)
            worker.pipe.close()
            self._running.discard(pid)
            _end_orphans(self._known())
        if failure and cancelled.is_set():
            failure = Failure("cancelled", "cancelled")
        if failure:
            failure = Failure(**{**failure.record(), "tail": _tail(work.out / "output.log")})
        return Outcome(failure, answer, time.monotonic() - started)

    def _watch(
        self,
        process: Any,
        pipe: connection.Connection,
        work: Work,
        deadline: float,
        cancelled: threading.Event,
    ) -> tuple[dict[str, Any], Failure | None]:
        """Waits for the worker's answer, gives it its data folder on request, enforces time and memory."""
        for look in itertools.count(1):
            ready = connection.wait([pipe, process.sentinel], timeout=0.1)
            if pipe in ready:
                try:
                    message = dict(json.loads(pipe.recv_bytes(2**20)))
                except (EOFError, OSError, ValueError, TypeError):
                    process.join(5)
                    return {}, self._death(process)
                if message.get("ask") == "data":
                    assert self._data_view
                    pipe.send_bytes(json.dumps({"data": str(self._data_view(work))}).encode())
                    continue
                return message, _worker_failure(message)
            if process.sentinel in ready:
                return {}, self._death(process)
            if cancelled.is_set():
                return {}, Failure("cancelled", "cancelled")
            if time.monotonic() > deadline:
                return {}, Failure(
                    "timeout",
                    "not finished within its time; give the trial more with timeout=…, or make it smaller",
                )
            used = _memory(process.pid, descendants=look % 10 == 0)
            if used > self.memory_bytes:
                return {}, Failure(
                    "out_of_memory",
                    f"used {used / 2**20:.0f} MiB; {self.memory_bytes / 2**20:.0f} MiB are allowed",
                )
        raise AssertionError("unreachable")

    def _death(self, process: Any) -> Failure:
        code = process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = ", most likely by the system because memory ran out" if code == -signal.SIGKILL else ""
            return Failure("killed", f"the process was ended by {name}{hint}", rule=name)
        return Failure("killed", f"the process ended without an answer (exit code {code})")

    def _known(self) -> set[int]:
        tracker = getattr(resource_tracker._resource_tracker, "_pid", None)
        server = _server()
        waiting = {worker.process.pid for worker in list(self._waiting)}
        return {pid for pid in (tracker, server) if pid} | set(self._running) | waiting

    def close(self) -> None:
        """Ends the warm server and every worker."""
        self._closed = True
        if server := _server():
            _end(server)  # first, because `_starting` may be held until it has loaded the libraries
        with self._starting:
            waiting = [worker.process.pid for worker in self._waiting]
        for pid in [*waiting, *self._running]:
            _end(pid)
        with contextlib.suppress(Exception):
            forkserver._forkserver._stop()  # type: ignore[attr-defined]


def _from_outside(outcome: Outcome) -> bool:
    """Whether a person, or the system when memory ran out, killed the worker."""
    return outcome.failure is not None and outcome.failure.rule in ("SIGKILL", "SIGTERM")


def _server() -> int | None:
    pid: int | None = getattr(forkserver._forkserver, "_forkserver_pid", None)
    return pid


def limit_threads(environment: dict[str, str] | os._Environ[str]) -> None:
    """Limits each worker to one thread, as trials run in parallel. Call it before numerical imports."""
    for name in THREAD_LIMITS:
        environment[name] = "1"


def _worker_failure(message: dict[str, Any]) -> Failure | None:
    if message.get("status") == "ok":
        return None
    return Failure(
        str(message.get("kind", "error")),
        str(message.get("message", "")),
        message.get("rule"),
        message.get("place"),
    )


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-25:])
    except OSError:
        return ""


def _memory(pid: int, descendants: bool) -> int:
    """Returns the resident bytes of a process. With `descendants` it must walk over all processes."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in (process, *(process.children(recursive=True) if descendants else ())):
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total


def _adopt_orphans() -> None:
    """Makes this process adopt orphans below it (Linux), so that double-forked children cannot escape."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _end(pid: int) -> None:
    """Kills a worker, its session and all its descendants."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        worker = psutil.Process(pid)
        with contextlib.suppress(psutil.Error):
            worker.suspend()  # it must not fork while we list its children
        family = [*worker.children(recursive=True), worker]
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()


def _end_orphans(known: set[int]) -> None:
    """Kills and reaps processes that ended workers left behind."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children():
            if child.pid in known:
                continue
            with contextlib.suppress(psutil.Error, ChildProcessError):
                _end(child.pid)
                os.waitpid(child.pid, os.WNOHANG)
