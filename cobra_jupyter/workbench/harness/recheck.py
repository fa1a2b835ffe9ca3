"""Recomputes scores, selections and submissions from a run's stored files and compares them with its
record."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.ensemble import mixing
from cobra_jupyter.workbench.harness.restore import Restoring
from cobra_jupyter.workbench.rebuild import Line, takes
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.scoring.scorer import OutOfFold, Score

if TYPE_CHECKING:
    from cobra_jupyter.workbench.harness.harness import Harness

SAME = 1e-9  # relative tolerance: the order of sums may differ


@dataclass
class Check:
    """`count` items were compared; `problems` lists the differences; `skipped` items need predictions that
    were dropped to make room."""

    what: str
    count: int = 0
    problems: list[str] | None = None
    skipped: int = 0

    def record(self) -> dict[str, Any]:
        return asdict(self)


def verify(harness: Harness, lines: Iterable[Line], call: Call) -> list[Check]:
    """Restore a harness from a run's record and compare everything that can be recomputed."""
    verifying = _Verifying(harness, call)

    def miss(what: str, kind: str, error: Exception) -> None:
        verifying.miss(SORT.get(kind, "inputs"), what)

    verifying.take_all(lines, (Exception,), miss)  # every failure is a finding
    return list(verifying.checks.values())


SORT = {
    "trial": "trials",
    "fit": "trials",
    "blend": "blends",
    "selection": "selection",
    "submission": "submission",
}


class _Verifying(Restoring):
    """Restores a run and compares it with the record."""

    def __init__(self, harness: Harness, call: Call) -> None:
        super().__init__(harness, call)
        self.checks = {
            name: Check(name, 0, []) for name in ("inputs", "trials", "blends", "selection", "submission")
        }

    def miss(self, check: str, problem: str) -> None:
        problems = self.checks[check].problems
        assert problems is not None
        problems.append(problem)

    @takes(results.CARD)
    def take_card(self, data: results.Card, line: Line) -> None:
        super().take_card(data, line)
        self.checks["inputs"].count += 1

    @takes(results.PROTOCOL)
    def take_protocol(self, data: results.Protocol, line: Line) -> None:
        super().take_protocol(data, line)
        self.checks["inputs"].count += 1

    @takes(results.CANDIDATE)
    def take_candidate(self, data: results.Candidate, line: Line) -> None:
        super().take_candidate(data, line)
        self.checks["inputs"].count += 1

    @takes(results.SHARED)
    def take_shared(self, data: results.Shared, line: Line) -> None:
        self.checks["inputs"].count += 1
        if not self.harness.scopes[data["protocol"]].artefacts.restore(data):
            raise ValueError("its files are not those recorded")

    @takes(results.TRIAL)
    def take_trial(self, data: results.Trial, line: Line) -> None:
        super().take_trial(data, line)
        trials = self.harness.scopes[data["protocol"]].trials
        (trial,) = [t for t in trials.finished() if t.id == data["id"]]
        if data["full"] != (
            data["fraction"] >= 1
            and len(data["folds"]) == trials.scorer.protocol.folds
            and trial.score is not None
        ):
            self.miss("trials", f"{data['id']}: whether it is full-size is not as recorded")
        if trial.oof is not None:
            self.checks["trials"].count += 1
            self._compare_score("trials", data["id"], data, trials.scorer.score(trial.oof))
        elif trial.dropped:
            self.checks["trials"].skipped += 1

    @takes(results.BLEND)
    def take_blend(self, data: results.Blend, line: Line) -> None:
        super().take_blend(data, line)
        self.checks["blends"].count += 1
        scope = self.harness.scopes[data["protocol"]]
        scorer, blend = scope.scorer, scope.finalists.blends[data["id"]]
        assert blend.oof is not None
        self._compare_score("blends", data["id"], data, scorer.score(blend.oof))
        if scope.finalists.decodes_itself(blend.id):
            return
        weights = [weight for _, weight in blend.members]
        task = scorer.protocol.task
        oofs = [trial.oof for trial in blend.trials if trial.oof]
        mixed = [
            mixing.blended(
                weights,
                (mixing.spread_folds(oof, repeat, task, blend.rule) for oof in oofs),
                task,
                blend.rule,
            )
            for repeat in range(len(blend.oof.raw))
        ]
        in_sample = scorer.score(OutOfFold(tuple(mixed), blend.oof.fold), with_se=False).value
        self._compare("blends", f"{data['id']}, in sample", data["in_sample"], in_sample)

    @takes(results.SELECTION)
    def take_selection(self, data: results.Selection, line: Line) -> None:
        finalists = self.harness.scopes[data["protocol"]].finalists
        if self._discarded.trials.isdisjoint(entry["id"] for entry in data["table"]):
            made = finalists.select(finalists.trials(), self.call.cancelled)
            self.checks["selection"].count += 1
            if (made.chosen, made.vetoed) != (data["chosen"], data["vetoed"]):
                self.miss("selection", f"by the rule it is {made.chosen}, {data['chosen']} was recorded")
        else:  # its alternatives are no longer stored
            self.checks["selection"].skipped += 1
        super().take_selection(data, line)

    @takes(results.SUBMISSION)
    def take_submission(self, data: results.Submission, line: Line) -> None:
        super().take_submission(data, line)
        self.checks["submission"].count += 1
        finalists = self.harness.scopes[data["protocol"]].finalists
        if finalists.selection and data["what"] != finalists.selection.chosen:
            self.miss("selection", f"{finalists.selection.chosen} was chosen, {data['what']} was submitted")
        _, score = finalists.members(data["what"])
        self._compare("submission", f"{data['what']}, score", data["score"], score.value)
        self._compare("submission", f"{data['what']}, SE", data["se"], score.se)
        table = finalists.submission(data["what"], self.call.cancelled)
        if hashlib.sha256(table.to_csv(index=False).encode()).hexdigest() != data["sha256"]:
            self.miss(
                "submission", f"{data['what']}: the stored predictions make another file than was recorded"
            )

    def _compare_score(self, check: str, what: str, data: results.Trial | results.Blend, made: Score) -> None:
        self._compare(check, what, data["score"], made.value)
        self._compare(check, f"{what}, SE", data["se"], made.se)
        if dict(made.params) != data["params"]:
            self.miss(check, f"{what}: decoded with {made.params}, {data['params']} was recorded")
        for recorded, value in zip(data["fold_scores"], made.folds, strict=False):
            if recorded is not None and value is not None:
                self._compare(check, f"{what}, a fold", recorded, value)

    def _compare(self, check: str, what: str, recorded: float | None, made: float) -> None:
        if recorded is None or not math.isclose(recorded, made, rel_tol=SAME, abs_tol=SAME):
            self.miss(check, f"{what}: {recorded!r} was recorded, {made!r} comes of the stored predictions")
