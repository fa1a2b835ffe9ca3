"""Keeps ids and classes as the files write them: leading zeros, ``true``, words like None, dates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd

from cobra_jupyter.competition.columns import listed, plain, with_zeros
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.keys import Key
from cobra_jupyter.competition.metric_words import wants
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.tables import Table

HEAD = 2000


def keep_sample(reader: Reader, tables: Tables, outputs: Sequence[str]) -> None:
    """Reads the columns that the submission repeats as they are written, where their type loses something."""
    for name in list(tables.sample_frame.columns):
        if name in outputs or tables.sample.call != "pd.read_csv":
            continue
        text = tables.sample.as_it_stands(reader.folder, name)
        read = tables.sample_frame[name]
        if not text.fillna("").equals(read.astype(str).where(read.notna(), "").astype(text.dtype)):
            _write(reader, tables, "sample", name)


def keep_ids(reader: Reader, tables: Tables, key: Key, found: Findings) -> None:
    """Reads the row key as text if it has leading zeros, words like NA, or letters in only some tables."""
    if not key.name or key.parts or key.by_position:
        return
    roles = [
        role
        for role in ("test", "train", "labels")
        if (table := getattr(tables, role)) is not None and key.name in reader.frame(table)[1].columns
    ]
    columns = {role: reader.frame(getattr(tables, role))[1][key.name] for role in roles}
    sides = [*columns.values(), tables.sample_frame[key.sample_name]]
    numbers = {pd.api.types.is_numeric_dtype(column.dtype) for column in sides}
    lossy = any(_loses(reader, getattr(tables, role), key.name, columns[role]) for role in roles)
    lossy = lossy or _loses(reader, tables.sample, key.sample_name, tables.sample_frame[key.sample_name])
    if len(numbers) < 2 and not lossy:
        return
    for role in roles:
        _write(reader, tables, role, key.name)
    _write(reader, tables, "sample", key.sample_name)
    note = f"{key.name} is read as text: its leading zeros, letters or words like NA matter"
    if note not in found.notes:
        found.notes.append(note)


def _loses(reader: Reader, table: Table, name: str, column: pd.Series) -> bool:
    """Whether a key loses leading zeros or words like NA."""
    if table.call != "pd.read_csv" or name in table.as_written:
        return False
    if column.isna().any():
        return bool((column.isna() & table.as_it_stands(reader.folder, name).notna()).any())
    if not pd.api.types.is_integer_dtype(column.dtype):
        return False
    return with_zeros(table.having(nrows=HEAD).as_it_stands(reader.folder, name).dropna())


def _write(reader: Reader, tables: Tables, role: str, name: str) -> None:
    table = getattr(tables, role)
    settled, frame = reader.frame(table.written(name))
    tables.put(role, settled, frame)


def keep_classes(
    reader: Reader,
    tables: Tables,
    targets: Sequence[str],
    outputs: Sequence[str],
    metric: str | None,
    found: Findings,
) -> None:
    """Reads a label column as it is written if its type would lose leading zeros, ``true`` or a class that
    is called like a missing value."""
    role = "labels" if tables.labels is not None else "train"
    table: Table | None = getattr(tables, role)
    if len(targets) != 1 or table is None or table.call != "pd.read_csv":
        return
    asked = found.settings.get("task")
    if asked == "regression" or (asked is None and wants(metric) == "value"):
        return
    (target,) = targets
    read = reader.frame(table)[1][target]
    text = table.as_it_stands(reader.folder, target)
    words = sorted(text[text.notna() & read.isna()].unique())
    named = set(outputs) | _labels_of_sample(reader, tables, outputs)
    classes = [word for word in words if any(_names(name, word) for name in named)]
    if words and not classes and not pd.api.types.is_numeric_dtype(read.dtype):
        classes = words
        found.assume(
            "classes",
            f"{listed(words, 5)} of {target} is a class",
            f"the other classes are words too, and {table.path} has empty cells for what is missing"
            if text.isna().any()
            else "the other classes are words too",
        )
    flags = pd.api.types.is_bool_dtype(read.dtype) and not set(text.dropna()) <= {"True", "False"}
    if not (classes or flags or with_zeros(text.dropna())):
        return
    _write(reader, tables, role, target)
    if classes:
        found.notes.append(f"{table.path}: {listed(classes, 5)} in {target} is a class, not a missing value")
    else:
        found.notes.append(f"{table.path}: {target} is kept as it is written, e.g. {text.dropna().iloc[0]}")
    if words and set(words) - set(classes):  # a missing value in a column of classes
        gone = sorted(set(words) - set(classes))
        settled, frame = reader.frame(getattr(tables, role).having(na_values={target: gone}))
        tables.put(role, settled, frame)


def _labels_of_sample(reader: Reader, tables: Tables, outputs: Sequence[str]) -> set[str]:
    """The words in the sample's columns to fill."""
    if tables.sample.call != "pd.read_csv":
        return {str(value) for name in outputs for value in tables.sample_frame[name].dropna().unique()}
    texts = [tables.sample.as_it_stands(reader.folder, name) for name in outputs]
    return {value for text in texts for value in text.dropna().unique()}


def _names(name: str, word: str) -> bool:
    """Whether the sample names a class: as a label, or in the name of a column."""
    return name == word or name.endswith((f"_{word}", f" {word}", f"-{word}"))


def like_sample(classes: Sequence[Any], asked: pd.Series) -> dict[str, str]:
    """Returns how the sample writes the classes, by their texts; {} if it writes them as train does.

    `asked` are the sample's labels as they are written."""
    own = [str(plain(value)) for value in classes]
    given = set(asked.dropna())
    if not given or given <= set(own):
        return {}
    for style in _styles(given):
        texts = [style(value) for value in own]
        if given <= set(texts) and len(set(texts)) == len(texts):
            return dict(zip(map(str, classes), texts, strict=True))
    return {}


def _styles(given: set[str]) -> Iterator[Callable[[str], str]]:
    widths = {len(text) for text in given}
    yield str.strip
    yield str.lower
    yield str.upper
    yield str.capitalize
    yield lambda text: f"{text}.0"
    yield lambda text: text.removesuffix(".0")
    yield lambda text: text.removesuffix(" 00:00:00")
    if len(widths) == 1:
        (width,) = widths
        yield lambda text: text.zfill(width)
