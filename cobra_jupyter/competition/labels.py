"""Finds the targets, the task, the classes and the layout of the submission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cobra_jupyter.competition import metrics, positive
from cobra_jupyter.competition.columns import distinct, plain
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.metric_words import wants
from cobra_jupyter.competition.record import TASKS, Assumption

MOST_CLASSES = 1000
FEW_NUMBERS = 20


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The targets and their form. ``output_classes`` has the class of each output (None if not in train)."""

    targets: tuple[str, ...]
    task: str
    classes: tuple[Any, ...] = ()
    layout: str = "values"
    output_classes: tuple[Any, ...] = ()
    evidence: dict[str, str] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    assumed: tuple[Assumption, ...] = ()
    notes: tuple[str, ...] = ()


def class_of_outputs(values: pd.Series, outputs: Sequence[str]) -> tuple[Any, ...] | None:
    """Returns the class of each output (None if not in train), or None if the outputs are no classes."""
    if pd.api.types.is_float_dtype(values.dtype) and values.nunique() > MOST_CLASSES:
        return None
    if distinct(values) > len(outputs) or distinct(values) < 2:
        return None
    try:
        seen = {_word(value): plain(value) for value in values.dropna().unique()}
    except TypeError:
        return None
    for length in range(_common(outputs), -1, -1):
        words = [_word(name[length:]) for name in outputs]
        if set(seen) <= set(words):
            return tuple(seen.get(word) for word in words)
    return None


def _common(names: Sequence[str]) -> int:
    """Returns the length of the common prefix."""
    first, last = min(names), max(names)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def _word(value: Any) -> str:
    return str(plain(value)).strip().casefold().replace(" ", "_")


def describe(
    train: pd.DataFrame,
    targets: tuple[str, ...],
    sample: pd.DataFrame,
    outputs: Sequence[str],
    metric: str | None,
    settings: Mapping[str, str],
    text: str = "",
) -> Labels:
    """Finds task, classes and layout from the label columns, the sample's columns and the metric."""
    asked = settings.get("task")
    if len(targets) > 1:
        return _several(train, targets, asked)
    values = train[targets[0]].dropna()
    by_class = class_of_outputs(values, outputs) if len(outputs) > 1 else None
    if by_class is not None and asked in (None, "binary", "multiclass"):
        return _per_class(values, targets, by_class, asked)
    task, why = (asked, "set by option") if asked else _task_of(values, metric)
    if task == "regression":
        _check_numbers(train, targets)
        return Labels(targets=targets, task=task, evidence={"task": why, "layout": "unchanged numbers"})
    if task == "multilabel":
        return _several(train, targets, asked)
    if task not in TASKS:
        question = f"task: {why}; give it with --set task={'|'.join(TASKS)}, or write a candidate with decode"
        return Labels(
            targets=targets, task="unknown", layout="label", evidence={"task": why}, questions=(question,)
        )
    return _classes(values, targets, task, why, sample, outputs, metric, settings.get("positive"), text)


def _several(train: pd.DataFrame, targets: tuple[str, ...], asked: str | None) -> Labels:
    layout = "one unchanged column per target"
    marks = all(
        set(map(str, map(plain, train[t].dropna().unique()[:3]))) <= {"0", "1", "True", "False"}
        for t in targets
    )
    if marks and asked in (None, "multilabel"):
        evidence = {"task": "all label columns are 0 or 1", "layout": layout}
        return Labels(targets=targets, task="multilabel", evidence=evidence)
    if asked == "multilabel":
        raise CompetitionError(
            f"task=multilabel: the columns {_few(targets)} contain other values than 0 and 1; try"
            f" task=regression"
        )
    if asked in ("binary", "multiclass"):
        raise CompetitionError(
            f"task={asked}: there are {len(targets)} label columns; give one with target=…"
        )
    if asked == "regression" or all(pd.api.types.is_numeric_dtype(train[t].dtype) for t in targets):
        _check_numbers(train, targets)
        evidence = {"task": "all label columns are numbers", "layout": layout}
        return Labels(targets=targets, task="regression", evidence=evidence)
    why = f"the label columns {_few(targets)} are neither numbers nor 0/1"
    question = f"task: {why}; give one with --set target=…"
    return Labels(targets=targets, task="unknown", evidence={"task": why}, questions=(question,))


def _check_numbers(train: pd.DataFrame, targets: Sequence[str]) -> None:
    for target in targets:
        if not pd.api.types.is_numeric_dtype(train[target].dtype):
            raise CompetitionError(
                f"task=regression: the column {target} is not a number everywhere; try task=multiclass"
            )


