"""The definition of a metric, and functions that build one from row losses or column scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ONE_CLASS = frozenset({"binary", "multiclass"})
CLASSES = ONE_CLASS | {"multilabel"}
NUMBERS = frozenset({"regression"})
UP, DOWN = "maximize", "minimize"
LABEL, PROBABILITY, VALUE = "label", "probability", "value"


class MetricUndefined(ValueError):  # noqa: N818
    """The metric has no value on these rows (one class only, a constant column, no rows ...)."""


@dataclass(frozen=True)
class Metric:
    """A named score.

    function(truth, prediction) returns the score.
    row_loss(truth, prediction) returns losses (n,) or (n, K), and reduce(means of losses) returns the score;
    both are None if the score does not follow from mean losses.
    columns(truth, prediction) returns scores (T,), nan if undefined, whose mean is the score; else None.
    """

    name: str
    direction: str  # "maximize" | "minimize"
    wants: str  # "probability" | "label" | "value"
    tasks: frozenset[str]
    function: Callable[[Array, Array], float]
    row_loss: Callable[[Array, Array], Array] | None = None
    reduce: Callable[[Array], Array] | None = None
    columns: Callable[[Array, Array], Array] | None = None
    perfect: float | None = None  # score of a perfect prediction if not 1 (maximize) or 0 (minimize)
    perfect_may_miss: bool = False  # a perfect prediction may score less than that
    constant_score: float | None = None  # score of a constant prediction, if the metric is undefined for it
    synonyms: str = ""  # other names, separated by spaces
    words: tuple[str, ...] = ()  # patterns for descriptions; the longest match of all metrics wins
    columnwise: str = ""  # the metric that this name means if there are several label columns
    from_zero: bool = False  # it compares logarithms: no negative labels; predictions below 0 count as 0
    smooth: bool = False  # blend weights can be optimised for it although it has no row losses
    ordered: bool = False  # the distance of classes matters, so their expectation may be a good label
    fixed_threshold: bool = False  # the best threshold is always one half

    @property
    def best(self) -> float:
        """The score of a perfect prediction under the metrics of this package."""
        if self.perfect is not None:
            return self.perfect
        return 1.0 if self.direction == UP else 0.0


def scored(name: str, direction: str, wants: str, tasks: Iterable[str], score: Any, **facts: Any) -> Metric:
    """Build a metric from score(truth, prediction) -> float."""
    return Metric(name, direction, wants, frozenset(tasks), partial(checked, name, score), **facts)


def mean_loss(
    name: str, direction: str, wants: str, tasks: Iterable[str], row_loss: Any, reduce: Any, **facts: Any
) -> Metric:
    """Build a metric that follows from mean row losses."""
    score = partial(score_of_means, row_loss, reduce)
    return scored(name, direction, wants, tasks, score, row_loss=row_loss, reduce=reduce, **facts)


def mean_column(name: str, wants: str, tasks: Iterable[str], lack: str, columns: Any, **facts: Any) -> Metric:
    """Build a metric that is the mean score of the columns; `lack` says why a column may have no score."""
    return scored(name, UP, wants, tasks, partial(mean_of_columns, columns, lack), columns=columns, **facts)


def checked(name: str, score: Callable[[Array, Array], float], truth: Array, prediction: Array) -> float:
    """Compute a score, after the checks that apply to every metric."""
    if len(truth) != len(prediction):
        raise ValueError(f"{name}: {len(truth)} rows of truth but {len(prediction)} of prediction")
    if len(truth) == 0:
        raise MetricUndefined(f"{name} needs at least one row")
    array = np.asarray(prediction)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise MetricUndefined(f"{name} needs finite predictions; some are nan or infinite")
    try:
        value = score(truth, prediction)
    except MetricUndefined as problem:
        raise MetricUndefined(f"{name}: {problem}") from None
    if not np.isfinite(value):
        raise MetricUndefined(f"{name} is not a finite number on these rows")
    return float(value)


def score_of_means(
    row_loss: Callable[[Array, Array], Array],
    reduce: Callable[[Array], Array],
    truth: Array,
    prediction: Array,
) -> float:
    """Compute a score from mean losses."""
    return float(reduce(row_loss(truth, prediction).mean(axis=0)))


def mean_of_columns(
    columns: Callable[[Array, Array], Array], lack: str, truth: Array, prediction: Array
) -> float:
    """Mean score of the columns. Raises `MetricUndefined` with `lack` if a column has none."""
    scores = columns(truth, prediction)
    missing = np.flatnonzero(~np.isfinite(scores))
    if len(missing):
        where = "" if len(scores) == 1 else f" in column {', '.join(map(str, missing[:5]))} of {len(scores)}"
        raise MetricUndefined(lack + where)
    return float(scores.mean())


def same(means: Array) -> Array:
    return means
