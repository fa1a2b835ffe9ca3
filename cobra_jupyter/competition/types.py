"""Types that only some file formats have, and the plain type that each is used as."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

SECONDS = "seconds"
NUMBERS, COMMA_NUMBERS = "numbers without their unit", "numbers with decimal commas, without their unit"
STRIPPED, FOLDED = "without blanks around", "in lower case, without blanks around"
DAYS = "days from "
_FIRST = r"([-+]?\d*\.?\d+)"


def days(read: str, write: str) -> str:
    """The way of texts that hold days in one form and are used in another."""
    return f"{DAYS}{read} to {write}"


def forms(way: str) -> tuple[str, str]:
    read, _, write = way.removeprefix(DAYS).partition(" to ")
    return read, write


def is_dtype(way: str) -> bool:
    """Whether a way is the name of a type, not a step of its own."""
    return way not in (SECONDS, NUMBERS, COMMA_NUMBERS, STRIPPED, FOLDED) and not way.startswith(DAYS)


def plain_types(frame: pd.DataFrame) -> dict[str, str]:
    """Returns how columns of uncommon types are used: as "seconds" of a duration, else as a dtype.

    Categories become their values, whether a row has them or not; decimals become floats; nullable and Arrow
    types become those of NumPy."""
    found = {str(name): _plain(frame[name]) for name in frame.columns}
    return {name: way for name, way in found.items() if way}


def _plain(column: pd.Series) -> str:
    dtype: Any = column.dtype
    gaps = bool(column.isna().any())
    if isinstance(dtype, pd.CategoricalDtype):
        return _of_kind(dtype.categories.dtype, gaps)
    if dtype.kind == "m":
        return SECONDS
    if dtype.kind == "O":
        decimal = pd.api.types.infer_dtype(column, skipna=True) == "decimal"
        return "float64" if decimal else "object" if isinstance(dtype, pd.ArrowDtype) else ""
    if isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        return "str"
    if isinstance(dtype, pd.DatetimeTZDtype | np.dtype):
        return ""
    if isinstance(dtype, pd.StringDtype) and dtype.na_value is np.nan:
        return ""  # the usual type of strings
    return _of_kind(dtype, gaps)


def _of_kind(dtype: Any, gaps: bool) -> str:
    """The NumPy type for values of a type. Where values are missing, whole numbers become floats."""
    if dtype.kind in "iu":
        return "float64" if gaps else "int64"
    if dtype.kind == "f":
        return "float64"
    if dtype.kind == "b":
        return "object" if gaps else "bool"
    if dtype.kind == "M":
        zone = getattr(getattr(dtype, "pyarrow_dtype", dtype), "tz", None)
        return f"datetime64[ns, {zone}]" if zone else "datetime64[ns]"
    return "object"


def converted(frame: pd.DataFrame, ways: dict[str, str]) -> pd.DataFrame:
    """Returns the frame with its columns in the types of `plain_types`."""
    frame = frame.astype({name: way for name, way in ways.items() if is_dtype(way)})
    return frame.assign(**{name: _used(frame[name], way) for name, way in ways.items() if not is_dtype(way)})


def _used(column: pd.Series, way: str) -> pd.Series:
    if way == SECONDS:
        return column.astype("timedelta64[ns]").dt.total_seconds()
    if way == NUMBERS:
        return column.str.replace(",", "").str.extract(_FIRST, expand=False).astype(float)
    if way == COMMA_NUMBERS:
        points = column.str.replace(".", "").str.replace(",", ".")
        return points.str.extract(_FIRST, expand=False).astype(float)
    if way in (STRIPPED, FOLDED):
        return column.str.strip().str.lower() if way == FOLDED else column.str.strip()
    read, write = forms(way)
    return pd.to_datetime(column, format=read).dt.strftime(write)


def code(column: str, way: str) -> str:
    """Python source that does the same; `column` is the source of the column."""
    if way == SECONDS:
        return f'{column}.astype("timedelta64[ns]").dt.total_seconds()'
    if way == NUMBERS:
        return f'{column}.str.replace(",", "").str.extract(r"{_FIRST}", expand=False).astype(float)'
    if way == COMMA_NUMBERS:
        points = f'{column}.str.replace(".", "").str.replace(",", ".")'
        return f'{points}.str.extract(r"{_FIRST}", expand=False).astype(float)'
    if way in (STRIPPED, FOLDED):
        return f"{column}.str.strip()" + (".str.lower()" if way == FOLDED else "")
    read, write = forms(way)
    return f'pd.to_datetime({column}, format="{read}").dt.strftime("{write}")'
