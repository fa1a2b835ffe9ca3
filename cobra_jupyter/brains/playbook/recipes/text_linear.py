"""Linear models on weighted n-grams: ridge and logistic regression, calibrated.

With hundreds of thousands of n-grams, a weighted sum can express nearly every label. What matters is how the
n-grams are counted and weighted, and how strong the penalty on their weights is. Naive-Bayes weighting first
scales each n-gram by its log-ratio between a class and the rest, so that informative n-grams are penalised
less. There is one model per class, against the rest. Held-out rows choose the penalty and calibrate the
scores to probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.calibration import probabilities
from cobra_jupyter.brains.playbook.recipes.parts.gaps import EachTarget, has_gaps
from cobra_jupyter.brains.playbook.recipes.parts.labels import labels_of, with_all_classes
from cobra_jupyter.brains.playbook.recipes.parts.ngrams import apply_views, learn_views
from cobra_jupyter.brains.playbook.recipes.parts.other_columns import Scale, other_columns
from cobra_jupyter.brains.playbook.recipes.parts.penalised import choose, fit_weights, scores

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
    "analyser": "words carry topics, characters carry style and misspellings; both are best, but slower",
    "ngrams": "number of consecutive words or characters: longer ones need more rows",
    "weighting": "tf-idf damps frequent n-grams, naive Bayes emphasises those that separate classes",
    "strength": "penalty on the weights: chosen by held-out rows, or fixed",
    "lower": "lower case removes noise for topics, but also signals of tone and authorship",
    "frequent": "words in more than a fifth of the texts: noise for topics, a sign of style for authorship",
    "class_weights": "balanced: rare classes count as much as common ones: for ranking metrics and F-scores",
    "cleaning": "removes markup and links, replaces digits with 0: for texts from the web",
    "beside": "adds text statistics and the other columns, scaled, unless 'none'",
}


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    if has_gaps(train, ctx):
        return EachTarget(fit, train, ctx)
    views, tables = learn_views(train, NGRAMS, 2, ctx)
    Y, others = labels_of(train, ctx), other_columns(train, ctx)
    others = others[[]] if ctx.config["beside"] == "none" else others
    scale = Scale(np.zeros((len(train), 1)), others)
    X = together(tables, scale, others)
    grams = sum(table.shape[1] for table in tables)
    classes = np.unique(Y)
    one_against_rest = ctx.task == "multiclass"
    T = np.equal(Y, classes).astype("float64") if one_against_rest else Y
    penalty, maps = choose(X, grams, T, ctx)
    models = [fit_weights(X, grams, t, penalty, ctx.weights, ctx) for t in T.T]
    return views, scale, models, maps, classes, (Y.min(axis=0), Y.max(axis=0))


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    if isinstance(model, EachTarget):
        return model.predict(predict, rows, ctx)
    views, scale, models, maps, classes, (low, high) = model
    S = scores(together(apply_views(rows, views, ctx), scale, other_columns(rows, ctx)), models)
    if ctx.task == "regression":
        return np.clip(S, low, high)
    P = probabilities(S, maps, ctx)
    return with_all_classes(P, classes, ctx) if ctx.task == "multiclass" else P


def together(tables: list[Any], scale: Any, others: pd.DataFrame) -> Any:
    """N-grams and the other columns, in one sparse table."""
    numbers = scale(np.zeros((len(others), 1)), others)  # the column of zeros avoids an empty table
    return sparse.hstack([*tables, sparse.csr_matrix((0.1 * numbers).astype("float32"))], format="csr")
