"""Accuracy: the share of correct rows (with several columns, all must be correct). Balanced accuracy: the
mean recall of the classes."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import counted, diagonal, labels, mean_known, ratio
from cobra_jupyter.competition.metrics.definition import (
    CLASSES,
    DOWN,
    LABEL,
    UP,
    Array,
    mean_loss,
    same,
)

NO_CLASS = "the truth holds no class"
CORRECT = (
    r"(?:percentage|percent|proportion|fraction|share) of (?:\w+ ){0,4}(?:correctly|correct)",
    r"(?:percentage|percent|proportion|fraction|share|number) of (?:\w+ ){0,6}(?:are correct|correctly \w+)",
)


def wrong(truth: Array, prediction: Array) -> Array:
    left, right = labels(truth, prediction)
    wrong = left != right
    return np.asarray(wrong.any(axis=1) if wrong.ndim == 2 else wrong, dtype=float)


def complement(means: Array) -> Array:
    return np.asarray(1 - means)


def recalls(tables: Array) -> Array:
    """Recall of each class (..., C), nan for a class without rows."""
    return ratio(diagonal(tables), tables.sum(axis=-1))


def balanced_accuracy(tables: Array) -> Array:
    return mean_known(recalls(tables))


def balanced_error(tables: Array) -> Array:
    return np.asarray(1 - balanced_accuracy(tables))


def geometric_mean(tables: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(mean_known(np.log(np.maximum(recalls(tables), 1e-300)))))


METRICS = (
    mean_loss(
        "accuracy",
        UP,
        LABEL,
        CLASSES,
        wrong,
        complement,
        fixed_threshold=True,
        synonyms="acc categorization_accuracy classification_accuracy multiclass_accuracy "
        "exact_match subset_accuracy",
        words=(
            r"(?:classification|categori[sz]ation|prediction|overall)? ?accuracy(?: score)?",
            r"(?:exact match|subset) (?:accuracy|ratio)",
            *CORRECT,
        ),
    ),
    mean_loss(
        "error_rate",
        DOWN,
        LABEL,
        CLASSES,
        wrong,
        same,
        fixed_threshold=True,
        synonyms="misclassification_rate classification_error zero_one_loss",
        words=(
            r"(?:mis ?classification|classification) (?:rate|error)(?: rate)?",
            r"error rate",
            r"(?:zero one|0 1) loss",
            r"(?:percentage|proportion|fraction|share) of (?:\w+ ){0,4}(?:wrongly|incorrectly|misclassified)"
            r"(?: \w+)?",
        ),
    ),
    counted(
        "balanced_accuracy",
        balanced_accuracy,
        NO_CLASS,
        synonyms="balanced_acc macro_recall recall_macro mean_recall unweighted_average_recall",
        words=(
            r"balanced (?:classification |categori[sz]ation )?accuracy(?: score)?",
            r"(?:mean|average|macro|macro averaged?|unweighted average) (?:per class |class )?recall"
            r"(?: (?:over|across) (?:the |all )?classes)?",
            r"(?:mean|average) (?:per class|class wise|classwise) accurac(?:y|ies)",
            r"(?:accuracy|recall) (?:is )?averaged (?:over|across) (?:the |all )?classes",
            r"(?:average|mean) of (?:the )?(?:per class |class )?recalls?(?: of (?:the|all) classes)?",
            r"(?:average|mean) of (?:the )?(?:sensitivity and (?:the )?specificity"
            r"|specificity and (?:the )?sensitivity)",
        ),
    ),
    counted(
        "balanced_error_rate",
        balanced_error,
        NO_CLASS,
        direction=DOWN,
        synonyms="ber",
        words=(r"balanced (?:classification )?error(?: rate)?(?: \(ber\))?",),
    ),
    counted(
        "geometric_mean_recall",
        geometric_mean,
        NO_CLASS,
        synonyms="g_mean geometric_mean gmean",
        words=(
            r"geometric mean of (?:the )?(?:recalls?|sensitivity and specificity|class accuracies"
            r"|per class recalls?)(?: of (?:the|all) classes)?",
            r"g mean(?: score)?",
        ),
    ),
)
