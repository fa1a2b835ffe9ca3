"""Metrics: what a prediction is worth, and whether the metric can be trusted.

Shapes (n rows, C classes, T columns): truth is int codes (n,) for binary and multiclass, 0/1 (n, T) for
multilabel, floats (n, T) for regression. A metric wants one form of prediction, which `decode` makes from a
raw one: "label" (codes (n,), multilabel 0/1 (n, T)), "probability" ((n, C), multilabel (n, T)) or "value"
((n, T)). A score that cannot be computed raises `MetricUndefined`; no metric returns nan.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.scoring import losses
from cobra_jupyter.workbench.scoring.losses import Array, MetricUndefined

__all__ = [
    "Metric", "MetricError", "MetricUndefined", "better", "decode", "decode_grid", "default_for",
    "get", "names", "sanity", "sign",
]  # fmt: skip

Params = dict[str, Any]


class MetricError(KeyError):
    """No such metric, or not for this task."""

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0]) if self.args else ""


@dataclass(frozen=True)
class Metric:
    """A named score.

    function(truth, prediction) -> float. row_loss(truth, prediction) -> losses (n,) or (n, K) per row, of
    whose means (...,) or (..., K) reduce(means) -> (...,) makes the score; both None where means do not
    give it. columns(truth, prediction) -> scores (T,), nan where undefined, whose mean is the score; else
    None.
    """

    name: str
    direction: str  # "maximize" | "minimize"
    wants: str  # "probability" | "label" | "value"
    tasks: frozenset[str]
    function: Callable[[Array, Array], float]
    row_loss: Callable[[Array, Array], Array] | None = None
    reduce: Callable[[Array], Array] | None = None
    columns: Callable[[Array, Array], Array] | None = None
    perfect: float | None = (
        None  # the score of a perfect prediction, where it is not 1 (maximize) or 0 (minimize)
    )

    @property
    def best(self) -> float:
        """The score of a perfect prediction under the metrics of this module."""
        if self.perfect is not None:
            return self.perfect
        return 1.0 if self.direction == "maximize" else 0.0


METRICS: dict[str, Metric] = {}
ONE_CLASS = frozenset({"binary", "multiclass"})
CLASSES = ONE_CLASS | {"multilabel"}
NUMBERS = frozenset({"regression"})
TWO_CLASSES_LACK = "the truth holds one class only"
CONSTANT_LACK = "the truth or the prediction is constant"


def _add(
    name: str, direction: str, wants: str, tasks: Iterable[str], score: Any = None, **parts: Any
) -> None:
    score = score or partial(losses.score_of_means, parts["row_loss"], parts["reduce"])
    function = partial(losses.checked, name, score)
    METRICS[name] = Metric(name, direction, wants, frozenset(tasks), function, **parts)


def _add_loss(name: str, wants: str, tasks: Iterable[str], row_loss: Any, reduce: Any = losses.same) -> None:
    _add(name, "minimize", wants, tasks, row_loss=row_loss, reduce=reduce)


def _add_columnwise(name: str, wants: str, tasks: Iterable[str], lack: str, columns: Any) -> None:
    _add(name, "maximize", wants, tasks, partial(losses.mean_of_columns, columns, lack), columns=columns)


def _add_metrics() -> None:
    up, down, label = "maximize", "minimize", "label"
    # accuracy of several columns: a row is right where all are
    _add("accuracy", up, label, CLASSES, row_loss=losses.wrong, reduce=losses.complement)
    _add("balanced_accuracy", up, label, ONE_CLASS, losses.balanced_accuracy)
    _add("f1", up, label, {"binary"}, losses.f1)
    for average in ("macro", "micro", "weighted"):
        _add(f"f1_{average}", up, label, CLASSES, partial(losses.f1_average, average))
    _add("matthews_corrcoef", up, label, ONE_CLASS, losses.matthews)
    _add("quadratic_weighted_kappa", up, label, ONE_CLASS, losses.quadratic_kappa)

    probability = "probability"
    auc = partial(losses.columnwise, losses.auc)
    precision = partial(losses.columnwise, losses.average_precision)
    _add_columnwise("roc_auc", probability, CLASSES, TWO_CLASSES_LACK, auc)
    _add_columnwise("mean_columnwise_roc_auc", probability, CLASSES, TWO_CLASSES_LACK, auc)
    _add_columnwise("average_precision", probability, CLASSES, TWO_CLASSES_LACK, precision)
    _add_loss("log_loss", probability, CLASSES, losses.log_losses)
    columns = {"multilabel"}
    _add_loss("multi_column_log_loss", probability, columns, losses.binary_log_losses, losses.mean_last)
    # binary: squared error of P(positive); multiclass: summed over classes; multilabel: mean over columns
    _add_loss("brier_score", probability, CLASSES, losses.brier_losses)

    value = "value"  # rmse is the root of the mean over all columns, the columnwise one a mean of roots
    squares, log_squares = losses.squares, losses.log_squares
    _add_loss("rmse", value, NUMBERS, partial(losses.row_mean, squares), np.sqrt)
    _add_loss("mean_columnwise_rmse", value, NUMBERS, squares, losses.mean_root)
    _add_loss("mse", value, NUMBERS, partial(losses.row_mean, squares))
    _add_loss("mae", value, NUMBERS, partial(losses.row_mean, losses.absolutes))
    _add("median_absolute_error", down, value, NUMBERS, losses.median_absolute)
    # rmsle: predictions below 0 count as 0; mape is a fraction, smape per cent (0 to 200)
    _add_loss("rmsle", value, NUMBERS, partial(losses.row_mean, log_squares), np.sqrt)
    _add_loss("mean_columnwise_rmsle", value, NUMBERS, log_squares, losses.mean_root)
    _add_loss("mape", value, NUMBERS, partial(losses.row_mean, losses.relatives))
    _add_loss("smape", value, NUMBERS, partial(losses.row_mean, losses.symmetric_relatives))
    _add("r2", up, value, NUMBERS, losses.r2)
    _add_columnwise("pearson", value, NUMBERS, CONSTANT_LACK, partial(losses.value_columns, losses.pearson))
    _add_columnwise("spearman", value, NUMBERS, CONSTANT_LACK, partial(losses.value_columns, losses.spearman))


_add_metrics()

SYNONYMS = {
    "accuracy": (
        "acc categorization_accuracy classification_accuracy multiclass_accuracy exact_match subset_accuracy"
    ),
    "balanced_accuracy": "balanced_acc",
    "roc_auc": (
        "auc auroc auc_roc rocauc roc area_under_the_roc_curve "
        "area_under_the_receiver_operating_characteristic_curve"
    ),
    "mean_columnwise_roc_auc": "mean_auc mean_roc_auc mean_columnwise_auc mean_column_wise_roc_auc mcauc",
    "log_loss": (
        "logloss multi_class_log_loss multiclass_log_loss multiclass_logloss binary_log_loss "
        "binary_logloss cross_entropy crossentropy logarithmic_loss"
    ),
    "multi_column_log_loss": "mean_columnwise_log_loss multilabel_log_loss mean_column_wise_log_loss",
    "f1": "f1_score f_score f1_binary",
    "f1_macro": "macro_f1 macro_f1_score",
    "f1_micro": "micro_f1 micro_f1_score",
    "f1_weighted": "weighted_f1 weighted_f1_score",
    "matthews_corrcoef": "mcc matthews matthews_correlation matthews_correlation_coefficient",
    "quadratic_weighted_kappa": "qwk kappa quadratic_kappa weighted_kappa",
    "average_precision": "ap pr_auc mean_average_precision auprc",
    "brier_score": "brier",
    "rmse": "root_mean_squared_error root_mean_square_error",
    "mse": "mean_squared_error l2",
    "mae": "mean_absolute_error l1",
    "mean_columnwise_rmse": "mcrmse mean_column_wise_rmse mean_columnwise_root_mean_squared_error",
    "mean_columnwise_rmsle": (
        "mean_columnwise_root_mean_squared_logarithmic_error mcrmsle mean_column_wise_rmsle"
    ),
    "rmsle": "root_mean_squared_log_error root_mean_squared_logarithmic_error",
    "median_absolute_error": "medae",
    "mape": "mean_absolute_percentage_error",
    "smape": "symmetric_mean_absolute_percentage_error",
    "r2": "r_2 r_squared r2_score coefficient_of_determination",
    "pearson": "pearsonr pearson_correlation correlation",
    "spearman": "spearmanr spearman_correlation rank_correlation",
}
ALIASES = {synonym: name for name, text in SYNONYMS.items() for synonym in text.split()}

DEFAULTS = {
    "binary": "roc_auc",
    "multiclass": "log_loss",
    "multilabel": "mean_columnwise_roc_auc",
    "regression": "rmse",
}


def names() -> list[str]:
    """All metric names."""
    return list(METRICS)


def get(name: str) -> Metric:
    """The metric of that name or common synonym, whatever its case and spacing; else `MetricError`."""
    key = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    key = ALIASES.get(key, key)
    if key in METRICS:
        return METRICS[key]
    close = difflib.get_close_matches(key, [*METRICS, *ALIASES], n=1, cutoff=0.5)
    hint = f" Did you mean {ALIASES.get(close[0], close[0])!r}?" if close else ""
    raise MetricError(f"no metric {name!r}.{hint} Known: {', '.join(METRICS)}")


def default_for(task: str) -> str:
    """The name of the metric for a task of which none is stated; `MetricError` for an unknown task."""
    if task not in DEFAULTS:
        raise MetricError(f"no default metric for task {task!r}; tasks: {', '.join(DEFAULTS)}")
    return DEFAULTS[task]


def sign(metric: Metric | str) -> int:
    """+1 where more is better, -1 where less is."""
    return 1 if _metric(metric).direction == "maximize" else -1


def better(metric: Metric | str, a: float, b: float) -> bool:
    """Whether score a is strictly better than score b."""
    return sign(metric) * (a - b) > 0


def _metric(metric: Metric | str) -> Metric:
    return get(metric) if isinstance(metric, str) else metric


def decode(raw: Array, wants: str, task: str, params: Params | None = None) -> Array:
    """A raw prediction in the form a metric wants.

    params: threshold (binary, multilabel; P above it is positive, default 0.5), rule (multiclass: "argmax" or
    "expectation", the mean class code, rounded), minimum (values below are raised to it).
    """
    params = params or {}
    array = np.asarray(raw)
    if wants == "value":
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
            total = array.sum(axis=1)
            mean = array @ np.arange(array.shape[1]) / np.where(total > 0, total, 1)
            return np.asarray(np.clip(np.rint(mean), 0, array.shape[1] - 1), dtype=int)
        return np.asarray(array.argmax(axis=1))
    raise MetricError(f"labels cannot be made from raw predictions of task {task!r}")


def decode_grid(metric: Metric | str, task: str, classes: Sequence[Any] | None = None) -> list[Params]:
    """Params of `decode` worth trying for a metric, the default first; choose on out-of-fold rows only.

    classes: where given and not numbers, no expectation over them is offered.
    """
    metric = _metric(metric)
    if metric.name.endswith("rmsle"):
        return [{"minimum": 0.0}]
    if metric.wants != "label":
        return [{}]
    if task == "multiclass":
        ordered = metric.name == "quadratic_weighted_kappa" and (classes is None or _are_numbers(classes))
        return [{"rule": "argmax"}, *([{"rule": "expectation"}] if ordered else [])]
    if metric.name == "accuracy":
        return [{"threshold": 0.5}]
    low = [0.01, 0.02, 0.03]
    others = [t for t in np.round(np.arange(0.05, 0.96, 0.05), 2).tolist() if t != 0.5]
    return [{"threshold": t} for t in [0.5, *low, *others]]


def _are_numbers(classes: Sequence[Any]) -> bool:
    try:
        return bool(np.isfinite(np.array(list(classes), dtype=float)).all())
    except (TypeError, ValueError):
        return False


def sanity(
    metric: Metric | str, truth: Array, task: str, classes: Sequence[Any], rng: np.random.Generator | int
) -> results.Sanity:
    """Score the truth itself, the truth shuffled, and a constant (class prior, commonest label, mean).

    holds: the perfect prediction gets the best possible score (macro F1 need not: a column without
    positives counts 0) and is strictly better than the other two. Of these no order is asked: under a loss
    (log loss, RMSE, also R²) and accuracy the constant rightly beats shuffled truth, which is confident and
    wrong; under ranking and chance-corrected metrics both lie at chance, in either order; under F1 a
    shuffle beats the commonest label. A correlation, undefined for a constant, counts as 0 there. Returns
    {perfect, shuffled, constant: float or None, holds: bool, reason: str}.
    """
    metric = _metric(metric)
    if task not in metric.tasks:
        return _verdict(f"{metric.name} is not defined for task {task!r}")
    truth = np.asarray(truth)
    perfect, constant = _perfect_and_constant(metric, truth, len(classes))
    shuffled = perfect[np.random.default_rng(rng).permutation(len(truth))]
    if np.array_equal(shuffled, perfect):  # a shuffle of two or three rows may change nothing
        shuffled = np.roll(perfect, 1, axis=0)
    found: list[float] = []
    for what, prediction in (("perfect", perfect), ("shuffled", shuffled), ("constant", constant)):
        try:
            found.append(metric.function(truth, prediction))
        except MetricUndefined as problem:
            if what == "constant" and metric.name in ("pearson", "spearman"):
                found.append(0.0)
            else:
                return _verdict(f"the {what} prediction has no score: {problem}")
    known = METRICS.get(metric.name) is metric  # the best score of one written for a competition is unknown
    if known and metric.name != "f1_macro" and abs(found[0] - metric.best) > 1e-6:
        return _verdict(f"the perfect prediction scores {found[0]:.6g}, not {metric.best:g}", found)
    for what, score in zip(("shuffled", "constant"), found[1:], strict=True):
        if not better(metric, found[0], score):
            return _verdict(f"the perfect prediction is no better than the {what} one ({score:.6g})", found)
    return _verdict("the perfect prediction is best, above shuffled and constant ones", found, holds=True)


def _verdict(
    reason: str, found: Sequence[float | None] = (None, None, None), holds: bool = False
) -> results.Sanity:
    perfect, shuffled, constant = found
    return {"perfect": perfect, "shuffled": shuffled, "constant": constant, "holds": holds, "reason": reason}


def _perfect_and_constant(metric: Metric, truth: Array, n_classes: int) -> tuple[Array, Array]:
    if metric.wants == "label" and truth.ndim == 1:
        values, counts = np.unique(truth, return_counts=True)
        return truth, np.full_like(truth, values[counts.argmax()])
    perfect = losses.one_hot(truth, n_classes) if metric.wants == "probability" else losses.matrix(truth)
    mean = perfect.mean(axis=0, keepdims=True)
    if metric.wants == "label":
        perfect, mean = perfect.astype(int), (mean > 0.5).astype(int)
    return perfect, np.repeat(mean, len(truth), axis=0)
