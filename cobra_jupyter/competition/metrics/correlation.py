"""Correlations of numbers. A constant prediction has none and counts as 0."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import value_columns
from cobra_jupyter.competition.metrics.definition import NUMBERS, VALUE, Array, Weights, mean_column
from cobra_jupyter.competition.metrics.phrases import COLUMNS

LACK = "the truth or the prediction is constant"
NEAR = 1e-12  # of the range: numbers so close differ by rounding alone, so they tie


def constant(values: Array) -> bool:
    return bool(np.ptp(values) <= NEAR * np.abs(values).max())


def pearson(y: Array, p: Array, weights: Weights = None) -> float:
    if constant(y) or constant(p):
        return np.nan
    w = np.full(len(y), 1 / len(y)) if weights is None else np.asarray(weights, float) / np.sum(weights)
    y, p = (y - w @ y) / np.ptp(y), (p - w @ p) / np.ptp(p)
    spread = np.sqrt((w * y @ y) * (w * p @ p))
    return float(np.clip((w * y @ p) / spread, -1, 1)) if spread > 0 else np.nan


def spearman(y: Array, p: Array) -> float:
    return np.nan if constant(y) or constant(p) else pearson(_ranks(y), _ranks(p))


def kendall(y: Array, p: Array) -> float:
    """Kendall's tau-b, which allows for ties."""
    from scipy.stats import kendalltau

    return np.nan if constant(y) or constant(p) else float(kendalltau(_ranks(y), _ranks(p)).statistic)


def concordance(y: Array, p: Array, weights: Weights = None) -> float:
    """Lin's coefficient: the correlation, less what mean and spread of the prediction are off."""
    if constant(y):
        return np.nan
    w = np.full(len(y), 1 / len(y)) if weights is None else np.asarray(weights, float) / np.sum(weights)
    a, b = y - w @ y, p - w @ p
    return float(2 * (w * a @ b) / (w * a @ a + w * b @ b + (w @ y - w @ p) ** 2))


def _ranks(values: Array) -> Array:
    """Ranks (n,); ties get their mean rank."""
    _, codes, sizes = np.unique(
        np.round((values - values.min()) / np.ptp(values) / NEAR), return_inverse=True, return_counts=True
    )
    return np.asarray((np.cumsum(sizes) - (sizes - 1) / 2)[codes.reshape(-1)])


EACH = rf"(?:(?:mean |average )?{COLUMNS})?"
COEFFICIENT = r"(?: correlation)?(?: coefficients?)?"
METRICS = (
    mean_column(
        "pearson",
        VALUE,
        NUMBERS,
        LACK,
        partial(value_columns, pearson),
        constant_score=0.0,
        synonyms="pearsonr pearson_correlation correlation",
        words=(
            rf"{EACH}pearson(?: ?s)?(?: product moment)?(?: (?:linear )?r)?{COEFFICIENT}",
            r"(?:linear )?correlation coefficients?",
        ),
    ),
    mean_column(
        "spearman",
        VALUE,
        NUMBERS,
        LACK,
        partial(value_columns, spearman),
        takes_weights=False,
        constant_score=0.0,
        synonyms="spearmanr spearman_correlation rank_correlation spearman_rho",
        words=(
            rf"{EACH}spearman(?: ?s)?(?: rank(?:ed)?)?(?: order)?(?: (?:rho|ρ))?{COEFFICIENT}",
            r"rank correlation(?: coefficients?)?",
        ),
    ),
    mean_column(
        "kendall_tau",
        VALUE,
        NUMBERS,
        LACK,
        partial(value_columns, kendall),
        takes_weights=False,
        constant_score=0.0,
        synonyms="kendall kendall_correlation kendalls_tau",
        words=(rf"kendall(?: ?s)?(?: rank)?(?: tau(?: b)?)?{COEFFICIENT}",),
    ),
    mean_column(
        "concordance_correlation",
        VALUE,
        NUMBERS,
        LACK,
        partial(value_columns, concordance),
        synonyms="ccc lin_ccc concordance_correlation_coefficient",
        words=(r"(?:lin ?s )?concordance correlation(?: coefficient)?(?: \(ccc\))?", r"ccc"),
    ),
)
