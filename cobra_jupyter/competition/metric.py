"""Decides the metric: the one that is set, or the one in the description, adapted to the labels."""

from __future__ import annotations

from cobra_jupyter.competition import metric_words
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.labels import Labels
from cobra_jupyter.competition.metrics import METRICS

LARGEST = 1e100
COLUMNWISE = {metric.name: metric.columnwise for metric in METRICS.values() if metric.columnwise}
SINGLE = {several: single for single, several in COLUMNWISE.items()}


def settle(labels: Labels, named: metric_words.Named, found: Findings) -> tuple[str | None, str | None]:
    """Returns metric and direction. Adds a question if the description does not say enough."""
    metric = found.settings.get("metric")
    if metric is not None:
        found.evidence["metric"] = "set by option"
        if not _fits(metric, labels):
            raise CompetitionError(
                f"metric={metric}: it does not fit the task {labels.task} ({found.evidence['task']}); set "
                "another metric, or the task with --set task=…"
            )
    else:
        metric = _fitting(named, labels, found)
    known = metric_words.direction_of(metric)
    direction = found.settings.get("direction", known)
    if known and direction != known:
        raise CompetitionError(f"direction={direction}: {metric} must be {known}d; leave out --set direction")
    if direction is not None:
        found.evidence["direction"] = "set by option" if "direction" in found.settings else f"of {metric}"
    return metric, direction


def _fitting(named: metric_words.Named, labels: Labels, found: Findings) -> str | None:
    metric, known = named.metric, ", ".join(METRICS)
    if metric is None:
        quote = f"the description says “{named.quote}”" if named.quote else "the description names none"
        found.block(
            f"metric: {quote}; no known metric matches: write it in a %%metric cell or give it with"
            f" --set metric=… (known: {known})"
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
            "metric: the description says F1 without its average over classes; f1_macro is used,"
            " set another one with --set metric=f1_micro or f1_weighted"
        )
    if not _fits(fitted, labels):
        found.block(
            f"metric: {fitted} does not fit the task {labels.task}; check --set metric=… and --set task=…"
        )
    return fitted


def _fits(metric: str, labels: Labels) -> bool:
    """Whether a metric is defined for the task."""
    return labels.task == "unknown" or labels.task in METRICS[metric].tasks


def check_values(metric: str | None, tables: Tables, labels: Labels) -> None:
    """Raises CompetitionError if the metric cannot be computed for some label values."""
    train, table = tables.train_frame, tables.labels or tables.train
    if train is None or table is None or labels.task != "regression":
        return
    for name in labels.targets:
        low, high = float(train[name].min()), float(train[name].max())
        if low < 0 and metric in METRICS and METRICS[metric].from_zero:
            raise CompetitionError(
                f"{table.path}: {metric} needs labels of 0 and more, but {name} contains {low:g}; repair the"
                " column, or give another metric with --set metric=…"
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
