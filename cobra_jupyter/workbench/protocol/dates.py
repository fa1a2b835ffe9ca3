"""Parses dates in any common format, and writes the code that does so."""

from __future__ import annotations

import warnings

import pandas as pd

_ONE_FORMAT = 'pd.to_datetime({0}, errors="coerce", utc=True)'
_EACH = 'pd.to_datetime({0}, errors="coerce", utc=True, format="mixed")'
_DAY_FIRST = 'pd.to_datetime({0}, errors="coerce", utc=True, format="mixed", dayfirst=True)'
_SWAPPED = _EACH.replace(
    "{0}", r'{0}.str.replace(r"^(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}})", r"\3-\2-\1", regex=True)'
)  # from pandas 3 on, dayfirst would swap day and month in 2024-03-05 too


def date_code(values: pd.Series) -> str:
    """Returns code that parses dates like these, with {0} for the column.

    It uses one format, a format per value, or the day before the month."""
    known = values.dropna().astype(str)
    few = known.iloc[:: max(1, len(known) // 2000)]
    first = pd.to_numeric(few.str.extract(r"^(\d{1,2})[-/.]\d{1,2}[-/.]\d{2,4}", expand=False))
    if (first > 12).any():
        return _SWAPPED if few.str.match(r"\d{4}[-/.]").any() else _DAY_FIRST
    return min(_ONE_FORMAT, _EACH, key=lambda code: _read(code, few).isna().mean())


def _read(code: str, values: pd.Series) -> pd.Series:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read: pd.Series = eval(code.format("values"), {"pd": pd, "values": values})  # our own text
        return read


def timestamps(values: pd.Series, like: pd.Series | None = None) -> pd.Series:
    """Returns times in UTC, parsed with the format of `like` (default: `values`). Numbers stay unchanged."""
    if values.dtype.kind in "iuf":
        return values
    return _read(date_code(values if like is None else like), values)
