"""Relative errors. MAPE and RMSPE are fractions, SMAPE a percentage (0 to 200). RMSPE leaves out rows whose
true value is 0; WAPE divides the sum of errors by the sum of true values."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import absolutes, matrix, ratio, row_mean
from cobra_jupyter.competition.metrics.definition import DOWN, NUMBERS, VALUE, Array, mean_loss, same


def relatives(truth: Array, prediction: Array) -> Array:
    return np.asarray(absolutes(truth, prediction) / np.maximum(np.abs(matrix(truth)), np.finfo(float).eps))


def symmetric_relatives(truth: Array, prediction: Array) -> Array:
    size = np.abs(matrix(truth)) + np.abs(matrix(prediction))
    return np.asarray(200 * absolutes(truth, prediction) / np.where(size > 0, size, 1))


def relative_squares(truth: Array, prediction: Array) -> Array:
    """Columns (n, 2): squared relative errors and 1, both 0 for values that are 0."""
    y = matrix(truth)
    counts = y != 0
    squares = np.where(counts, (matrix(prediction) - y) / np.where(counts, y, 1), 0.0) ** 2
    return np.column_stack([squares.sum(axis=1), counts.sum(axis=1)])


def root_ratio(means: Array) -> Array:
    return np.asarray(np.sqrt(ratio(means[..., 0], means[..., 1])))


def errors_and_sizes(truth: Array, prediction: Array) -> Array:
    return np.column_stack([absolutes(truth, prediction).sum(axis=1), np.abs(matrix(truth)).sum(axis=1)])


def first_by_second(means: Array) -> Array:
    return ratio(means[..., 0], means[..., 1])


MAPE = r"mean absolute percent(?:age)? errors?"
METRICS = (
    mean_loss(
        "mape",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, relatives),
        same,
        synonyms="mean_absolute_percentage_error",
        words=(rf"{MAPE}(?: \(?mape\)?)?", r"mape"),
    ),
    mean_loss(
        "smape",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, symmetric_relatives),
        same,
        synonyms="symmetric_mean_absolute_percentage_error symmetric_mape",
        words=(rf"symmetric(?:al)? (?:{MAPE}|mape)(?: \(?s ?mape\)?)?", r"s ?mape"),
    ),
    mean_loss(
        "rmspe",
        DOWN,
        VALUE,
        NUMBERS,
        relative_squares,
        root_ratio,
        synonyms="root_mean_square_percentage_error root_mean_squared_percentage_error",
        words=(r"root mean squared? percent(?:age)? errors?(?: \(?rmspe\)?)?", r"rmspe"),
    ),
    mean_loss(
        "wape",
        DOWN,
        VALUE,
        NUMBERS,
        errors_and_sizes,
        first_by_second,
        weighs=True,
        synonyms="wmape weighted_absolute_percentage_error weighted_mean_absolute_percentage_error",
        words=(
            r"weighted (?:mean |average )?absolute percent(?:age)? errors?(?: \(?wm?ape\)?)?",
            r"wm?ape",
        ),
    ),
)
