"""Chooses how raw predictions become what a metric wants: thresholds, class weights, cuts of ordered classes.

A rule learns parameters of `metrics.decode` from rows with labels. Several rules compete by their score on
rows that their parameters have not seen; the default wins ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cobra_jupyter.competition.metrics import Array, Metric, MetricUndefined
from cobra_jupyter.workbench.scoring import cuts, metrics, multipliers
from cobra_jupyter.workbench.scoring.metrics import Params

MOST_ROWS = 20_000  # on which rules compete, and class weights and cuts are tuned
INNER = 3  # parts of the rows in which rules compete
MOST_TUNED = 60  # classes; with more, class weights are not tuned one by one
WORTH = 0.1  # a rule must beat the default by this, divided by the root of the number of rows


@dataclass(frozen=True)
class Labelled:
    """Rows with labels: truth, raw predictions (n, width), the fold of each row, weights or None."""

    truth: Array
    raw: Array
    fold: Array
    weights: Array | None = None

    def at(self, rows: Array) -> Labelled:
        weights = None if self.weights is None else self.weights[rows]
        return Labelled(self.truth[rows], self.raw[rows], self.fold[rows], weights)


Rule = Callable[[Labelled], Params]


class Decoder:
    """The rules of one metric and task. `classes` are the labels, by code."""

    def __init__(self, metric: Metric, task: str, classes: Sequence[Any] | None = None) -> None:
        self._metric, self._task, self._sign = metric, task, metrics.sign(metric)
        self._rules = self._find(classes)

    @property
    def fixed(self) -> bool:
        """Whether nothing is learned from labels."""
        return len(self._rules) == 1

    def apply(self, raw: Array, params: Params) -> Array:
        return metrics.decode(raw, self._metric.wants, self._task, params)

    def choose(self, rows: Labelled) -> Params:
        """Return the parameters of the best rule, learned on all these rows."""
        if self.fixed or not len(rows.truth):
            return self._rules[0](rows)
        some = _some(rows)
        parts = _parts(some.fold)
        if len(parts) < 2:
            return self._rules[0](rows)
        scores = [self._held_out(rule, some, parts) for rule in self._rules]
        best = int(np.argmax(scores))
        default, least = scores[0], WORTH / np.sqrt(len(some.truth))
        chosen = best if not np.isfinite(default) or scores[best] > default + least else 0
        return self._rules[chosen](rows)

    def _held_out(self, rule: Rule, rows: Labelled, parts: list[Array]) -> float:
        """The score, larger is better, of a rule on rows that its parameters have not seen."""
        decoded: list[Array] = []
        for part in parts:
            others = np.ones(len(rows.truth), bool)
            others[part] = False
            decoded.append(self.apply(rows.raw[part], rule(rows.at(np.flatnonzero(others)))))
        order = np.concatenate(parts)
        seen = rows.at(order)
        return self._score(seen.truth, np.concatenate(decoded), seen.weights)

    def _score(self, truth: Array, prediction: Array, weights: Array | None) -> float:
        try:
            more = () if weights is None else (weights,)
            return self._sign * float(self._metric.function(truth, prediction, *more))
        except MetricUndefined:
            return -np.inf

    # ---- the rules

    def _find(self, classes: Sequence[Any] | None) -> list[Rule]:
        metric, one_class = self._metric, self._task in ("binary", "multiclass")
        if metric.quantile is not None:
            return [_constant({}), self._shift]
        if metric.above_zero:
            return [lambda rows: {"minimum": float(np.nanmin(rows.truth)) if len(rows.truth) else 0.0}]
        if metric.from_zero:
            return [_constant({"minimum": 0.0})]
        if metric.wants == "probability" and metric.balanced and one_class:
            return [_constant({}), self._balance(0.5), self._balance(1.0)]
        if metric.wants != "label":
            return [_constant({})]
        if metric.fixed_threshold:
            return [_constant({"rule": "argmax"} if self._task == "multiclass" else {"threshold": 0.5})]
        if metrics.known(metric.name) is not metric:  # an agent's own, which takes a worker for each score
            return [_constant({})]
        if self._task == "multilabel":
            return [_constant({"threshold": 0.5}), self._shared_threshold]
        if self._task == "binary":
            return [_constant({"threshold": 0.5}), self._threshold]
        rules = [_constant({"rule": "argmax"}), self._balance(0.5), self._balance(1.0)]
        if classes is None or len(classes) <= MOST_TUNED:
            rules.append(self._multipliers)
        if metric.ordered and metrics.numbers(classes):
            rules += [_constant({"rule": "expectation"}), self._matched_cuts, self._cuts]
        return rules

    def _balance(self, power: float) -> Rule:
        """Divide by the class shares, to this power."""

        def rule(rows: Labelled) -> Params:
            return {"weights": multipliers.balancing(rows.truth, rows.raw.shape[1], power, rows.weights)}

        return rule

    def _shift(self, rows: Labelled) -> Params:
        """Move predictions so that the wanted share of labels lies below them."""
        assert self._metric.quantile is not None
        gaps = rows.truth - rows.raw
        return {"shift": [float(value) for value in np.nanquantile(gaps, self._metric.quantile, axis=0)]}

    def _threshold(self, rows: Labelled) -> Params:
        assert self._metric.of_counts
        best = cuts.threshold(self._better, rows.truth, rows.raw[:, -1], rows.weights)
        return {"threshold": best}

    def _shared_threshold(self, rows: Labelled) -> Params:
        """The best of some quantiles, for all columns."""
        found = np.unique(np.quantile(rows.raw, np.linspace(0.01, 0.99, 60)))
        scores = [self._score(rows.truth, (rows.raw > t).astype(int), rows.weights) for t in found]
        return {"threshold": float(found[int(np.argmax(scores))])}

    def _multipliers(self, rows: Labelled) -> Params:
        some = _some(rows)
        return {"weights": multipliers.tuned(self._better, some.truth, some.raw, some.weights)}

    def _matched_cuts(self, rows: Labelled) -> Params:
        return {"rule": "cuts", "cuts": cuts.matched(rows.truth, rows.raw, rows.weights)}

    def _cuts(self, rows: Labelled) -> Params:
        some = _some(rows)
        return {"rule": "cuts", "cuts": cuts.tuned(self._better, some.truth, some.raw, some.weights)}

    def _better(self, tables: Array) -> Array:
        """Scores of count tables (..., C, C), larger is better; -inf if undefined."""
        assert self._metric.of_counts
        scores = self._sign * self._metric.of_counts(tables)
        return np.where(np.isfinite(scores), scores, -np.inf)


def joined(several: Sequence[Labelled]) -> Labelled:
    """The rows of several repeats as one."""
    if len(several) == 1:
        return several[0]
    weights = [each.weights for each in several if each.weights is not None]
    return Labelled(
        np.concatenate([each.truth for each in several]),
        np.concatenate([each.raw for each in several]),
        np.concatenate([each.fold for each in several]),
        np.concatenate(weights) if weights else None,
    )


def _constant(params: Params) -> Rule:
    return lambda rows: dict(params)


def _parts(fold: Array) -> list[Array]:
    """Rows in at most INNER parts; the rows of a fold stay together."""
    names = np.unique(fold)
    part = np.searchsorted(names, fold) % INNER
    return [rows for k in range(INNER) if len(rows := np.flatnonzero(part == k))]


def _some(rows: Labelled) -> Labelled:
    if len(rows.truth) <= MOST_ROWS:
        return rows
    return rows.at(np.sort(np.random.default_rng(0).permutation(len(rows.truth))[:MOST_ROWS]))
