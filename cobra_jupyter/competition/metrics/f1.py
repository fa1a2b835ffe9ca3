"""F1, the harmonic mean of precision and recall: for one class, or averaged over classes. F-beta, where
recall counts beta times as much as precision."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import confusion, counted, diagonal, labels, ratio
from cobra_jupyter.competition.metrics.definition import (
    CLASSES,
    LABEL,
    UP,
    Array,
    Family,
    Metric,
    MetricUndefined,
    Weights,
    scored,
)
from cobra_jupyter.competition.metrics.phrases import AVERAGED, F1

NO_POSITIVE = "F1 needs a row of the positive class (code 1)"


def f_beta(beta: float, tables: Array) -> Array:
    """F of the class with code 1; nan if it has no row."""
    hits, occurs = tables[..., 1, 1], tables[..., 1, :].sum(axis=-1)
    called = tables[..., :, 1].sum(axis=-1)
    return np.where(occurs > 0, (1 + beta**2) * ratio(hits, beta**2 * occurs + called), np.nan)


def f1_of_counts(average: str, hits: Array, occurs: Array, called: Array) -> Array:
    """F1 averaged over the last axis: plain mean, pooled counts (micro), or weighted by frequency."""
    if average == "micro":
        return ratio(2 * hits.sum(axis=-1), occurs.sum(axis=-1) + called.sum(axis=-1))
    seen = occurs + called > 0
    f1s = np.where(seen, 2 * hits / np.where(seen, occurs + called, 1), 0.0)
    weights = occurs if average == "weighted" else seen.astype(float)
    return ratio((f1s * weights).sum(axis=-1), weights.sum(axis=-1))


def f1_average(average: str, tables: Array) -> Array:
    return f1_of_counts(average, diagonal(tables), tables.sum(axis=-1), tables.sum(axis=-2))


def f1_score(average: str, truth: Array, prediction: Array, weights: Weights) -> float:
    """F1 over classes, or over the columns of a multilabel task."""
    left, right = labels(truth, prediction)
    if left.ndim == 1:
        return float(f1_average(average, confusion(left, right, weights)))
    if not left.any():
        raise MetricUndefined("F1 needs a positive label in some column")
    y, p = left == 1, right == 1
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    hits, occurs, called = w @ (y & p), w @ y, w @ p
    if average == "macro":  # a column without positives counts 0
        return float((2 * hits / np.where(occurs + called > 0, occurs + called, 1)).mean())
    return float(f1_of_counts(average, hits, occurs, called))


def averaged(average: str, synonyms: str, before: str, after: str, may_miss: bool = False) -> Metric:
    return scored(
        f"f1_{average}",
        UP,
        LABEL,
        CLASSES,
        partial(f1_score, average),
        of_counts=partial(f1_average, average),
        takes_weights=True,
        perfect_may_miss=may_miss,
        weighs=average == "weighted",
        synonyms=synonyms,
        words=(
            rf"{before}{F1}",
            rf"{F1} (?:score )?\(?(?:with )?{average}[ -]?(?:averag(?:e|ed|ing))?\)?",
            *([after] if after else []),
        ),
    )


def of_beta(match: re.Match[str]) -> Metric | None:
    beta = float(match["beta"].replace("_", "."))
    if beta <= 0 or beta == 1:
        return None
    return counted(f"f_beta_{beta:g}", partial(f_beta, beta), NO_POSITIVE, tasks={"binary"}, one_sided=True)


def beta_named(match: re.Match[str], text: str) -> str:
    beta = match.groupdict().get("beta")
    if beta is None:
        given = re.findall(r"beta ?(?:=|is|of|equal to|to)? ?(\d+(?:\.\d+)?)", text)
        beta = given[0] if len(set(given)) == 1 else None
    return "" if beta is None or float(beta) <= 0 else "f1" if float(beta) == 1 else f"f_beta_{float(beta):g}"


METRICS = (
    counted(
        "f1",
        partial(f_beta, 1.0),
        NO_POSITIVE,
        tasks={"binary"},
        one_sided=True,
        synonyms="f1_score f_score f1_binary",
        words=(
            F1,
            rf"binary {F1}",
            rf"harmonic mean of (?:the )?precision and (?:the )?recall(?: \(?{F1}\)?)?",
        ),
    ),
    averaged(
        "macro",
        "macro_f1 macro_f1_score",
        rf"(?:macro[- ]?(?:{AVERAGED} )?|(?:mean|average) per class |(?:mean|average) class )",
        rf"{F1}s? {AVERAGED} (?:over|across) (?:the |all )?classes",
        may_miss=True,
    ),
    averaged("micro", "micro_f1 micro_f1_score", rf"micro[- ]?(?:{AVERAGED} )?", ""),
    averaged(
        "weighted",
        "weighted_f1 weighted_f1_score",
        rf"(?:support |frequency |class )?weighted[- ]?(?:{AVERAGED} )?",
        rf"{F1}s? (?:{AVERAGED} )?weighted by (?:the )?(?:class )?(?:support|frequency|frequencies)",
    ),
)
FAMILIES = (
    Family(
        "f_beta_2",
        r"f_?(?:beta_?)?(?P<beta>\d+(?:_\d+)?)(?:_score|_measure)?",
        of_beta,
        words=(r"f ?(?P<beta>\d+(?:\.\d+)?)[ -]?(?:score|measure)", r"f ?beta(?:[ -]?(?:score|measure))?"),
        named=beta_named,
    ),
)
