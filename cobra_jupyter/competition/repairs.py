"""Columns that train and test write in different ways, or for people: names, blanks, units, days.

What is repaired is noted. The repairs are part of how a table is read, so that notebooks do the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import pandas as pd

from cobra_jupyter.competition import types, units
from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.keys import Key
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.targets import bare

CSV = "pd.read_csv"
DAY_FORMATS = (
    *("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y"),
)


def settle(reader: Reader, tables: Tables, key: Key, outputs: Collection[str], found: Findings) -> None:
    """Repairs the columns of train and test. `outputs` are columns that the submission fills."""
    leave = {key.name, *key.parts, *(name for _, name in key.pairs)}
    _names(reader, tables, leave, found)
    words = _classes(tables, outputs)
    for role in ("train", "test"):
        _values(reader, tables, role, leave, words, found)


def _classes(tables: Tables, outputs: Collection[str]) -> set[str]:
    """The columns that may hold classes: if the sample fills any output with words, those only train has."""
    asked, train, test = tables.sample_frame, tables.train_frame, tables.test_frame
    if train is None or all(pd.api.types.is_numeric_dtype(asked[name].dtype) for name in outputs):
        return set()
    return {str(name) for name in train.columns if test is None or name not in test.columns}


def _names(reader: Reader, tables: Tables, leave: set[str], found: Findings) -> None:
    """Gives columns of test the names that train has, if these differ only in case, blanks and marks."""
    train, test = tables.train_frame, tables.test_frame
    if train is None or test is None or tables.train is None or tables.test is None:
        return
    free = [str(name) for name in test.columns if name not in train.columns and name not in leave]
    lacking = [str(name) for name in train.columns if name not in test.columns]
    alike = {name: [other for other in free if bare(other) == bare(name)] for name in lacking}
    new = {others[0]: name for name, others in alike.items() if len(others) == 1 and bare(name)}
    if len(new) < sum(map(bool, alike.values())):
        return  # one column may be several of the other table
    if new:
        raw = {name: old for old, name in tables.test.renamed.items()}
        renamed = tables.test.renamed | {raw.get(own, own): name for own, name in new.items()}
        tables.put("test", *reader.frame(replace(tables.test, renamed=renamed)))
        said = listed([f"{own} is {name} of {tables.train.path}" for own, name in new.items()], 8)
        found.notes.append(f"{tables.test.path}: {said}")


def _values(
    reader: Reader, tables: Tables, role: str, leave: set[str], words: set[str], found: Findings
) -> None:
    table, frame = getattr(tables, role), getattr(tables, f"{role}_frame")
    if table is None or frame is None or table.call != CSV:
        return
    blanks, measured = [], []
    for name in _texts(frame, leave):
        values = frame[name].dropna()
        if name not in words and (unit := units.common(values)):
            measured.append(f"{name} ({unit.strip()})")
            table = table.typed(name, types.NUMBERS)
        elif values.nunique() > values.str.strip().nunique():
            blanks.append(name)
            table = table.typed(name, types.STRIPPED)
    if measured:
        found.notes.append(f"{table.path}: numbers with a unit, used as numbers: {listed(measured, 8)}")
    if blanks:
        found.notes.append(
            f"{table.path}: blanks around values of {listed(blanks, 8)} are left out, since the same values"
            " stand there without"
        )
    if measured or blanks:
        tables.put(role, *reader.frame(table))


def _texts(frame: pd.DataFrame, leave: set[str]) -> Iterator[str]:
    for name in frame.columns:
        if name in leave or pd.api.types.is_numeric_dtype(frame[name].dtype):
            continue
        if frame[name].notna().any() and pd.api.types.infer_dtype(frame[name], skipna=True) == "string":
            yield str(name)


def days(reader: Reader, tables: Tables, found: Findings) -> None:
    """Writes days of the test rows as the sample does, if a column holds the same days in another form."""
    sample, test = tables.sample_frame, tables.test_frame
    if test is None or tables.test is None or tables.test.call != CSV:
        return
    for asked in _texts(sample, set()):
        write = next((form for form in DAY_FORMATS if _of_form(sample[asked], form)), None)
        if write is None or not sample[asked].is_unique:
            continue
        for own in _texts(test, set()):
            if set(sample[asked]) <= set(test[own]) or not test[own].is_unique:
                continue
            for read in DAY_FORMATS:
                if _of_form(test[own], read) and set(sample[asked]) <= set(
                    _rewritten(test[own], read, write)
                ):
                    way = types.days(read, write)
                    tables.put("test", *reader.frame(tables.test.typed(own, way)))
                    found.notes.append(f"{tables.test.path}: {own} is written as in {tables.sample.path}")
                    return


def days_of_train(reader: Reader, tables: Tables, key: Key) -> None:
    """Writes the row key of train as that of test, if days were rewritten there."""
    if tables.test is None or tables.train is None or tables.train_frame is None:
        return
    way = tables.test.types.get(key.name, "")
    if not way.startswith(types.DAYS) or tables.train.call != CSV or key.name not in tables.train_frame:
        return
    if _of_form(tables.train_frame[key.name], types.forms(way)[0]):
        tables.put("train", *reader.frame(tables.train.typed(key.name, way)))


def _of_form(values: pd.Series, form: str) -> bool:
    return bool(pd.to_datetime(values.iloc[:50], format=form, errors="coerce").notna().all()) and bool(
        pd.to_datetime(values, format=form, errors="coerce").notna().all()
    )


def _rewritten(values: pd.Series, read: str, write: str) -> pd.Series:
    return pd.to_datetime(values, format=read).dt.strftime(write)
