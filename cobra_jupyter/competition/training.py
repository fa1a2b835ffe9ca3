"""Finds the training rows: one table, several of equal columns, or features and labels to join."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from cobra_jupyter.competition import longform, repairs, roles, written
from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.keys import Key
from cobra_jupyter.competition.loading import merged
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.record import FileGroup
from cobra_jupyter.competition.tables import Table
from cobra_jupyter.competition.targets import asked_targets, bare, find_targets

COPIES = 0.5  # a table of which more rows stand in another one is a part of it


def find(
    reader: Reader,
    tables: Tables,
    key: Key,
    outputs: tuple[str, ...],
    found: Findings,
    groups: tuple[FileGroup, ...],
) -> tuple[str, ...]:
    """Finds the training table and the label columns. Returns the labels."""
    repairs.key_names(tables, key, found)
    setting = found.settings.get("target")
    wanted = outputs if setting is None else tuple(name.strip() for name in setting.split(","))
    chosen = roles.find_train(tables.headers, wanted, tables.test, key.name)
    if chosen.train is None:
        _without_table(reader, tables, groups, found)
        return ()
    tables.train = chosen.train
    tables.put("train", *reader.frame(chosen.train))
    _stack(reader, tables, chosen, found)
    if chosen.labels is not None:
        tables.labels = chosen.labels
        tables.put("labels", reader.frame(chosen.labels)[0], None)
    frame = tables.train_frame
    assert frame is not None
    if frame.empty:
        raise CompetitionError(f"{chosen.train.path}: has no rows; put the training rows there")
    repairs.days_of_train(reader, tables, key)
    written.keep_ids(reader, tables, key, found)
    repairs.settle(reader, tables, key, outputs, found)
    if not _fold(reader, tables, key, outputs, found):
        return ()
    _join_labels(reader, tables, key, wanted, found)
    return _targets(tables, key, outputs, found)


def _fold(reader: Reader, tables: Tables, key: Key, outputs: tuple[str, ...], found: Findings) -> bool:
    """Folds labels in long form. Returns False if they are, but nothing says which column has the values."""
    assert tables.train is not None
    assert tables.train_frame is not None
    if set(outputs) <= set(tables.train_frame.columns) or tables.labels is not None:
        return True
    test = set(tables.test_frame.columns) if tables.test_frame is not None else set()
    near = [table for table in tables.headers if table != tables.test and key.name in tables.headers[table]]
    for table in [tables.train, *(table for table in near if table != tables.train)]:
        if "train" not in table.stem and "label" not in table.stem:
            continue
        settled, frame = reader.frame(table)
        long = longform.find(frame, key.name, outputs, test)
        if long is None:
            continue
        said = f"{table.path} has a row per {long.unit} and {long.label}"
        if long.fold is None:
            found.block(
                f"target: {said}, and {listed(long.values) or 'no column'} may hold the labels; put a column"
                f" for each of {listed(outputs, 4)} into it"
            )
            return False
        values = long.fold.value or "0 and 1"
        found.evidence["long form"] = f"{said}; folded into a column of {values} per {long.label}"
        role = "train" if table == tables.train else "labels"
        if role == "labels":
            tables.labels = table
        tables.put(role, *reader.frame(replace(settled, fold=long.fold)))
        return True
    return True


def _targets(tables: Tables, key: Key, outputs: tuple[str, ...], found: Findings) -> tuple[str, ...]:
    frame, table, setting = tables.train_frame, tables.train, found.settings.get("target")
    assert frame is not None
    assert table is not None
    if setting is not None:
        if key.name and key.name in setting.split(","):
            raise CompetitionError(
                f"target={setting}: {key.name} is the row key; give the column with the labels"
            )
        found.evidence["target"] = "set by option"
        return asked_targets(setting, list(frame.columns), table.path)
    test = set(tables.test_frame.columns) if tables.test_frame is not None else set()
    targets, why = find_targets(frame, outputs, {key.name} | test, table.path)
    if not targets:
        lacking = [name for name in outputs if name not in frame.columns]
        many = len(lacking) > 1
        raise CompetitionError(
            f"{tables.sample.path}: its {'columns' if many else 'column'} {listed(lacking)}"
            f" {'are' if many else 'is'} neither in {table.path} (which has {listed(frame.columns)})"
            " nor a value of a column there; give the label column with --set target=…"
        )
    found.evidence["target"] = why
    if len(targets) == len(outputs) == 1 and bare(targets[0]) != bare(outputs[0]):
        taken = f"{outputs[0]} of {tables.sample.path} is {targets[0]} of {table.path}"
        found.assume("target", taken, f"their names differ, but {why}")
    return targets


def keep_classes(
    reader: Reader,
    tables: Tables,
    key: Key,
    targets: tuple[str, ...],
    outputs: tuple[str, ...],
    metric: str | None,
    found: Findings,
) -> None:
    """Reads the label column as it is written if its type would lose something; see `written`."""
    before = tables.labels
    written.keep_classes(reader, tables, targets, outputs, metric, found)
    if tables.labels is not None and tables.labels != before and tables.train is not None:
        tables.train_frame = reader.frame(tables.train)[1]
        _merge(reader, tables, key, targets)


def _stack(reader: Reader, tables: Tables, chosen: roles.Training, found: Findings) -> None:
    """Puts the rows of training tables with equal columns below each other; names the others."""
    first, frame = tables.train, tables.train_frame
    if first is None or frame is None:
        return
    known = _hashes(frame, list(frame.columns)) if chosen.same else pd.Series(dtype="uint64")
    parts: list[tuple[Table, int]] = []
    for table in chosen.same:
        settled, rows = reader.frame(table)
        hashes = _hashes(rows, list(frame.columns))
        if hashes.isin(set(known)).mean() > COPIES:
            found.notes.append(f"{_name(table)}: its rows stand in {_name(first)} too; not used twice")
            continue
        parts.append((settled, len(rows)))
        known = pd.concat([known, hashes])
    for table in chosen.others:
        if table == chosen.labels:
            continue
        found.assume(
            "training rows",
            f"those of {_name(first)} alone",
            f"{_name(table)} has labels too, but other columns",
        )
    if not parts:
        return
    counts = [f"{_name(first)} ({len(frame)})", *(f"{_name(table)} ({rows})" for table, rows in parts)]
    said = f"{len(parts) + 1} tables of equal columns, their rows below each other: {listed(counts, 12)}"
    found.notes.append(f"training rows: {said}")
    found.evidence["training rows"] = said
    for table in chosen.same:
        tables.headers.pop(table, None)
    stacked = replace(first, more=tuple(table for table, _ in parts))
    tables.put("train", *reader.frame(stacked))


def _name(table: Table) -> str:
    return f"{table.path}:{table.member}" if table.member else table.path


def _hashes(frame: pd.DataFrame, columns: list[str]) -> pd.Series:
    return pd.util.hash_pandas_object(frame[columns].astype(str), index=False)


def _without_table(reader: Reader, tables: Tables, groups: tuple[FileGroup, ...], found: Findings) -> None:
    broken = [note for note in reader.notes if note.startswith("train")]
    if broken:
        raise CompetitionError(broken[0])
    if not any("train" in group.pattern.lower() for group in groups):
        names = ", ".join(group.pattern for group in groups[:10])
        raise CompetitionError(
            f"{reader.folder}: no training data (the folder contains {names}); add train.csv with the label"
            " column"
        )
    found.block(
        "target: no table contains labels; they may be in file names or files (see the listing): write"
        " a candidate that reads them, or add a train.csv with the row key and the label and give --set "
        "target=…"
    )


def _join_labels(reader: Reader, tables: Tables, key: Key, wanted: tuple[str, ...], found: Findings) -> None:
    if tables.labels is None or tables.train is None or tables.train_frame is None:
        return
    _, frame = reader.frame(tables.labels)
    if frame[key.name].duplicated().any() or tables.train_frame[key.name].duplicated().any():
        found.notes.append(
            f"{tables.train.path}: not joined to {tables.labels.path}, because values of {key.name} repeat"
        )
        tables.train, tables.train_frame, tables.labels = tables.labels, frame, None
        return
    _merge(reader, tables, key, wanted)
    found.notes.append(f"{tables.train.path} and the labels of {tables.labels.path} are joined on {key.name}")
    if tables.train_frame.empty:
        raise CompetitionError(
            f"{tables.labels.path}: shares no {key.name} with {tables.train.path}; repair one of them"
        )


def _merge(reader: Reader, tables: Tables, key: Key, columns: tuple[str, ...]) -> None:
    assert tables.labels is not None
    assert tables.train_frame is not None
    labels = reader.frame(tables.labels)[1][[key.name, *columns]]
    tables.train_frame = merged(tables.train_frame, labels, key.name, tables.labels)
