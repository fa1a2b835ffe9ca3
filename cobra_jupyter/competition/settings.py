"""What a person may set of a competition, checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from .metric_words import METRICS
from .record import KINDS, SETTINGS, TASKS, CompetitionError

SPLITS = ("kfold", "stratified", "group", "stratified_group", "time")
DIRECTIONS = ("maximize", "minimize")
DUPLICATES = "duplicates"
_CHOICES = {"metric": METRICS, "direction": DIRECTIONS, "split": SPLITS, "kind": KINDS, "task": TASKS}


def checked(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings with known keys and values. Raises CompetitionError."""
    for key, value in settings.items():
        if key not in SETTINGS:
            raise CompetitionError(
                f"{key}={value}: no such setting{_close(key, SETTINGS)}; known: {', '.join(SETTINGS)}"
            )
        if not value:
            raise CompetitionError(f"{key}=: the value is empty; give {key}=VALUE or leave it out")
        if key in _CHOICES and value not in _CHOICES[key]:
            hint = "; for a metric of your own write a %%metric cell" if key == "metric" else ""
            known = ", ".join(_CHOICES[key])
            raise CompetitionError(
                f"{key}={value}: unknown{_close(value, _CHOICES[key])}; known: {known}{hint}"
            )
    return dict(settings)


def check_columns(settings: Mapping[str, str], columns: Iterable[str], path: str) -> None:
    """Raises CompetitionError where ``groups`` (a column, `column[0]`, or duplicates) or ``time`` is no
    column.
    """
    columns = list(columns)
    for key in ("groups", "time"):
        value = settings.get(key)
        if value is None or value in columns or (key == "groups" and value == DUPLICATES):
            continue
        if key == "groups" and re.sub(r"\[0\]$", "", value) in columns:
            continue
        raise CompetitionError(
            f"{key}={value}: {path} has no such column{_close(value, columns)}; it has"
            f" {', '.join(columns[:20])}"
        )


def _close(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {near[0]}?)" if near else ""
