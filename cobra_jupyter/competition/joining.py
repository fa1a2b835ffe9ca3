"""Joins columns of other tables to train on the row key: `groups=owners.csv:owner`."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.joined import SERIES_KEY, Joined
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.tables import tables_at

SETTINGS = ("groups", "weights")


def settle(reader: Reader, tables: Tables, key: str, found: Findings) -> tuple[Joined, ...]:
    """Joins the columns that settings name as FILE:COLUMN; the setting is then the column's name in train.
    Raises CompetitionError if that is impossible."""
    joined: list[Joined] = []
    for setting in SETTINGS:
        value, train = found.settings.get(setting, ""), tables.train_frame
        if train is None or ":" not in value or value in train.columns:
            continue
        path, _, column = value.rpartition(":")
        one = _found(reader, train, key, f"{setting}={value}", path, column)
        tables.train_frame = one.add(train, reader.frame(one.table)[1])
        missing = int(tables.train_frame[one.name].isna().sum())
        if missing:
            raise CompetitionError(f"{setting}={value}: {missing} rows of train have no {column} in {path}")
        found.notes.append(f"{path}: its column {column} is joined to train on {key}, for {setting}")
        found.settings[setting] = one.name
        joined.append(one)
    return tuple(joined)


def _found(reader: Reader, train: pd.DataFrame, key: str, setting: str, path: str, column: str) -> Joined:
    if not (reader.folder / path).is_file() or not tables_at(reader.folder, path):
        raise CompetitionError(
            f"{setting}: there is no table {path}; give FILE:COLUMN with a file of the folder"
        )
    table, other = reader.frame(tables_at(reader.folder, path)[0])
    here = key
    if SERIES_KEY in other.columns:
        here, table = SERIES_KEY, replace(table, as_written=(SERIES_KEY,))
        table, other = reader.frame(table)
        _check_series(train, key, setting.partition("=")[0], other)
    for name in (here, column):
        if name not in other.columns:
            raise CompetitionError(
                f"{setting}: {path} has no column {name}; it has {listed(other.columns, 20)}"
            )
    if other[here].duplicated().any():
        raise CompetitionError(f"{setting}: {path} has several rows with one {key}; keep one of each")
    name = column if column not in train.columns else f"{table.stem}_{column}"
    return Joined(table, key, column, name, here)


def _check_series(train: pd.DataFrame, key: str, setting: str, other: pd.DataFrame) -> None:
    """Raises CompetitionError if a Series lacks rows of train."""
    known = train[key].astype(str)
    missing = known[~known.isin(other[SERIES_KEY])]
    if len(missing):
        raise CompetitionError(
            f"{setting}: the Series has no value for {len(missing)} of {len(known)} rows of train, such as "
            f"{missing.iloc[0]!r}; its index is to be the key, {setting}.set_axis(train[{key!r}].astype(str))"
        )