def _task_of(values: pd.Series, metric: str | None) -> tuple[str, str]:
    several = distinct(values)
    numbers = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    whole = numbers and bool((values % 1 == 0).all())
    if numbers and wants(metric) == "value":
        return "regression", f"{values.name} is a number and {metric} compares numbers"
    classes = (
        wants(metric) in ("label", "probability") and several <= MOST_CLASSES and 2 * several <= len(values)
    )
    if numbers and not whole and not classes:
        return "regression", f"{values.name} contains fractions"
    if several == 2:
        return "binary", f"{values.name} has two values"
    if numbers and several > FEW_NUMBERS and wants(metric) not in ("label", "probability"):
        return "regression", f"{values.name} contains {several} different whole numbers"
    if several > MOST_CLASSES or (several > FEW_NUMBERS and several > len(values) / 2):
        return (
            "unknown",
            f"{values.name} has {several} different values in {len(values)} rows, too many for classes",
        )
    return "multiclass", f"{values.name} has {several} different values"


def sorted_classes(values: pd.Series) -> tuple[Any, ...]:
    """Returns the sorted label values; texts that are numbers as such ("2" before "10"), mixed types as
    text."""
    found = [plain(value) for value in values.dropna().unique()]
    written = pd.to_numeric(pd.Series(found, dtype=object), errors="coerce")
    if all(isinstance(value, str) for value in found) and written.notna().all():
        return tuple(value for _, value in sorted(zip(written, found, strict=True)))
    try:
        return tuple(sorted(found))
    except TypeError:
        return tuple(sorted(found, key=str))


def _per_class(
    values: pd.Series, targets: tuple[str, ...], by_class: tuple[Any, ...], asked: str | None
) -> Labels:
    classes = sorted_classes(values)
    unseen = sum(value is None for value in by_class)
    return Labels(
        targets=targets,
        task=asked or ("binary" if len(classes) == 2 else "multiclass"),
        classes=classes,
        layout="class_probabilities",
        output_classes=by_class,
        evidence={
            "task": f"{targets[0]} has {len(classes)} different values",
            "layout": "the sample submission has one column per class",
        },
        notes=(f"{unseen} of the submission's classes never occur in train",) if unseen else (),
    )


def _classes(
    values: pd.Series,
    targets: tuple[str, ...],
    task: str,
    why: str,
    sample: pd.DataFrame,
    outputs: Sequence[str],
    metric: str | None,
    asked: str | None,
    text: str,
) -> Labels:
    classes = sorted_classes(values)
    if task == "binary" and len(classes) != 2:
        raise CompetitionError(f"task=binary: {targets[0]} has {len(classes)} values; try task=multiclass")
    evidence = {"task": why}
    questions: tuple[str, ...] = ()
    assumed: tuple[Assumption, ...] = ()
    probability, evidence["layout"] = _probability(sample[outputs[0]], metric, classes)
    if task == "binary":
        decided = positive.order(classes, outputs[0], text, values, sample[outputs[0]], asked)
        classes = decided.classes
        evidence["positive"] = f"{classes[1]}: {decided.why}"
        if not decided.sure and (probability or _one_sided(metric)):
            unclear = f"which of {classes[0]} and {classes[1]} is the positive class is not said"
            questions = (f"positive: {unclear}; give it with --set positive={classes[0]} or {classes[1]}",)
            reason = f"{unclear}; {decided.why}"
            assumed = (Assumption("positive", str(classes[1]), reason, f"positive={classes[0]}"),)
    if probability and task == "multiclass":
        why = f"{targets[0]} has {len(classes)} classes, the submission one column; {metric} needs more"
        return Labels(
            targets=targets,
            task=task,
            classes=classes,
            layout="label",
            evidence=evidence,
            questions=(f"metric: {why}; check --set metric and task",),
        )
    layout = "probability" if probability else "label"
    return Labels(
        targets=targets,
        task=task,
        classes=classes,
        layout=layout,
        evidence=evidence,
        questions=questions,
        assumed=assumed,
    )


def _one_sided(metric: str | None) -> bool:
    known = metrics.known(metric)
    return known is not None and known.one_sided


def _probability(given: pd.Series, metric: str | None, classes: tuple[Any, ...]) -> tuple[bool, str]:
    if wants(metric) == "probability":
        return True, f"{metric} scores probabilities"
    if metric is not None:
        return False, f"{metric} scores labels"
    fractions = pd.api.types.is_float_dtype(given.dtype) and not set(given.dropna()) <= set(classes)
    return fractions, "the sample submission contains " + ("fractions" if fractions else "labels")


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
