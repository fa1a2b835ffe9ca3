"""Table values as strings, and rows with labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def is_missing(value: Any) -> bool:
    """Whether a value is missing; lists, as in json files, are not."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def string(value: Any, longest: int) -> str:
    """The first `longest` characters of a value; lists are joined, missing values become ""."""
    if isinstance(value, list | tuple | dict | set):
        return " ".join(map(str, value))[:longest]
    return "" if value is None or value is pd.NA or value != value else str(value)[:longest]


def labelled(table: pd.DataFrame, ctx: Any) -> pd.DataFrame:
    """The rows with finite labels; all rows if the table has no labels."""
    labels = table[[name for name in ctx.targets if name in table]]
    return table[labels.notna().all(axis=1) & ~labels.isin([np.inf, -np.inf]).any(axis=1)]
