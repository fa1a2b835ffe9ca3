"""The ideas that were tried and their gains: each in a paired comparison with the best of its family.

A family is a candidate's name, with all its versions. An idea is code with a configuration that is new in its
family: a full-size trial or an ablation. Development continues from every gain with the verdict better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.ensemble.blending import Blend
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.scoring.scorer import Difference, OutOfFold, Scorer
from cobra_jupyter.workbench.search.ablation import Ablation
from cobra_jupyter.workbench.search.trials import Trial, config_key

BLEND = "blend"  # the family of blends


@dataclass(frozen=True)
class Idea:
    """The trial, ablation or blend `id` compared with `best`, the best of its family before it (None: the
    first).

    `gain` is in the metric's units, above 0 is better; `new`: not tried before in this family."""

    id: str
    family: str
    protocol: int
    best: str | None
    gain: float | None
    se: float | None
    progress: bool
    new: bool

    def record(self) -> results.Idea:
        return as_record(results.Idea, self)


class Ideas:
    """The ideas of one protocol, in order."""

    def __init__(self, scorer: Scorer, emit: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._scorer, self._emit = scorer, emit
        self._best: dict[str, tuple[str, OutOfFold]] = {}
        self._tried: set[tuple[str, str]] = set()

    def trial(self, trial: Trial) -> None:
        """Register a full-size trial."""
        if trial.score is None:
            return
        candidate = trial.spec.candidate
        new = self._first(candidate.name, f"{candidate.digest} {config_key(trial.spec.config)}")
        if trial.oof is not None:  # else it was dropped since, and another of its family is better
            self._compare(trial.id, candidate.name, trial.oof, new)

    @property
    def best(self) -> set[str]:
        """The best result of each family."""
        return {id for id, _ in self._best.values()}

    def blend(self, blend: Blend) -> None:
        if blend.oof is not None:
            members = " ".join(sorted(id for id, _ in blend.members))
            self._compare(blend.id, BLEND, blend.oof, self._first(BLEND, members))

    def ablation(self, table: Ablation) -> None:
        """Register an ablation: the gain of its best combination over its baseline, on small data."""
        family, _, _ = table.candidate.rpartition("_v")
        new = self._first(family, f"{table.candidate} {table.fidelity} {config_key(dict(table.importance))}")
        progress = Difference(table.best_gain, table.best_se, 0).verdict == "better"
        self._publish(
            Idea(
                table.id,
                family,
                self._scorer.protocol.number,
                table.baseline,
                table.best_gain,
                table.best_se,
                progress,
                new,
            )
        )

    def _first(self, family: str, what: str) -> bool:
        new = (family, what) not in self._tried
        self._tried.add((family, what))
        return new

    def _compare(self, id: str, family: str, oof: OutOfFold, new: bool) -> None:
        number, known = self._scorer.protocol.number, self._best.get(family)
        if known is None:
            self._best[family] = (id, oof)
            self._publish(Idea(id, family, number, None, None, None, True, new))
            return
        found = self._scorer.difference(known[1], oof)
        if found.gain > 0:
            self._best[family] = (id, oof)
        better = found.verdict == "better"
        self._publish(Idea(id, family, number, known[0], found.gain, found.se, better, new))

    def _publish(self, idea: Idea) -> None:
        self._emit(results.IDEA, idea.record())
