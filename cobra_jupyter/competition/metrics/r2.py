"""R²: the share of explained variance."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import matrix
from cobra_jupyter.competition.metrics.definition import (
    NUMBERS,
    UP,
    VALUE,
    Array,
    MetricUndefined,
    Weights,
    scored,
)


def r2(truth: Array, prediction: Array, weights: Weights) -> float:
    from sklearn.metrics import r2_score

    y = matrix(truth)
    if len(y) < 2 or (np.ptp(y, axis=0) == 0).any():
        raise MetricUndefined("R² needs a truth that varies in every column")
    return float(r2_score(y, matrix(prediction), sample_weight=weights))


METRICS = (
    scored(
        "r2",
        UP,
        VALUE,
        NUMBERS,
        r2,
        takes_weights=True,
        synonyms="r_2 r_squared r2_score coefficient_of_determination",
        words=(
            r"(?:coefficient of determination|r ?\^? ?2(?: scores?)?|r squared?(?: scores?)?)"
            r"(?: \(?r ?\^? ?2\)?)?",
        ),
    ),
)
