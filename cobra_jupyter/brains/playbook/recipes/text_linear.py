"""Linear models on weighted n-grams: ridge and logistic regression, calibrated.

With hundreds of thousands of n-grams nearly every label is a weighted sum away; what matters is how n-grams
are counted and weighted and how strongly the weights are drawn to zero. With naive-Bayes weighting each
n-gram first gets the size of its log-ratio between a class and the rest, so that telling n-grams are
penalised less. One model a class against the rest; rows left out choose the penalty and show how scores
become probabilities.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.beside import Scale, beside
from cobra_jupyter.brains.playbook.recipes.parts.calibration import learn_maps, loss, probabilities
from cobra_jupyter.brains.playbook.recipes.parts.labels import labels_of, with_all_classes
from cobra_jupyter.brains.playbook.recipes.parts.ngrams import learn_views, see
from cobra_jupyter.brains.playbook.recipes.parts.sparse_lines import sparse_logistic, sparse_ridge

RECIPE = Recipe(
    order=4,
    cost=5,
    share=0.08,
    needs=("columns", "texts"),
    kinds=("text",),
    classes_only={"weighting": ("naive_bayes",), "class_weights": ("balanced",)},
)
NGRAMS = {
    "words": {"short": [1], "usual": [1, 2], "long": [1, 2, 3]},
    "chars": {"short": [2, 3, 4], "usual": [2, 3, 4, 5], "long": [3, 4, 5, 6]},
}
FACTORS = {
    "analyser": ["words+chars", "words", "chars"],
    "ngrams": ["usual", "short", "long"],
    "weighting": ["naive_bayes", "tfidf", "binary"],
    "strength": ["chosen", 0.02, 0.2],
    "lower": ["words", "none", "all"],
    "frequent": ["kept", "dropped"],
    "class_weights": ["none", "balanced"],
    "cleaning": ["none", "basic"],
    "beside": ["statistics", "none"],
}
NOTES = {
    "analyser": "words carry topics, characters style, endings and misspellings; both are best, and dearer",
    "ngrams": "how many words or characters in a row: longer ones need more rows",
    "weighting": "tf-idf damps frequent n-grams, naive Bayes lifts those that tell classes apart",
    "strength": "of the penalty on weights: chosen by rows left out, or given",
    "lower": "capitals are noise for topics, a signal for tone and authorship",
    "frequent": "words of more than a fifth of the texts: noise for topics, style for authorship",
    "class_weights": "balanced lets rare classes count as much as common ones: for ranks and F-scores",
    "cleaning": "drops markup and links, makes digits alike: for texts from the web",
    "beside": "adds text statistics and the other columns, scaled",
}


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    views, tables = learn_views(train, NGRAMS, 2, ctx)
    Y, others = labels_of(train, ctx), beside(train, ctx)
    others = others[[]] if ctx.config["beside"] == "none" else others
    scale = Scale(np.zeros((len(train), 1)), others)
    X = together(tables, scale, others)
    grams = sum(table.shape[1] for table in tables)
    classes = np.unique(Y)
    T = (
        np.equal(Y, classes).astype("float64") if ctx.task == "multiclass" else Y
    )  # one class against the rest
    penalty, maps = choose(X, grams, T, ctx)
    models = [fit_weights(X, grams, t, penalty, ctx) for t in T.T]
    return views, scale, models, maps, classes, (Y.min(axis=0), Y.max(axis=0))


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    views, scale, models, maps, classes, (low, high) = model
    S = scores(together(see(rows, views, ctx), scale, beside(rows, ctx)), models)
    if ctx.task == "regression":
        return np.clip(S, low, high)
    P = probabilities(S, maps, ctx)
    return with_all_classes(P, classes, ctx) if ctx.task == "multiclass" else P


def together(tables: list[Any], scale: Any, others: pd.DataFrame) -> Any:
    """N-grams and what stands beside them, in one sparse table."""
    numbers = scale(np.zeros((len(others), 1)), others)  # with a column of zeros, so that there is one
    return sparse.hstack([*tables, sparse.csr_matrix((0.1 * numbers).astype("float32"))], format="csr")


def log_ratio(counts: Any, positive: Array) -> Array:
    """How much more often each n-gram stands in the texts of a class than in all others, as a logarithm."""
    inside, outside = counts.T @ positive + 1.0, counts.T @ (1 - positive) + 1.0
    return np.asarray(np.log(inside / inside.sum()) - np.log(outside / outside.sum()), "float32")


def fit_weights(X: Any, grams: int, y: Array, penalty: float, ctx: Any) -> tuple[Array, float]:
    """→ (weights, intercept) for one column of labels; the first columns of X are n-grams."""
    if len(np.unique(y)) < 2:
        return np.zeros(X.shape[1], "float32"), float(
            y[0] if ctx.task == "regression" else 8 * (2 * y[0] - 1)
        )
    if ctx.task == "regression":
        weights, intercept = sparse_ridge(X, y, 30 * penalty)
        return weights.astype("float32"), intercept
    size = np.ones(X.shape[1], "float32")
    if ctx.config["weighting"] == "naive_bayes":
        size[:grams] = log_ratio(X[:, :grams], y.astype("float32"))
        X = sparse.csr_matrix((X.data * size[X.indices], X.indices, X.indptr), X.shape)
        penalty = penalty / 8  # since most n-grams tell little, most have become small
    balanced = ctx.config["class_weights"] == "balanced"
    weights, intercept = sparse_logistic(X, y, 1 / penalty, ctx.seed, balanced)
    return weights.astype("float32") * size, intercept


def scores(X: Any, models: list[tuple[Array, float]]) -> Array:
    return np.column_stack([X @ weights + intercept for weights, intercept in models])


def choose(X: Any, grams: int, T: Array, ctx: Any) -> tuple[float, list[Any]]:
    """→ (penalty, maps from scores to logits), both found on rows left out: the penalty goes down or up for
    as long as that helps."""
    inner, held = (np.random.default_rng(ctx.seed).permutation(side)[:20_000] for side in ctx.inner())
    given = ctx.config["strength"]
    best = 0.1 if given == "chosen" else float(given)
    tried: dict[float, tuple[float, list[Any]]] = {}

    def attempt(penalty: float) -> float:
        models = [fit_weights(X[inner], grams, t, penalty, ctx) for t in T[inner].T]
        S = scores(X[held], models)
        maps = learn_maps(S, T[held], ctx)
        tried[penalty] = loss(S, maps, T[held], ctx), maps
        return tried[penalty][0]

    begun = time.monotonic()
    attempt(best)
    took = time.monotonic() - begun
    for factor in (0.25, 4.0) if given == "chosen" else ():
        while 0.001 < best * factor < 100 and ctx.seconds_left > 6 * took:
            if attempt(best * factor) > 0.998 * tried[best][0]:
                break
            best *= factor
        if best != 0.1:
            break  # down has helped, so up would not
    return best, tried[best][1]
