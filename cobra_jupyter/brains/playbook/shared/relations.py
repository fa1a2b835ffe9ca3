"""Where a row stands among all rows of train and test; label-free.

One row alone hides what several tell together: who travels in the same group (ids like "0013_02" share "0013"),
how often a value occurs, whose surname or cabin is the same. Counted over train and test together, so that a group
cut in two by the split is still seen whole. Columns are floats, NaN where the key is missing.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd


def text(column: pd.Series) -> pd.Series:
    """Strings, missing where the value is missing; 3 and 3.0 are the same."""
    return column.map(
        lambda v: np.nan if pd.isna(v) else f"{v:.9g}" if isinstance(v, float | int) else str(v)
    )


def all_rows(rows: pd.DataFrame, names: list[str], ctx: Any) -> pd.DataFrame:
    """`rows` first, then the rows of the folder's other tables that have the same columns."""
    frames = [rows[names].apply(text)]
    for path in sorted(ctx.data.glob("*.csv")):
        if set(names) <= set(pd.read_csv(path, nrows=0).columns):
            frames.append(pd.read_csv(path, usecols=names, low_memory=False)[names].apply(text))
    everything = pd.concat(frames, ignore_index=True).astype(object)
    twice = everything.duplicated().to_numpy() & (np.arange(len(everything)) >= len(rows))
    return everything[~twice].reset_index(drop=True)


def keys_of(everything: pd.DataFrame, ctx: Any) -> dict[str, pd.Series]:
    """Columns that rows may share: id prefixes, categories, compounds and their beginnings, last words of texts."""
    keys = {}
    for name in everything:
        kind, column = ctx.columns.get(name, ""), everything[name]
        if name == ctx.id or kind == "id":
            prefix = column.str.extract(r"^(.+?)[_\-/. ][^_\-/. ]+$", expand=False)
            keys[f"{name} prefix"] = prefix if prefix.notna().mean() > 0.9 else column
        elif kind == "text":
            keys[f"{name} last word"] = column.str.extract(r"(\S+)\s*$", expand=False)
        elif kind in ("category", "compound"):
            keys[name] = column
        if kind == "compound":
            keys[f"{name} beginning"] = column.str.extract(r"^(.+)[/_|:;,\s-]", expand=False)
    return keys


def make(rows: pd.DataFrame, ctx: Any) -> pd.DataFrame:
    """One row per row of `rows`: sizes of the groups it is in, its place in them, how it differs from their mean."""
    names = [name for name in rows.columns if name in ctx.columns or name == ctx.id]
    everything = all_rows(rows, names, ctx)
    numbers = {
        n: pd.to_numeric(everything[n], errors="coerce") for n in names if ctx.columns.get(n) == "number"
    }
    made: dict[str, pd.Series] = {}
    for name, key in keys_of(everything, ctx).items():
        group = key.groupby(key)
        size = group.transform("size").where(key.notna())
        if size.max() < 2:
            continue  # every value stands alone: nothing is shared
        made[f"{name} size"] = size
        if 1.05 < size.mean() < 30:  # small groups know each other; large ones are categories
            for column, values in numbers.items():
                mean = values.groupby(key).transform("mean")
                made[f"{column} mean in {name}"] = mean
                made[f"{column} from mean in {name}"] = values - mean
        if name.endswith(" prefix"):
            made[f"{name} number"] = pd.to_numeric(key.str.replace(r"\D", "", regex=True), errors="coerce")
            last = everything[re.sub(" prefix$", "", name)].str.extract(r"(\d+)\D*$", expand=False)
            made[f"{name} place"] = pd.to_numeric(last, errors="coerce")
    made["missing"] = everything.isna().sum(axis=1)
    features = pd.DataFrame(made).astype("float64").iloc[: len(rows)]
    return features.replace([np.inf, -np.inf], np.nan).set_index(rows.index)
