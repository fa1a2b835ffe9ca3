"""Forests of randomised trees: a robust alternative to boosting.

A forest averages many deep trees, which are grown independently with random splits or on resampled rows.
Forests hardly overfit and need little tuning. Their errors differ from those of boosting, so they are most
useful in a blend; on small, noisy tables they are sometimes the best single model. Missing numbers get a
value below all others, so that a split can separate them.
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
from cobra_jupyter.brains.playbook.recipes.parts.gaps import EachTarget, has_gaps
from cobra_jupyter.brains.playbook.recipes.parts.sampling import share_of_columns
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
    "more": "adds features of related rows or per-id files: a large gain if the data has them",
    "forest": "random splits on all rows (extra), or best splits on resampled rows (random, slower)",
    "interactions": "sums, counts, shares over similar columns: a tree needs many splits to add two numbers",
    "categories": "how categories become numbers: target means are strong here, onehot for few levels",
    "columns": "columns tried at a split: few make trees differ, many help if few columns matter",
    "leaf": "minimum rows per leaf: more for noisy labels and probabilities, 1 for exact relations",
    "target": "regression: log1p for skewed positive labels; 'metric': only if the metric is logarithmic",
}
TREES = 120


def fit_forest(X: Array, y: Array, ctx: Any) -> Any:
    if len(np.unique(y)) < 2:
        return float(y[0])
    extra, numbers = ctx.config["forest"] == "extra", ctx.task == "regression"
    kinds = {(True, True): ExtraTreesRegressor, (True, False): ExtraTreesClassifier}
    kinds |= {(False, True): RandomForestRegressor, (False, False): RandomForestClassifier}
    third = share_of_columns(0.34, X.shape[1])
    columns = {"third": third, "root": "sqrt", "all": 1.0}[ctx.config["columns"]]
    forest = kinds[extra, numbers](
        TREES,
        max_features=columns,
        min_samples_leaf=ctx.config["leaf"],
        random_state=ctx.seed,
        n_jobs=ctx.n_jobs,
    ).fit(X, y, sample_weight=ctx.weights)
    return forest.set_params(n_jobs=1)  # with threads, the order of summation and the last digits vary


def filled(X: pd.DataFrame, fitted: dict[str, Any]) -> Any:
    return X.fillna(fitted["missing"]).to_numpy("float32")


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    if has_gaps(train, ctx):
        return EachTarget(fit, train, ctx)
    fitted, X, Y = learn_features(train, ctx)
    fitted["missing"] = X.min() - 1 - X.std().fillna(0)
    return fitted, [fit_forest(filled(X, fitted), y, ctx) for y in Y.T]


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    if isinstance(model, EachTarget):
        return model.predict(predict, rows, ctx)
    fitted, models = model
    return answers(models, filled(features(rows, fitted, ctx), fitted), fitted, ctx)
