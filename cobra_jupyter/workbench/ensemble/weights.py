"""The weights of a blend: forward selection on out-of-fold predictions, on all rows or on all but some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cobra_jupyter.workbench.ensemble import mixing
from cobra_jupyter.workbench.protocol.protocol import Positions
from cobra_jupyter.workbench.scoring import metrics, partly
from cobra_jupyter.workbench.scoring.metrics import Metric, MetricUndefined
from cobra_jupyter.workbench.scoring.scorer import OutOfFold, Scorer
from cobra_jupyter.workbench.search.trials import Trial

Array = np.ndarray[Any, Any]
ROUNDS = 16
STEPS = (0.5, 0.3, 0.2, 0.1, 0.05)
LEAST_GAIN = 1e-4  # of the loss; a smaller gain is not worth a member
MOST_ROWS = 20_000  # rows on which weights are fitted
MOST_MEMBERS = 8


class Search:
    """Fits the weights of one rule, on all rows or on all but some."""

    def __init__(
        self,
        scorer: Scorer,
        trials: Sequence[Trial],
        cost_limit: float,
        repeats: int,
        rule: str,
        loss: Callable[[Array, Array], float],
    ) -> None:
        self._scorer, self._trials, self._limit, self._rule = scorer, trials, cost_limit, rule
        self._task = scorer.protocol.task
        oofs = [trial.oof for trial in trials if trial.oof]
        self._owners = [np.min([oof.fold[r] for oof in oofs], axis=0) for r in range(repeats)]
        self._spread = [
            [mixing.spread_folds(oof, r, self._task, rule) for oof in oofs] for r in range(repeats)
        ]
        self._costs = [trial.cost for trial in trials]
        self._loss = lambda truth, mean: loss(truth, mixing.gathered(mean, self._task, rule))

    def _weigh(self, excluded: Positions) -> Array:
        """Fit weights without these rows, whatever fold holds them in another repeat."""
        known = np.ones(len(self._scorer.truth), bool)
        known[excluded] = False
        picked = [np.flatnonzero((owner >= 0) & known) for owner in self._owners]
        if sum(map(len, picked)) > MOST_ROWS:
            rng = np.random.default_rng(0)
            picked = [np.sort(rng.permutation(rows)[: MOST_ROWS // len(picked)]) for rows in picked]
        truth = np.concatenate([self._scorer.truth[rows] for rows in picked])
        members = range(len(self._trials))
        raws = [np.concatenate([self._spread[r][m][rows] for r, rows in enumerate(picked)]) for m in members]
        return greedy(self._loss, truth, raws, self._costs, self._limit)

    def _mix(self, weights: Array, repeat: int, rows: Positions) -> Array:
        members = (spread[rows] for spread in self._spread[repeat])
        return mixing.blended(weights, members, self._task, self._rule)

    def whole(self) -> tuple[list[tuple[Trial, float]], OutOfFold]:
        """Fit the weights on all rows. Returns members (descending) and in-sample predictions."""
        weights = self._weigh(np.arange(0))
        made = [np.full_like(spread[0], np.nan) for spread in self._spread]
        for r, owner in enumerate(self._owners):
            rows = np.flatnonzero(owner >= 0)
            made[r][rows] = self._mix(weights, r, rows)
        oof = OutOfFold(tuple(made), tuple(self._owners))
        members = sorted(
            ((t, float(w)) for t, w in zip(self._trials, weights, strict=True) if w > 0), key=lambda m: -m[1]
        )
        return members, oof

    def nested(self) -> OutOfFold:
        """Predict each fold's rows with weights that come from other rows alone, in all repeats."""
        made = [np.full_like(spread[0], np.nan) for spread in self._spread]
        for r, owner in enumerate(self._owners):
            for fold in np.unique(owner[owner >= 0]):
                rows = np.flatnonzero(owner == fold)
                made[r][rows] = self._mix(self._weigh(rows), r, rows)
        return OutOfFold(tuple(made), tuple(self._owners))


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


def metric_loss(scorer: Scorer) -> Callable[[Array, Array], float]:
    """Return the protocol's metric as a loss; nan for one from a cell, which runs elsewhere."""
    if scorer.metric.name not in metrics.names():
        return lambda truth, raw: float("nan")
    return _loss_of(scorer.metric, scorer.protocol.task)


def smooth_loss(scorer: Scorer) -> Callable[[Array, Array], float]:
    """Return the loss for the weights: the metric if it is smooth in raw predictions, else a proper loss."""
    metric: Metric = scorer.metric
    known = metric.name in metrics.names()
    smooth = metric.row_loss is not None or metric.smooth
    if not known or metric.wants == "label" or metric.balanced or not smooth:
        proper = {"regression": "rmse", "multilabel": "multi_column_log_loss"}.get(
            scorer.protocol.task, "log_loss"
        )
        metric = partly.of(metrics.get(proper), scorer.truth)
    return _loss_of(metric, scorer.protocol.task)


def _loss_of(metric: Metric, task: str) -> Callable[[Array, Array], float]:
    sign = metrics.sign(metric)
    params = metrics.decode_grid(metric, task)[0]

    def loss(truth: Array, raw: Array) -> float:
        try:
            return -sign * float(metric.function(truth, metrics.decode(raw, metric.wants, task, params)))
        except MetricUndefined:
            return float("inf")

    return loss
