"""Quick models: small boosted trees on a sample, with one thread and a fixed seed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cobra_jupyter.workbench.audit.sample import OutOfTime, Sample
from cobra_jupyter.workbench.protocol.protocol import Positions
from cobra_jupyter.workbench.scoring import metrics, partly
from cobra_jupyter.workbench.scoring.metrics import Metric, MetricUndefined

Array = np.ndarray[Any, Any]
Splits = Sequence[tuple[Positions, Positions]]
MOST_CLASSES = 8  # rarer classes are merged
MOST_TARGETS = 2
SURE = 3.0  # standard errors


@dataclass(frozen=True)
class Comparison:
    """A quick model's scores with and without some columns, and how much they reduce its loss (± SE)."""

    with_them: float | None
    without: float | None
    metric: str
    gain: float
    se: float

    @property
    def helps(self) -> bool:
        return self.gain > SURE * self.se and self.gain > 0.01

    def scores(self) -> dict[str, Any] | None:
        if self.with_them is None or self.without is None:
            return None
        return {"with": self.with_them, "without": self.without, "metric": self.metric}

    def words(self) -> str:
        if self.with_them is None or self.without is None:
            return ""
        return (
            f"; a quick model scores {self.with_them:.5g} with it, {self.without:.5g} without ({self.metric})"
        )


class Quick:
    """Quick models of a sample's target. Raw predictions are (n, width), NaN where no fold predicts."""

    def __init__(self, sample: Sample, metric: Metric | None = None) -> None:
        self._sample, self.task = sample, sample.task
        self.truth, merged = _few(np.asarray(sample.truth), self.task)
        known = _metric(sample, metric)
        self.metric = metrics.get("accuracy") if merged else known
        logs = self.metric.from_zero and self.task == "regression" and np.nanmin(self.truth) >= 0
        self._goal = np.log1p(self.truth) if logs else self.truth
        self.logs = logs
        self._base: Array | None = None

    @property
    def scale(self) -> Array | float:
        """The loss of the best constant prediction, to which losses are relative."""
        return max(float(np.nanmean(self._losses(self._constant()))), 1e-12)

    def out_of_fold(self, matrix: Array, splits: Splits) -> Array:
        """Returns cross-validated raw predictions. Raises OutOfTime."""
        raw = np.full(self._constant().shape, np.nan)
        for training, held_out in splits:
            raw[held_out] = self.fit_predict(matrix[training], training, matrix[held_out])
        return raw

    def fit_predict(self, known: Array, rows: Positions, asked: Array) -> Array:
        """Fits on `known`, the given rows of the sample, and predicts `asked`."""
        self._sample.clock.check()
        goal = self._goal[rows]
        if not asked.shape[1]:
            return np.repeat(_mean(goal, self.task, self._width), len(asked), axis=0)
        if self.task in ("binary", "multiclass"):
            return probabilities(known, goal, asked, self._width)
        columns = [_column(known, goal[:, t], asked, self.task) for t in range(goal.shape[1])]
        return np.column_stack(columns)

    @property
    def _width(self) -> int:
        classes = self.task in ("binary", "multiclass")
        return int(self.truth.max()) + 1 if classes else int(self.truth.shape[1])

    def _constant(self) -> Array:
        return np.repeat(_mean(self._goal, self.task, self._width), len(self._goal), axis=0)

    def losses(self, raw: Array) -> Array:
        """Returns the loss of each row (log loss or squared error), scaled to about 1 for a constant
        prediction.

        NaN where `raw` is, and for a row without labels."""
        return np.asarray(self._losses(raw) / self.scale)

    def _losses(self, raw: Array) -> Array:
        if self.task in ("binary", "multiclass"):
            chosen = raw[np.arange(len(raw)), self.truth]
            return np.asarray(-np.log(np.clip(chosen, 1e-4, 1)))
        if self.task == "multilabel":
            p = np.clip(raw, 1e-4, 1 - 1e-4)
            return _mean_known(-(self.truth * np.log(p) + (1 - self.truth) * np.log(1 - p)))
        spread = np.nanstd(self._goal, axis=0) + 1e-12
        return _mean_known(((raw - self._goal) / spread) ** 2)

    def score(self, raw: Array, rows: Positions | None = None) -> float | None:
        """Returns the metric on the predicted rows, with the best of its decoding settings."""
        seen = ~np.isnan(raw).any(axis=1)
        if rows is not None:
            seen &= np.isin(np.arange(len(raw)), rows)
        shown = np.expm1(raw[seen]) if self.logs else raw[seen]
        metric = partly.of(self.metric, self.truth[seen])
        found = []
        for params in metrics.decode_grid(self.metric, self.task):
            try:
                decoded = metrics.decode(shown, self.metric.wants, self.task, params)
                found.append(float(metric.function(self.truth[seen], decoded)))
            except (MetricUndefined, ValueError):
                continue
        sign = metrics.sign(self.metric)
        return max(found, key=lambda value: sign * value) if found else None

    def base(self) -> Array:
        """Returns out-of-fold predictions from all trusted columns. Computed once."""
        if self._base is None:
            self._base = self.out_of_fold(self._sample.matrix(self._sample.trusted), self._sample.splits())
        return self._base

    def compared(self, names: Sequence[str]) -> Comparison:
        """Like `with_and_without`, but without scores if no time is left."""
        try:
            return self.with_and_without(names)
        except OutOfTime:
            return NOT_COMPARED

    def with_and_without(self, names: Sequence[str]) -> Comparison:
        """Compares the trusted columns with and without these columns. Raises OutOfTime."""
        sample, without = self._sample, self.base()
        own = [name for name in sample.trusted if name not in names]
        if len(own) < len(sample.trusted):
            without = self.out_of_fold(sample.matrix(own), sample.splits())
        more = self.out_of_fold(sample.matrix([*own, *names]), sample.splits())
        gain, se = difference(self.losses(without), self.losses(more))
        return Comparison(self.score(more), self.score(without), self.metric.name, gain, se)


