"""Naive Bayes on n-grams, calibrated: the cheapest strong model of texts.

Each n-gram votes for a class by how often it stands in the class's texts. Counting is all there is to fit, so
it takes seconds, bears millions of rare n-grams and few rows. The votes are no probabilities, since n-grams
depend on each other: words and characters vote separately, and a logistic regression learns what the votes
are worth from rows whose own labels were not counted. Numbers are predicted by way of five classes from low
to high.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.beside import Scale, beside
from cobra_jupyter.brains.playbook.recipes.parts.labels import answers_within, folds_of, labels_of
from cobra_jupyter.brains.playbook.recipes.parts.ngrams import learn_views, see
from cobra_jupyter.brains.playbook.recipes.parts.votes import learn_votes, memberships, vote, votes_of_others

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
    "analyser": "words carry topics, characters style, endings and misspellings; together they are best",
    "ngrams": "how many words or characters in a row: longer ones need more rows",
    "weighting": "tf-idf and binary damp repetition, and texts of any length weigh alike",
    "smoothing": "how often an unseen n-gram is taken to occur: less with many rows",
    "model": "complement counts the texts of all other classes: steadier when classes are uneven",
    "lower": "capitals are noise for topics, a signal for tone and authorship",
    "frequent": "words of more than a fifth of the texts: noise for topics, style for authorship",
    "cleaning": "drops markup and links, makes digits alike: for texts from the web",
    "beside": "adds text statistics and the other columns to the votes",
}


def calibrate(X: Array, y: Array, ctx: Any) -> Any:
    """What votes are worth: a small model of the labels. A float stands for the only label there is."""
    if len(np.unique(y)) < 2:
        return float(y[0])
    return (
        Ridge(10.0).fit(X, y)
        if ctx.task == "regression"
        else LogisticRegression(C=1.0, max_iter=300).fit(X, y)
    )


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    views, tables = learn_views(train, NGRAMS, 1, ctx)
    Y, fold = labels_of(train, ctx), folds_of(len(train), ctx)
    members = memberships(Y, ctx)
    learnt = [[learn_votes(table, m, ctx) for table in tables] for m in members]
    votes = np.hstack([votes_of_others(tables, m, fold, ctx) for m in members])
    others = beside(train, ctx)[[]] if ctx.config["beside"] == "none" else beside(train, ctx)
    scale = Scale(votes, others)
    X = scale(votes, others)
    return views, learnt, scale, [calibrate(X, y, ctx) for y in Y.T], (Y.min(axis=0), Y.max(axis=0))


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    views, learnt, scale, calibrated, limits = model
    tables = see(rows, views, ctx)
    votes = [vote(t, way) for ways in learnt for t, way in zip(tables, ways, strict=True)]
    X = scale(np.hstack(votes) if votes else np.zeros((len(rows), 0)), beside(rows, ctx))
    return answers_within(calibrated, X, limits, ctx)
