"""Metrics: names, decoding of predictions, and the test that a metric must pass.

Shapes (n rows, C classes, T columns): truth is int codes (n,) for binary and multiclass, 0/1 (n, T) for
multilabel, floats (n, T) for regression. A metric wants one form of prediction; `decode` makes it from a raw
one: "label" (codes (n,), multilabel 0/1 (n, T)), "probability" ((n, C), multilabel (n, T)) or "value"
((n, T)). A score that cannot be computed raises `MetricUndefined`; no metric returns nan.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from cobra_jupyter.competition.metric import DEFAULTS
from cobra_jupyter.competition.metrics import ALIASES, METRICS, Array, Metric, MetricUndefined, known, listed
from cobra_jupyter.competition.metrics.arithmetic import matrix, one_hot
from cobra_jupyter.competition.metrics.definition import spelled
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.scoring import partly

__all__ = [
    "ALIASES",
    "Metric",
    "MetricError",
    "MetricUndefined",
    "better",
    "decode",
    "decode_grid",
    "default_for",
    "get",
    "given",
    "known",
    "names",
    "sanity",
    "sign",
]

Params = dict[str, Any]


class MetricError(KeyError):
    """The metric is unknown or does not fit the task."""

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0]) if self.args else ""


def names() -> list[str]:
    """Return all metric names."""
    return list(METRICS)


def get(name: str) -> Metric:
    """Find a metric by its name or a synonym; case and spacing do not matter. Raises MetricError."""
    found = known(re.sub(r"^\s*1\s*-", "one_minus ", name))
    if found is not None:
        return found
    key = spelled(name)
    close = difflib.get_close_matches(key, [*METRICS, *ALIASES], n=1, cutoff=0.5)
    hint = f" Did you mean {ALIASES.get(close[0], close[0])!r}?" if close else ""
    raise MetricError(f"no metric {name!r}.{hint} Known: {', '.join(listed())}")


def default_for(task: str) -> str:
    """Return the name of a task's default metric. Raises MetricError for an unknown task."""
    if task not in DEFAULTS:
        raise MetricError(f"no default metric for task {task!r}; tasks: {', '.join(DEFAULTS)}")
    return DEFAULTS[task]


def sign(metric: Metric | str) -> int:
    """Return +1 if higher is better, else -1."""
    return 1 if _metric(metric).direction == "maximize" else -1


def better(metric: Metric | str, a: float, b: float) -> bool:
    """Whether score a is strictly better than score b."""
    return sign(metric) * (a - b) > 0


def _metric(metric: Metric | str) -> Metric:
    return get(metric) if isinstance(metric, str) else metric


def decode(raw: Array, wants: str, task: str, params: Params | None = None) -> Array:
    """Convert a raw prediction to the form that a metric wants.

    params: threshold (binary, multilabel; P above it is positive, default 0.5), weights (of classes; they
    multiply the probabilities), rule (multiclass: "argmax", "expectation", the mean class code, rounded, or
    "cuts", the mean class code cut at `cuts`), shift (of each column; it is added), minimum (values below are
    raised to it).
    """
    params = params or {}
    array = np.asarray(raw)
    if "weights" in params:
        array = array * np.array(params["weights"])
        array = array / array.sum(axis=1, keepdims=True)
    if wants == "value":
        array = array + np.array(params["shift"]) if "shift" in params else array
        return np.asarray(np.maximum(array, params["minimum"])) if "minimum" in params else array
    if wants == "probability":
        return array
    if task == "multilabel":
        return np.asarray(array > params.get("threshold", 0.5), dtype=int)
    if task == "binary":
        positive = array if array.ndim == 1 else array[:, -1]
        return np.asarray(positive > params.get("threshold", 0.5), dtype=int)
    if task == "multiclass":
        if params.get("rule") == "expectation":
            return np.asarray(np.clip(np.rint(mean_code(array)), 0, array.shape[1] - 1), dtype=int)
        if params.get("rule") == "cuts":
            return np.asarray(np.searchsorted(params["cuts"], mean_code(array)), dtype=int)
        return np.asarray(array.argmax(axis=1))
    raise MetricError(f"labels cannot be made from raw predictions of task {task!r}")


def mean_code(array: Array) -> Array:
    """The mean class code of each row of probabilities (n, C)."""
    return np.asarray(array @ np.arange(array.shape[1]) / array.sum(axis=1))


