"""Linear models: ridge and logistic regression on well prepared columns.

A weighted sum cannot bend, so the columns must: each number becomes its rank or a few smooth steps
(splines), each category a column a level, missing values a flag. Fast, hard to overfit, extrapolates, and
errs differently from trees; on small or truly additive data it wins, elsewhere it is the yardstick that a
dearer model has to beat.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.bending import bend
from cobra_jupyter.brains.playbook.recipes.parts.tables import answers, features, learn_features

RECIPE = Recipe(
    order=7, cost=1, share=0.04, needs=("columns",), shared=("relations", "files"), numbers_only=("target",)
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
    "more": "joins shared columns on related rows or per-id files: a large gain where they exist",
    "numbers": "splines bend each column, ranks tame outliers, standard is straight; bends need rows",
    "interactions": "sums, counts, shares over like columns: shares are what a weighted sum cannot express",
    "categories": "a column a level, or the mean label of the level where there are many",
    "strength": "of the penalty on weights: stronger for few rows and many columns; chosen by rows left out",
    "target": "regression: log1p for skewed positive labels; 'metric': only for a logarithmic metric",
}


def fit_weights(X: Array, y: Array, ctx: Any) -> Any:
    """Ridge or logistic regression; a strength that is "chosen" is the best of a few on rows left out."""
    chosen, strength = ctx.config["strength"] == "chosen" and len(X) >= 20, ctx.config["strength"]
    if len(np.unique(y)) < 2:
        return float(y[0])
    if ctx.task == "regression":
        return RidgeCV([1, 10, 100, 1000, 10000]).fit(X, y) if chosen else Ridge(number(strength)).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not fully converged is good enough
        inner, held = ctx.inner()
        if chosen and set(np.unique(y[held])) <= set(np.unique(y[inner])) and len(np.unique(y[inner])) > 1:
            losses = {c: loss(logistic(X[inner], y[inner], c), X[held], y[held]) for c in (1, 10, 100)}
            strength = min(losses, key=lambda c: losses[c])
        return logistic(X, y, number(strength))


def number(strength: Any) -> float:
    return 10.0 if strength == "chosen" else float(strength)


def logistic(X: Array, y: Array, strength: float) -> Any:
    return LogisticRegression(C=1 / strength, max_iter=100).fit(X, y)


def loss(model: Any, X: Array, y: Array) -> float:
    """Mean negative log-likelihood."""
    P = model.predict_proba(X)[np.arange(len(X)), np.searchsorted(model.classes_, y)]
    return float(-np.log(np.maximum(P, 1e-9)).mean())


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    book, X, Y = learn_features(train, ctx)
    bent = bend(X, book, ctx, learn=True)
    return book, [fit_weights(bent, y, ctx) for y in Y.T]


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    book, models = model
    X = features(rows, book, ctx)
    bent = bend(X, book, ctx)
    return answers(models, bent, book, ctx)
