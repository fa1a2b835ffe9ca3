"""Decides the metric: the one that is set, or the one in the description, adapted to the labels."""

from __future__ import annotations

from cobra_jupyter.competition import metric_words, metrics
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.labels import Labels

LARGEST = 1e100
DEFAULTS = {
    "binary": "roc_auc",
    "multiclass": "log_loss",
    "multilabel": "mean_columnwise_roc_auc",
    "regression": "rmse",
}
_SINGLE = {several: single.name for single in metrics.METRICS.values() if (several := single.columnwise)}
ASK = "write it in a %%metric cell or give it with --set metric=…"


def settle(
    labels: Labels, named: metric_words.Named, weights: str | None, tables: Tables, found: Findings
) -> tuple[str | None, str | None]:
    """Returns metric and direction. Adds a question if the description does not say enough."""
    asked = metrics.known(found.settings.get("metric"))
    if asked is not None:
        metric: str | None = asked.name
        found.evidence["metric"] = "set by option"
        if not _fits(asked.name, labels):
            raise CompetitionError(
                f"metric={asked.name}: it does not fit the task {labels.task} ({found.evidence['task']});"
                " set another metric, or the task with --set task=…"
            )
    else:
        metric = _of_description(named, labels, weights, tables, found)
    _check_weights(metric, weights)
    known = metric_words.direction_of(metric)
    direction = found.settings.get("direction", known)
    if known and direction != known:
        raise CompetitionError(f"direction={direction}: {metric} must be {known}d; leave out --set direction")
    if direction is not None:
        found.evidence["direction"] = "set by option" if "direction" in found.settings else f"of {metric}"
    return metric, direction


def _of_description(
    named: metric_words.Named, labels: Labels, weights: str | None, tables: Tables, found: Findings
) -> str | None:
    name, unclear = named.metric, ""
    if name is None:
        unclear = _why_unknown(named)
    elif named.weighted and weights is None:
        unclear = (
            f"the description says “{named.quote}” and weighs rows, but no column with weights was found"
            " (name it with --set weights=COLUMN)"
        )
    fitted = _adapted(name or named.nearest, labels, tables, found)
    if not unclear and fitted is not None and not _fits(fitted, labels):
        unclear = f"{fitted} (from “{named.quote}”) does not fit the task {labels.task}"
    if unclear or fitted is None:
        return _assumed(unclear, fitted, named, labels, found)
    found.evidence["metric"] = f"{named.section}: “{named.quote}”"
    if fitted != name:
        several = len(labels.targets)
        found.evidence["metric"] += f"; {several} label column{'s' * (several > 1)}, so {fitted}"
    return fitted


def _why_unknown(named: metric_words.Named) -> str:
    if not named.quote:
        return "the description names none"
    said = f"the description says “{named.quote}”"
    if named.unread and named.nearest:
        return f"{said}; what “{named.unread}” changes about {named.nearest} is not understood"
    return f"{said}; no known metric matches"


def _adapted(name: str | None, labels: Labels, tables: Tables, found: Findings) -> str | None:
    """The metric that a name means for these labels: over columns, of numbers, averaged over classes."""
    metric = metrics.known(name)
    if metric is None:
        return None
    several = len(labels.targets) > 1
    if labels.task == "regression" and metric.for_numbers:
        return metric.for_numbers
    fitted = metric.columnwise or metric.name if several else _SINGLE.get(metric.name, metric.name)
    if fitted == "f1" and labels.task in ("multiclass", "multilabel"):
        fitted = "f1_macro"
        reason = "the description says F1 without its average over classes"
        found.questions.append(
            f"metric: {reason}; {fitted} is used, set another one with --set metric=f1_micro or f1_weighted"
        )
        found.assume("metric", fitted, reason, "metric=f1_micro")
    if metrics.METRICS.get(fitted, metric).above_zero and _lowest(tables, labels) <= 0:
        reason = f"the description compares logarithms, and labels of {_lowest(tables, labels):g} have none"
        found.assume("metric", "rmsle", reason, "metric=rmse")
        fitted = "rmsle"
    return fitted


def _lowest(tables: Tables, labels: Labels) -> float:
    if tables.train_frame is None or labels.task != "regression":
        return 1.0
    return float(tables.train_frame[list(labels.targets)].min().min())


def _assumed(
    unclear: str, fitted: str | None, named: metric_words.Named, labels: Labels, found: Findings
) -> str | None:
    """Asks for the metric. Until it is answered, the nearest one that fits the task is used."""
    question = f"metric: {unclear}; {ASK} (known: {', '.join(metrics.listed())})"
    near = fitted if fitted is not None and _fits(fitted, labels) else DEFAULTS.get(labels.task)
    if near is None or labels.task == "unknown":
        found.block(question)
        return None
    found.questions.append(question)
    found.evidence["metric"] = f"assumed: {unclear}"
    found.assume("metric", near, unclear, f"metric={near}")
    return near


def _check_weights(metric: str | None, weights: str | None) -> None:
    known = metrics.known(metric)
    if weights is not None and known is not None and not known.takes_weights:
        raise CompetitionError(
            f"weights={weights}: {known.name} takes no weights; leave the weights out with --set"
            " weights=none, or give another metric with --set metric=…"
        )


def _fits(metric: str, labels: Labels) -> bool:
    """Whether a metric is defined for the task."""
    known = metrics.known(metric)
    return labels.task == "unknown" or (known is not None and labels.task in known.tasks)


def check_values(metric: str | None, tables: Tables, labels: Labels) -> None:
    """Raises CompetitionError if the metric cannot be computed for some label values."""
    train, table = tables.train_frame, tables.labels or tables.train
    if train is None or table is None or labels.task != "regression":
        return
    known = metrics.known(metric)
    for name in labels.targets:
        low, high = float(train[name].min()), float(train[name].max())
        if known and ((low < 0 and known.from_zero) or (low <= 0 and known.above_zero)):
            raise CompetitionError(
                f"{table.path}: {metric} needs labels {'above 0' if known.above_zero else 'of 0 and more'}, "
                f"but {name} contains {low:g}; repair the column, or give another metric with --set metric=…"
            )
        for value, what, cure in (
            (max(low, high, key=abs), "large", "divide"),
            (high - low, "small", "multiply"),
        ):
            if (abs(value) > LARGEST) if what == "large" else (abs(value) < 1 / LARGEST):
                raise CompetitionError(
                    f"{table.path}: {value:g} in {name} is too {what} to be squared; {cure} the column by"
                    " a power of ten"
                )
