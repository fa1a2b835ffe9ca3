"""Metrics turned round: one_minus_X is 1 - X, negative_X is -X. What was a gain is then a loss."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from cobra_jupyter.competition.metrics.definition import DOWN, UP, Family, Metric

TURNS = {"one_minus": 1.0, "negative": 0.0}


def turned(kind: str, metric: Metric) -> Metric:
    start = TURNS[kind]

    def turn(call: Callable[..., Any] | None) -> Callable[..., Any] | None:
        return call and partial(turned_score, start, call)

    flat = metric.constant_score
    return replace(
        metric,
        name=f"{kind}_{metric.name}",
        direction=DOWN if metric.direction == UP else UP,
        function=partial(turned_score, start, metric.function),
        reduce=turn(metric.reduce),
        columns=turn(metric.columns),
        of_counts=turn(metric.of_counts),
        perfect=start - metric.best,
        constant_score=None if flat is None else start - flat,
        quantile=metric.quantile,
        synonyms="",
        words=(),
        columnwise=metric.columnwise and f"{kind}_{metric.columnwise}",
        for_numbers=metric.for_numbers and f"{kind}_{metric.for_numbers}",
    )


def turned_score(start: float, score: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    return start - score(*arguments, **options)


def of_known(match: re.Match[str]) -> Metric | None:
    from cobra_jupyter.competition import metrics  # this module is one of its

    base = metrics.known(match["base"])
    return None if base is None or base.name.startswith(tuple(TURNS)) else turned(match["kind"], base)


FAMILIES = (Family("one_minus_X", rf"(?P<kind>{'|'.join(TURNS)})_(?P<base>\w+)", of_known),)
