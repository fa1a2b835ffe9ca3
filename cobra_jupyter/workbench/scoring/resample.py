"""The uncertainty of scores: a paired bootstrap over units, and its standard error."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cobra_jupyter.competition.metrics import Array, Metric, MetricUndefined

GENERIC_DRAWS = 100
GENERIC_UNITS = 10_000
CHUNK = 4_000_000  # numbers in memory at once


def drawn_units(metric: Metric, n_units: int, max_units: int = 20_000) -> int:
    """The number of units in each draw of `bootstrap` (the m of m-out-of-n)."""
    fast = metric.row_loss is not None
    return min(n_units, max_units if fast else min(max_units, GENERIC_UNITS))


def standard_error(samples: Array, n_units: int, m_units: int) -> Any:
    """Standard error of scores or differences from bootstrap samples (..., draws): a float, stacked (...,).

    Draws of m of n units vary more than the whole sample would, hence the factor sqrt(m / n).
    """
    spread = np.std(np.asarray(samples, dtype=float), axis=-1, ddof=1) * np.sqrt(m_units / n_units)
    return float(spread) if np.ndim(spread) == 0 else spread


def bootstrap(
    metric: Metric,
    truth: Array,
    predictions: Sequence[Array],
    units: Array,
    draws: int = 200,
    seed: int = 0,
    max_units: int = 20_000,
    weights: Array | None = None,
) -> Array:
    """Scores of resampled units: (len(predictions), at most draws). Every prediction gets the same resamples.

    predictions: in the form that the metric wants. units: (n,) codes; the rows of a unit are drawn together,
    `drawn_units` units per draw. weights: (n,), as in the metric's function. A metric without row losses gets
    at most 100 draws. Draws on which it is undefined are left out; if fewer than two are defined, this raises
    `MetricUndefined`. Equal seeds and units give equal draws.
    """
    truth, arrays = np.asarray(truth), [np.asarray(p) for p in predictions]
    _, codes, sizes = np.unique(np.asarray(units), return_inverse=True, return_counts=True)
    codes = codes.reshape(-1)
    if not (len(truth) == len(codes) and all(len(p) == len(codes) for p in arrays)):
        raise ValueError("truth, units and every prediction need the same number of rows")
    if len(codes) == 0:
        raise MetricUndefined(f"{metric.name} needs at least one row")
    m, rng = drawn_units(metric, len(sizes), max_units), np.random.default_rng(seed)
    if metric.row_loss is not None and metric.reduce is not None:
        losses = [metric.row_loss(truth, p) for p in arrays]
        table = np.stack(losses, axis=1)  # (n, P) or (n, P, K)
        weighed = np.ones(len(table)) if weights is None else np.asarray(weights, float)
        means = _resampled_means(table.reshape(len(table), -1), weighed, codes, len(sizes), m, draws, rng)
        return np.asarray(metric.reduce(means.reshape(draws, *table.shape[1:]))).T
    return _resampled_scores(
        metric, truth, arrays, codes, sizes, weights, m=m, draws=min(draws, GENERIC_DRAWS), rng=rng
    )


def _resampled_means(
    losses: Array, weights: Array, codes: Array, n_units: int, m: int, draws: int, rng: np.random.Generator
) -> Array:
    """Weighted mean losses (draws, K) over m units drawn with replacement, from losses (n, K)."""
    columns = np.column_stack([losses * weights[:, None], weights])
    if n_units == len(codes):
        table = np.empty_like(columns)
        table[codes] = columns
    else:
        table = np.stack([np.bincount(codes, column, n_units) for column in columns.T], axis=1)
    table = np.ascontiguousarray(table)
    totals = np.empty((draws, table.shape[1]))
    if m < n_units:  # a part of the units: gather their rows
        ones = np.ones(m)
        for d in range(draws):
            totals[d] = ones @ table.take(rng.integers(n_units, size=m), axis=0)
    else:  # all units: count each, then one matrix product
        step = max(1, CHUNK // n_units)
        for start in range(0, draws, step):
            k = min(step, draws - start)
            drawn = rng.integers(n_units, size=(k, m)) + n_units * np.arange(k)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=k * n_units).reshape(k, n_units)
            totals[start : start + k] = counts.astype(float) @ table
    return np.asarray(totals[:, :-1] / totals[:, -1:])


def _resampled_scores(
    metric: Metric,
    truth: Array,
    arrays: list[Array],
    codes: Array,
    sizes: Array,
    weights: Array | None,
    *,
    m: int,
    draws: int,
    rng: np.random.Generator,
) -> Array:
    """Scores (P, at most draws) of resampled rows. If some are undefined, it tries up to twice as many."""
    order, ends = np.argsort(codes, kind="stable"), np.cumsum(sizes)
    found: list[Array] = []
    for _ in range(2 * draws):
        drawn = rng.integers(len(sizes), size=m)
        length = sizes[drawn]
        # rows of the drawn units: each unit's first position in `order`, then counting up
        first = np.repeat(ends[drawn] - np.cumsum(length), length)
        scores = _scores(metric, truth, arrays, weights, order[first + np.arange(length.sum())])
        if scores is not None:
            found.append(scores)
        if len(found) == draws:
            break
    if len(found) < 2:
        raise MetricUndefined(f"{metric.name} is undefined on nearly every resample of these rows")
    return np.stack(found, axis=1)


def _scores(
    metric: Metric, truth: Array, arrays: list[Array], weights: Array | None, rows: Array
) -> Array | None:
    """Scores (P,) on these rows, or None if undefined. A mean of columns uses those defined for all P."""
    sample, more = truth[rows], () if weights is None else (weights[rows],)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if metric.columns is not None:
            table = np.stack([metric.columns(sample, p[rows], *more) for p in arrays])
            defined = np.isfinite(table).all(axis=0)
            return np.asarray(table[:, defined].mean(axis=1)) if defined.any() else None
        try:
            return np.array([metric.function(sample, p[rows], *more) for p in arrays])
        except MetricUndefined:
            return None
