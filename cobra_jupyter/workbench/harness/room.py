"""Makes room on disk and in memory before new work, by the rule in `search/storage.py`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.harness.scope import ProtocolScope
from cobra_jupyter.workbench.rebuild import Line
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.search import storage
from cobra_jupyter.workbench.search.trials import Trial
from cobra_jupyter.workbench.timed_decisions import TimedDecisions


class RoomMaker:
    """Drops what trials of a run left behind. `scopes`: its protocols by number, the last is in force."""

    def __init__(
        self,
        folder: Path,
        scopes: Mapping[int, ProtocolScope],
        decisions: TimedDecisions,
        emit: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self._folder, self._scopes, self._decisions, self._emit = folder, scopes, decisions, emit
        self._sizes = storage.Sizes()
        self._comparing = 0
        self._counted: set[str] = set()  # ids of trials in the two sums
        self._disk = self._memory = 0  # bytes at most: what trials share counts for each

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Drop nothing in this context: trials are compared with each other."""
        self._comparing += 1
        try:
            yield
        finally:
            self._comparing -= 1

    def make(self, call: Call) -> None:
        """Drop what exceeds the room. A replay drops what the original run dropped at this call."""
        deciding = self._decisions.of(call)
        if not self._decisions.recorded:
            found = self._plan() if self._exceeds() and not self._comparing else storage.Plan()
        else:
            found = self._repeated(deciding.known("room"), call)
        if found:
            protocols = {trial.id: trial.protocol for trial in self._trials()}
            dropped = {**asdict(found), "protocols": {id: protocols[id] for id in found.ids}}
            deciding.note("room", dropped)
            self._drop(found)

    def _exceeds(self) -> bool:
        """Whether the room may be exceeded: looked up before every trial, so it looks at new trials alone."""
        for trial in self._trials():
            if trial.id not in self._counted:
                self._counted.add(trial.id)
                self._disk += self._sizes.total(trial.fits)
                self._memory += storage.in_memory(trial)
        room = storage.Room.on(self._folder, self._disk)
        return self._disk > room.disk or self._memory > room.memory

    def _repeated(self, known: Mapping[str, Any] | None, call: Call) -> storage.Plan:
        """What the original run dropped at this call, as soon as its trials have ended here too."""
        if known is None:
            return storage.Plan()
        for number, scope in self._scopes.items():
            ids = [id for id, protocol in known["protocols"].items() if protocol == number]
            scope.trials.await_all(ids, call.cancelled)
        return storage.Plan(tuple(known["models"]), tuple(known["predictions"]), known["why"])

    def _plan(self) -> storage.Plan:
        trials = self._trials()
        in_force = max(self._scopes, default=0)
        kept: set[str] = set()
        goodness: dict[str, float] = {}
        for number, scope in self._scopes.items():
            best = storage.KEPT if number == in_force else 1
            kept |= scope.finalists.in_the_race(best) | scope.ideas.best
            goodness |= {t.id: scope.finalists.goodness(t) for t in scope.trials.finished()}
        room = storage.Room.on(self._folder, self._sizes.total(fit for trial in trials for fit in trial.fits))
        return storage.plan(trials, kept, lambda trial: goodness[trial.id], room, self._sizes)

    def _drop(self, plan: storage.Plan) -> None:
        """Record what is dropped, then drop it: a run that is killed in between can be resumed."""
        trials = self._trials()
        gone = storage.files(trials, plan)
        record: results.Discard = {
            "models": list(plan.models),
            "predictions": list(plan.predictions),
            "files": gone.paths(),
            "why": plan.why,
        }
        self._emit(results.DISCARD, record)
        for scope in self._scopes.values():
            ids = {trial.id for trial in scope.trials.finished()} & set(plan.predictions)
            scope.trials.drop(ids, gone.fits, gone.models)
        self._sizes.forget(gone)
        self._counted, self._disk, self._memory = set(), 0, 0

    def _trials(self) -> list[Trial]:
        return [trial for scope in self._scopes.values() for trial in scope.trials.finished()]


class Discarded:
    """What a run has dropped, by its record."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.trials: set[str] = set()  # without predictions
        self._files: dict[str, int] = {}  # path → line
        for line in lines:
            if line.kind == results.DISCARD:
                self.trials |= set(line.data["predictions"])
                self._files |= dict.fromkeys(line.data["files"], line.seq)

    def lacks(self, path: str, line: Line) -> bool:
        """Whether a file that this line names was dropped after it."""
        return line.seq < self._files.get(path, -1)
