"""Boosted trees on votes: where texts meet numbers, statistics and each other.

Trees are poor at a hundred thousand n-grams and good at a few dozen columns that interact. So n-grams are
reduced first: to what naive Bayes and linear models make of them, learnt inside this fit and always on other
rows than those they tell of (stacking that cannot leak); and to a few dense directions. Beside these stand
statistics of the texts and all other columns. LightGBM where it is installed, else scikit-learn's histogram
boosting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.beside import beside
from cobra_jupyter.brains.playbook.recipes.parts.boosters import boosted
from cobra_jupyter.brains.playbook.recipes.parts.labels import answers_within, folds_of, labels_of
from cobra_jupyter.brains.playbook.recipes.parts.ngrams import learn_views, see
from cobra_jupyter.brains.playbook.recipes.parts.stacking import learn_line, line, targets_of
from cobra_jupyter.brains.playbook.recipes.parts.votes import learn_votes, memberships, vote, votes_of_others

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
    "stack": "which models' out-of-fold predictions are columns: linear ones cost several fits more",
    "reduced": "dense directions (truncated singular values) of the n-grams: topics for trees to split on",
    "analyser": "words carry topics, characters style, endings and misspellings",
    "ngrams": "how many words or characters in a row: longer ones need more rows",
    "weighting": "tf-idf and binary damp repetition, and texts of any length weigh alike",
    "smoothing": "how often an unseen n-gram is taken to occur: less with many rows",
    "leaves": "size of one tree: votes need little depth, many other columns bear more",
    "sampling": "share of rows and columns that each tree sees: low on small or noisy data",
    "lower": "capitals are noise for topics, a signal for tone and authorship",
    "cleaning": "drops markup and links, makes digits alike: for texts from the web",
}


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    ctx.config = {"model": "multinomial", "frequent": "kept", **ctx.config}
    views, tables = learn_views(train, NGRAMS, 1, ctx)
    Y, fold = labels_of(train, ctx), folds_of(len(train), ctx)
    members = memberships(Y, ctx)
    stack = ctx.config["stack"].split("+")
    votes = [votes_of_others(tables, m, fold, ctx) for m in members if "bayes" in stack]
    learnt = [[learn_votes(table, m, ctx) for table in tables] for m in members if "bayes" in stack]
    joined = sparse.hstack(tables, format="csr") if tables else sparse.csr_matrix((len(train), 1))
    lines = []
    for t in targets_of(Y, ctx).T if "linear" in stack else ():
        told = np.zeros(len(train))
        for k in np.unique(fold):
            told[fold == k] = line(joined[fold == k], learn_line(joined[fold != k], t[fold != k], ctx))
        votes.append(told[:, None])
        lines.append(learn_line(joined, t, ctx))
    size = min(int(ctx.config["reduced"]), joined.shape[1] - 1, len(train) - 1)
    svd = TruncatedSVD(size, n_iter=2, random_state=ctx.seed).fit(joined) if size > 1 else None
    book: dict[str, Any] = {"views": views, "learnt": learnt, "lines": lines, "svd": svd, "categories": {}}
    others = beside(train, ctx)
    for name in (c for c in others if c.startswith("category: ")):
        order = others[name].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        book["categories"][name] = {v: float(i) for i, v in enumerate(order.index[:100])}
    X = features(votes, joined, others, book)
    book["columns"] = [c for c in X if X[c].nunique() > 1] or list(X.columns[:1])
    X = X[book["columns"]]
    native = [i for i, c in enumerate(X) if c in book["categories"]]
    return (
        book,
        [boosted(X.to_numpy(), y, native, plan_of(len(X), ctx), ctx) for y in Y.T],
        (Y.min(axis=0), Y.max(axis=0)),
    )


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    ctx.config = {"model": "multinomial", "frequent": "kept", **ctx.config}
    book, models, limits = model
    tables = see(rows, book["views"], ctx)
    joined = sparse.hstack(tables, format="csr") if tables else sparse.csr_matrix((len(rows), 1))
    votes = [vote(t, way) for ways in book["learnt"] for t, way in zip(tables, ways, strict=True)]
    votes += [line(joined, learnt)[:, None] for learnt in book["lines"]]
    X = features(votes, joined, beside(rows, ctx), book).reindex(columns=book["columns"]).to_numpy()
    return answers_within(models, X, limits, ctx)


def features(votes: list[Array], joined: Any, others: pd.DataFrame, book: dict[str, Any]) -> pd.DataFrame:
    """The float frame that trees see: votes, dense directions, statistics and other columns."""
    told = np.hstack(votes) if votes else np.zeros((len(others), 0))
    parts = [pd.DataFrame(told, others.index).add_prefix("vote ")]
    if book["svd"] is not None:
        parts.append(pd.DataFrame(book["svd"].transform(joined), others.index).add_prefix("direction "))
    coded = {name: others[name].map(codes) for name, codes in book["categories"].items() if name in others}
    return pd.concat([*parts, others.assign(**coded)], axis=1).astype("float64")


def plan_of(rows: int, ctx: Any) -> dict[str, Any]:
    """How many trees, how fast, with which parameters."""
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
