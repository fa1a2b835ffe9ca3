"""Nearest neighbours: rows that look alike have like labels.

Nothing is learnt but a distance: every column is ranked and scaled so that none outweighs the others,
optionally weighed by how much it tells about the label. Rarely best alone, but its errors are unlike those
of trees and lines, so a blend gains; and where near-copies of rows exist it shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.steps import ranking
from cobra_jupyter.brains.playbook.recipes.parts.tables import answers, features, learn_features

RECIPE = Recipe(
    order=8,
    cost=2,
    share=0.03,
    needs=("columns",),
    shared=("relations", "files"),
    rows=50_000,
    numbers_only=("target",),
)
FACTORS = {
    "more": ["none", "relations", "files", "relations+files"],
    "neighbours": [20, 5, 60],
    "scale": ["ranks", "standard"],
    "columns": ["weighed", "equal"],
    "interactions": ["none", "sums", "pairs"],
    "categories": ["onehot", "target", "frequency"],
    "target": ["metric", "none", "log1p"],
}
NOTES = {
    "more": "joins shared columns on related rows or per-id files: a large gain where they exist",
    "neighbours": "how many rows are asked: more for noisy labels and many rows, few for exact relations",
    "scale": "ranks tame outliers and skew; standard keeps distances as measured",
    "columns": "weighed by how far a column goes with the label, so that idle ones do not blur it",
    "interactions": "sums, counts, shares over like columns: they count these columns twice in the distance",
    "categories": "a column a level, or the mean label of the level where there are many",
    "target": "regression: log1p for skewed positive labels; 'metric': only for a logarithmic metric",
}


def space(X: pd.DataFrame, book: dict[str, Any], ctx: Any) -> Any:
    """Rows as points: filled with the median, scaled, weighed."""
    filled = X.fillna(book["middle"]).to_numpy()
    for step in book["steps"]:
        filled = step.transform(filled)
    return np.clip(filled, -8, 8) * book["weights"]


def weights(points: Array, Y: Array, ctx: Any) -> Any:
    """Strongest correlation of each column's value, or of its distance from the middle, with any label."""
    if ctx.config["columns"] == "equal":
        return np.ones(points.shape[1])
    labels = np.eye(len(ctx.classes))[Y[:, 0].astype(int)] if ctx.task in ("binary", "multiclass") else Y
    labels = (labels - labels.mean(0)) / (labels.std(0) + 1e-9)
    bent = np.abs(points) - np.abs(points).mean(0)
    straight = np.abs(points.T @ labels).max(axis=1) / len(points)
    return 0.1 + np.maximum(
        straight, np.abs(bent.T @ labels).max(axis=1) / len(points) / (bent.std(0) + 1e-9)
    )


def fit_neighbours(points: Array, y: Array, ctx: Any) -> Any:
    if len(np.unique(y)) < 2:
        return float(y[0])
    kind = KNeighborsRegressor if ctx.task == "regression" else KNeighborsClassifier
    count = min(ctx.config["neighbours"], len(points))
    return kind(count, weights=by_distance, n_jobs=ctx.n_jobs).fit(points, y)


def by_distance(distance: Array) -> Any:
    """Nearer rows count more; a copy of the row does not count for all."""
    return 1 / (distance + 0.5 * distance.mean(axis=1, keepdims=True) + 1e-9)


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    book, X, Y = learn_features(train, ctx)
    book["middle"], book["steps"], points = X.median(), [], X.fillna(X.median()).to_numpy()
    ranks = ranking(len(X), ctx)
    for step in [ranks, StandardScaler()] if ctx.config["scale"] == "ranks" else [StandardScaler()]:
        points = step.fit_transform(points)
        book["steps"].append(step)
    book["weights"] = weights(np.clip(points, -8, 8), Y, ctx)
    points = space(X, book, ctx)
    return book, [fit_neighbours(points, y, ctx) for y in Y.T]


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    book, models = model
    X = features(rows, book, ctx)
    return answers(models, space(X, book, ctx), book, ctx)
