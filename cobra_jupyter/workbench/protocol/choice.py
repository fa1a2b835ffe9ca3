"""Chooses the split that the data asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cobra_jupyter.workbench.protocol.dates import timestamps
from cobra_jupyter.workbench.protocol.errors import ProtocolError
from cobra_jupyter.workbench.protocol.groups import DUPLICATES, group_values

REPEATED, UNITS = 0.3, 20  # share of rows and number of values from which on a column makes groups
KEY_REPEATED, KEY_UNITS = 0.01, 5  # the same for the row key
SPLITS = ("kfold", "stratified", "group", "stratified_group", "time")


@dataclass(frozen=True)
class Choice:
    """A split and the reason for it."""

    split: str
    groups: str | None
    time: str | None
    reason: str


def choose(
    competition: Any,
    train: pd.DataFrame,
    test: pd.DataFrame,
    split: str | None,
    groups: str | None,
    time: str | None,
) -> Choice:
    """Returns the split that fits the data; options that a person set win. Raises ProtocolError."""
    _check_options(train, split, groups, time)
    classes = competition.task in ("binary", "multiclass")
    if split == "time" or time:
        time = time or _time_column(competition, train)
        return Choice(
            "time",
            groups,
            time,
            f"set by option: rows are ordered by `{time}` and scored on later rows",
        )
    if groups or split in ("group", "stratified_group"):
        groups = groups or _group_column(competition, train, test)
        if not groups:
            raise ProtocolError(f"split={split} needs groups=COLUMN: no column was found that groups rows")
        kind = split if split in ("group", "stratified_group") else "stratified_group" if classes else "group"
        return Choice(kind, groups, None, f"set by option: rows with the same `{groups}` stay together")
    if split:
        return Choice(split, None, None, "set by option")
    return _choice_by_evidence(competition, train, test, classes)


def _check_options(train: pd.DataFrame, split: str | None, groups: str | None, time: str | None) -> None:
    if split and split not in SPLITS:
        raise ProtocolError(f"split={split} is unknown; known: {', '.join(SPLITS)}")
    for option, column in (("groups", groups), ("time", time)):
        name = re.sub(r"\[0\]$", "", column) if column else None
        if name and name != DUPLICATES and name not in train.columns:
            raise ProtocolError(
                f"{option}={column}: the train table has no such column; "
                f"it has {', '.join(map(str, train.columns[:20]))}"
            )


def _choice_by_evidence(competition: Any, train: pd.DataFrame, test: pd.DataFrame, classes: bool) -> Choice:
    if later := _later_in_test(competition, train, test):
        return Choice(
            "time",
            None,
            later,
            f"every `{later}` of test is later than those of train, so folds predict later rows too",
        )
    if column := _group_column(competition, train, test):
        kind = "stratified_group" if classes else "group"
        return Choice(
            kind,
            column,
            None,
            f"rows share `{column}` and test has none of train's values: "
            "a unit is never in both, so folds keep units whole",
        )
    if _duplicates_stay_in_train(competition, train, test):
        return Choice(
            "stratified_group" if classes else "group",
            DUPLICATES,
            None,
            "many train rows have a twin with equal features, test rows do not: twins stay in one fold",
        )
    if classes:
        return Choice(
            "stratified",
            None,
            None,
            "rows are independent as far as the data shows (no group or time separates test from train); "
            "folds keep the class shares",
        )
    return Choice(
        "kfold",
        None,
        None,
        "rows are independent as far as the data shows (no group or time separates test from train)",
    )


def _shared(competition: Any, train: pd.DataFrame, test: pd.DataFrame, kinds: Sequence[str]) -> list[str]:
    both = [c for c in test.columns if c in train.columns]
    return [c for c in both if competition.columns.get(c, "id" if c == competition.id else "") in kinds]


def _time_column(competition: Any, train: pd.DataFrame) -> str:
    for name, kind in competition.columns.items():
        if kind == "date" and name in train.columns:
            return str(name)
    raise ProtocolError("split=time needs time=COLUMN: no date column was found")


def _later_in_test(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> str | None:
    for name in _shared(competition, train, test, ("date",)):
        old, new = timestamps(train[name]), timestamps(test[name], train[name])
        if old.notna().mean() > 0.9 and new.notna().mean() > 0.9 and new.min() > old.max():
            return name
    return None


def _group_column(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> str | None:
    """Returns the column (or its first part) whose values repeat in train and never occur in test."""
    found: list[tuple[float, str]] = []
    for name in _shared(competition, train, test, ("id", "category", "compound", "number")):
        if train[name].dtype.kind == "f":
            continue
        parts = [name] if train[name].dtype.kind in "iub" else [name, f"{name}[0]"]
        for groups in parts:
            old, new = group_values(train, groups), group_values(test, groups)
            sizes = old.value_counts()
            repeated = float((sizes[sizes > 1].sum()) / max(len(old), 1))
            key = groups == competition.id  # it repeats only where a unit has several rows
            least, fewest = (KEY_REPEATED, KEY_UNITS) if key else (REPEATED, UNITS)
            if repeated >= least and len(sizes) >= fewest and not set(old).intersection(new):
                found.append((repeated, groups))
    return max(found)[1] if found else None


def _duplicates_stay_in_train(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> bool:
    columns = [c for c in test.columns if c in train.columns and c != competition.id]
    if not columns or len(train) * len(columns) > 20_000_000:
        return False
    old = pd.util.hash_pandas_object(train[columns].astype(str), index=False)
    new = pd.util.hash_pandas_object(test[columns].astype(str), index=False)
    twins, seen = float(old.duplicated(keep=False).mean()), float(new.isin(set(old)).mean())
    return twins > 0.02 and seen < twins / 4
