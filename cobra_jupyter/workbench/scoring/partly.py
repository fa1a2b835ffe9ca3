"""Metrics of several label columns of which rows have only some: a missing label (NaN) does not count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cobra_jupyter.competition.metrics import Array, Metric, MetricUndefined
from cobra_jupyter.competition.metrics.definition import Weights, checked, mean_of_columns, score_of_means

Score = Callable[..., Any]


def has_gaps(truth: Any) -> bool:
    """Whether rows lack some of several labels."""
    array = np.asarray(truth)
    return array.ndim == 2 and array.dtype.kind == "f" and bool(np.isnan(array).any())


def filled(truth: Array) -> Array:
    """Returns the labels with the mean of their column where they are not known."""
    return np.where(np.isnan(truth), np.nanmean(truth, axis=0), truth) if has_gaps(truth) else truth


def of(metric: Metric, truth: Any) -> Metric:
    """Returns the metric for labels with gaps; the metric itself if there are none.

    A metric of mean losses takes the mean over the known labels, of each column or, if it pools the columns,
    of all. Any other metric is the mean of its scores of the columns."""
    if not has_gaps(truth):
        return metric
    if metric.row_loss is None or metric.reduce is None or not _one_loss(metric.row_loss):
        scores = partial(_columns, metric.columns or metric.function)
        lack = "a column has no score on these rows"
        function = partial(checked, metric.name, partial(mean_of_columns, scores, lack))
        return replace(metric, function=function, columns=scores)
    row_loss = partial(_losses, metric.row_loss)
    pooled = metric.row_loss(np.zeros((1, 2)), np.zeros((1, 2))).ndim == 1
    reduce = partial(_reduced, metric.reduce, pooled)
    function = partial(checked, metric.name, partial(score_of_means, row_loss, reduce))
    return replace(metric, function=function, row_loss=row_loss, reduce=reduce)


def _one_loss(row_loss: Score) -> bool:
    """Whether a row of one column has one loss."""
    return np.size(row_loss(np.ones((1, 1)), np.ones((1, 1)))) == 1


def _columns(score: Score, truth: Array, prediction: Array, weights: Weights = None) -> Array:
    """Scores of the columns (T,) on the rows where each is known, nan if undefined."""
    columns = range(truth.shape[1])
    return np.array([_of_column(score, truth[:, [j]], prediction[:, [j]], weights) for j in columns])


def _of_column(score: Score, truth: Array, prediction: Array, weights: Weights) -> float:
    known = ~np.isnan(truth[:, 0])
    more = () if weights is None else (weights[known],)
    try:
        found = score(truth[known], prediction[known], *more) if known.any() else np.nan
        return float(np.ravel(found)[0])
    except MetricUndefined:
        return float("nan")


def _losses(row_loss: Score, truth: Array, prediction: Array) -> Array:
    """Losses of known labels, 0 elsewhere, then 1 where a label is known: (n, 2T)."""
    known = ~np.isnan(truth)
    losses = np.zeros(truth.shape)
    for j in range(truth.shape[1]):
        rows = known[:, j]
        losses[rows, j] = np.ravel(row_loss(truth[rows][:, [j]], prediction[rows][:, [j]]))
    return np.hstack([losses, known.astype(float)])


def _reduced(reduce: Callable[[Array], Array], pooled: bool, means: Array) -> Array:
    half = means.shape[-1] // 2
    losses, known = means[..., :half], means[..., half:]
    if pooled:
        losses, known = losses.sum(axis=-1), known.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(reduce(losses / known))
