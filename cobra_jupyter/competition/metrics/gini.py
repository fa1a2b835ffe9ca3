"""The normalised Gini coefficient of numbers: how well a prediction sorts them, next to the best sorting."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import tied_counts, value_columns
from cobra_jupyter.competition.metrics.definition import NUMBERS, VALUE, Array, Weights, mean_column

LACK = "it needs labels of 0 and more that are not all equal"


def normalized_gini(y: Array, p: Array, weights: Weights = None) -> float:
    if y.min() < 0 or np.ptp(y) == 0:
        return np.nan
    best = lorenz_area(y, y, weights)
    return lorenz_area(y, p, weights) / best if best > 0 else np.nan


def lorenz_area(y: Array, p: Array, weights: Weights) -> float:
    """Area between the diagonal and the share of labels found by share of rows, highest prediction first.
    Rows that tie share what they find."""
    sums, sizes = tied_counts(y, p, weights)
    found, rows = np.cumsum(sums[::-1]) / sums.sum(), np.cumsum(sizes[::-1]) / sizes.sum()
    return float((np.diff(np.r_[0, rows]) * (np.r_[0, found[:-1]] + found) / 2).sum() - 0.5)


METRICS = (
    mean_column(
        "normalized_gini",
        VALUE,
        NUMBERS,
        LACK,
        partial(value_columns, normalized_gini),
        constant_score=0.0,
        smooth=True,
        synonyms="normalised_gini gini_normalized normalized_gini_coefficient",
        words=(r"normali[sz]ed gini(?: coefficient| index| score)? of numbers",),
    ),
)
