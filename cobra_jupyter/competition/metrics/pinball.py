"""The pinball loss of one quantile: errors above and below it cost level and 1 - level."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import matrix, row_mean
from cobra_jupyter.competition.metrics.definition import (
    DOWN,
    NUMBERS,
    VALUE,
    Array,
    Family,
    Metric,
    mean_loss,
    same,
)

LEVELS = (
    re.compile(r"(\d+(?:\.\d+)?) ?(?:%|percent|(?:st|nd|rd|th)? ?(?:percentiles?|quantiles?))"),
    re.compile(r"(?:quantiles?|tau|τ|alpha|α|levels?|q) ?(?:=|:|of|at|is)? ?(0?\.\d+|\d+ ?%)"),
    re.compile(r"(0?\.\d+) ?(?:quantiles?|pinball|level)"),
    re.compile(r"(?:pinball|quantile) loss (?:at|for|of|with)? ?(?:the )?\(? ?(0?\.\d+)"),
)


def pinball(level: float, truth: Array, prediction: Array) -> Array:
    short = matrix(truth) - matrix(prediction)
    return np.asarray(np.maximum(level * short, (level - 1) * short))


def of_level(match: re.Match[str]) -> Metric | None:
    digits = match["level"]
    level = float(f"0.{digits[2:]}") if digits.startswith("0_") else float(digits) / 100
    if not 0 < level < 1:
        return None
    losses = partial(row_mean, partial(pinball, level))
    return mean_loss(f"pinball_{level:g}", DOWN, VALUE, NUMBERS, losses, same, quantile=level)


def level_named(match: re.Match[str], text: str) -> str:
    """The metric, if the text gives one quantile."""
    if re.search(r"median", match.group()):
        return "pinball_0.5"
    found = {value.strip(" %") for pattern in LEVELS for value in pattern.findall(text)}
    levels = {float(value) / (100 if float(value) >= 1 else 1) for value in found}
    several = re.search(r"(?:quantile|percentile|level)s\b|quantiles? (?:\d\S* ?,|from)", text)
    return f"pinball_{levels.pop():g}" if len(levels) == 1 and not several else ""


LOSS = r"(?:pinball|quantile|quantile regression)(?: pinball)? loss(?:es)?"
FAMILIES = (
    Family(
        "pinball_0.9",
        r"(?:pinball|quantile)(?:_loss)?_(?P<level>0_\d+|\d{1,2})",
        of_level,
        words=(
            rf"(?:\d+(?:\.\d+)? ?(?:%|percent|th percentile)? |0?\.\d+ |median )?(?:mean |average )?{LOSS}"
            r"(?: (?:at|for|of|with) (?:the )?(?:(?:quantile|level|tau|alpha|q)(?: level)? ?(?:=|of|:)? ?)?"
            r"(?:\d+(?:\.\d+)? ?(?:%|percent)?|0?\.\d+)(?:th)?(?: (?:quantile|percentile|level))?)?",
        ),
        named=level_named,
    ),
)
