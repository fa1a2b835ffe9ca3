"""The logarithmic loss of probabilities."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import matrix, probabilities
from cobra_jupyter.competition.metrics.definition import CLASSES, DOWN, PROBABILITY, Array, mean_loss, same
from cobra_jupyter.competition.metrics.phrases import LOG_LOSS

TINY = 1e-15  # Kaggle's clip of probabilities


def log_losses(truth: Array, prediction: Array) -> Array:
    if np.ndim(truth) == 2:
        return np.asarray(binary_log_losses(truth, prediction).mean(axis=1))
    p = np.clip(probabilities(truth, prediction), 0, None)
    total = p.sum(axis=1, keepdims=True)
    p = np.clip(p / np.where(total > 0, total, 1), TINY, 1 - TINY)
    codes = np.asarray(truth).astype(int)
    if len(codes) and (codes.min() < 0 or codes.max() >= p.shape[1]):
        raise ValueError(f"class code outside 0..{p.shape[1] - 1}: the prediction has {p.shape[1]} columns")
    return np.asarray(-np.log(p[np.arange(len(p)), codes]))


def binary_log_losses(truth: Array, prediction: Array) -> Array:
    y, p = matrix(truth), np.clip(matrix(prediction), TINY, 1 - TINY)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


def mean_last(means: Array) -> Array:
    return np.asarray(means.mean(axis=-1))


METRICS = (
    mean_loss(
        "log_loss",
        DOWN,
        PROBABILITY,
        CLASSES,
        log_losses,
        same,
        columnwise="multi_column_log_loss",
        synonyms="logloss multi_class_log_loss multiclass_log_loss multiclass_logloss binary_log_loss "
        "binary_logloss cross_entropy crossentropy logarithmic_loss",
        words=(
            rf"(?:binary |average |multi ?class |mean )*{LOG_LOSS}(?: \({LOG_LOSS}\))?",
            r"negative log likelihood",
        ),
    ),
    mean_loss(
        "multi_column_log_loss",
        DOWN,
        PROBABILITY,
        {"multilabel"},
        binary_log_losses,
        mean_last,
        synonyms="mean_columnwise_log_loss multilabel_log_loss mean_column_wise_log_loss",
        words=(
            rf"(?:mean )?(?:multi ?column|column ?wise|multi ?label) (?:mean )?{LOG_LOSS}",
            rf"(?:mean|average) column ?wise {LOG_LOSS}",
        ),
    ),
)
