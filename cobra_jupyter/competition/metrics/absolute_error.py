"""Mean and median absolute error."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import absolutes, row_mean
from cobra_jupyter.competition.metrics.definition import DOWN, NUMBERS, VALUE, Array, mean_loss, same, scored
from cobra_jupyter.competition.metrics.phrases import COLUMNS, MAE, OVER_COLUMNS


def median_absolute(truth: Array, prediction: Array) -> float:
    return float(np.median(absolutes(truth, prediction), axis=0).mean())


METRICS = (
    mean_loss(
        "mae",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, absolutes),
        same,
        synonyms="mean_absolute_error l1",
        words=(
            rf"{MAE}(?: \(?mae\)?)?",
            r"mae",
            rf"(?:mean )?{COLUMNS}(?:{MAE}|mae)",  # equal to the mean over all values
            rf"(?:{MAE}|mae)(?: \(?mae\)?)? {OVER_COLUMNS}",
        ),
    ),
    scored(
        "median_absolute_error",
        DOWN,
        VALUE,
        NUMBERS,
        median_absolute,
        synonyms="medae",
        words=(r"median absolute (?:error|deviation)",),
    ),
)
