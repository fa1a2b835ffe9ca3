"""Finds the unit of each row: rows of one unit stay in one fold."""

from __future__ import annotations

import re

import pandas as pd

DUPLICATES = "duplicates"  # value of `groups`: rows with equal features are one unit


def group_code(groups: str) -> str:
    """Returns code for each row's unit. `groups`: a column, `column[0]` (its first part) or duplicates."""
    if groups == DUPLICATES:
        columns = 'test.columns.intersection(train.columns).drop(ID, errors="ignore")'
        return f"pd.util.hash_pandas_object(train[{columns}].astype(str), index=False)"
    if match := re.fullmatch(r"(.*)\[0\]", groups):
        return f'train[{match[1]!r}].astype(str).str.split(r"[_\\-/: ]").str[0]'
    return f"train[{groups!r}].astype(str)"


def first_parts(values: pd.Series) -> pd.Series:
    """Returns each value's part before the first separator (0013_01 → 0013): `groups="column[0]"`."""
    return values.astype(str).str.split(r"[_\-/: ]", regex=True).str[0]


def group_values(frame: pd.DataFrame, groups: str) -> pd.Series:
    if match := re.fullmatch(r"(.*)\[0\]", groups):
        return first_parts(frame[match[1]])
    return frame[groups].astype(str)
