"""The Matthews correlation coefficient."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import confusion, labels
from cobra_jupyter.competition.metrics.definition import LABEL, ONE_CLASS, UP, Array, MetricUndefined, scored


def matthews(truth: Array, prediction: Array) -> float:
    left, right = labels(truth, prediction)
    if (left == left[0]).all():
        raise MetricUndefined("the Matthews correlation needs at least two classes in the truth")
    table = confusion(left, right).astype(float)
    n, occurs, called = table.sum(), table.sum(axis=1), table.sum(axis=0)
    scale = np.sqrt(n**2 - occurs @ occurs) * np.sqrt(n**2 - called @ called)
    return float((n * table.trace() - occurs @ called) / scale) if scale > 0 else 0.0


METRICS = (
    scored(
        "matthews_corrcoef",
        UP,
        LABEL,
        ONE_CLASS,
        matthews,
        synonyms="mcc matthews matthews_correlation matthews_correlation_coefficient",
        words=(r"matthews? (?:'s )?correlation(?: coefficient)?(?: \(mcc\))?", r"\bmcc\b"),
    ),
)
