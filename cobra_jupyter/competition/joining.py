"""Joins columns of other tables to train on the row key: `groups=owners.csv:owner`."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.joined import Joined
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.tables import tables_at

SETTINGS = ("groups", "weights")


def settle(
    reader: Reader, tables: Tables, key: str, targets: Sequence[str], found: Findings
) -> tuple[Joined, ...]:
    """Joins the columns that settings name as FILE:COLUMN; the setting is then the column's name in train.
    Raises CompetitionError if that is impossible, or a row with a label gets no value."""
    joined: list[Joined] = []
    for setting in SETTINGS:
        value, train = found.settings.get(setting, ""), tables.train_frame
        if train is None or ":" not in value or value in train.columns:
            continue
        path, _, column = value.rpartition(":")
        one = _found(reader, train, key, f"{setting}={value}", path, column)
        tables.train_frame = one.add(train, reader.frame(one.table)[1])
        known = [target for target in targets if target in train]
        labelled = train[known].notna().any(axis=1) if known else True
        missing = int((tables.train_frame[one.name].isna() & labelled).sum())
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
    if key not in train.columns:
        raise CompetitionError(f"{setting}: train has no row key to join it on; put the column {key} there")
    table = tables_at(reader.folder, path)[0]
    as_text = key in reader.header(table) and not pd.api.types.is_numeric_dtype(train[key].dtype)
    table, other = reader.frame(table.written(key) if as_text else table)
    for name in (key, column):
        if name not in other.columns:
            raise CompetitionError(
                f"{setting}: {path} has no column {name}; it has {listed(other.columns, 20)}"
            )
    if other[key].duplicated().any():
        raise CompetitionError(f"{setting}: {path} has several rows with one {key}; keep one of each")
    name = column if column not in train.columns else f"{table.stem}_{column}"
    return Joined(table, key, column, name)
