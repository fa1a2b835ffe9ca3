"""Blends: weighted means of predictions, of their logits or of their ranks.

Weights are fitted on out-of-fold rows. The score is nested: the weights that predict a row come from other
rows alone, in all repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.ensemble import mixing, weights
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.scoring.scorer import Difference, OutOfFold, Score, Scorer
from cobra_jupyter.workbench.search.trials import Trial

Array = np.ndarray[Any, Any]
TIE = 0.25  # paired standard errors by which a rule must be better than the mean


@dataclass(frozen=True)
class Blend:
    """A blend. `score` is nested: each fold's weights come from the other folds."""

    id: str
    members: tuple[tuple[str, float], ...]
    score: Score
    in_sample: float
    over_best: Difference | None
    best_single: str
    cost: float
    seconds: float
    considered: int
    protocol: int
    sha256: str  # of the stored nested predictions
    rule: str = mixing.MEAN
    dropped: tuple[results.Dropped, ...] = ()
    oof: OutOfFold | None = field(default=None, repr=False, compare=False)
    trials: tuple[Trial, ...] = field(default=(), repr=False, compare=False)

    def record(self) -> results.BlendTerms:
        over = as_record(results.OverBest, self.over_best) if self.over_best else None
        return {
            "id": self.id,
            "members": [
                {"trial": t, "label": trial.label, "weight": w, "cost": round(trial.cost, 3)}
                for (t, w), trial in zip(self.members, self.trials, strict=True)
            ],
            "score": self.score.value,
            "se": self.score.se,
            "fold_scores": list(self.score.folds),
            "params": self.score.params,
            "in_sample": self.in_sample,
            "over_best": over,
            "best_single": self.best_single,
            "considered": self.considered,
            "cost": round(self.cost, 3),
            "seconds": round(self.seconds, 3),
            "protocol": self.protocol,
            "rows": self.score.rows,
            "sha256": self.sha256,
            "rule": self.rule,
            "dropped": list(self.dropped),
        }


def from_record(record: results.Blend, oof: OutOfFold, trials: tuple[Trial, ...]) -> Blend:
    """Restore a blend from its record."""
    over = record["over_best"]
    score = Score(
        record["score"],
        record["se"] or 0.0,
        tuple(record["fold_scores"]),
        record["rows"],
        dict(record["params"]),
    )
    return Blend(
        id=record["id"],
        in_sample=record["in_sample"],
        best_single=record["best_single"],
        seconds=record["seconds"],
        considered=record["considered"],
        protocol=record["protocol"],
        sha256=record["sha256"],
        rule=record.get("rule", mixing.MEAN),
        dropped=tuple(record.get("dropped", ())),
        score=score,
        oof=oof,
        trials=trials,
        cost=sum(trial.cost for trial in trials),
        members=tuple((member["trial"], member["weight"]) for member in record["members"]),
        over_best=Difference(**over) if over else None,
    )


@dataclass(frozen=True)
class Found:
    """A blend's members with weights (descending), its rule and nested predictions, and what it drops."""

    members: list[tuple[Trial, float]]
    rule: str
    oof: OutOfFold
    in_sample: float
    dropped: list[results.Dropped]


def find(
    scorer: Scorer,
    trials: Sequence[Trial],
    cost_limit: float,
    proven: Callable[[Trial], bool] = lambda t: False,
) -> Found:
    """Find a blend whose members together cost at most `cost_limit` worker seconds.

    `proven`: whether a trial can be submitted whatever it costs, because its models are stored. The blend is
    never worse than the best single trial that can be afforded; if it would be, it is that trial alone."""
    usable = [trial for trial in trials if trial.oof]
    within = [trial for trial in usable if trial.cost <= cost_limit]
    singles = within + [trial for trial in usable if trial.cost > cost_limit and proven(trial)] or usable
    repeats = min(len(t.oof.raw) for t in usable if t.oof)
    scores = {trial.id: scorer.score(first_repeats(trial, repeats), with_se=False).value for trial in usable}
    best = max(singles, key=lambda trial: scorer.sign * scores[trial.id])
    found = Found([(best, 1.0)], mixing.MEAN, first_repeats(best, repeats), scores[best.id], [])
    if len(within) > 1:
        blend = _best_rule(scorer, within, cost_limit, repeats)
        nested = scorer.score(blend.oof, with_se=False).value
        if len(blend.members) > 1 and scorer.sign * (nested - scores[best.id]) >= 0:
            found = blend
    return replace(found, dropped=_dropped(usable, found, best, cost_limit))


def first_repeats(trial: Trial, repeats: int) -> OutOfFold:
    """The first repeats of a trial's out-of-fold predictions."""
    assert trial.oof
    oof = trial.oof
    decoded = oof.decoded[:repeats] if oof.decoded is not None else None
    return OutOfFold(oof.raw[:repeats], oof.fold[:repeats], decoded, oof.settings)


def _best_rule(scorer: Scorer, trials: Sequence[Trial], cost_limit: float, repeats: int) -> Found:
    """Blend by each rule that suits; another than the mean must be better by more than a tie."""
    task, loss = scorer.protocol.task, weights.smooth_loss(scorer)
    first = trials[0].oof
    assert first
    some = np.flatnonzero(first.fold[0] == first.fold[0].max())
    suited = mixing.rules(task, partial(weights.metric_loss(scorer), scorer.truth[some]), first.raw[0][some])
    chosen: Found | None = None
    for rule in suited:
        search = weights.Search(scorer, trials, cost_limit, repeats, rule, loss)
        members, inside = search.whole()
        found = Found(members, rule, inside, scorer.score(inside, with_se=False).value, [])
        if chosen and scorer.sign * (found.in_sample - chosen.in_sample) <= 0:
            continue  # not even better on the rows that its weights know
        found = replace(found, oof=search.nested())
        if chosen is None:
            chosen = found
        else:
            gain = scorer.difference(chosen.oof, found.oof)
            chosen = found if gain.gain > TIE * gain.se else chosen
    assert chosen
    return chosen


def _dropped(trials: Sequence[Trial], found: Found, best: Trial, cost_limit: float) -> list[results.Dropped]:
    """Name each trial without a weight, and why."""
    members = {trial.id for trial, _ in found.members}
    spent = sum(trial.cost for trial, _ in found.members)
    reasons: list[results.Dropped] = []
    for trial in trials:
        if trial.id in members:
            continue
        if trial.cost > cost_limit:
            why = f"training it again takes {trial.cost:.3g} s of worker time, {cost_limit:.3g} s may be used"
        elif len(members) == 1 and best.id in members:
            why = f"no blend was better than {best.id} alone"
        elif spent + trial.cost > cost_limit:
            why = f"with it the members would cost {spent + trial.cost:.3g} s, {cost_limit:.3g} s may be used"
        else:
            why = "its weight is 0: the others predict as well without it"
        reasons.append({"trial": trial.id, "label": trial.label, "why": why})
    return reasons
