"""Finds the sample, train, test and label tables and the row key that connects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.files import Listing, sample_names, table_paths
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.tables import Table, table_stem, table_suffix, tables_at


def find_tables(reader: Reader, found: Listing) -> tuple[Table, dict[Table, list[str]]]:
    """Returns the sample submission, and the other tables with their columns. Raises CompetitionError."""
    top = [path for path, _ in found.files if "/" not in path]
    sample = find_sample(reader.folder, top)
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


def find_sample(folder: Path, names: list[str]) -> Table:
    """Returns the sample submission among the files at the top of a folder. Raises CompetitionError."""
    likely = sample_names(names)
    for name in likely:
        if tables := tables_at(folder, name):
            return tables[0]
    raise CompetitionError(
        f"{', '.join(likely)}: contains no table; put the sample submission there as a csv file"
    )


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


@dataclass(frozen=True)
class Training:
    """The training table; `labels` to join to it; `same`, tables with equal columns; `others` with labels."""

    train: Table | None = None
    labels: Table | None = None
    same: tuple[Table, ...] = ()
    others: tuple[Table, ...] = ()


def find_train(
    headers: dict[Table, list[str]], wanted: Sequence[str], test: Table | None, key: str
) -> Training:
    """Returns the table with the `wanted` columns, or else one named train.

    `labels` is a table to join, if the labels are separate from a larger feature table with the same row
    key."""
    tables = [t for t in headers if t != test and not _stem(t).startswith("test")]
    with_targets = [t for t in tables if wanted and set(wanted) <= set(headers[t])]
    named = [t for t in tables if "train" in _stem(t) or _stem(t) in {"labels", "label"}]
    pool = with_targets or named
    train = min(pool, key=_rank, default=None)
    if train is None or not with_targets:
        return _with_equals(train, None, pool, headers)
    only_labels = key in headers[train] and len(headers[train]) <= len(wanted) + 1
    if test is None or not only_labels:
        return _with_equals(train, None, pool, headers)
    wider = [
        t
        for t in named
        if t not in with_targets
        and _stem(t).startswith("train")
        and key in headers[t]
        and len(headers[t]) > 2
        and len(set(headers[t]) & set(headers[test])) > 1
    ]
    if not wider:
        return _with_equals(train, None, pool, headers)
    return _with_equals(min(wider, key=_rank), train, wider, headers)


def _with_equals(
    train: Table | None, labels: Table | None, pool: Sequence[Table], headers: dict[Table, list[str]]
) -> Training:
    if train is None:
        return Training()
    rest = sorted((t for t in pool if t != train), key=lambda t: (t.path, t.member))
    same = [t for t in rest if set(headers[t]) == set(headers[train])]
    return Training(train, labels, tuple(same), tuple(t for t in rest if t not in same))


def _rank(table: Table) -> tuple[bool, bool, int, int, str]:
    stem = _stem(table)
    return stem != "train", "train" not in stem, table.path.count("/"), len(table.path), table.path
