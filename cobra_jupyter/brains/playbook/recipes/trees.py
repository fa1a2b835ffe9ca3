"""Forests of randomised trees: a robust second opinion beside boosting.

Many deep trees, each grown apart with random splits (or on resampled rows), are averaged. They hardly
overfit, need no tuning to be good, and err differently from boosting, so they are worth most in a blend; on
small, noisy tables they are sometimes best alone. Missing numbers get a value below all others: a split can
then set them apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.tables import answers, features, learn_features

RECIPE = Recipe(
    order=6,
    cost=3,
    share=0.04,
    needs=("columns",),
    shared=("relations", "files"),
    rows=300_000,
    numbers_only=("target",),
)
FACTORS = {
    "more": ["none", "relations", "files", "relations+files"],
    "forest": ["extra", "random"],
    "interactions": ["sums", "none", "pairs"],
    "categories": ["target", "onehot", "ordinal", "frequency"],
    "columns": ["third", "root", "all"],
    "leaf": [3, 1, 8],
    "target": ["metric", "none", "log1p"],
}
NOTES = {
    "more": "joins shared columns on related rows or per-id files: a large gain where they exist",
    "forest": "random splits on all rows (extra), or best splits on resampled rows (random, dearer)",
    "interactions": "sums, counts, shares over like columns: a tree needs many splits to add two numbers",
    "categories": "how categories become numbers: target means are strong here, onehot for few levels",
    "columns": "columns tried at a split: few make trees differ, many help where few columns matter",
    "leaf": "rows a leaf needs at least: more for noisy labels and probabilities, 1 for exact relations",
    "target": "regression: log1p for skewed positive labels; 'metric': only for a logarithmic metric",
}
TREES = 120


def fit_forest(X: Array, y: Array, ctx: Any) -> Any:
    if len(np.unique(y)) < 2:
        return float(y[0])
    extra, numbers = ctx.config["forest"] == "extra", ctx.task == "regression"
    kinds = {(True, True): ExtraTreesRegressor, (True, False): ExtraTreesClassifier}
    kinds |= {(False, True): RandomForestRegressor, (False, False): RandomForestClassifier}
    columns = {"third": 0.34, "root": "sqrt", "all": 1.0}[ctx.config["columns"]]
    forest = kinds[extra, numbers](
        TREES,
        max_features=columns,
        min_samples_leaf=ctx.config["leaf"],
        random_state=ctx.seed,
        n_jobs=ctx.n_jobs,
    ).fit(X, y)
    return forest.set_params(
        n_jobs=1
    )  # threads would add up the trees in any order: other last digits each time


def filled(X: pd.DataFrame, book: dict[str, Any]) -> Any:
    return X.fillna(book["missing"]).to_numpy("float32")


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    book, X, Y = learn_features(train, ctx)
    book["missing"] = X.min() - 1 - X.std().fillna(0)
    return book, [fit_forest(filled(X, book), y, ctx) for y in Y.T]


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    book, models = model
    return answers(models, filled(features(rows, book, ctx), book), book, ctx)
