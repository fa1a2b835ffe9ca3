"""Checks the settings that a person may give for a competition."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from cobra_jupyter.competition import metrics
from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.metric_words import best_match
from cobra_jupyter.competition.record import KINDS, SETTINGS, TASKS

SPLITS = ("kfold", "stratified", "group", "stratified_group", "time")
DIRECTIONS = ("maximize", "minimize")
DUPLICATES = "duplicates"
_CHOICES = {
    "metric": metrics.listed(),
    "direction": DIRECTIONS,
    "split": SPLITS,
    "kind": KINDS,
    "task": TASKS,
}


def checked(settings: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings. Raises CompetitionError for unknown keys or values."""
    for key, value in settings.items():
        if key not in SETTINGS:
            raise CompetitionError(
                f"{key}={value}: there is no setting {key}{_close(key, SETTINGS)}; known are "
                f"{', '.join(SETTINGS)}"
            )
        if not value:
            raise CompetitionError(f"{key}=: the value is empty; give {key}=VALUE or leave it out")
        known = metrics.known(value) is not None if key == "metric" else value in _CHOICES.get(key, (value,))
        if not known:
            hint = "; write a %%metric cell for a custom metric" if key == "metric" else ""
            raise CompetitionError(
                f"{key}={value}: there is no such {key}{_near(key, value)}; known are "
                f"{', '.join(_CHOICES[key])}{hint}"
            )
    _check_consistent(settings)
    return dict(settings)


def _near(key: str, value: str) -> str:
    meant = best_match(value.replace("_", " ")) if key == "metric" else None
    return f" (did you mean {meant}?)" if meant else _close(value.lower(), _CHOICES[key])


def _check_consistent(settings: Mapping[str, str]) -> None:
    """Raises CompetitionError for settings that contradict each other."""
    split = settings.get("split")
    if "time" in settings and split not in (None, "time"):
        raise CompetitionError(
            f"split={split}: time={settings['time']} asks for a split by time; leave one out"
        )


def check_columns(
    settings: Mapping[str, str],
    columns: Iterable[str],
    path: str,
    targets: Iterable[str],
    kinds: Mapping[str, str],
) -> None:
    """Raises CompetitionError if ``groups`` or ``time`` names no column or a label, or a time split has no
    column.

    ``groups`` may be a column, `column[0]` or ``duplicates``."""
    columns = list(columns)
    for key in ("groups", "time"):
        value = settings.get(key)
        if value is None or (key == "groups" and value == DUPLICATES):
            continue
        name = value if value in columns or key == "time" else re.sub(r"\[0\]$", "", value)
        if name not in columns:
            raise CompetitionError(
                f"{key}={value}: {path} has no such column{_close(value, columns)}; it has "
                f"{listed(columns, 20)}"
            )
        if name in targets:
            raise CompetitionError(
                f"{key}={value}: {name} is to be predicted; give a column that the test rows have too"
            )
    if settings.get("split") == "time" and "time" not in settings and "date" not in kinds.values():
        raise CompetitionError(
            f"split=time: {path} has no column of dates; name the column with --set time=…"
        )


def _close(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {near[0]}?)" if near else ""
