"""Ranking metrics: the area under the ROC curve and the average precision."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import columnwise, tied_counts
from cobra_jupyter.competition.metrics.definition import CLASSES, PROBABILITY, Array, mean_column
from cobra_jupyter.competition.metrics.phrases import AUC, COLUMNS

LACK = "the truth holds one class only"


def auc(y: Array, p: Array) -> float:
    """Share of (positive, negative) pairs in the right order; ties count half."""
    hits, sizes = tied_counts(y, p)
    misses = sizes - hits
    pairs = hits.sum() * misses.sum()
    below = np.cumsum(misses) - misses / 2
    return float((hits * below).sum() / pairs) if pairs > 0 else np.nan


def average_precision(y: Array, p: Array) -> float:
    """Mean precision at the thresholds of the positives."""
    hits, sizes = tied_counts(y, p)
    hits, sizes = hits[::-1], sizes[::-1]
    found = np.cumsum(hits)
    return float((hits * found / np.cumsum(sizes)).sum() / found[-1]) if 0 < found[-1] < len(y) else np.nan


METRICS = (
    mean_column(
        "roc_auc",
        PROBABILITY,
        CLASSES,
        LACK,
        partial(columnwise, auc),
        smooth=True,
        columnwise="mean_columnwise_roc_auc",
        synonyms="auc auroc auc_roc rocauc roc area_under_the_roc_curve "
        "area_under_the_receiver_operating_characteristic_curve",
        words=(AUC,),
    ),
    mean_column(
        "mean_columnwise_roc_auc",
        PROBABILITY,
        CLASSES,
        LACK,
        partial(columnwise, auc),
        smooth=True,
        synonyms="mean_auc mean_roc_auc mean_columnwise_auc mean_column_wise_roc_auc mcauc",
        words=(
            rf"(?:mean|average) {COLUMNS}{AUC}",
            rf"{COLUMNS}(?:mean )?{AUC}",
            rf"(?:mean|average) of (?:the )?(?:individual )?{AUC}s?(?: of each (?:predicted )?column)?",
        ),
    ),
    mean_column(
        "average_precision",
        PROBABILITY,
        CLASSES,
        LACK,
        partial(columnwise, average_precision),
        synonyms="ap pr_auc mean_average_precision auprc",
        words=(
            r"average precision(?: score)?",
            r"area under (?:the )?precision recall(?: curve)?",
            r"\b(?:pr auc|auprc|auc pr)\b",
        ),
    ),
)