NOT_COMPARED = Comparison(None, None, "", 0.0, np.inf)


def difference(a: Array, b: Array, codes: Positions | None = None) -> tuple[float, float]:
    """Returns the mean of a - b over rows with both, and its SE. Rows with one code count as one draw."""
    gaps = a - b
    seen = np.isfinite(gaps)
    gaps = gaps[seen]
    if len(gaps) < 2:
        return 0.0, np.inf
    off = gaps - gaps.mean()
    if codes is not None:
        off = np.bincount(np.unique(codes[seen], return_inverse=True)[1], weights=off)
    return float(gaps.mean()), float(np.sqrt((off**2).sum()) / len(gaps))


def probabilities(known: Array, codes: Array, asked: Array, width: int) -> Array:
    """Returns class probabilities (n, width) from boosted trees."""
    present = np.unique(codes)
    raw = np.zeros((len(asked), width))
    if len(present) == 1:
        raw[:, present[0]] = 1
        return raw
    model = trees(classifier=True, rows=len(known), rounds=60 if len(present) < 4 else 30)
    raw[:, present] = fit(model, known, codes).predict_proba(asked)
    return raw


def _column(known: Array, goal: Array, asked: Array, task: str) -> Array:
    """Predicts one label column from the rows that have a label there."""
    there = ~np.isnan(goal)
    if not there.any():
        return np.zeros(len(asked))
    known, goal = known[there], goal[there]
    if task == "multilabel":
        return probabilities(known, goal.astype(np.int64), asked, 2)[:, 1]
    model = trees(classifier=False, rows=len(known), rounds=60)
    return np.asarray(fit(model, known, goal).predict(asked))


def trees(classifier: bool, rows: int, rounds: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    make = HistGradientBoostingClassifier if classifier else HistGradientBoostingRegressor
    return make(
        max_iter=rounds,
        learning_rate=0.1,
        max_leaf_nodes=15,
        max_bins=63,
        early_stopping=False,
        min_samples_leaf=max(2, min(20, rows // 50)),
        random_state=0,
    )


def fit(model: Any, matrix: Array, goal: Array) -> Any:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(matrix, goal)


def _few(truth: Array, task: str) -> tuple[Array, bool]:
    """Returns labels that a quick model can handle, and whether classes were merged."""
    if task not in ("binary", "multiclass"):
        return np.asarray(truth[:, :MOST_TARGETS], float), False
    if truth.max() < MOST_CLASSES:
        return truth, False
    common = np.argsort(-np.bincount(truth), kind="stable")[: MOST_CLASSES - 1]
    places = np.full(int(truth.max()) + 1, MOST_CLASSES - 1)
    places[common] = np.arange(len(common))
    return places[truth], True


def _mean(goal: Array, task: str, width: int) -> Array:
    if task in ("binary", "multiclass"):
        return np.asarray(np.bincount(goal, minlength=width) / len(goal)).reshape(1, -1)
    return np.asarray(np.nan_to_num(_mean_known(goal.T)).reshape(1, -1))


def _mean_known(values: Array) -> Array:
    """Returns the mean of each row over what is known, NaN if nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    return np.where(count, np.where(known, values, 0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _metric(sample: Sample, metric: Metric | None) -> Metric:
    """Returns the requested metric if it can be computed here, else the task's default."""
    name = metric.name if metric else sample.competition.metric
    try:
        known = metrics.get(name) if name else None
    except metrics.MetricError:
        known = None
    return known if known and sample.task in known.tasks else metrics.get(metrics.default_for(sample.task))
