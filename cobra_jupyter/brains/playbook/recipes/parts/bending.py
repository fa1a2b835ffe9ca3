"""Numbers, filled, scaled and bent, so that a weighted sum can follow curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import SplineTransformer, StandardScaler

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.steps import ranking


def bend(X: pd.DataFrame, book: dict[str, Any], ctx: Any, learn: bool = False) -> Array:
    """Numbers → filled, scaled, bent; with a flag where they were missing."""
    if learn:
        book["middle"] = X.median()
        book["flags"] = [name for name in X if X[name].isna().any()]
        book["ways"] = ways(len(X), len(X.columns), ctx)
    filled, columns = X.fillna(book["middle"]).to_numpy(), [X[book["flags"]].isna().to_numpy("float64")]
    for steps in book["ways"]:
        bent = filled
        for step in steps:
            bent = step.fit_transform(bent) if learn else step.transform(bent)
        columns.append(np.clip(bent, -8, 8))
    return np.column_stack(columns)


def ways(rows: int, columns: int, ctx: Any) -> list[list[Any]]:
    """Chains of transformations, whose results stand side by side."""
    ranks = ranking(rows, ctx)
    if ctx.config["numbers"] == "standard" or rows < 10:
        return [[StandardScaler()]]
    if ctx.config["numbers"] == "ranks":
        return [[ranks, StandardScaler()]]
    knots = 6 if columns <= 60 else 4
    splines = SplineTransformer(n_knots=knots, degree=2, extrapolation="constant", include_bias=False)
    return [[StandardScaler()], [ranks, splines, StandardScaler()]]
