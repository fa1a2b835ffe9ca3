"""Squared errors. RMSE is the root of the mean over all columns; the columnwise metric is a mean of roots."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import mean_root, row_mean, squares
from cobra_jupyter.competition.metrics.definition import DOWN, NUMBERS, VALUE, mean_loss, same
from cobra_jupyter.competition.metrics.phrases import COLUMNS, MSE, OVER_COLUMNS, RMSE

METRICS = (
    mean_loss(
        "rmse",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, squares),
        np.sqrt,
        columnwise="mean_columnwise_rmse",
        synonyms="root_mean_squared_error root_mean_square_error",
        words=(rf"{RMSE}(?: \(?rmse\)?)?", r"rmse"),
    ),
    mean_loss(
        "mean_columnwise_rmse",
        DOWN,
        VALUE,
        NUMBERS,
        squares,
        mean_root,
        synonyms="mcrmse mean_column_wise_rmse mean_columnwise_root_mean_squared_error",
        words=(
            rf"(?:mean )?{COLUMNS}(?:mean )?(?:{RMSE}|rmse)(?: \(?mcrmse\)?)?",
            rf"(?:mean |average )?(?:{RMSE}|rmse)(?: \(?rmse\)?)? {OVER_COLUMNS}",
            rf"(?:mean|average) of (?:the )?(?:{RMSE}|rmses?)(?: \(?rmse\)?)? (?:of|{OVER_COLUMNS})"
            r"(?: each (?:column|target))?",
            r"mcrmse",
        ),
    ),
    mean_loss(
        "mse",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, squares),
        same,
        synonyms="mean_squared_error l2",
        words=(rf"{MSE}(?: \(?mse\)?)?", r"mse"),
    ),
)
