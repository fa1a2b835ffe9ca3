"""R²: the share of explained variance."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import matrix
from cobra_jupyter.competition.metrics.definition import NUMBERS, UP, VALUE, Array, MetricUndefined, scored


def r2(truth: Array, prediction: Array) -> float:
    from sklearn.metrics import r2_score

    y = matrix(truth)
    if len(y) < 2 or (np.ptp(y, axis=0) == 0).any():
        raise MetricUndefined("R² needs a truth that varies in every column")
    return float(r2_score(y, matrix(prediction)))


METRICS = (
    scored(
        "r2",
        UP,
        VALUE,
        NUMBERS,
        r2,
        synonyms="r_2 r_squared r2_score coefficient_of_determination",
        words=(r"(?:coefficient of determination|\br ?\^? ?2\b(?: score)?|\br squared\b)",),
    ),
)
