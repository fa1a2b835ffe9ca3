"""Numeric columns for linear models, expanded so that the models can follow curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.ranks import ranking

MOST_FACTORS = 12  # columns that are multiplied with each other


def expand(X: pd.DataFrame, fitted: dict[str, Any], ctx: Any, learn: bool = False) -> Array:
    """Fill, scale and expand numeric columns; flag missing values. `learn` fits the transformations."""
    if learn:
        fitted["middle"] = X.median()
        fitted["flags"] = [name for name in X if X[name].isna().any()]
        fitted["ways"] = ways(len(X), len(X.columns), ctx)
    filled, columns = X.fillna(fitted["middle"]).to_numpy(), [X[fitted["flags"]].isna().to_numpy("float64")]
    for steps in fitted["ways"]:
        expanded = filled
        for step in steps:
            expanded = step.fit_transform(expanded) if learn else step.transform(expanded)
        columns.append(np.clip(expanded, -8, 8))
    return np.column_stack(columns)


def ways(rows: int, columns: int, ctx: Any) -> list[list[Any]]:
    """Chains of transformations; their results become separate columns."""
    ranks = ranking(rows, ctx)
    if ctx.config["numbers"] == "standard" or rows < 10:
        return [[StandardScaler()]]
    if ctx.config["numbers"] == "ranks":
        return [[ranks, StandardScaler()]]
    knots = 6 if columns <= 60 else 4
    splines = SplineTransformer(n_knots=knots, degree=2, extrapolation="constant", include_bias=False)
    plain = [StandardScaler()]
    if (
        ctx.config["interactions"] == "pairs"
        and 1 < columns <= MOST_FACTORS
        and products(columns) * 10 <= rows
    ):
        plain += [PolynomialFeatures(2, include_bias=False), StandardScaler()]
    return [plain, [ranks, splines, StandardScaler()]]


def products(columns: int) -> int:
    """The number of squares and of products of two columns."""
    return columns * (columns + 1) // 2
