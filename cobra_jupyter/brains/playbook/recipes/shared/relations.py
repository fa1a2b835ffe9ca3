"""How a row relates to the other rows of train and test. Labels are not used.

Some facts need several rows: who travels in the same group (ids like "0013_02" share "0013"), how often a
value occurs, who has the same surname or cabin. Rows of train and test are counted together, so a group that
the split cuts in two is still complete. Columns are floats; they are NaN if the key is missing.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.values import is_missing


def text(column: pd.Series) -> pd.Series:
    """The column as strings; missing values stay missing; 3 and 3.0 are the same."""
    return column.map(
        lambda v: np.nan if is_missing(v) else f"{v:.9g}" if isinstance(v, float | int) else str(v)
    )


def all_rows(rows: pd.DataFrame, names: list[str], ctx: Any) -> pd.DataFrame:
    """`rows`, followed by the other rows of train and test, without duplicates."""
    frames = [rows[names].apply(text), *(ctx.table(side)[names].apply(text) for side in ("train", "test"))]
    everything = pd.concat(frames, ignore_index=True).astype(object)
    twice = everything.duplicated().to_numpy() & (np.arange(len(everything)) >= len(rows))
    return everything[~twice].reset_index(drop=True)


def keys_of(everything: pd.DataFrame, ctx: Any) -> dict[str, pd.Series]:
    """Keys that rows may share: id prefixes, categories, compounds, their beginnings, last words of texts."""
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
    """The features, one row per row of `rows`: its groups, their sizes, its position in them."""
    names = [name for name in rows.columns if name in ctx.columns or name == ctx.id]
    made: dict[str, pd.Series] = {"missing": rows[names].isna().sum(axis=1).reset_index(drop=True)}
    if ctx.id in names:  # the id distinguishes rows, so numbers are not needed for that
        names = [name for name in names if ctx.columns.get(name) != "number"]
    everything = all_rows(rows, names, ctx)
    for name, key in keys_of(everything, ctx).items():
        size = key.groupby(key).transform("size").where(key.notna())
        if size.max() < 2:
            continue  # no two rows share a value
        made[f"{name} size"] = size
        if size.median() < 30:  # small groups: a code, so that their labels can be used
            known = {value: float(crc32(value.encode())) for value in key[size > 1].unique()}
            made[f"group: {name}"] = key.map(known)
        if name.endswith(" prefix"):
            made[f"{name} number"] = pd.to_numeric(key.str.replace(r"\D", "", regex=True), errors="coerce")
            last = everything[name.removesuffix(" prefix")].str.extract(r"(\d+)\D*$", expand=False)
            made[f"{name} place"] = pd.to_numeric(last, errors="coerce")
    features = pd.DataFrame(made).astype("float64").iloc[: len(rows)]
    return features.replace([np.inf, -np.inf], np.nan).set_index(rows.index)
