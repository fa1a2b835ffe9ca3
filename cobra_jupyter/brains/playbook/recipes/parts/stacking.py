"""Stacking: scores of linear models as columns for another model."""

from __future__ import annotations

from typing import Any

import numpy as np

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.sparse_linear import sparse_logistic, sparse_ridge


def targets_of(Y: Array, ctx: Any) -> Array:
    """One column per linear model: each class against the rest, a label, or a number."""
    return np.equal(Y, np.unique(Y)).astype("float64") if ctx.task == "multiclass" else Y


def fit_linear(X: Any, t: Array, importance: Array | None, ctx: Any) -> tuple[Array, float]:
    """Returns (weights, intercept) of ridge or logistic regression; `importance` are weights of the rows."""
    if len(np.unique(t)) < 2:
        return np.zeros(X.shape[1]), float(t[0])
    if ctx.task == "regression":
        return sparse_ridge(X, t, 3.0, importance)
    return sparse_logistic(X, t, 20, ctx.seed, importance)


def linear_scores(X: Any, model: tuple[Array, float]) -> Array:
    return np.asarray(X @ model[0] + model[1])
