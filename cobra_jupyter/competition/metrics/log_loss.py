"""The logarithmic loss of probabilities: the mean over rows, over columns, or over classes (balanced)."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import (
    class_codes,
    matrix,
    mean_known,
    one_hot,
    probabilities,
    ratio,
)
from cobra_jupyter.competition.metrics.definition import (
    CLASSES,
    DOWN,
    ONE_CLASS,
    PROBABILITY,
    Array,
    mean_loss,
    same,
)
from cobra_jupyter.competition.metrics.phrases import LOG_LOSS

TINY = 1e-15  # Kaggle's clip of probabilities
CLASSWISE = r"(?:within|per|for|over|across|by) (?:each |every |the |all |both )?class(?:es)?"


def log_losses(truth: Array, prediction: Array) -> Array:
    if np.ndim(truth) == 2:
        return np.asarray(binary_log_losses(truth, prediction).mean(axis=1))
    p = np.clip(probabilities(truth, prediction), 0, None)
    total = p.sum(axis=1, keepdims=True)
    p = np.clip(p / np.where(total > 0, total, 1), TINY, 1 - TINY)
    return np.asarray(-np.log(p[np.arange(len(p)), class_codes(truth, p.shape[1])]))


def binary_log_losses(truth: Array, prediction: Array) -> Array:
    y, p = matrix(truth), np.clip(matrix(prediction), TINY, 1 - TINY)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


def losses_by_class(truth: Array, prediction: Array) -> Array:
    """Columns (n, 2C): the loss in the column of the row's class, then 1 in the column of its class."""
    own = one_hot(truth, probabilities(truth, prediction).shape[1])
    return np.hstack([own * log_losses(truth, prediction)[:, None], own])


def mean_of_class_means(means: Array) -> Array:
    """The mean over the classes that have rows."""
    half = means.shape[-1] // 2
    return mean_known(ratio(means[..., :half], means[..., half:]))


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
        "binary_logloss cross_entropy crossentropy logarithmic_loss negative_log_likelihood",
        words=(
            rf"(?:binary |average |multi ?class |multinomial |mean |categorical )*{LOG_LOSS}"
            rf"(?: \((?:{LOG_LOSS})\))?",
            r"(?:mean |average )?negative log ?likelihood(?: \(nll\))?",
        ),
    ),
    mean_loss(
        "balanced_log_loss",
        DOWN,
        PROBABILITY,
        ONE_CLASS,
        losses_by_class,
        mean_of_class_means,
        balanced=True,
        synonyms="balanced_logarithmic_loss class_balanced_log_loss macro_log_loss",
        words=(
            rf"(?:class )?balanced (?:binary |multi ?class |average |mean )*{LOG_LOSS}",
            rf"(?:macro averaged|class averaged) {LOG_LOSS}",
            rf"{LOG_LOSS} (?:is )?averaged (?:first )?{CLASSWISE}",
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
