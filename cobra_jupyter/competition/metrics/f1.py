"""F1, the harmonic mean of precision and recall: for one class, or averaged over classes."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import confusion, labels
from cobra_jupyter.competition.metrics.definition import CLASSES, LABEL, UP, Array, MetricUndefined, scored
from cobra_jupyter.competition.metrics.phrases import F1


def f1(truth: Array, prediction: Array) -> float:
    y, p = np.asarray(truth).astype(int) == 1, np.asarray(prediction).astype(int) == 1
    if not y.any():
        raise MetricUndefined("F1 needs a row of the positive class (code 1)")
    return float(2 * (y & p).sum() / (y.sum() + p.sum()))


def f1_average(average: str, truth: Array, prediction: Array) -> float:
    """F1 over classes or columns: plain mean, pooled counts (micro), or weighted by frequency."""
    left, right = labels(truth, prediction)
    if left.ndim == 2:
        if not left.any():
            raise MetricUndefined("F1 needs a positive label in some column")
        y, p = left == 1, right == 1
        hits, occurs, called = (y & p).sum(axis=0), y.sum(axis=0), p.sum(axis=0)
    else:
        table = confusion(left, right)
        hits, occurs, called = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    if average == "micro":
        return float(2 * hits.sum() / (occurs.sum() + called.sum()))
    f1s = 2 * hits / np.maximum(occurs + called, 1)
    return float(np.average(f1s, weights=occurs if average == "weighted" else None))


METRICS = (
    scored(
        "f1",
        UP,
        LABEL,
        {"binary"},
        f1,
        synonyms="f1_score f_score f1_binary",
        words=(F1, rf"binary {F1}"),
    ),
    scored(
        "f1_macro",
        UP,
        LABEL,
        CLASSES,
        partial(f1_average, "macro"),
        perfect_may_miss=True,  # a column without positives counts 0
        synonyms="macro_f1 macro_f1_score",
        words=(rf"(?:macro[- ]?(?:averaged? )?|mean per class ){F1}", rf"{F1} \(?macro\)?"),
    ),
    scored(
        "f1_micro",
        UP,
        LABEL,
        CLASSES,
        partial(f1_average, "micro"),
        synonyms="micro_f1 micro_f1_score",
        words=(rf"micro[- ]?(?:averaged? )?{F1}", rf"{F1} \(?micro\)?"),
    ),
    scored(
        "f1_weighted",
        UP,
        LABEL,
        CLASSES,
        partial(f1_average, "weighted"),
        synonyms="weighted_f1 weighted_f1_score",
        words=(rf"weighted[- ]?(?:averaged? )?{F1}", rf"{F1} \(?weighted\)?"),
    ),
)
