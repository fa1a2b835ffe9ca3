"""Scores, standard errors and paired differences: the only place where predictions meet labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cobra_jupyter.workbench.protocol.protocol import Folds, Positions, Protocol
from cobra_jupyter.workbench.scoring import metrics, resample
from cobra_jupyter.workbench.scoring.metrics import Metric, MetricUndefined

Array = np.ndarray[Any, Any]
DRAWS = 200
CONFIRM = 0.75  # a difference beyond this many standard errors counts


@dataclass(frozen=True)
class OutOfFold:
    """Raw out-of-fold predictions: `raw[repeat]` (n, width), NaN rows if no fold was predicted;
    `fold[repeat]` (n,), the fold of each row or -1. If a candidate decodes itself, `decoded[repeat]`
    (settings, n, columns)."""

    raw: tuple[Array, ...]
    fold: tuple[Positions, ...]
    decoded: tuple[Array, ...] | None = None
    settings: tuple[dict[str, Any], ...] = ()

    def rows(self, repeat: int) -> Positions:
        return np.flatnonzero(self.fold[repeat] >= 0)


@dataclass(frozen=True)
class Score:
    """A cross-validated score: the mean over repeats of the score on all out-of-fold rows; standard error by
    bootstrap over units."""

    value: float
    se: float
    folds: tuple[float | None, ...]
    rows: int
    params: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """`gain` > 0: b is better than a, in the metric's units. SE by a paired bootstrap over units."""

    gain: float
    se: float
    rows: int

    @property
    def verdict(self) -> str:
        if self.gain > CONFIRM * self.se:
            return "better"
        return "worse" if self.gain < -CONFIRM * self.se else "unclear"