def decode_grid(metric: Metric | str, task: str, classes: Sequence[Any] | None = None) -> list[Params]:
    """Return a few params of `decode` to try for a metric, the default first, where speed matters more than
    the best choice (`decoding` has that). The rule "expectation" is for classes that are numbers."""
    metric = _metric(metric)
    if metric.from_zero or metric.above_zero:
        return [{"minimum": 0.0}]
    if metric.wants != "label":
        return [{}]
    if task == "multiclass":
        ordered = metric.ordered and (numbers(classes))
        return [{"rule": "argmax"}, *([{"rule": "expectation"}] if ordered else [])]
    if metric.fixed_threshold:
        return [{"threshold": 0.5}]
    low = [0.01, 0.02, 0.03]
    others = [t for t in np.round(np.arange(0.05, 0.96, 0.05), 2).tolist() if t != 0.5]
    return [{"threshold": t} for t in [0.5, *low, *others]]


def numbers(classes: Sequence[Any] | None) -> bool:
    """Whether these class labels are numbers, so that their order means something (None: codes)."""
    if classes is None:
        return True
    try:
        return bool(np.isfinite(np.array(list(classes), dtype=float)).all())
    except (TypeError, ValueError):
        return False


def sanity(
    metric: Metric | str, truth: Array, task: str, classes: Sequence[Any], rng: np.random.Generator | int
) -> results.Sanity:
    """Score the truth itself, the shuffled truth and a constant (class prior, most frequent label, mean).

    The metric holds if the perfect prediction has the best possible score (macro F1 need not: a column
    without positives counts 0) and is strictly better than the other two. Their order does not matter: by a
    loss (log loss, RMSE, also R²) or accuracy, the constant is better than shuffled truth, which is confident
    and wrong; by ranking and chance-corrected metrics both score at chance; by F1, shuffled truth is better
    than the most frequent label. A correlation is undefined for a constant and counts as 0. Returns
    {perfect, shuffled, constant: float or None, holds: bool, reason: str}.
    """
    metric = _metric(metric)
    if task not in metric.tasks:
        return _verdict(f"{metric.name} is not defined for task {task!r}")
    truth = np.asarray(truth)
    perfect, constant = _perfect_and_constant(metric, truth, len(classes))
    shuffled = perfect[np.random.default_rng(rng).permutation(len(truth))]
    if np.array_equal(shuffled, perfect):  # possible with two or three rows
        shuffled = np.roll(perfect, 1, axis=0)
    found: list[float] = []
    for what, prediction in (("perfect", perfect), ("shuffled", shuffled), ("constant", constant)):
        try:
            found.append(metric.function(truth, prediction))
        except MetricUndefined as problem:
            if what == "constant" and metric.constant_score is not None:
                found.append(metric.constant_score)
            else:
                return _verdict(f"the {what} prediction has no score: {problem}")
    built_in = known(metric.name) is metric  # the best score of a custom metric is unknown
    if built_in and not metric.perfect_may_miss and abs(found[0] - metric.best) > 1e-6:
        return _verdict(f"the perfect prediction scores {found[0]:.6g}, not {metric.best:g}", found)
    for what, score in zip(("shuffled", "constant"), found[1:], strict=True):
        if not better(metric, found[0], score):
            return _verdict(f"the perfect prediction is no better than the {what} one ({score:.6g})", found)
    return _verdict("the perfect prediction is best, above shuffled and constant ones", found, holds=True)


def given(truth: Array, prediction: Array) -> str:
    """What a metric was given, in words: types, shapes and the first values."""

    def shown(array: Array) -> str:
        first = " ".join(np.array2string(array[:3], threshold=12, precision=4, separator=", ").split())
        return f"{array.dtype} {array.shape}, first {first}"

    return f"It was given truth: {shown(np.asarray(truth))}; prediction: {shown(np.asarray(prediction))}"


def given_in_check(metric: Metric, truth: Array, n_classes: int) -> str:
    """What `sanity` gives a metric, in words."""
    truth = np.asarray(truth)
    return given(truth, _perfect_and_constant(metric, truth, n_classes)[0])


def _verdict(
    reason: str, found: Sequence[float | None] = (None, None, None), holds: bool = False
) -> results.Sanity:
    perfect, shuffled, constant = found
    return {"perfect": perfect, "shuffled": shuffled, "constant": constant, "holds": holds, "reason": reason}


def _perfect_and_constant(metric: Metric, truth: Array, n_classes: int) -> tuple[Array, Array]:
    if metric.wants == "label" and truth.ndim == 1:
        values, counts = np.unique(truth, return_counts=True)
        return truth, np.full_like(truth, values[counts.argmax()])
    perfect = one_hot(truth, n_classes) if metric.wants == "probability" else matrix(truth)
    perfect = partly.filled(perfect)
    mean = perfect.mean(axis=0, keepdims=True)
    if metric.wants == "label":
        perfect, mean = perfect.astype(int), (mean > 0.5).astype(int)
    return perfect, np.repeat(mean, len(truth), axis=0)
