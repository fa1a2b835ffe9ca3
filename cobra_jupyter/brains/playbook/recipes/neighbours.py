"""Nearest neighbours: similar rows have similar labels.

The model only learns a distance. Every column is ranked and scaled so that none dominates; columns can be
weighted by their correlation with the label. It is rarely the best single model, but its errors differ from
those of trees and linear models, so it helps a blend. It also profits from near-duplicate rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.gaps import EachTarget, has_gaps
from cobra_jupyter.brains.playbook.recipes.parts.ranks import ranking
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
    "more": "adds features of related rows or per-id files: a large gain if the data has them",
    "neighbours": "number of neighbours: more for noisy labels and many rows, few for exact relations",
    "scale": "ranks tame outliers and skew; standard keeps distances as measured",
    "columns": "weighed: by correlation with the label, so that irrelevant columns count less",
    "interactions": "sums, counts, shares over similar columns: they then count twice in the distance",
    "categories": "one column per level, or the level's mean label if there are many levels",
    "target": "regression: log1p for skewed positive labels; 'metric': only if the metric is logarithmic",
}


def space(X: pd.DataFrame, fitted: dict[str, Any], ctx: Any) -> Any:
    """Rows as points: gaps filled with the median, values scaled and weighted."""
    filled = X.fillna(fitted["middle"]).to_numpy()
    for step in fitted["steps"]:
        filled = step.transform(filled)
    return np.clip(filled, -8, 8) * fitted["weights"]


def weights(points: Array, Y: Array, ctx: Any) -> Any:
    """Column weights: the strongest correlation of the value, or its distance from the mean, with a label."""
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
    return Nearest(points, y, ctx)


class Nearest:
    """Mean labels of the nearest rows, near and weighty ones first, like a scikit-learn model."""

    def __init__(self, points: Array, y: Array, ctx: Any) -> None:
        count = min(ctx.config["neighbours"], len(points))
        self.index = NearestNeighbors(n_neighbors=count, n_jobs=ctx.n_jobs).fit(points)
        self.y, self.classes_ = y, np.unique(y)
        self.weights = np.ones(len(y)) if ctx.weights is None else ctx.weights

    def nearest(self, points: Array) -> tuple[Array, Array]:
        """Returns the labels of the neighbours and their shares, both (rows, neighbours)."""
        distance, rows = self.index.kneighbors(points)
        shares = by_distance(distance) * np.maximum(self.weights[rows], 1e-9)
        return self.y[rows], shares / shares.sum(axis=1, keepdims=True)

    def predict(self, points: Array) -> Array:
        labels, shares = self.nearest(points)
        return np.asarray((labels * shares).sum(axis=1))

    def predict_proba(self, points: Array) -> Array:
        labels, shares = self.nearest(points)
        return np.column_stack([(shares * (labels == value)).sum(axis=1) for value in self.classes_])


def by_distance(distance: Array) -> Any:
    """Weights of neighbours: near rows count more, but an exact copy does not decide alone."""
    return 1 / (distance + 0.5 * distance.mean(axis=1, keepdims=True) + 1e-9)


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    if has_gaps(train, ctx):
        return EachTarget(fit, train, ctx)
    fitted, X, Y = learn_features(train, ctx)
    fitted["middle"], fitted["steps"], points = X.median(), [], X.fillna(X.median()).to_numpy()
    ranks = ranking(len(X), ctx)
    for step in [ranks, StandardScaler()] if ctx.config["scale"] == "ranks" else [StandardScaler()]:
        points = step.fit_transform(points)
        fitted["steps"].append(step)
    fitted["weights"] = weights(np.clip(points, -8, 8), Y, ctx)
    points = space(X, fitted, ctx)
    return fitted, [fit_neighbours(points, y, ctx) for y in Y.T]


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    if isinstance(model, EachTarget):
        return model.predict(predict, rows, ctx)
    fitted, models = model
    X = features(rows, fitted, ctx)
    return answers(models, space(X, fitted, ctx), fitted, ctx)
