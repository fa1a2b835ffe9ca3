"""Penalised linear models of n-grams, and the choice of their penalty."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy import sparse

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.calibration import learn_maps, loss
from cobra_jupyter.brains.playbook.recipes.parts.sparse_linear import sparse_logistic, sparse_ridge


def log_ratio(counts: Any, positive: Array, importance: Array | None) -> Array:
    """Log-ratio of each n-gram's frequency in the texts of a class to its frequency in all other texts."""
    each = np.ones(len(positive), "float32") if importance is None else importance.astype("float32")
    inside, outside = counts.T @ (each * positive) + 1.0, counts.T @ (each * (1 - positive)) + 1.0
    return np.asarray(np.log(inside / inside.sum()) - np.log(outside / outside.sum()), "float32")


def fit_weights(
    X: Any, grams: int, y: Array, penalty: float, importance: Array | None, ctx: Any
) -> tuple[Array, float]:
    """Returns (weights, intercept) for one column of labels. The first `grams` columns of X are n-grams;
    `importance` are the weights of the rows."""
    if len(np.unique(y)) < 2:
        return np.zeros(X.shape[1], "float32"), float(
            y[0] if ctx.task == "regression" else 8 * (2 * y[0] - 1)
        )
    if ctx.task == "regression":
        weights, intercept = sparse_ridge(X, y, 30 * penalty, importance)
        return weights.astype("float32"), intercept
    size = np.ones(X.shape[1], "float32")
    if ctx.config["weighting"] == "naive_bayes":
        size[:grams] = log_ratio(X[:, :grams], y.astype("float32"), importance)
        X = sparse.csr_matrix((X.data * size[X.indices], X.indices, X.indptr), X.shape)
        penalty = penalty / 8  # the scaling made most columns small
    balanced = ctx.config["class_weights"] == "balanced"
    weights, intercept = sparse_logistic(X, y, 1 / penalty, ctx.seed, importance, balanced)
    return weights.astype("float32") * size, intercept


def scores(X: Any, models: list[tuple[Array, float]]) -> Array:
    return np.column_stack([X @ weights + intercept for weights, intercept in models])


def choose(X: Any, grams: int, T: Array, ctx: Any) -> tuple[float, list[Any]]:
    """Returns (penalty, maps from scores to logits), both chosen on held-out rows. The penalty is lowered or
    raised as long as that helps."""
    inner, held = (np.random.default_rng(ctx.seed).permutation(side)[:20_000] for side in ctx.inner())
    known, asked = (None if ctx.weights is None else ctx.weights[side] for side in (inner, held))
    given = ctx.config["strength"]
    best = 0.1 if given == "chosen" else float(given)
    tried: dict[float, tuple[float, list[Any]]] = {}

    def attempt(penalty: float) -> float:
        models = [fit_weights(X[inner], grams, t, penalty, known, ctx) for t in T[inner].T]
        S = scores(X[held], models)
        maps = learn_maps(S, T[held], asked, ctx)
        tried[penalty] = loss(S, maps, T[held], asked, ctx), maps
        return tried[penalty][0]

    began = time.monotonic()
    attempt(best)
    seconds = time.monotonic() - began
    for factor in (0.25, 4.0) if given == "chosen" else ():
        while 0.001 < best * factor < 100 and ctx.seconds_left > 6 * seconds:
            if attempt(best * factor) > 0.998 * tried[best][0]:
                break
            best *= factor
        if best != 0.1:
            break  # lowering has helped, so raising would not
    return best, tried[best][1]
