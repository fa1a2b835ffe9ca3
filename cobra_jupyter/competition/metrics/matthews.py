"""The Matthews correlation coefficient."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import counted, diagonal
from cobra_jupyter.competition.metrics.definition import Array


def matthews(tables: Array) -> Array:
    n, occurs, called = tables.sum(axis=(-2, -1)), tables.sum(axis=-1), tables.sum(axis=-2)
    spread = n**2 - (occurs**2).sum(axis=-1)
    scale = np.sqrt(np.maximum(spread, 0)) * np.sqrt(np.maximum(n**2 - (called**2).sum(axis=-1), 0))
    above = n * diagonal(tables).sum(axis=-1) - (occurs * called).sum(axis=-1)
    score = np.where(scale > 0, above / np.where(scale > 0, scale, 1), 0.0)
    return np.where(spread > 1e-9 * n**2, score, np.nan)


METRICS = (
    counted(
        "matthews_corrcoef",
        matthews,
        "the Matthews correlation needs at least two classes in the truth",
        synonyms="mcc matthews matthews_correlation matthews_correlation_coefficient",
        words=(r"matthews? (?:s )?correlation(?: coefficient)?(?: \(mcc\))?", r"mcc"),
    ),
)
