"""Table values as strings."""

from __future__ import annotations

from typing import Any

import pandas as pd


def is_missing(value: Any) -> bool:
    """Whether a value is missing; lists, as in json files, are not."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def string(value: Any, longest: int) -> str:
    """The first `longest` characters of a value; lists are joined, missing values become ""."""
    if isinstance(value, list | tuple | dict | set):
        return " ".join(map(str, value))[:longest]
    return "" if value is None or value is pd.NA or value != value else str(value)[:longest]
