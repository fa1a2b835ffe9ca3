"""The metric: set, or named by the description and fitted to the labels."""

from __future__ import annotations

from . import metric_words
from .findings import Findings
from .labels import Labels

COLUMNWISE = {
    "roc_auc": "mean_columnwise_roc_auc",
    "log_loss": "multi_column_log_loss",
    "rmse": "mean_columnwise_rmse",
    "rmsle": "mean_columnwise_rmsle",
}
SINGLE = {several: single for single, several in COLUMNWISE.items()}


def settle(labels: Labels, named: metric_words.Named, found: Findings) -> tuple[str | None, str | None]:
    """Metric and direction; asks where the description does not settle them."""
    metric = found.settings.get("metric")
    if metric is not None:
        found.evidence["metric"] = "set by option"
    else:
        metric = _fitting(named, labels, found)
    direction = found.settings.get("direction", metric_words.direction_of(metric))
    if direction is not None:
        found.evidence["direction"] = "set by option" if "direction" in found.settings else f"of {metric}"
    return metric, direction


def _fitting(named: metric_words.Named, labels: Labels, found: Findings) -> str | None:
    metric, known = named.metric, ", ".join(metric_words.METRICS)
    if metric is None:
        quote = f"the description says “{named.quote}”" if named.quote else "the description names none"
        found.questions.append(
            f"metric: {quote}; none known here fits: write it in a %%metric cell or give it with"
            f" --set metric=…"
            f" (known: {known})"
        )
        return None
    several = len(labels.targets) > 1
    fitted = (COLUMNWISE if several else SINGLE).get(metric, metric)
    found.evidence["metric"] = f"{named.section}: “{named.quote}”"
    if fitted != metric:
        found.evidence["metric"] += f"; {len(labels.targets)} label column{'s' * several}"
    if fitted == "f1" and labels.task == "multiclass":
        fitted = "f1_macro"
        found.questions.append(
            "metric: the description says F1 without its average over classes; f1_macro is taken,"
            " give another with"
            " --set metric=f1_micro or f1_weighted"
        )
    numeric = labels.task == "regression"
    if labels.task != "unknown" and fitted not in (
        metric_words.NUMERIC if numeric else _class_metrics(labels)
    ):
        found.questions.append(
            f"metric: {fitted} does not fit the task {labels.task}; check --set metric=… and --set task=…"
        )
    return fitted


def _class_metrics(labels: Labels) -> tuple[str, ...]:
    return (*metric_words.PROBABILITY, *metric_words.LABELS)
