"""Linear models on weighted n-grams: ridge and logistic regression, calibrated.

With hundreds of thousands of n-grams nearly every label is a weighted sum away; what matters is how n-grams
are counted and weighted and how strongly the weights are drawn to zero. With naive-Bayes weighting each
n-gram first gets the size of its log-ratio between a class and the rest, so that telling n-grams are
penalised less. One model a class against the rest; rows left out choose the penalty and show how scores
become probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.beside import Scale, beside
from cobra_jupyter.brains.playbook.recipes.parts.calibration import probabilities
from cobra_jupyter.brains.playbook.recipes.parts.labels import labels_of, with_all_classes
from cobra_jupyter.brains.playbook.recipes.parts.ngrams import learn_views, see
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
