"""The columns of a table as numbers. Labels are not used, and each row is computed on its own.

The prefix of a feature says what it is. `number: …`: a number, a flag, a part of a date, or a length of a
text. `category: …`: a code for a string; equal strings have equal codes, and the order has no meaning.
`sums: …` and `pairs: …`: combinations of similar columns. Missing and infinite values are NaN. Strings like
"F/731/S" are split into parts, and numeric parts become numbers. Rows of the larger of the train and test
tables decide which features are made.
"""

from __future__ import annotations

import re
import warnings
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.values import is_missing

SEPARATOR = r"[/_|:;,\s-]+"
MOST_ROWS = 50_000  # show what kind of column it is
TRUTH = {"true": 1, "yes": 1, "false": 0, "no": 0}


def finite(column: pd.Series) -> pd.Series:
    """The column as floats: true and false become 1 and 0, and everything but finite numbers NaN."""
    if column.dtype.kind not in "biuf":
        column = column.map(lambda value: TRUTH.get(str(value).strip().lower(), value))
    number = pd.to_numeric(column, errors="coerce").to_numpy("float64", na_value=np.nan)
    return pd.Series(np.where(np.abs(number) < 1e30, number, np.nan), column.index, name=column.name)


def strings(column: pd.Series) -> pd.Series:
    """The column as strings, "" if missing; 3 and 3.0 are the same."""
    text = [
        "" if is_missing(v) else f"{v:.12g}" if isinstance(v, int | float | np.number) else str(v)
        for v in column
    ]
    return pd.Series(text, column.index, dtype=object)


def codes(text: pd.Series) -> pd.Series:
    """A hash of each string, the same in train and test; missing for ""."""
    known = {value: float(crc32(value.encode())) for value in text.unique() if value}
    return text.map(known).astype("float64")


def parts(text: pd.Series, count: int) -> pd.DataFrame:
    """The parts of compound strings in `count` columns, "" for absent parts."""
    return text.str.split(SEPARATOR, expand=True, regex=True).reindex(columns=range(count)).fillna("")


def is_numeric(column: pd.Series) -> bool:
    if column.dtype.kind in "biuf":
        return True
    known = column[column.notna() & (column.astype(str) != "")]
    return bool(finite(known).notna().sum() >= 0.9 * len(known))


