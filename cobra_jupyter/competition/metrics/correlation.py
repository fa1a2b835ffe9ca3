"""Pearson and Spearman correlation. A constant prediction has no correlation and counts as 0."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import value_columns
from cobra_jupyter.competition.metrics.definition import NUMBERS, VALUE, Array, mean_column

LACK = "the truth or the prediction is constant"


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


METRICS = (
    mean_column(
        "pearson",
        VALUE,
        NUMBERS,
        LACK,
        partial(value_columns, pearson),
        constant_score=0.0,
        synonyms="pearsonr pearson_correlation correlation",
        words=(r"pearson(?: ?s)?(?: product moment)?(?: correlation(?: coefficient)?)?",),
    ),
    mean_column(
        "spearman",
        VALUE,
        NUMBERS,
        LACK,
        partial(value_columns, spearman),
        constant_score=0.0,
        synonyms="spearmanr spearman_correlation rank_correlation",
        words=(r"spearman(?: ?s)?(?: rank(?:ed)?)?(?: order)?(?: correlation(?: coefficient)?)?",),
    ),
)
