"""The Brier score. Binary: squared error of P(positive); multiclass: sum over classes; multilabel: mean over
columns."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import one_hot, probabilities
from cobra_jupyter.competition.metrics.definition import CLASSES, DOWN, PROBABILITY, Array, mean_loss, same


def brier_losses(truth: Array, prediction: Array) -> Array:
    p = probabilities(truth, prediction)
    squares = (p - one_hot(truth, p.shape[1])) ** 2
    if np.ndim(truth) == 2:
        return np.asarray(squares.mean(axis=1))
    return np.asarray(squares[:, 1] if p.shape[1] == 2 else squares.sum(axis=1))


METRICS = (
    mean_loss(
        "brier_score",
        DOWN,
        PROBABILITY,
        CLASSES,
        brier_losses,
        same,
        synonyms="brier",
        words=(r"brier(?: score)?(?: loss)?",),
    ),
)
