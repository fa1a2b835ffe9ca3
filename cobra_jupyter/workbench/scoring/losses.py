"""The arithmetic behind the metrics: losses per row and scores of whole samples.

Shapes are as in `metrics`. Every function takes (truth, prediction) and raises `MetricUndefined` if there is
no value. Scores that a bootstrap calls often are written in numpy, because scikit-learn spends most of its
time checking its input. Tests compare both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

TINY = 1e-15  # Kaggle's clip of probabilities


class MetricUndefined(ValueError):  # noqa: N818
    """The metric has no value on these rows (one class only, a constant column, no rows ...)."""


# ---- shapes ------------------------------------------------------------------------------------------------


def matrix(values: Array) -> Array:
    """Return (n,) or (n, T) as floats (n, T)."""
    array = np.asarray(values, dtype=float)
    return np.reshape(array, (len(array), -1)) if array.ndim == 1 else array


def probabilities(truth: Array, prediction: Array) -> Array:
    """Return (n, C) or (n, T). If the truth is codes, (n,) and (n, 1) mean P(positive)."""
    array = matrix(prediction)
    if np.ndim(truth) == 1 and array.shape[1] == 1:
        array = np.hstack([1 - array, array])
    return array


def one_hot(truth: Array, width: int) -> Array:
    """Return codes (n,) as 0/1 (n, width); 0/1 (n, T) stays unchanged."""
    array = np.asarray(truth)
    if array.ndim == 2:
        return array.astype(float)
    codes = array.astype(int)
    if len(codes) and (codes.min() < 0 or codes.max() >= width):
        raise ValueError(f"class code outside 0..{width - 1}: the prediction has {width} columns")
    return np.asarray(codes[:, None] == np.arange(width), dtype=float)


def labels(truth: Array, prediction: Array) -> tuple[Array, Array]:
    """Return both label arrays in one comparable type; numbers and strings are compared as strings."""
    left, right = np.asarray(truth), np.asarray(prediction)
    if (left.dtype.kind in "OUS") or (right.dtype.kind in "OUS"):
        left, right = left.astype(str), right.astype(str)
    if left.ndim == 1 and right.ndim == 2 and right.shape[1] == 1:
        right = right[:, 0]
    return left, right


# ---- losses per row ----------------------------------------------------------------------------------------


def wrong(truth: Array, prediction: Array) -> Array:
    left, right = labels(truth, prediction)
    wrong = left != right
    return np.asarray(wrong.any(axis=1) if wrong.ndim == 2 else wrong, dtype=float)


def log_losses(truth: Array, prediction: Array) -> Array:
    if np.ndim(truth) == 2:
        return np.asarray(binary_log_losses(truth, prediction).mean(axis=1))
    p = np.clip(probabilities(truth, prediction), 0, None)
    total = p.sum(axis=1, keepdims=True)
    p = np.clip(p / np.where(total > 0, total, 1), TINY, 1 - TINY)
    codes = np.asarray(truth).astype(int)
    if len(codes) and (codes.min() < 0 or codes.max() >= p.shape[1]):
        raise ValueError(f"class code outside 0..{p.shape[1] - 1}: the prediction has {p.shape[1]} columns")
    return np.asarray(-np.log(p[np.arange(len(p)), codes]))


def binary_log_losses(truth: Array, prediction: Array) -> Array:
    y, p = matrix(truth), np.clip(matrix(prediction), TINY, 1 - TINY)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


def brier_losses(truth: Array, prediction: Array) -> Array:
    p = probabilities(truth, prediction)
    squares = (p - one_hot(truth, p.shape[1])) ** 2
    if np.ndim(truth) == 2:
        return np.asarray(squares.mean(axis=1))
    return np.asarray(squares[:, 1] if p.shape[1] == 2 else squares.sum(axis=1))


def squares(truth: Array, prediction: Array) -> Array:
    return np.asarray((matrix(truth) - matrix(prediction)) ** 2)


def log_squares(truth: Array, prediction: Array) -> Array:
    y = matrix(truth)
    if (y < 0).any():
        raise MetricUndefined("a logarithmic error needs truth values of at least 0")
    return np.asarray((np.log1p(y) - np.log1p(np.clip(matrix(prediction), 0, None))) ** 2)


def absolutes(truth: Array, prediction: Array) -> Array:
    return np.asarray(np.abs(matrix(truth) - matrix(prediction)))


def relatives(truth: Array, prediction: Array) -> Array:
    return np.asarray(absolutes(truth, prediction) / np.maximum(np.abs(matrix(truth)), np.finfo(float).eps))


def symmetric_relatives(truth: Array, prediction: Array) -> Array:
    size = np.abs(matrix(truth)) + np.abs(matrix(prediction))
    return np.asarray(200 * absolutes(truth, prediction) / np.where(size > 0, size, 1))


def row_mean(losses: Callable[[Array, Array], Array], truth: Array, prediction: Array) -> Array:
    return np.asarray(losses(truth, prediction).mean(axis=1))


def same(means: Array) -> Array:
    return means


def complement(means: Array) -> Array:
    return np.asarray(1 - means)


def mean_root(means: Array) -> Array:
    return np.asarray(np.sqrt(means).mean(axis=-1))


def mean_last(means: Array) -> Array:
    return np.asarray(means.mean(axis=-1))


# ---- scores of whole samples -------------------------------------------------------------------------------


def columnwise(score: Callable[[Array, Array], float], truth: Array, prediction: Array) -> Array:
    """The score of each column (T,), nan if undefined. For codes: each class against the rest."""
    p = probabilities(truth, prediction)
    y = one_hot(truth, p.shape[1])
    if np.ndim(truth) == 1 and p.shape[1] == 2:
        y, p = y[:, 1:], p[:, 1:]
    return np.array([score(y[:, j], p[:, j]) for j in range(y.shape[1])])


def mean_of_columns(
    columns: Callable[[Array, Array], Array], missing: str, truth: Array, prediction: Array
) -> float:
    """The mean score of the columns. Raises MetricUndefined, naming what is missing, if a column has none."""
    scores = columns(truth, prediction)
    undefined = np.flatnonzero(~np.isfinite(scores))
    if len(undefined):
        names = ", ".join(map(str, undefined[:5]))
        where = "" if len(scores) == 1 else f" in column {names} of {len(scores)}"
        raise MetricUndefined(missing + where)
    return float(scores.mean())


def auc(y: Array, p: Array) -> float:
    """The share of (positive, negative) pairs in the right order; ties count half."""
    hits, sizes = _tied_counts(y, p)
    misses = sizes - hits
    pairs = hits.sum() * misses.sum()
    below = np.cumsum(misses) - misses / 2
    return float((hits * below).sum() / pairs) if pairs > 0 else np.nan


def average_precision(y: Array, p: Array) -> float:
    """The mean, over the positives, of the precision at their threshold."""
    hits, sizes = _tied_counts(y, p)
    hits, sizes = hits[::-1], sizes[::-1]
    found = np.cumsum(hits)
    return float((hits * found / np.cumsum(sizes)).sum() / found[-1]) if 0 < found[-1] < len(y) else np.nan


def _tied_counts(y: Array, p: Array) -> tuple[Array, Array]:
    """Positives and rows at each distinct prediction, ascending."""
    order = np.argsort(p)
    ranked = p[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    return np.add.reduceat(y[order], starts), np.diff(np.r_[starts, len(p)]).astype(float)


def pearson(y: Array, p: Array) -> float:
    if np.ptp(y) == 0 or np.ptp(p) == 0:
        return np.nan
    y, p = (y - y.mean()) / np.ptp(y), (p - p.mean()) / np.ptp(p)
    return float(np.clip((y @ p) / np.sqrt((y @ y) * (p @ p)), -1, 1))


def spearman(y: Array, p: Array) -> float:
    return pearson(_ranks(y), _ranks(p))


def _ranks(values: Array) -> Array:
    """Ranks (n,); ties get their mean rank."""
    _, codes, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(sizes) - (sizes - 1) / 2)[codes.reshape(-1)])


def value_columns(score: Callable[[Array, Array], float], truth: Array, prediction: Array) -> Array:
    y, p = matrix(truth), matrix(prediction)
    return np.array([score(y[:, j], p[:, j]) for j in range(y.shape[1])])


def balanced_accuracy(truth: Array, prediction: Array) -> float:
    left, right = labels(truth, prediction)
    _, codes = np.unique(left, return_inverse=True)
    return float((np.bincount(codes, left == right) / np.bincount(codes)).mean())


def f1(truth: Array, prediction: Array) -> float:
    y, p = np.asarray(truth).astype(int) == 1, np.asarray(prediction).astype(int) == 1
    if not y.any():
        raise MetricUndefined("F1 needs a row of the positive class (code 1)")
    return float(2 * (y & p).sum() / (y.sum() + p.sum()))


def f1_average(average: str, truth: Array, prediction: Array) -> float:
    """Mean F1 over classes or columns: plain, from pooled counts, or weighted by frequency."""
    left, right = labels(truth, prediction)
    if left.ndim == 2:
        if not left.any():
            raise MetricUndefined("F1 needs a positive label in some column")
        y, p = left == 1, right == 1
        hits, actual, predicted = (y & p).sum(axis=0), y.sum(axis=0), p.sum(axis=0)
    else:
        table = _confusion(left, right)
        hits, actual, predicted = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    if average == "micro":
        return float(2 * hits.sum() / (actual.sum() + predicted.sum()))
    f1s = 2 * hits / np.maximum(actual + predicted, 1)
    return float(np.average(f1s, weights=actual if average == "weighted" else None))


def _confusion(truth: Array, prediction: Array) -> Array:
    """Counts (true class, predicted class) of the classes that occur in either."""
    found, codes = np.unique(np.concatenate([truth, prediction]), return_inverse=True)
    k, codes = len(found), codes.reshape(-1)
    return np.bincount(codes[: len(truth)] * k + codes[len(truth) :], minlength=k * k).reshape(k, k)


def matthews(truth: Array, prediction: Array) -> float:
    left, right = labels(truth, prediction)
    if (left == left[0]).all():
        raise MetricUndefined("the Matthews correlation needs at least two classes in the truth")
    table = _confusion(left, right).astype(float)
    n, actual, predicted = table.sum(), table.sum(axis=1), table.sum(axis=0)
    scale = np.sqrt(n**2 - actual @ actual) * np.sqrt(n**2 - predicted @ predicted)
    return float((n * table.trace() - actual @ predicted) / scale) if scale > 0 else 0.0


def quadratic_kappa(truth: Array, prediction: Array) -> float:
    # 1 - observed / expected disagreement. In this form absent classes keep their distance; scikit-learn
    # numbers only the classes that occur.
    y, p = np.asarray(truth, dtype=float), np.asarray(prediction, dtype=float).reshape(np.shape(truth))
    expected = y.var() + p.var() + (y.mean() - p.mean()) ** 2
    if expected == 0:
        raise MetricUndefined("kappa needs more than one class in truth and prediction together")
    return float(1 - ((y - p) ** 2).mean() / expected)


def median_absolute(truth: Array, prediction: Array) -> float:
    return float(np.median(absolutes(truth, prediction), axis=0).mean())


def r2(truth: Array, prediction: Array) -> float:
    from sklearn.metrics import r2_score

    y = matrix(truth)
    if len(y) < 2 or (np.ptp(y, axis=0) == 0).any():
        raise MetricUndefined("R² needs a truth that varies in every column")
    return float(r2_score(y, matrix(prediction)))


# ---- scores from losses, checked ---------------------------------------------------------------------------


def checked(name: str, score: Callable[[Array, Array], float], truth: Array, prediction: Array) -> float:
    """The score, after the checks that apply to every metric."""
    if len(truth) != len(prediction):
        raise ValueError(f"{name}: {len(truth)} rows of truth but {len(prediction)} of prediction")
    if len(truth) == 0:
        raise MetricUndefined(f"{name} needs at least one row")
    array = np.asarray(prediction)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise MetricUndefined(f"{name} needs finite predictions; some are nan or infinite")
    try:
        value = score(truth, prediction)
    except MetricUndefined as problem:
        raise MetricUndefined(f"{name}: {problem}") from None
    if not np.isfinite(value):
        raise MetricUndefined(f"{name} is not a finite number on these rows")
    return float(value)


def score_of_means(
    row_loss: Callable[[Array, Array], Array],
    reduce: Callable[[Array], Array],
    truth: Array,
    prediction: Array,
) -> float:
    """The score computed from mean losses."""
    return float(reduce(row_loss(truth, prediction).mean(axis=0)))
