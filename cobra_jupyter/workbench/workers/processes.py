"""The warm server and its workers: one forked process per piece of work, with limits.

A worker costs a few milliseconds, because it is forked from a server that has loaded the libraries. Each
worker has its own session; when it ends for any reason, its descendants are ended too."""

from __future__ import annotations

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
from dataclasses import dataclass, replace
from multiprocessing import connection, forkserver, resource_tracker
from pathlib import Path
from typing import Any

import psutil

from cobra_jupyter.workbench.workers.pool import Failure, Outcome, Pool, failure_of, tail
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
MOST_WAITING = 8  # workers forked ahead


@dataclass(frozen=True)
class _Worker:
    """A forked process that waits for one piece of work, and the pool's end of its pipe."""

    process: Any
    pipe: connection.Connection


class ProcessPool(Pool):
    """Runs work in forked processes.

    The next workers are forked in advance, so that a trial pays neither for the fork nor for libraries.
    """

    def __init__(
        self,
        slots: int,
        memory_bytes: int,
        data_view: Callable[[Work], Path] | None = None,
        patience: float = 1.0,
    ) -> None:
        super().__init__(slots, memory_bytes, data_view, patience)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOAD))
        self._running: set[int] = set()
        self._starting = threading.Lock()
        self._waiting: list[_Worker] = []
        self._closed = False
        _adopt_orphans()

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def warm(self) -> None:
        """Start the server, load its libraries and fork the first workers."""
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
        """Return a waiting worker; new ones are forked in the background."""
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

    def _run(self, work: Work, seconds: float, cancelled: threading.Event) -> Outcome:
        worker = self._take()
        begun = time.monotonic()  # a cold start is not the work's time
        pid = worker.process.pid
        self._running.add(pid)
        try:
            with contextlib.suppress(OSError):  # if it has died, `_watch` finds out
                worker.pipe.send((work, seconds))
            answer, failure = self._watch(
                worker.process, worker.pipe, work, begun + seconds * self.patience, cancelled
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
            failure = replace(failure, tail=tail(work.out / "output.log"))
        return Outcome(failure, answer, time.monotonic() - begun)

    def _watch(
        self,
        process: Any,
        pipe: connection.Connection,
        work: Work,
        deadline: float,
        cancelled: threading.Event,
    ) -> tuple[dict[str, Any], Failure | None]:
        """Wait for the worker's answer, serve its request for the data folder, enforce time and memory."""
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
                return message, failure_of(message)
            if process.sentinel in ready:
                return {}, self._death(process)
            if cancelled.is_set():
                return {}, Failure("cancelled", "cancelled")
            if time.monotonic() > deadline:
                return {}, Failure(
                    "timeout",
                    "not done within its time; give the trial more with timeout=…, or make it smaller",
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
            hint = ", most likely by the system because memory was short" if code == -signal.SIGKILL else ""
            return Failure("killed", f"the process was ended by {name}{hint}", rule=name)
        return Failure("killed", f"the process left without an answer (exit code {code})")

    def _known(self) -> set[int]:
        tracker = getattr(resource_tracker._resource_tracker, "_pid", None)
        server = _server()
        waiting = {worker.process.pid for worker in list(self._waiting)}
        return {pid for pid in (tracker, server) if pid} | set(self._running) | waiting

    def close(self) -> None:
        """End every worker, then the warm server."""
        self._closed = True
        if server := _server():
            _end(server)  # first, because it may still be loading libraries
        with self._starting:
            waiting = [worker.process.pid for worker in self._waiting]
        for pid in [*waiting, *self._running]:
            _end(pid)
        with contextlib.suppress(Exception):
            forkserver._forkserver._stop()  # type: ignore[attr-defined]


def _server() -> int | None:
    pid: int | None = getattr(forkserver._forkserver, "_forkserver_pid", None)
    return pid


def limit_threads(environment: dict[str, str] | os._Environ[str]) -> None:
    """One thread per worker, because trials run in parallel. Call before numerical libraries load."""
    for name in THREAD_LIMITS:
        environment[name] = "1"


def _memory(pid: int, descendants: bool) -> int:
    """Return the resident bytes of a process, optionally with its descendants."""
    total = 0
    for member in (pid, *(_descendants(pid) if descendants else ())):
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(member).memory_info().rss
    return total


def _children(pid: int) -> list[int]:
    """Return the children of a process. Linux lists them; elsewhere all processes are looked through."""
    tasks = Path(f"/proc/{pid}/task")
    try:
        lists = [(task / "children").read_text() for task in tasks.iterdir()]
    except OSError:
        with contextlib.suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    return [int(child) for listed in lists for child in listed.split()]


def _descendants(pid: int) -> list[int]:
    """Return the children of a process, their children and so on, parents first."""
    found = _children(pid)
    for child in found:
        found.extend(_children(child))
    return found


def _adopt_orphans() -> None:
    """Become the parent of orphaned descendants (Linux), so that double-forked children can be ended."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _end(pid: int) -> None:
    """Kill a worker, its session and all its descendants."""
    _send(pid, signal.SIGSTOP)  # so that it cannot fork meanwhile
    family = [*_descendants(pid), pid]
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for member in family:
        _send(member, signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _end_orphans(known: set[int]) -> None:
    """Kill and reap orphans of ended workers."""
    for child in _children(os.getpid()):
        if child not in known:
            _end(child)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)