class Scorer:
    """Scores raw predictions under one protocol. `evaluate` scores a metric that an agent wrote."""

    def __init__(
        self,
        protocol: Protocol,
        folds: Folds,
        truth: Array,
        metric: Metric,
        classes: Sequence[Any],
        evaluate: Callable[[Array, list[Array], list[Positions]], tuple[list[float], Array]] | None = None,
    ) -> None:
        self.protocol, self.folds, self.truth, self.metric = protocol, folds, truth, metric
        self.sign = metrics.sign(metric)
        self._classes = classes
        self._evaluate = evaluate  # an agent's metric runs in a worker
        self._grid = [{}] if evaluate else metrics.decode_grid(metric, protocol.task, classes)

    @cached_property
    def smooth(self) -> Scorer:
        """A scorer for small differences. For label metrics it uses log loss, which shows a change of
        probabilities long before a label flips; otherwise it is this scorer."""
        protocol = self.protocol
        if self._evaluate or self.metric.wants != "label" or protocol.task not in ("binary", "multiclass"):
            return self
        return Scorer(protocol, self.folds, self.truth, metrics.get("log_loss"), self._classes)

    def collect(self, parts: dict[tuple[int, int], Array]) -> OutOfFold:
        """Build out-of-fold predictions from raw predictions per (repeat, fold)."""
        width = next(iter(parts.values())).shape[1]
        raws, owners = [], []
        for repeat in sorted({r for r, _ in parts}):
            raw = np.full((len(self.truth), width), np.nan)
            owner = np.full(len(self.truth), -1, np.int64)
            for (r, fold), part in parts.items():
                if r == repeat:
                    rows = self.folds.held_out(repeat, fold)
                    raw[rows], owner[rows] = part, fold
            raws.append(raw)
            owners.append(owner)
        return OutOfFold(tuple(raws), tuple(owners))

    def score(self, oof: OutOfFold, with_se: bool = True) -> Score:
        """Score predictions. Raises MetricUndefined if their rows have no score (only one class, say)."""
        values, per_fold, samples = [], [], []
        params: dict[str, Any] = {}
        units = m = 1
        for repeat in range(len(oof.raw)):
            rows = oof.rows(repeat)
            prediction, params = self.decoded(oof, repeat)
            (value,), drawn = self._scores(rows, [prediction[rows]], with_se)
            values.append(value)
            if with_se:
                samples.append(drawn[0])
                units, m = self.drawn(rows)
            for fold in np.unique(oof.fold[repeat][rows]):
                per_fold.append(self._one(np.flatnonzero(oof.fold[repeat] == fold), prediction))
        se = 0.0
        if with_se:
            least = min(len(s) for s in samples)
            se = resample.standard_error(np.mean([s[:least] for s in samples], axis=0), units, m)
        return Score(float(np.mean(values)), se, tuple(per_fold), len(oof.rows(0)), params)

    def difference(self, a: OutOfFold, b: OutOfFold) -> Difference:
        """The paired difference on the rows that both predicted."""
        gains, samples, shared = [], [], 0
        units = m = 1
        for repeat in range(min(len(a.raw), len(b.raw))):
            rows = np.flatnonzero((a.fold[repeat] >= 0) & (b.fold[repeat] >= 0))
            if not len(rows):
                continue
            pair = [self.decoded(oof, repeat)[0][rows] for oof in (a, b)]
            (va, vb), drawn = self._scores(rows, pair, True)
            gains.append(self.sign * (vb - va))
            samples.append(self.sign * (drawn[1] - drawn[0]))
            units, m = self.drawn(rows)
            shared = len(rows)
        if not gains:
            raise ValueError("these two share no out-of-fold rows")
        least = min(len(s) for s in samples)
        se = resample.standard_error(np.mean([s[:least] for s in samples], axis=0), units, m)
        return Difference(float(np.mean(gains)), se, shared)

    def score_rows(self, rows: Positions, predictions: list[Array]) -> tuple[list[float], Array]:
        """Scores and bootstrap samples of decoded predictions of the given rows (the vault)."""
        return self._scores(rows, predictions, True)

    def drawn(self, rows: Positions) -> tuple[int, int]:
        """The number of units in these rows, and the number in each bootstrap draw."""
        units = len(np.unique(self.folds.units[rows]))
        return units, units if self._evaluate else resample.drawn_units(self.metric, units)

    def decoded(self, oof: OutOfFold, repeat: int) -> tuple[Array, dict[str, Any]]:
        """Predictions in the form that the metric wants, and the decoding parameters chosen on all rows.

        For the score, each fold's parameters are chosen on the rows of the other folds, so that it stays
        out-of-fold.
        """
        options, settings = self._options(oof, repeat)
        if len(options) == 1:
            return options[0], settings[0]
        owner = oof.fold[repeat]
        predicted = np.flatnonzero(owner >= 0)
        final = options[0].copy()
        for fold in np.unique(owner[predicted]):
            here, others = np.flatnonzero(owner == fold), predicted[owner[predicted] != fold]
            if len(others):
                final[here] = options[self._best(options, others)][here]
        return final, settings[self._best(options, predicted)]

    def _options(self, oof: OutOfFold, repeat: int) -> tuple[list[Array], list[dict[str, Any]]]:
        if oof.decoded is not None:
            return list(oof.decoded[repeat]), list(oof.settings)
        predicted = oof.fold[repeat] >= 0
        options = []
        for params in self._grid:
            part = metrics.decode(oof.raw[repeat][predicted], self.metric.wants, self.protocol.task, params)
            whole = np.zeros((len(predicted), *part.shape[1:]), part.dtype)
            whole[predicted] = part
            options.append(whole)
        return options, list(self._grid)

    def _best(self, options: list[Array], rows: Positions) -> int:
        found = [self._one(rows, option) for option in options]
        ranked = [(-np.inf if value is None else self.sign * value) for value in found]
        return int(np.argmax(ranked))

    def _one(self, rows: Positions, prediction: Array) -> float | None:
        try:
            return self._scores(rows, [prediction[rows]], False)[0][0]
        except MetricUndefined:
            return None

    def _scores(
        self, rows: Positions, predictions: list[Array], with_samples: bool
    ) -> tuple[list[float], Array]:
        truth, units = self.truth[rows], self.folds.units[rows]
        if self._evaluate:
            draws = _draws(units) if with_samples else []
            return self._evaluate(truth, predictions, draws)
        values = [float(self.metric.function(truth, prediction)) for prediction in predictions]
        if not with_samples:
            return values, np.empty((len(values), 0))
        return values, resample.bootstrap(self.metric, truth, predictions, units, draws=DRAWS)


def _draws(units: Positions, draws: int = 60) -> list[Positions]:
    """Rows of whole units, drawn with replacement, for a metric that runs in a worker."""
    rng = np.random.default_rng(0)
    names, codes = np.unique(units, return_inverse=True)
    if len(names) == len(units):
        return [rng.integers(len(units), size=len(units)) for _ in range(draws)]
    members = [np.flatnonzero(codes == code) for code in range(len(names))]
    return [
        np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))]) for _ in range(draws)
    ]
