"""Ranking metrics of probabilities: the area under the ROC curve, Gini, and the average precision."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import columnwise, tied_counts
from cobra_jupyter.competition.metrics.definition import CLASSES, PROBABILITY, Array, Weights, mean_column
from cobra_jupyter.competition.metrics.phrases import AUC, AVERAGED, COLUMNS, OVER_COLUMNS

LACK = "the truth holds one class only"
RESTED = r"(?:one (?:vs\.?|versus|against) (?:the )?(?:rest|all)|ovr)"
GINI = r"gini(?: coefficient| index| score)?"


def auc(y: Array, p: Array, weights: Weights = None) -> float:
    """Share of (positive, negative) pairs in the right order; ties count half."""
    hits, sizes = tied_counts(y, p, weights)
    misses = sizes - hits
    pairs = hits.sum() * misses.sum()
    below = np.cumsum(misses) - misses / 2
    return float((hits * below).sum() / pairs) if pairs > 0 else np.nan


def gini(y: Array, p: Array, weights: Weights = None) -> float:
    return 2 * auc(y, p, weights) - 1


def average_precision(y: Array, p: Array, weights: Weights = None) -> float:
    """Mean precision at the thresholds of the positives."""
    hits, sizes = tied_counts(y, p, weights)
    hits, sizes = hits[::-1], sizes[::-1]
    found, seen = np.cumsum(hits), np.cumsum(sizes)
    if not 0 < found[-1] < seen[-1]:
        return np.nan
    return float((hits * found / np.where(seen > 0, seen, 1)).sum() / found[-1])


METRICS = (
    mean_column(
        "roc_auc",
        PROBABILITY,
        CLASSES,
        LACK,
        partial(columnwise, auc),
        smooth=True,
        columnwise="mean_columnwise_roc_auc",
        synonyms="auc auroc auc_roc rocauc roc area_under_the_roc_curve macro_auc macro_roc_auc "
        "area_under_the_receiver_operating_characteristic_curve",
        words=(
            AUC,
            rf"(?:macro (?:{AVERAGED} )?|{RESTED} |multi ?class )+(?:mean )?{AUC}(?: \(?{RESTED}\)?)?",
            rf"{AUC} \(?(?:{RESTED}|macro|macro {AVERAGED})(?:,? (?:{RESTED}|macro|macro {AVERAGED}))?\)?",
            rf"{AUC} (?:is )?averaged (?:over|across) (?:the |all )?classes",
        ),
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
            rf"{AUC} {OVER_COLUMNS}",
            rf"(?:mean|average) of (?:the )?(?:individual )?{AUC}s",
            rf"(?:mean|average) of (?:the )?(?:individual )?{AUC}s?"
            rf" (?:of|for|over|across) (?:each|the|all) (?:predicted )?(?:columns?|labels?|classes|class)",
            rf"(?:mean|average|averaged) {AUC}s? {OVER_COLUMNS}",
        ),
    ),
    mean_column(
        "gini",
        PROBABILITY,
        CLASSES,
        LACK,
        partial(columnwise, gini),
        smooth=True,
        for_numbers="normalized_gini",
        synonyms="gini_coefficient gini_binary",
        words=(GINI, rf"normali[sz]ed {GINI}"),
    ),
    mean_column(
        "average_precision",
        PROBABILITY,
        CLASSES,
        LACK,
        partial(columnwise, average_precision),
        synonyms="ap pr_auc auprc auc_pr",
        words=(
            r"average precision(?: score)?",
            r"area under (?:the )?precision recall(?: curve)?",
            r"(?:pr auc|auprc|auc pr|auc of the precision recall curve|precision recall auc)",
        ),
    ),
)
