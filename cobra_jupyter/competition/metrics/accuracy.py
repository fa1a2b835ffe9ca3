"""Accuracy: the share of correct rows (with several columns, all must be correct). Balanced accuracy: the
mean recall of the classes."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import labels
from cobra_jupyter.competition.metrics.definition import (
    CLASSES,
    LABEL,
    ONE_CLASS,
    UP,
    Array,
    mean_loss,
    scored,
)


def wrong(truth: Array, prediction: Array) -> Array:
    left, right = labels(truth, prediction)
    wrong = left != right
    return np.asarray(wrong.any(axis=1) if wrong.ndim == 2 else wrong, dtype=float)


def complement(means: Array) -> Array:
    return np.asarray(1 - means)


def balanced_accuracy(truth: Array, prediction: Array) -> float:
    left, right = labels(truth, prediction)
    _, codes = np.unique(left, return_inverse=True)
    return float((np.bincount(codes, left == right) / np.bincount(codes)).mean())


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
            r"(?:percentage|percent|proportion|fraction|share) of (?:\w+ ){0,4}(?:correctly|correct)",
            r"(?:percentage|percent|proportion|fraction|share|number) of (?:\w+ ){0,6}"
            r"(?:are correct|correctly \w+)",
        ),
    ),
    scored(
        "balanced_accuracy",
        UP,
        LABEL,
        ONE_CLASS,
        balanced_accuracy,
        synonyms="balanced_acc",
        words=(
            r"balanced (?:classification )?accuracy(?: score)?",
            r"(?:mean|average|macro averaged) (?:per class )?recall(?: over classes)?",
        ),
    ),
)
