"""The mean Poisson deviance of counts. Predictions below TINY count as TINY."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import matrix, row_mean
from cobra_jupyter.competition.metrics.definition import (
    DOWN,
    NUMBERS,
    VALUE,
    Array,
    MetricUndefined,
    mean_loss,
    same,
)

TINY = 1e-9


def poisson_deviances(truth: Array, prediction: Array) -> Array:
    y, p = matrix(truth), np.clip(matrix(prediction), TINY, None)
    if (y < 0).any():
        raise MetricUndefined("a Poisson deviance needs truth values of at least 0")
    logs = y * np.log(np.where(y > 0, y, 1) / p)
    return np.asarray(2 * (np.where(y > 0, logs, 0.0) - y + p))


METRICS = (
    mean_loss(
        "poisson_deviance",
        DOWN,
        VALUE,
        NUMBERS,
        partial(row_mean, poisson_deviances),
        same,
        from_zero=True,
        synonyms="mean_poisson_deviance",
        words=(r"(?:mean |average )?poisson deviance",),
    ),
)
