"""Boosted trees: LightGBM if it is installed, else scikit-learn's histogram boosting."""

from __future__ import annotations

from typing import Any

import numpy as np

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.sampling import share_of_columns

try:
    import lightgbm
except ImportError:
    lightgbm = None  # type: ignore[assignment]


class Bag:
    """The average of boosters with different seeds, with the interface of a scikit-learn model."""

    def __init__(self, boosters: list[Any], classes: Any, threads: int) -> None:
        self.boosters, self.classes_, self.threads = boosters, classes, threads

    def predict(self, X: Array) -> Array:
        P = [booster.predict(X, num_threads=self.threads) for booster in self.boosters]
        return np.asarray(np.mean(P, axis=0))

    def predict_proba(self, X: Array) -> Array:
        P = self.predict(X)
        return P if P.ndim == 2 else np.column_stack([1 - P, P])


def boosted(X: Array, y: Array, native: list[int], plan: dict[str, Any], ctx: Any) -> Any:
    """Fit boosted trees for one target. Returns the label itself (a float) if there is only one.

    `native` lists the columns of category codes. The plan has these keys:
    "trees": number of trees without early stopping;
    "fewest": held-out rows needed for early stopping (None: never stop early);
    "patience", "most": rounds without gain before stopping, and the largest number of trees;
    "models": number of models to average;
    "own": LightGBM parameters beside the common ones; "fallback": parameters for scikit-learn."""
    if len(np.unique(y)) < 2:
        return float(y[0])
    classes = None if ctx.task == "regression" else np.unique(y)
    if lightgbm is None:
        return histogram_boosting(X, y, plan["fallback"], ctx)
    codes, weights = y if classes is None else np.searchsorted(classes, y), ctx.weights
    params = common_parameters(classes, ctx) | plan["own"]
    params["feature_fraction"] = share_of_columns(ctx.config["sampling"], X.shape[1])
    settings: dict[str, Any] = {"categorical_feature": native, "params": {"verbose": -1, "max_bin": 127}}
    (inner, held), trees, fewest = ctx.inner(), plan["trees"], plan["fewest"]
    whole = classes is None or len(np.unique(codes[inner])) == len(classes)
    if fewest is not None and whole and len(held) >= fewest:
        data = lightgbm.Dataset(X[inner], codes[inner], weight=some(weights, inner), **settings)
        valid = lightgbm.Dataset(X[held], codes[held], weight=some(weights, held), reference=data)
        stop = lightgbm.early_stopping(plan["patience"], verbose=False)
        first = params | {"seed": ctx.seed}
        found = lightgbm.train(first, data, plan["most"], valid_sets=[valid], callbacks=[stop])
        trees = max(20, int(1.1 * found.best_iteration))  # all rows allow a few more rounds
    data = lightgbm.Dataset(X, codes, weight=weights, free_raw_data=False, **settings)
    seeds = [ctx.seed + 1000 * i for i in range(plan["models"])]
    return Bag([lightgbm.train(params | {"seed": seed}, data, trees) for seed in seeds], classes, ctx.n_jobs)


def some(weights: Array | None, rows: Array) -> Array | None:
    return None if weights is None else weights[rows]


def common_parameters(classes: Any, ctx: Any) -> dict[str, Any]:
    objective = "regression" if classes is None else "binary" if len(classes) == 2 else "multiclass"
    return {
        "objective": objective,
        "num_class": len(classes) if objective == "multiclass" else 1,
        "num_leaves": ctx.config["leaves"],
        "max_bin": 127,
        "bagging_fraction": ctx.config["sampling"],
        "bagging_freq": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": ctx.n_jobs,
        "verbose": -1,
    }


def histogram_boosting(X: Array, y: Array, settings: dict[str, Any], ctx: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if ctx.task == "regression" else HistGradientBoostingClassifier
    fixed = {"max_iter": 150, "max_leaf_nodes": ctx.config["leaves"], "early_stopping": False}
    return kind(**fixed, **settings, random_state=ctx.seed).fit(X, y, sample_weight=ctx.weights)
