"""Relative errors. MAPE is a fraction, SMAPE a percentage (0 to 200)."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import absolutes, matrix, row_mean
from cobra_jupyter.competition.metrics.definition import DOWN, NUMBERS, VALUE, Array, mean_loss, same


def relatives(truth: Array, prediction: Array) -> Array:
    return np.asarray(absolutes(truth, prediction) / np.maximum(np.abs(matrix(truth)), np.finfo(float).eps))


def symmetric_relatives(truth: Array, prediction: Array) -> Array:
    size = np.abs(matrix(truth)) + np.abs(matrix(prediction))
    return np.asarray(200 * absolutes(truth, prediction) / np.where(size > 0, size, 1))


METRICS = (
    mean_loss(
        "mape",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, relatives),
        same,
        synonyms="mean_absolute_percentage_error",
        words=(r"mean absolute percentage error(?: \(?mape\)?)?", r"\bmape\b"),
    ),
    mean_loss(
        "smape",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, symmetric_relatives),
        same,
        synonyms="symmetric_mean_absolute_percentage_error",
        words=(r"symmetric mean absolute percentage error(?: \(?smape\)?)?", r"\bsmape\b"),
    ),
)
