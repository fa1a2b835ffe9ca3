"""Gradient boosted trees: the strongest single model on most tables.

Small trees are added one by one, and each corrects the remaining errors. They handle numbers of any scale,
missing values and many categories without preparation, and they find thresholds and interactions. They cannot
find patterns across rows or across many columns; sums over similar columns and the `%%shared` features add
these. The recipe fits one model per target, with LightGBM if it is installed, else with scikit-learn's
histogram boosting. With early stopping, an inner split sets the number of trees; then all rows are used.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.boosters import boosted
from cobra_jupyter.brains.playbook.recipes.parts.gaps import EachTarget, has_gaps
from cobra_jupyter.brains.playbook.recipes.parts.tables import answers, features, learn_features

RECIPE = Recipe(
    order=1,
    cost=4,
    share=0.09,
    needs=("columns",),
    shared=("relations", "files"),
    beside=("text",),
    numbers_only=("target",),
    large={"leaves": 63},
)
FACTORS = {
    "more": ["none", "relations", "files", "relations+files"],
    "interactions": ["sums", "none", "pairs"],
    "categories": ["target", "native", "ordinal", "frequency"],
    "leaves": [15, 7, 31, 63],
    "sampling": [0.4, 0.7, 1.0],
    "pace": ["fixed", "0.05", "0.02"],
    "bag": [1, 4],
    "target": ["metric", "none", "log1p"],
}
NOTES = {
    "more": "adds features of related rows or per-id files: a large gain if the data has them",
    "interactions": "sums, counts, shares over similar columns: small gain, cheap",
    "categories": "how categories become numbers: target means for many levels, native for few",
    "leaves": "size of one tree: more rows allow more leaves, so test it at full size; cost grows with it",
    "sampling": "share of rows and columns that each tree sees: low on small or noisy data, and cheaper",
    "pace": "400 rounds at 0.03, or a rate with early stopping: better from 50,000 rows on, but slower",
    "bag": "averaged models with different seeds: a small, reliable gain for that many times the cost",
    "target": "regression: log1p for skewed positive labels; 'metric': only if the metric is logarithmic",
}


def plan_of(rows: int, ctx: Any) -> dict[str, Any]:
    """The plan for `boosted`: number of trees, learning rate, parameters."""
    fixed = ctx.config["pace"] == "fixed"
    rate = 0.03 if fixed else float(ctx.config["pace"])
    own: dict[str, Any] = {
        "learning_rate": rate,
        "min_data_in_leaf": max(1, min(20, rows // 50)),
        "lambda_l2": 3.0,
    }
    if rows <= 10:
        own["bagging_fraction"] = 1.0
    if ctx.task == "regression" and ctx.metric == "mae":
        own["objective"] = "regression_l1"
    if ctx.task == "regression" and str(ctx.metric).startswith("pinball_"):
        own |= {"objective": "quantile", "alpha": float(ctx.metric.removeprefix("pinball_"))}
    return {
        "own": own,
        "models": ctx.config["bag"],
        "trees": 400,
        "fewest": None if fixed else 1,
        "patience": 50,
        "most": 2000,
        "fallback": {"learning_rate": rate, "l2_regularization": 3.0},
    }


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    if has_gaps(train, ctx):
        return EachTarget(fit, train, ctx)
    fitted, X, Y = learn_features(train, ctx)
    coded = {feature for feature, *_ in fitted["codes"]} if ctx.config["categories"] == "native" else set()
    native = [i for i, name in enumerate(X.columns) if name in coded]
    plan = plan_of(len(X), ctx)
    plan["fallback"]["categorical_features"] = native or None
    return fitted, [boosted(X.to_numpy(), y, native, plan, ctx) for y in Y.T]


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    if isinstance(model, EachTarget):
        return model.predict(predict, rows, ctx)
    fitted, models = model
    return answers(models, features(rows, fitted, ctx).to_numpy(), fitted, ctx)
