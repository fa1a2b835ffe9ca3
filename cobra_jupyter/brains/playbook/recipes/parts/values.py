"""Values of a table as strings, and rows that have a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def is_missing(value: Any) -> bool:
    """Lists, as json files have them, are values like others."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def string(value: Any, longest: int) -> str:
    """Its first characters; lists and dictionaries become their items, missing values nothing."""
    if isinstance(value, list | tuple | dict | set):
        return " ".join(map(str, value))[:longest]
    return "" if value is None or value is pd.NA or value != value else str(value)[:longest]


def labelled(table: pd.DataFrame, ctx: Any) -> pd.DataFrame:
    """Rows with a finite label where the table has labels; others teach nothing and are left out
    everywhere."""
    labels = table[[name for name in ctx.targets if name in table]]
    return table[labels.notna().all(axis=1) & ~labels.isin([np.inf, -np.inf]).any(axis=1)]
