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
HEAD = 300  # rows that show whether a column may have a unit
DAY_FORMATS = (
    *("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y"),
)


def settle(reader: Reader, tables: Tables, key: Key, outputs: Collection[str], found: Findings) -> None:
    """Repairs the columns of train and test. `outputs` are columns that the submission fills."""
    keys = {key.name, *key.parts, *(name for _, name in key.pairs)}
    _names(reader, tables, keys, found)
    _units(reader, tables, keys | _classes(tables, outputs), found)
    _forms(reader, tables, keys, found)


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


def _units(reader: Reader, tables: Tables, leave: set[str], found: Findings) -> None:
    """Uses numbers with a unit as numbers, unless the other table has another unit, or words."""
    sides = {role: _measured(tables, role, leave) for role in ("train", "test")}
    for role, other in (("train", "test"), ("test", "train")):
        table, frame = getattr(tables, role), getattr(tables, f"{other}_frame")
        said = []
        for name, unit in sides[role].items():
            theirs = sides[other].get(name, "")
            if frame is None or name not in frame or theirs == unit or _is_number(frame[name]):
                commas = units.has_commas(getattr(tables, f"{role}_frame")[name].dropna())
                table = table.typed(name, types.COMMA_NUMBERS if commas else types.NUMBERS)
                said.append(f"{name} ({unit})")
            elif role == "train" or not theirs:
                why = f"{table.path} has numbers in {unit}, the other table {_has(theirs)}"
                found.assume("units", f"{name} is used as text", why)
        if said:
            tables.put(role, *reader.frame(table))
            found.notes.append(f"{table.path}: numbers with a unit, used as numbers: {listed(said, 8)}")


def _has(unit: str) -> str:
    return f"numbers in {unit}" if unit else "words too"


def _is_number(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values.dtype))


def _measured(tables: Tables, role: str, leave: set[str]) -> dict[str, str]:
    """The unit of each column of numbers with a unit."""
    table, frame = getattr(tables, role), getattr(tables, f"{role}_frame")
    if table is None or frame is None or table.call != CSV:
        return {}
    known = {name: frame[name].dropna() for name in _texts(frame, leave)}
    likely = {name: values for name, values in known.items() if units.common(values.iloc[:HEAD])}
    found = {name: units.common(values) for name, values in likely.items()}
    return {name: unit for name, unit in found.items() if unit}


def _forms(reader: Reader, tables: Tables, keys: set[str], found: Findings) -> None:
    """Writes values without blanks around, or in lower case, where the same values stand there in that form
    too: in the same column, or in that of the other table."""
    texts = {role: _words(tables, role, keys) for role in ("train", "test")}
    for role, other in (("train", "test"), ("test", "train")):
        table = getattr(tables, role)
        ways = {name: _way(texts[role][name], texts[other].get(name, set())) for name in texts[role]}
        ways = {name: way for name, way in ways.items() if way}
        for name, way in ways.items():
            table = table.typed(name, way)
            found.notes.append(f"{table.path}: values of {name} are read {way}, as they stand elsewhere too")
        if ways:
            tables.put(role, *reader.frame(table))


def _words(tables: Tables, role: str, keys: set[str]) -> dict[str, set[str]]:
    """The values of each column of words, for columns of few values."""
    table, frame = getattr(tables, role), getattr(tables, f"{role}_frame")
    if table is None or frame is None or table.call != CSV:
        return {}
    found = {name: set(frame[name].dropna().unique()) for name in _texts(frame, keys)}
    return {name: values for name, values in found.items() if 2 * len(values) <= len(frame)}


def _way(own: set[str], others: set[str]) -> str:
    """How values are read so that the same ones are equal; "" as they stand."""
    plain = {value.strip() for value in own}
    if others and not own & others:  # no value in common: is it the form?
        theirs = {value.strip() for value in others}
        if plain & theirs:
            return types.STRIPPED
        if {value.lower() for value in plain} & {value.lower() for value in theirs}:
            return types.FOLDED
    return types.STRIPPED if len(plain) < len(own) else ""


def _texts(frame: pd.DataFrame, leave: set[str]) -> Iterator[str]:
    for name in frame.columns:
        if name in leave or pd.api.types.is_numeric_dtype(frame[name].dtype):
            continue
        if frame[name].notna().any() and pd.api.types.infer_dtype(frame[name], skipna=True) == "string":
            yield str(name)


def key_names(tables: Tables, key: Key, found: Findings) -> None:
    """Calls the row key of every table as test does, where it differs only in case and marks."""
    for table, header in list(tables.headers.items()):
        alike = [name for name in header if bare(name) == bare(key.name)]
        if not key.name or key.name in header or len(alike) != 1 or table in (tables.sample, tables.test):
            continue
        raw = next((old for old, name in table.renamed.items() if name == alike[0]), alike[0])
        named = replace(table, renamed={**table.renamed, raw: key.name})
        tables.headers = {
            (named if each == table else each): [
                key.name if each == table and n in alike else n for n in names
            ]
            for each, names in tables.headers.items()
        }
        found.notes.append(f"{table.path}: {alike[0]} is {key.name} of the other tables")


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
