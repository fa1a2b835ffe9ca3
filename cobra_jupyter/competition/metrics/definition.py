"""The definition of a metric, and functions that build one from row losses, column scores or counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Weights = Array | None

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

    function(truth, prediction, weights=None) returns the score. It takes weights (n,) if `takes_weights`.
    row_loss(truth, prediction) returns losses (n,) or (n, K), and reduce(means of losses) returns the score;
    both are None if the score does not follow from mean losses.
    columns(truth, prediction, weights=None) returns scores (T,), nan if undefined, whose mean is the score;
    else None.
    of_counts(tables) returns scores (...) of tables (..., C, C) that count (true class, called class), nan if
    undefined; None if the score does not follow from these counts.
    """

    name: str
    direction: str  # "maximize" | "minimize"
    wants: str  # "probability" | "label" | "value"
    tasks: frozenset[str]
    function: Callable[..., float]
    row_loss: Callable[[Array, Array], Array] | None = None
    reduce: Callable[[Array], Array] | None = None
    columns: Callable[..., Array] | None = None
    of_counts: Callable[[Array], Array] | None = None
    takes_weights: bool = False
    perfect: float | None = None  # score of a perfect prediction if not 1 (maximize) or 0 (minimize)
    perfect_may_miss: bool = False  # a perfect prediction may score less than that
    constant_score: float | None = None  # score of a constant prediction, if the metric is undefined for it
    synonyms: str = ""  # other names, separated by spaces
    words: tuple[str, ...] = ()  # patterns for descriptions; the longest match of all metrics wins
    columnwise: str = ""  # the metric that this name means if there are several label columns
    for_numbers: str = ""  # the metric that this name means if the labels are numbers
    from_zero: bool = False  # it compares logarithms: no negative labels; predictions below 0 count as 0
    above_zero: bool = False  # it needs labels above 0
    smooth: bool = False  # blend weights can be optimised for it although it has no row losses
    ordered: bool = False  # the distance of classes matters, so cuts of their expectation may be good labels
    fixed_threshold: bool = False  # the most probable class is always the best label
    balanced: bool = False  # each class weighs the same, so probabilities are corrected for class shares
    one_sided: bool = False  # it scores the class with code 1 alone, so it matters which one that is
    quantile: float | None = None  # the share of labels that a good prediction has below it
    weighs: bool = False  # weights are part of its definition; a description's weights are these

    @property
    def best(self) -> float:
        """The score of a perfect prediction under the metrics of this package."""
        if self.perfect is not None:
            return self.perfect
        return 1.0 if self.direction == UP else 0.0


@dataclass(frozen=True)
class Family:
    """Metrics that differ in a number or in what they turn round, like pinball_0.9 and one_minus_pearson.

    key: the pattern of their names in `spelled` form; make(match of key) returns the metric, None for a
    number that has no meaning. words: patterns for descriptions; named(match, whole text) returns the name
    of the metric, "" if the text does not say which.
    """

    name: str  # as shown in lists
    key: str
    make: Callable[[re.Match[str]], Metric | None]
    words: tuple[str, ...] = ()
    named: Callable[[re.Match[str], str], str] | None = None


def spelled(name: str) -> str:
    """Write a name in lower case with one _ between words."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def scored(name: str, direction: str, wants: str, tasks: Iterable[str], score: Any, **facts: Any) -> Metric:
    """Build a metric from score(truth, prediction) -> float; with weights if it `takes_weights`."""
    function = score if facts.get("takes_weights") else partial(unweighted, score)
    return Metric(name, direction, wants, frozenset(tasks), partial(checked, name, function), **facts)


def mean_loss(
    name: str, direction: str, wants: str, tasks: Iterable[str], row_loss: Any, reduce: Any, **facts: Any
) -> Metric:
    """Build a metric that follows from mean row losses."""
    score = partial(score_of_means, row_loss, reduce)
    known = {"row_loss": row_loss, "reduce": reduce, "takes_weights": True}
    return scored(name, direction, wants, tasks, score, **known, **facts)


def mean_column(name: str, wants: str, tasks: Iterable[str], lack: str, columns: Any, **facts: Any) -> Metric:
    """Build a metric that is the mean score of the columns; `lack` says why a column may have no score."""
    facts = {"takes_weights": True, **facts}
    return scored(name, UP, wants, tasks, partial(mean_of_columns, columns, lack), columns=columns, **facts)


def unweighted(
    score: Callable[[Array, Array], Any], truth: Array, prediction: Array, weights: Weights
) -> Any:
    if weights is not None:
        raise MetricUndefined("it takes no weights")
    return score(truth, prediction)


def checked(
    name: str,
    score: Callable[[Array, Array, Weights], float],
    truth: Array,
    prediction: Array,
    weights: Weights = None,
) -> float:
    """Compute a score, after the checks that apply to every metric."""
    if len(truth) != len(prediction):
        raise ValueError(f"{name}: {len(truth)} rows of truth but {len(prediction)} of prediction")
    if len(truth) == 0:
        raise MetricUndefined(f"{name} needs at least one row")
    array = np.asarray(prediction)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise MetricUndefined(f"{name} needs finite predictions; some are nan or infinite")
    if weights is not None and not np.sum(weights) > 0:
        raise MetricUndefined(f"{name}: the weights of these rows sum to 0")
    try:
        value = score(truth, prediction, weights)
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
    weights: Weights,
) -> float:
    """Compute a score from mean losses."""
    return float(reduce(np.average(row_loss(truth, prediction), axis=0, weights=weights)))


def mean_of_columns(
    columns: Callable[..., Array], lack: str, truth: Array, prediction: Array, weights: Weights = None
) -> float:
    """Mean score of the columns. Raises `MetricUndefined` with `lack` if a column has none."""
    scores = columns(truth, prediction) if weights is None else columns(truth, prediction, weights)
    missing = np.flatnonzero(~np.isfinite(scores))
    if len(missing):
        where = "" if len(scores) == 1 else f" in column {', '.join(map(str, missing[:5]))} of {len(scores)}"
        raise MetricUndefined(lack + where)
    return float(scores.mean())


def same(means: Array) -> Array:
    return means
