"""Boosted trees on stacked text models: combines texts with statistics and other columns.

Trees handle a few dozen interacting columns well, but not a hundred thousand n-grams. So the n-grams are
reduced first: to out-of-fold predictions of naive Bayes and linear models, fitted inside this fit (stacking
without leaks), and to a few dense directions. Text statistics and all other columns are added. The booster is
LightGBM if it is installed, else scikit-learn's histogram boosting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.boosters import boosted
from cobra_jupyter.brains.playbook.recipes.parts.gaps import EachTarget, has_gaps
from cobra_jupyter.brains.playbook.recipes.parts.labels import answers_within, folds_of, labels_of
from cobra_jupyter.brains.playbook.recipes.parts.ngrams import apply_views, learn_views
from cobra_jupyter.brains.playbook.recipes.parts.other_columns import other_columns
from cobra_jupyter.brains.playbook.recipes.parts.stacking import fit_linear, linear_scores, targets_of
from cobra_jupyter.brains.playbook.recipes.parts.votes import (
    learn_votes,
    memberships,
    out_of_fold_votes,
    vote,
)

RECIPE = Recipe(order=2, cost=4, share=0.08, needs=("columns", "texts"), kinds=("text",), beside=("tabular",))
NGRAMS = {
    "words": {"short": [1], "usual": [1, 2], "long": [1, 2, 3]},
    "chars": {"short": [2, 3, 4], "usual": [2, 3, 4, 5, 6], "long": [5, 6, 7]},
}
FACTORS = {
    "stack": ["bayes+linear", "bayes"],
    "reduced": [30, 0],
    "analyser": ["words+chars", "words"],
    "ngrams": ["usual", "short"],
    "weighting": ["tfidf", "binary"],
    "smoothing": [0.02, 0.1],
    "leaves": [7, 15],
    "sampling": [0.5, 0.8],
    "lower": ["none", "words"],
    "cleaning": ["none", "basic"],
}
NOTES = {
    "stack": "models whose out-of-fold predictions become columns: linear ones need several more fits",
    "reduced": "number of dense directions (truncated SVD) of the n-grams: topics for trees to split on",
    "analyser": "words carry topics, characters carry style, endings and misspellings",
    "ngrams": "number of consecutive words or characters: longer ones need more rows",
    "weighting": "tf-idf and binary damp repetition and normalise the length of texts",
    "smoothing": "assumed count of unseen n-grams: less with many rows",
    "leaves": "size of one tree: votes need little depth, many other columns allow more",
    "sampling": "share of rows and columns that each tree sees: low on small or noisy data",
    "lower": "lower case removes noise for topics, but also signals of tone and authorship",
    "cleaning": "removes markup and links, replaces digits with 0: for texts from the web",
}


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    if has_gaps(train, ctx):
        return EachTarget(fit, train, ctx)
    ctx.config = {"model": "multinomial", "frequent": "kept", **ctx.config}
    views, tables = learn_views(train, NGRAMS, 1, ctx)
    Y, fold = labels_of(train, ctx), folds_of(len(train), ctx)
    members = memberships(Y, ctx)
    stack = ctx.config["stack"].split("+")
    votes = [out_of_fold_votes(tables, m, fold, ctx) for m in members if "bayes" in stack]
    bayes = [[learn_votes(table, m, ctx) for table in tables] for m in members if "bayes" in stack]
    joined = sparse.hstack(tables, format="csr") if tables else sparse.csr_matrix((len(train), 1))
    linear = []
    for t in targets_of(Y, ctx).T if "linear" in stack else ():
        scores = np.zeros(len(train))
        for k in np.unique(fold):
            known = None if ctx.weights is None else ctx.weights[fold != k]
            model = fit_linear(joined[fold != k], t[fold != k], known, ctx)
            scores[fold == k] = linear_scores(joined[fold == k], model)
        votes.append(scores[:, None])
        linear.append(fit_linear(joined, t, ctx.weights, ctx))
    size = min(int(ctx.config["reduced"]), joined.shape[1] - 1, len(train) - 1)
    svd = TruncatedSVD(size, n_iter=2, random_state=ctx.seed).fit(joined) if size > 1 else None
    fitted: dict[str, Any] = {"views": views, "bayes": bayes, "linear": linear, "svd": svd, "categories": {}}
    others = other_columns(train, ctx)
    for name in (c for c in others if c.startswith("category: ")):
        order = others[name].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        fitted["categories"][name] = {v: float(i) for i, v in enumerate(order.index[:100])}
    X = features(votes, joined, others, fitted)
    fitted["columns"] = [c for c in X if X[c].nunique() > 1] or list(X.columns[:1])
    X = X[fitted["columns"]]
    native = [i for i, c in enumerate(X) if c in fitted["categories"]]
    models = [boosted(X.to_numpy(), y, native, plan_of(len(X), ctx), ctx) for y in Y.T]
    return fitted, models, (Y.min(axis=0), Y.max(axis=0))


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    if isinstance(model, EachTarget):
        return model.predict(predict, rows, ctx)
    ctx.config = {"model": "multinomial", "frequent": "kept", **ctx.config}
    fitted, models, limits = model
    tables = apply_views(rows, fitted["views"], ctx)
    joined = sparse.hstack(tables, format="csr") if tables else sparse.csr_matrix((len(rows), 1))
    votes = [vote(t, m) for per_target in fitted["bayes"] for t, m in zip(tables, per_target, strict=True)]
    votes += [linear_scores(joined, model)[:, None] for model in fitted["linear"]]
    X = features(votes, joined, other_columns(rows, ctx), fitted).reindex(columns=fitted["columns"])
    return answers_within(models, X.to_numpy(), limits, ctx)


def features(votes: list[Array], joined: Any, others: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
    """The features of the trees, all floats: votes, dense directions, text statistics, other columns."""
    voted = np.hstack(votes) if votes else np.zeros((len(others), 0))
    parts = [pd.DataFrame(voted, others.index).add_prefix("vote ")]
    if fitted["svd"] is not None:
        parts.append(pd.DataFrame(fitted["svd"].transform(joined), others.index).add_prefix("direction "))
    coded = {name: others[name].map(codes) for name, codes in fitted["categories"].items() if name in others}
    return pd.concat([*parts, others.assign(**coded)], axis=1).astype("float64")


def plan_of(rows: int, ctx: Any) -> dict[str, Any]:
    """The plan for `boosted`: number of trees, learning rate, parameters."""
    own = {"learning_rate": 0.04, "lambda_l2": 5.0, "min_data_in_leaf": max(1, min(30, rows // 50))}
    return {
        "own": own,
        "models": 1,
        "trees": 150,
        "fewest": 0 if ctx.task == "regression" else 51,
        "patience": 40,
        "most": 1500,
        "fallback": {"learning_rate": 0.05},
    }
