"""The numbers of trials, ablations and blends. A replay uses the original ones, since their order depends on
time."""

from __future__ import annotations

import threading

from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.timed_decisions import TimedDecisions

WIDTH = {"t": 3, "a": 2, "b": 2}  # trial, ablation, blend


class Numbers:
    """The next id of each kind. Thread-safe."""

    def __init__(self, decisions: TimedDecisions) -> None:
        self._decisions, self._lock = decisions, threading.Lock()
        recorded = decisions.recorded
        self._next = {**dict.fromkeys(WIDTH, 1), "t": 1 + (recorded.trials if recorded else 0)}

    def trial(self, key: str) -> str:
        return self._id("t", self._decisions.trial(key))

    def of(self, call: Call, kind: str) -> str:
        """The id of the ablation ("a") or blend ("b") that a call makes."""
        deciding = self._decisions.of(call)
        id = self._id(kind, deciding.known("id"))
        deciding.note("id", id)
        return id

    def start_from(self, kind: str, number: int) -> None:
        with self._lock:
            self._next[kind] = max(self._next[kind], number)

    def _id(self, kind: str, known: str | None) -> str:
        with self._lock:
            number = int(known[1:]) if known else self._next[kind]
            self._next[kind] = max(self._next[kind], number + 1)
        return f"{kind}{number:0{WIDTH[kind]}d}"
