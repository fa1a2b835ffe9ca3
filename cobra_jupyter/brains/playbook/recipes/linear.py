"""Linear models: ridge and logistic regression on well prepared columns.

A weighted sum follows straight lines only, so the columns are transformed: numbers become ranks or smooth
steps (splines), each category level becomes a column, and missing values get a flag. Linear models are fast,
hard to overfit and able to extrapolate, and their errors differ from those of trees. They win on small or
truly additive data; elsewhere they are the baseline that a more expensive model has to beat.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.expansion import expand
from cobra_jupyter.brains.playbook.recipes.parts.gaps import EachTarget, has_gaps
from cobra_jupyter.brains.playbook.recipes.parts.tables import answers, features, learn_features

RECIPE = Recipe(
    order=7,
    cost=1,
    share=0.04,
    needs=("columns",),
    shared=("relations", "files"),
    numbers_only=("target",),
    multiplies=True,
    large={"numbers": "standard", "interactions": "none", "strength": 1},
)
FACTORS = {
    "more": ["none", "relations", "files", "relations+files"],
    "numbers": ["splines", "standard", "ranks"],
    "interactions": ["pairs", "sums", "none"],
    "categories": ["onehot", "target", "frequency"],
    "strength": ["chosen", 1, 10, 100, 1000],
    "target": ["metric", "none", "log1p"],
}
NOTES = {
    "more": "adds features of related rows or per-id files: a large gain if the data has them",
    "numbers": "splines follow curves but need rows, ranks tame outliers, standard stays linear",
    "interactions": "shares over similar columns, and products if columns are few: a sum has neither",
    "categories": "one column per level, or the level's mean label if there are many levels",
    "strength": "penalty on the weights: stronger for few rows and many columns; 'chosen': by held-out rows",
    "target": "regression: log1p for skewed positive labels; 'metric': only if the metric is logarithmic",
}

PART = 20_000  # rows


def fit_weights(X: Array, y: Array, ctx: Any) -> Any:
    """Fit ridge or logistic regression. The strength "chosen" means the best of a few on held-out rows."""
    chosen, strength = ctx.config["strength"] == "chosen" and len(X) >= 20, ctx.config["strength"]
    if len(np.unique(y)) < 2:
        return float(y[0])
    if ctx.task == "regression":
        ridge = RidgeCV([1, 10, 100, 1000, 10000]) if chosen else Ridge(number(strength))
        return ridge.fit(X, y, sample_weight=ctx.weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence warnings: an approximate fit is good enough
        inner, held = ctx.inner()
        if chosen and set(np.unique(y[held])) <= set(np.unique(y[inner])) and len(np.unique(y[inner])) > 1:
            w = None if ctx.weights is None else ctx.weights[inner]
            losses = {c: loss(logistic(X[inner], y[inner], c, w), X[held], y[held]) for c in (1, 10, 100)}
            strength = min(losses, key=lambda c: losses[c])
        return logistic(X, y, number(strength), ctx.weights)


def number(strength: Any) -> float:
    return 10.0 if strength == "chosen" else float(strength)


def logistic(X: Array, y: Array, strength: float, weights: Array | None) -> Any:
    return LogisticRegression(C=1 / strength, max_iter=100).fit(X, y, sample_weight=weights)


def loss(model: Any, X: Array, y: Array) -> float:
    """Mean negative log-likelihood."""
    P = model.predict_proba(X)[np.arange(len(X)), np.searchsorted(model.classes_, y)]
    return float(-np.log(np.maximum(P, 1e-9)).mean())


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    if has_gaps(train, ctx):
        return EachTarget(fit, train, ctx)
    fitted, X, Y = learn_features(train, ctx)
    expanded = expand(X, fitted, ctx, learn=True)
    return fitted, [fit_weights(expanded, y, ctx) for y in Y.T]


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    """Predict in parts: expanded columns take much memory."""
    if isinstance(model, EachTarget):
        return model.predict(predict, rows, ctx)
    fitted, models = model
    parts = []
    for start in range(0, len(rows), PART):
        X = features(rows.iloc[start : start + PART], fitted, ctx)
        parts.append(answers(models, expand(X, fitted, ctx), fitted, ctx))
    return np.concatenate(parts)
