"""Logarithmic errors. Predictions below 0 count as 0."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import matrix, mean_root, row_mean
from cobra_jupyter.competition.metrics.definition import (
    DOWN,
    NUMBERS,
    VALUE,
    Array,
    MetricUndefined,
    mean_loss,
)
from cobra_jupyter.competition.metrics.phrases import COLUMNS, RMSLE


def log_squares(truth: Array, prediction: Array) -> Array:
    y = matrix(truth)
    if (y < 0).any():
        raise MetricUndefined("a logarithmic error needs truth values of at least 0")
    return np.asarray((np.log1p(y) - np.log1p(np.clip(matrix(prediction), 0, None))) ** 2)


METRICS = (
    mean_loss(
        "rmsle",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, log_squares),
        np.sqrt,
        from_zero=True,
        columnwise="mean_columnwise_rmsle",
        synonyms="root_mean_squared_log_error root_mean_squared_logarithmic_error",
        words=(
            rf"{RMSLE}(?: \(?rmsle\)?)?",
            r"root mean squared? error (?:\(?rmse\)? )?(?:between|of) (?:the )?(?:natural )?log(?:arithm)?s?",
            r"\brmsle\b",
        ),
    ),
    mean_loss(
        "mean_columnwise_rmsle",
        DOWN,
        VALUE,
        NUMBERS,
        log_squares,
        mean_root,
        from_zero=True,
        synonyms="mean_columnwise_root_mean_squared_logarithmic_error mcrmsle mean_column_wise_rmsle",
        words=(rf"(?:mean )?{COLUMNS}(?:mean )?(?:{RMSLE}|rmsle)",),
    ),
)
