"""Functions that several metrics share: shapes of truth and prediction, losses, counts.

Shapes (n rows, C classes, T columns): truth is int codes (n,) for binary and multiclass, 0/1 (n, T) for
multilabel, floats (n, T) for regression. Functions take (truth, prediction), and raise `MetricUndefined` if
there is no value. Scores that the bootstrap calls often use numpy directly, because scikit-learn spends most
of its time on input checks; tests compare both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cobra_jupyter.competition.metrics.definition import Array


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
    codes = array.astype(int)
    if len(codes) and (codes.min() < 0 or codes.max() >= width):
        raise ValueError(f"class code outside 0..{width - 1}: the prediction has {width} columns")
    return np.asarray(codes[:, None] == np.arange(width), dtype=float)


def labels(truth: Array, prediction: Array) -> tuple[Array, Array]:
    """Convert both label arrays to one type; if one has strings, both become strings."""
    left, right = np.asarray(truth), np.asarray(prediction)
    if (left.dtype.kind in "OUS") or (right.dtype.kind in "OUS"):
        left, right = left.astype(str), right.astype(str)
    if left.ndim == 1 and right.ndim == 2 and right.shape[1] == 1:
        right = right[:, 0]
    return left, right


def confusion(truth: Array, prediction: Array) -> Array:
    """Confusion matrix (true class, predicted class) of the classes that occur in either."""
    found, codes = np.unique(np.concatenate([truth, prediction]), return_inverse=True)
    k, codes = len(found), codes.reshape(-1)
    return np.bincount(codes[: len(truth)] * k + codes[len(truth) :], minlength=k * k).reshape(k, k)


def tied_counts(y: Array, p: Array) -> tuple[Array, Array]:
    """Numbers of positives and of rows for each distinct prediction, ascending."""
    order = np.argsort(p)
    ranked = p[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    return np.add.reduceat(y[order], starts), np.diff(np.r_[starts, len(p)]).astype(float)


def squares(truth: Array, prediction: Array) -> Array:
    return np.asarray((matrix(truth) - matrix(prediction)) ** 2)


def absolutes(truth: Array, prediction: Array) -> Array:
    return np.asarray(np.abs(matrix(truth) - matrix(prediction)))


def row_mean(losses: Callable[[Array, Array], Array], truth: Array, prediction: Array) -> Array:
    return np.asarray(losses(truth, prediction).mean(axis=1))


def mean_root(means: Array) -> Array:
    return np.asarray(np.sqrt(means).mean(axis=-1))


def columnwise(score: Callable[[Array, Array], float], truth: Array, prediction: Array) -> Array:
    """Scores of the columns (T,), nan if undefined; for codes, each class against the rest."""
    p = probabilities(truth, prediction)
    y = one_hot(truth, p.shape[1])
    if np.ndim(truth) == 1 and p.shape[1] == 2:
        y, p = y[:, 1:], p[:, 1:]
    return np.array([score(y[:, j], p[:, j]) for j in range(y.shape[1])])


def value_columns(score: Callable[[Array, Array], float], truth: Array, prediction: Array) -> Array:
    y, p = matrix(truth), matrix(prediction)
    return np.array([score(y[:, j], p[:, j]) for j in range(y.shape[1])])
