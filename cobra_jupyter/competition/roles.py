"""Finds the sample, train, test and label tables and the row key that connects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import pandas as pd

from cobra_jupyter.competition.columns import listed, with_zeros
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.files import Listing, sample_names, table_paths
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.tables import Table, table_stem, table_suffix, tables_at


@dataclass(frozen=True)
class Key:
    """The row key: its name ("" for none), the reason, and its parts if the tables lack it."""

    name: str
    why: str
    parts: tuple[str, ...] = ()
    separator: str = "_"
    by_position: bool = False


def find_tables(reader: Reader, found: Listing) -> tuple[Table, dict[Table, list[str]]]:
    """Returns the sample submission, and the other tables with their columns. Raises CompetitionError."""
    top = [path for path, _ in found.files if "/" not in path]
    sample: Table | None = None
    for name in sample_names(top):
        tables = tables_at(reader.folder, name)
        if tables:
            sample = tables[0]
            break
    if sample is None:
        names = ", ".join(sample_names(top))
        raise CompetitionError(f"{names}: contains no table; put the sample submission there as a csv file")
    headers: dict[Table, list[str]] = {}
    for path in table_paths(found):
        if path in sample_names(top):
            continue
        try:
            for table in tables_at(reader.folder, path):
                headers[table] = reader.header(table)
        except CompetitionError as error:
            if table_stem(path).startswith(("train", "test")) and table_suffix(path):
                raise
            reader.notes.append(str(error))
    return sample, headers


def find_test(headers: dict[Table, list[str]], columns: list[str]) -> Table | None:
    """Returns the test table, by its name; prefers one that shares columns with the sample."""
    likely = [table for table in headers if _stem(table).startswith("test") or "_test" in _stem(table)]
    likely = [table for table in likely if "label" not in _stem(table)]
    return min(
        likely,
        key=lambda t: (
            not set(headers[t]) & set(columns),
            _stem(t) != "test",
            t.path.count("/"),
            len(t.path),
        ),
        default=None,
    )


def _stem(table: Table) -> str:
    return Table(table.member, table.call).stem if table.member else table.stem


def find_train(
    headers: dict[Table, list[str]], wanted: Sequence[str], test: Table | None, key: str
) -> tuple[Table | None, Table | None]:
    """Returns (train, labels). Train is the table with the `wanted` columns, or else one named train.

    `labels` is a table to join, if the labels are separate from a larger feature table with the same row
    key."""
    tables = [t for t in headers if t != test and not _stem(t).startswith("test")]
    with_targets = [t for t in tables if wanted and set(wanted) <= set(headers[t])]
    named = [t for t in tables if "train" in _stem(t) or _stem(t) in {"labels", "label"}]
    train = min(with_targets or named, key=_rank, default=None)
    if train is None or not with_targets:
        return train, None
    only_labels = key in headers[train] and len(headers[train]) <= len(wanted) + 1
    if test is None or not only_labels:
        return train, None
    wider = [
        t
        for t in named
        if t not in with_targets
        and _stem(t).startswith("train")
        and key in headers[t]
        and len(headers[t]) > 2
        and len(set(headers[t]) & set(headers[test])) > 1
    ]
    return (min(wider, key=_rank), train) if wider else (train, None)


def _rank(table: Table) -> tuple[bool, bool, int, int, str]:
    stem = _stem(table)
    return stem != "train", "train" not in stem, table.path.count("/"), len(table.path), table.path


def find_key(
    sample: pd.DataFrame, test: pd.DataFrame | None, names: tuple[str, str], asked: str | None
) -> Key:
    """Returns the submission's row key. `names` are the paths of sample and test. Raises CompetitionError."""
    columns = list(sample.columns)
    if asked is not None:
        if asked not in columns:
            raise CompetitionError(f"id={asked}: {names[0]} has no such column; it has {listed(columns, 20)}")
        return Key(asked, "set by option", by_position=test is not None and asked not in test.columns)
    if test is None:
        return Key(columns[0], f"first column of {names[0]}; there is no table of test rows")
    shared = [name for name in columns if name in test.columns]
    keys = [name for name in shared if sample[name].is_unique and sample[name].notna().all()]
    keys.sort(key=lambda name: (name != columns[0], not name.lower().endswith("id")))
    if keys:
        return Key(keys[0], f"column of both {names[0]} and {names[1]}, each value once")
    if shared and not _named_id(shared) and _same(sample[shared], test[shared]):
        return Key("", f"{names[0]} has no key: its rows are those of {names[1]}, in order")
    if shared:
        return Key(shared[0], f"column of both {names[0]} and {names[1]}")
    return _made_key(sample, test, names)


def _named_id(names: Sequence[str]) -> bool:
    """Whether there is one column and it is named like a row key, so that its values should not repeat."""
    return len(names) == 1 and names[0].lower().endswith("id")


def _same(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    if len(left) != len(right):
        return False
    left, right = left.reset_index(drop=True), right.reset_index(drop=True)
    return bool(((left == right) | (left.isna() & right.isna())).all(axis=None))


def _made_key(sample: pd.DataFrame, test: pd.DataFrame, names: tuple[str, str]) -> Key:
    """Returns a key that the test table lacks: made of two of its columns, or the position."""
    name = str(sample.columns[0])
    first = sample[name].astype(str)
    columns = [c for c in test.columns[:12] if not pd.api.types.is_float_dtype(test[c].dtype)]
    few = test.head(100)
    for a, b in permutations(columns, 2):
        for mark in ("_", "-", ":", ""):
            if set(few[a].astype(str) + mark + few[b].astype(str)) <= set(first):
                why = f"{name} of {names[0]} is {a} and {b} of {names[1]}, joined by {mark!r}"
                return Key(name, why, (str(a), str(b)), mark)
    if len(sample) != len(test):
        raise CompetitionError(
            f"{names[1]}: shares no column with {names[0]} ({listed(sample.columns, 5)}), and they differ in"
            f" length ({len(test)} and {len(sample)} rows); add the column {name} to {names[1]}"
        )
    return Key(name, f"{names[1]} lacks {name}: its rows are those of {names[0]}, in order", by_position=True)


def textual(reader: Reader, tables: Sequence[Table], key: str) -> bool:
    """Whether a key must be read as text: it has leading zeros, or is text in only some of the tables."""
    kinds = set()
    for table in tables:
        settled, frame = reader.frame(table)
        if key not in frame.columns:
            continue
        number = pd.api.types.is_integer_dtype(frame[key].dtype)
        kinds.add(number)
        if number and table.call == "pd.read_csv":
            raw = settled.having(nrows=2000, usecols=[key], dtype="str").read(reader.folder)[key]
            if with_zeros(raw.dropna()):
                return True
    return len(kinds) == 2
