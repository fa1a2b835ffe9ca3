"""Logarithmic errors. RMSLE compares log(1 + value), predictions below 0 count as 0; log_rmse compares
log(value), predictions below TINY count as TINY."""

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
    same,
)
from cobra_jupyter.competition.metrics.phrases import COLUMNS, LOGS, OVER_COLUMNS, RMSE, RMSLE

TINY = 1e-9
OF_LOGS = (
    rf"(?: ?\(?rmse\)?)? ?(?:,? ?computed|calculated|measured|taken)? ?(?:between|of|on|over) "
    rf"(?:the )?(?:predicted (?:and|vs\.?) (?:actual|observed|true) )?(?:natural )?{LOGS}"
)
BETWEEN = rf"(?:{RMSE}|rmse)(?: ?\(?rmse\)?)? (?:between|of|on) (?:the )?log"
BOTH = (
    r"(?: of the (?:predicted|prediction|predictions|forecast)(?: \w+){0,2} and (?:the )?"
    r"(?:natural )?log(?:arithm)?s?)?"
)


def log_squares(truth: Array, prediction: Array) -> Array:
    y = matrix(truth)
    if (y < 0).any():
        raise MetricUndefined("a logarithmic error needs truth values of at least 0")
    return np.asarray((np.log1p(y) - np.log1p(np.clip(matrix(prediction), 0, None))) ** 2)


def log_ratio_squares(truth: Array, prediction: Array) -> Array:
    y = matrix(truth)
    if (y <= 0).any():
        raise MetricUndefined("an error of logarithms needs truth values above 0")
    return np.asarray((np.log(y) - np.log(np.clip(matrix(prediction), TINY, None))) ** 2)


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
            rf"{BETWEEN} ?\(? ?(?:1 ?\+ ?\w+|\w+ ?\+ ?1)",
            rf"{BETWEEN} ?1p",
            r"rmsle",
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
        words=(
            rf"(?:mean )?{COLUMNS}(?:mean )?(?:{RMSLE}|rmsle)",
            rf"(?:{RMSLE}|rmsle)(?: \(?rmsle\)?)? {OVER_COLUMNS}",
        ),
    ),
    mean_loss(
        "msle",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, log_squares),
        same,
        from_zero=True,
        synonyms="mean_squared_log_error mean_squared_logarithmic_error",
        words=(r"mean squared? (?:log(?:arithmic)?) errors?(?: \(?msle\)?)?", r"msle"),
    ),
    mean_loss(
        "log_rmse",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, log_ratio_squares),
        np.sqrt,
        above_zero=True,
        synonyms="rmse_of_logs rmse_log root_mean_squared_error_of_logs",
        words=(
            rf"(?:{RMSE}|rmse){OF_LOGS}{BOTH}",
            rf"(?:{RMSE}|rmse)(?: \(?rmse\)?)? (?:in|on) (?:the )?log(?:arithmic)? (?:scale|space)",
            rf"(?:{RMSE}|rmse)(?: \(?rmse\)?)? after (?:taking )?(?:the )?log(?:arithm)?s?"
            r"(?: transform(?:ation|ing)?)?",
        ),
    ),
)
