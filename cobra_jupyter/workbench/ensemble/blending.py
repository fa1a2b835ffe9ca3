"""Blends: weighted means of raw predictions. Weights are fitted on out-of-fold rows and scored by nested
folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.scoring import metrics, partly
from cobra_jupyter.workbench.scoring.metrics import Metric, MetricUndefined
from cobra_jupyter.workbench.scoring.scorer import Difference, OutOfFold, Score, Scorer
from cobra_jupyter.workbench.search.trials import Trial

Array = np.ndarray[Any, Any]
ROUNDS = 16
STEPS = (0.5, 0.3, 0.2, 0.1, 0.05)
LEAST_GAIN = 1e-4  # of the loss; a smaller gain is not worth a member
MOST_ROWS = 50_000  # rows on which weights are fitted
MOST_MEMBERS = 8


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
        score=score,
        oof=oof,
        trials=trials,
        cost=sum(trial.cost for trial in trials),
        members=tuple((member["trial"], member["weight"]) for member in record["members"]),
        over_best=Difference(**over) if over else None,
    )


def find(
    scorer: Scorer, trials: Sequence[Trial], cost_limit: float
) -> tuple[list[tuple[Trial, float]], OutOfFold, float]:
    """Find the weights of a blend; its members together cost at most `cost_limit` worker seconds.

    Returns members with weights (descending), nested out-of-fold predictions and the in-sample score.
    """
    repeats = min(len(t.oof.raw) for t in trials if t.oof)
    owners = [np.min([t.oof.fold[r] for t in trials if t.oof], axis=0) for r in range(repeats)]
    loss = _loss(scorer)
    costs = [trial.cost for trial in trials]

    def weigh(excluded: int) -> Array:
        picked = [np.flatnonzero((owners[r] >= 0) & (owners[r] != excluded)) for r in range(repeats)]
        if sum(map(len, picked)) > MOST_ROWS:
            rng = np.random.default_rng(0)
            picked = [np.sort(rng.permutation(rows)[: MOST_ROWS // repeats]) for rows in picked]
        truth = np.concatenate([scorer.truth[rows] for rows in picked])
        raws = [
            np.concatenate([t.oof.raw[r][rows] for r, rows in enumerate(picked)]) for t in trials if t.oof
        ]
        return greedy(loss, truth, raws, costs, cost_limit)

    nested = [np.full_like(trials[0].oof.raw[r], np.nan) for r in range(repeats) if trials[0].oof]
    for fold in sorted({int(f) for owner in owners for f in np.unique(owner[owner >= 0])}):
        weights = weigh(fold)
        for r in range(repeats):
            rows = np.flatnonzero(owners[r] == fold)
            nested[r][rows] = _mix(weights, [t.oof.raw[r][rows] for t in trials if t.oof])
    weights = weigh(-1)
    whole = tuple(_mix(weights, [t.oof.raw[r] for t in trials if t.oof]) for r in range(repeats))
    in_sample = scorer.score(OutOfFold(whole, tuple(owners)), with_se=False).value
    members = sorted(
        ((t, float(w)) for t, w in zip(trials, weights, strict=True) if w > 0), key=lambda m: -m[1]
    )
    return members, OutOfFold(tuple(nested), tuple(owners)), in_sample


def greedy(
    loss: Callable[[Array, Array], float],
    truth: Array,
    raws: Sequence[Array],
    costs: Sequence[float],
    cost_limit: float,
) -> Array:
    """Forward selection (Caruana et al., 2004) with step sizes. Returns weights (members,) with sum 1.

    Starts from the best single member. Each round takes the member and the step that lower the loss most,
    until no step lowers it."""
    single = [
        loss(truth, raw) if cost <= cost_limit or len(raws) == 1 else np.inf
        for raw, cost in zip(raws, costs, strict=True)
    ]
    best = int(np.argmin(single if np.isfinite(single).any() else costs))
    weights = np.zeros(len(raws))
    weights[best], mix, lowest = 1.0, raws[best], single[best]
    for _ in range(ROUNDS):
        spent = sum(cost for cost, weight in zip(costs, weights, strict=True) if weight)
        room = np.count_nonzero(weights) < MOST_MEMBERS
        allowed = [i for i, c in enumerate(costs) if weights[i] or (room and spent + c <= cost_limit)]
        found = [(loss(truth, (1 - s) * mix + s * raws[i]), i, s) for i in allowed for s in STEPS]
        if not found or min(found)[0] >= lowest - LEAST_GAIN * abs(lowest):
            break
        lowest, best, step = min(found)
        weights *= 1 - step
        weights[best] += step
        mix = (1 - step) * mix + step * raws[best]
    return _tidy(weights)


def _tidy(weights: Array) -> Array:
    """Drop weights below 2 % and round to thousandths; the sum stays 1."""
    kept = np.where(weights >= 0.02, weights, 0.0)
    rounded = np.round(kept / kept.sum(), 3)
    rounded[int(rounded.argmax())] += 1 - rounded.sum()
    return np.asarray(rounded)


def _mix(weights: Array, raws: Sequence[Array]) -> Array:
    return np.asarray(sum(w * raw for w, raw in zip(weights, raws, strict=True) if w > 0))


def _loss(scorer: Scorer) -> Callable[[Array, Array], float]:
    """Return the loss for the weights: the metric if it is smooth in raw predictions, else a proper loss."""
    metric: Metric = scorer.metric
    known = metric.name in metrics.names()
    smooth = metric.row_loss is not None or metric.smooth
    if not known or metric.wants == "label" or metric.balanced or not smooth:
        proper = {"regression": "rmse", "multilabel": "multi_column_log_loss"}.get(
            scorer.protocol.task, "log_loss"
        )
        metric = partly.of(metrics.get(proper), scorer.truth)
    sign, task = metrics.sign(metric), scorer.protocol.task
    params = metrics.decode_grid(metric, task)[0]

    def loss(truth: Array, raw: Array) -> float:
        try:
            return -sign * float(metric.function(truth, metrics.decode(raw, metric.wants, task, params)))
        except MetricUndefined:
            return float("inf")

    return loss
