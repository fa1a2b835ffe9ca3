"""Finds the kind of a column from its values."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

SAMPLE = 2000
FEW = 20
TEXT_WORDS = 2.0
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?(?:[ T]\d|$)|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{14}Z|^\d{1,2}:\d{2}"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*\d",
    re.I,
)
_MARKS = "/|:;,_-"


def kinds(frame: pd.DataFrame, leave: set[str]) -> dict[str, str]:
    """Returns the kind of each column except those in `leave`:

    "number", "category", "flag", "date", "text", "compound" or "id"."""
    return {str(name): kind(frame[name]) for name in frame.columns if name not in leave}


def kind(values: pd.Series) -> str:
    """Returns the kind of a column. Text has more than two words on average."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return "flag"
    if pd.api.types.is_integer_dtype(values.dtype):
        return "id" if _counts_rows(values) else "number"
    if pd.api.types.is_numeric_dtype(values.dtype):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "date"
    known = values.dropna()
    if known.empty:
        return "category"
    strings = some(known)
    if set(strings.str.lower()) <= {"true", "false"}:
        return "flag"
    return _of_strings(strings, known)


def some(known: pd.Series) -> pd.Series:
    """Returns at most 2,000 values, spread over the column, as strings."""
    step = max(1, len(known) // SAMPLE)
    return known.iloc[::step].iloc[:SAMPLE].astype(str)


def distinct(values: pd.Series) -> int:
    """Returns the number of different values, also of unhashable ones such as lists."""
    try:
        return int(values.nunique())
    except TypeError:
        return int(values.astype(str).nunique())


def parts_of(strings: pd.Series) -> tuple[int, str] | None:
    """Returns (number of parts, delimiter) if nearly all strings have the same number of delimited parts."""
    for mark in _MARKS:
        counts = strings.str.count(re.escape(mark))
        usual = int(counts.mode().iloc[0])
        if usual >= 1 and float((counts == usual).mean()) >= 0.98:
            return usual + 1, mark
    return None


def words(strings: pd.Series) -> float:
    """Returns the mean number of words."""
    return float(strings.str.count(r"\S+").mean())


def _of_strings(strings: pd.Series, known: pd.Series) -> str:
    if _dates(strings):
        return "date"
    several = distinct(strings)
    length = words(strings)
    if several <= FEW and length <= 8:
        return "category"
    if length > TEXT_WORDS:
        return "text"
    if length < 1.5 and parts_of(strings) is not None:
        return "compound"
    unique = len(known) > FEW and several > 0.95 * len(strings) and distinct(known) > 0.95 * len(known)
    return "id" if unique and length < 1.5 else "category"


def _dates(strings: pd.Series) -> bool:
    probe = strings.iloc[:200]
    if float(probe.str.contains(_DATE).mean()) < 0.9 or float(probe.str.len().mean()) > 40:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = pd.to_datetime(probe, errors="coerce", format="mixed", utc=True)
    return float(parsed.notna().mean()) >= 0.9


def _counts_rows(values: pd.Series) -> bool:
    """Whether integers only number the rows: each occurs once, and the column is named like a key."""
    name = str(values.name).lower()
    if not (name.endswith("id") or name.startswith(("id", "unnamed:"))) or len(values) <= FEW:
        return False
    numbers = values.dropna().to_numpy()
    return len(np.unique(numbers)) == len(values)


def with_zeros(strings: pd.Series) -> bool:
    """Whether some strings of digits have leading zeros, which numbers would lose."""
    return bool(strings.astype(str).str.fullmatch(r"0\d+").any())


def plain(value: Any) -> Any:
    """Converts a NumPy value to a Python value, for records and JSON."""
    if isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def listed(names: Iterable[Any], most: int = 10) -> str:
    """Joins names for a message; shortens long lists."""
    shown = [str(name)[:60] for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
