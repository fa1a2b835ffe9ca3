"""Functions that several metrics share: shapes of truth and prediction, losses, counts.

Shapes (n rows, C classes, T columns): truth is int codes (n,) for binary and multiclass, 0/1 (n, T) for
multilabel, floats (n, T) for regression. Functions take (truth, prediction), and raise `MetricUndefined` if
there is no value. Scores that the bootstrap calls often use numpy directly, because scikit-learn spends most
of its time on input checks; tests compare both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cobra_jupyter.competition.metrics.definition import (
    LABEL,
    ONE_CLASS,
    UP,
    Array,
    Metric,
    MetricUndefined,
    Weights,
    scored,
)


def matrix(values: Array) -> Array:
    """Convert (n,) or (n, T) to floats (n, T)."""
    array = np.asarray(values, dtype=float)
    return np.reshape(array, (len(array), -1)) if array.ndim == 1 else array


def probabilities(truth: Array, prediction: Array) -> Array:
    """Probabilities (n, C) or (n, T); if truth is codes, (n,) and (n, 1) mean P(positive)."""
    array = matrix(prediction)
    if np.ndim(truth) == 1 and array.shape[1] == 1:
        array = np.hstack([1 - array, array])
    return array


def one_hot(truth: Array, width: int) -> Array:
    """Convert codes (n,) to 0/1 (n, width); 0/1 (n, T) stays unchanged."""
    array = np.asarray(truth)
    if array.ndim == 2:
        return array.astype(float)
    return np.asarray(class_codes(array, width)[:, None] == np.arange(width), dtype=float)


def class_codes(truth: Array, width: int) -> Array:
    """Class codes (n,) as integers. Raises ValueError for one that has no column."""
    codes = np.asarray(truth).astype(int)
    if len(codes) and (codes.min() < 0 or codes.max() >= width):
        raise ValueError(f"class code outside 0..{width - 1}: the prediction has {width} columns")
    return codes


def labels(truth: Array, prediction: Array) -> tuple[Array, Array]:
    """Convert both label arrays to one type; if one has strings, both become strings."""
    left, right = np.asarray(truth), np.asarray(prediction)
    if (left.dtype.kind in "OUS") or (right.dtype.kind in "OUS"):
        left, right = left.astype(str), right.astype(str)
    if left.ndim == 1 and right.ndim == 2 and right.shape[1] == 1:
        right = right[:, 0]
    return left, right


def confusion(truth: Array, prediction: Array, weights: Weights = None) -> Array:
    """Count (true class, called class): a table (C, C). Codes keep their places, other labels are sorted."""
    left, right = labels(truth, prediction)
    both = np.concatenate([left, right])
    if both.dtype.kind in "biuf" and both.min() >= 0 and (both == np.floor(both)).all():
        codes, k = both.astype(int), int(both.max()) + 1
    else:
        found, codes = np.unique(both, return_inverse=True)
        k, codes = len(found), codes.reshape(-1)
    k = max(k, 2)
    cells = codes[: len(left)] * k + codes[len(left) :]
    return np.bincount(cells, weights=weights, minlength=k * k).reshape(k, k).astype(float)


def counted(name: str, of_counts: Callable[[Array], Array], lack: str, **facts: Any) -> Metric:
    """Build a metric of labels that follows from the counts of (true class, called class)."""
    facts = {"direction": UP, "tasks": ONE_CLASS, **facts}
    score = partial(score_of_counts, of_counts, lack)
    return scored(name, wants=LABEL, score=score, of_counts=of_counts, takes_weights=True, **facts)


def score_of_counts(
    of_counts: Callable[[Array], Array], lack: str, truth: Array, prediction: Array, weights: Weights
) -> float:
    value = float(of_counts(confusion(truth, prediction, weights)))
    if not np.isfinite(value):
        raise MetricUndefined(lack)
    return value


def ratio(above: Array, below: Array) -> Array:
    """above / below, nan where below is 0."""
    whole = np.asarray(below, dtype=float)
    return np.asarray(np.divide(above, whole, out=np.full(np.shape(whole), np.nan), where=whole != 0))


def mean_known(values: Array) -> Array:
    """Mean over the last axis of the values that are not nan; nan without any."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def diagonal(tables: Array) -> Array:
    return np.asarray(np.diagonal(tables, axis1=-2, axis2=-1))


def tied_counts(y: Array, p: Array, weights: Weights = None) -> tuple[Array, Array]:
    """Sums of labels and of rows (or of their weights) for each distinct prediction, ascending."""
    order = np.argsort(p)
    ranked = p[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    w = np.ones(len(p)) if weights is None else np.asarray(weights, float)[order]
    return np.add.reduceat(y[order] * w, starts), np.add.reduceat(w, starts)


def squares(truth: Array, prediction: Array) -> Array:
    return np.asarray((matrix(truth) - matrix(prediction)) ** 2)


def absolutes(truth: Array, prediction: Array) -> Array:
    return np.asarray(np.abs(matrix(truth) - matrix(prediction)))


def row_mean(losses: Callable[[Array, Array], Array], truth: Array, prediction: Array) -> Array:
    return np.asarray(losses(truth, prediction).mean(axis=1))


def mean_root(means: Array) -> Array:
    return np.asarray(np.sqrt(means).mean(axis=-1))


def columnwise(
    score: Callable[..., float], truth: Array, prediction: Array, weights: Weights = None
) -> Array:
    """Scores of the columns (T,), nan if undefined; for codes, each class against the rest."""
    p = probabilities(truth, prediction)
    y = one_hot(truth, p.shape[1])
    if np.ndim(truth) == 1 and p.shape[1] == 2:
        y, p = y[:, 1:], p[:, 1:]
    return _each(score, y, p, weights)


def value_columns(
    score: Callable[..., float], truth: Array, prediction: Array, weights: Weights = None
) -> Array:
    return _each(score, matrix(truth), matrix(prediction), weights)


def _each(score: Callable[..., float], y: Array, p: Array, weights: Weights) -> Array:
    more = () if weights is None else (weights,)
    return np.array([score(y[:, j], p[:, j], *more) for j in range(y.shape[1])])
