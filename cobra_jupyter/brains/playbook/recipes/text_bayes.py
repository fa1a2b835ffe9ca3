"""Naive Bayes on n-grams, calibrated: the cheapest strong model for texts.

Each n-gram votes for a class according to its frequency in the texts of that class. Fitting only counts, so
it takes seconds and copes with few rows and with millions of rare n-grams. N-grams depend on each other, so
the votes are not probabilities: words and characters vote separately, and a logistic regression on
out-of-fold votes turns votes into probabilities. For regression, the labels are first cut into five classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.gaps import EachTarget, has_gaps
from cobra_jupyter.brains.playbook.recipes.parts.labels import answers_within, folds_of, labels_of
from cobra_jupyter.brains.playbook.recipes.parts.ngrams import apply_views, learn_views
from cobra_jupyter.brains.playbook.recipes.parts.other_columns import Scale, other_columns
from cobra_jupyter.brains.playbook.recipes.parts.votes import (
    learn_votes,
    memberships,
    out_of_fold_votes,
    vote,
)

RECIPE = Recipe(
    order=3,
    cost=1,
    share=0.06,
    needs=("columns", "texts"),
    kinds=("text",),
    classes_only={"model": ("complement",)},
)
NGRAMS = {
    "words": {"short": [1], "usual": [1, 2], "long": [1, 2, 3]},
    "chars": {"short": [2, 3, 4], "usual": [2, 3, 4, 5, 6], "long": [5, 6, 7]},
}
FACTORS = {
    "analyser": ["words+chars", "words", "chars"],
    "ngrams": ["usual", "short", "long"],
    "weighting": ["tfidf", "counts", "binary"],
    "smoothing": [0.02, 0.1],
    "model": ["multinomial", "complement"],
    "lower": ["none", "words", "all"],
    "frequent": ["kept", "dropped"],
    "cleaning": ["none", "basic"],
    "beside": ["statistics", "none"],
}
NOTES = {
    "analyser": "words carry topics, characters carry style and misspellings; together they work best",
    "ngrams": "number of consecutive words or characters: longer ones need more rows",
    "weighting": "tf-idf and binary damp repetition and normalise the length of texts",
    "smoothing": "assumed count of unseen n-grams: less with many rows",
    "model": "complement counts the texts of all other classes: more stable for unbalanced classes",
    "lower": "lower case removes noise for topics, but also signals of tone and authorship",
    "frequent": "words in more than a fifth of the texts: noise for topics, a sign of style for authorship",
    "cleaning": "removes markup and links, replaces digits with 0: for texts from the web",
    "beside": "adds text statistics and the other columns to the votes, unless 'none'",
}


def calibrate(X: Array, y: Array, ctx: Any) -> Any:
    """Fit a small model from votes to labels. Returns the label itself (a float) if there is only one."""
    if len(np.unique(y)) < 2:
        return float(y[0])
    model = Ridge(10.0) if ctx.task == "regression" else LogisticRegression(C=1.0, max_iter=300)
    return model.fit(X, y, sample_weight=ctx.weights)


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    if has_gaps(train, ctx):
        return EachTarget(fit, train, ctx)
    views, tables = learn_views(train, NGRAMS, 1, ctx)
    Y, fold = labels_of(train, ctx), folds_of(len(train), ctx)
    members = memberships(Y, ctx)
    bayes = [[learn_votes(table, m, ctx) for table in tables] for m in members]
    votes = np.hstack([out_of_fold_votes(tables, m, fold, ctx) for m in members])
    others = other_columns(train, ctx)[[]] if ctx.config["beside"] == "none" else other_columns(train, ctx)
    scale = Scale(votes, others)
    X = scale(votes, others)
    return views, bayes, scale, [calibrate(X, y, ctx) for y in Y.T], (Y.min(axis=0), Y.max(axis=0))


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    if isinstance(model, EachTarget):
        return model.predict(predict, rows, ctx)
    views, bayes, scale, calibrated, limits = model
    tables = apply_views(rows, views, ctx)
    votes = [vote(t, m) for per_target in bayes for t, m in zip(tables, per_target, strict=True)]
    X = scale(np.hstack(votes) if votes else np.zeros((len(rows), 0)), other_columns(rows, ctx))
    return answers_within(calibrated, X, limits, ctx)