def dates(column: pd.Series, sample: pd.Series) -> pd.Series:
    """Parse dates. The sample decides the format: mixed formats and day-first dates are recognised."""
    way: dict[str, Any] = {"errors": "coerce", "utc": True}
    known = sample.dropna().astype(str)
    few = known.iloc[:: max(1, len(known) // 2000)]
    parts = r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{2,4})"
    day_first = bool((pd.to_numeric(few.str.extract(parts)[0]) > 12).any())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns if no single format fits
        each: dict[str, Any] = way | {"format": "mixed"}
        if not day_first:
            lost = pd.to_datetime(few, **way).isna().mean() - pd.to_datetime(few, **each).isna().mean()
            return pd.to_datetime(column, **(each if lost > 0 else way))
        if not few.str.match(r"\d{4}[-/.]").any():
            return pd.to_datetime(column, **each, dayfirst=True)
        ordered = strings(column).str.replace(parts.replace("2,4", "4"), r"\3-\2-\1", regex=True)
        return pd.to_datetime(ordered, **each)


def features_of(name: str, kind: str, column: pd.Series, sample: pd.Series) -> dict[str, pd.Series]:
    """The features of one column. `sample` decides what the column's kind leaves open."""
    if kind in ("number", "flag") and is_numeric(sample):
        return {f"number: {name}": finite(column)}
    text = strings(column)
    if kind == "date":
        date = dates(column, sample)
        made = {
            f"number: {name} {u}": getattr(date.dt, u)
            for u in ("year", "month", "day", "day_of_week", "hour")
        }
        days = (date - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta(days=1)
        return made | {f"number: {name} age": days}
    if kind == "text":
        made = {"letters": text.str.len(), "words": text.str.count(r"\S+"), "digits": text.str.count(r"\d")}
        return {f"number: {name} {what}": values for what, values in made.items()}
    if kind == "compound":
        known = strings(sample.dropna())
        count = int(min(4, known.str.count(SEPARATOR).max() + 1)) if len(known) else 0
        pieces, shape = parts(text, count), parts(known, count)
        made = {}
        for i in range(count):
            if is_numeric(shape[i]):
                made[f"number: {name} part {i}"] = finite(pieces[i])
            else:
                made[f"category: {name} part {i}"] = codes(pieces[i])
        return made
    numbers = finite(sample.dropna())
    if numbers.notna().mean() > 0.5 and numbers.nunique() > 20:  # mostly numbers, with some words
        return {f"number: {name}": finite(column), f"category: {name}": codes(text)}
    return {f"category: {name}": codes(text)}


def like_columns(numbers: pd.DataFrame) -> dict[str, list[str]]:
    """Sets of similar columns: names that differ in one word (length_1_cm, length_2_cm), amounts often 0."""
    often = [
        c
        for c in numbers
        if (numbers[c] == 0).mean() > 0.3 and numbers[c].min() >= 0 and numbers[c].max() > 1
    ]
    sets = {"amounts": often}
    for name in numbers:
        tokens = re.split(r"[\s_.-]+|(?<=[^\W\d_])(?=\d)", name)
        for i in range(len(tokens) if len(tokens) > 1 else 0):
            sets.setdefault(" ".join([*tokens[:i], "*", *tokens[i + 1 :]]), []).append(name)
    return dict([item for item in sets.items() if 2 <= len(item[1]) <= 12][:12])


def together(numbers: pd.DataFrame, sets: dict[str, list[str]]) -> dict[str, pd.Series]:
    """Sums, extremes and counts over each set of similar columns; shares of the sum; pairwise differences."""
    made: dict[str, pd.Series] = {}
    for key, names in sets.items():
        values, total = numbers[names], numbers[names].sum(axis=1)
        made |= {
            f"sums: {key}": total,
            f"sums: {key} max": values.max(axis=1),
            f"sums: {key} min": values.min(axis=1),
        }
        made[f"sums: {key} above 0"] = (values > 0).sum(axis=1)
        made[f"sums: {key} product"] = np.log1p(values.clip(lower=0)).sum(axis=1)
        made |= {f"pairs: {name} in {key}": values[name] / total.where(total != 0) for name in names}
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]][:15]
        made |= {f"pairs: {a} - {b}": values[a] - values[b] for a, b in pairs}
    return made


def larger_table(names: list[str], ctx: Any) -> pd.DataFrame:
    """Evenly spaced rows of the larger of the train and test tables, with the columns `names`."""
    larger = max((ctx.table(side) for side in ("train", "test")), key=len)[names]
    return larger.iloc[:: max(1, -(-len(larger) // MOST_ROWS))]


def make(rows: pd.DataFrame, ctx: Any) -> pd.DataFrame:
    """The features, one row per row of `rows`."""
    kinds = {n: k for n, k in ctx.columns.items() if n in rows and k != "id" and n != ctx.id}
    sample = larger_table(list(kinds), ctx)  # the same for train and test
    made: dict[str, pd.Series] = {} if kinds else {"number: nothing": pd.Series(0.0, rows.index)}
    plain: dict[str, pd.Series] = {}
    for name, kind in kinds.items():
        made |= features_of(name, kind, rows[name], sample[name])
        if f"number: {name}" in made:
            plain[name] = finite(sample[name])
    sets = like_columns(pd.DataFrame(plain))
    numbers = pd.DataFrame({name: made[f"number: {name}"] for name in plain}, index=rows.index)
    made |= together(numbers, sets)
    return pd.DataFrame(made, index=rows.index).astype("float64").replace([np.inf, -np.inf], np.nan)
