"""Naive Bayes votes."""

from __future__ import annotations

from typing import Any

import numpy as np

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array


def memberships(Y: Array, ctx: Any) -> list[Array]:
    """For each target, a column per class seen in training: 0, or the row's weight (1 if there are none).

    Numbers are cut into five classes."""
    weights = 1.0 if ctx.weights is None else ctx.weights[:, None]
    tables = []
    for y in Y.T:
        if ctx.task == "regression":
            y = np.searchsorted(np.unique(np.quantile(y, [0.2, 0.4, 0.6, 0.8])), y, side="right")
        tables.append(((y[:, None] == np.unique(y)[None, :]) * weights).astype("float32"))
    return tables


def learn_votes(table: Any, members: Array, ctx: Any) -> tuple[Array, Array]:
    """Returns (log-probabilities of n-grams by class, log-probabilities of classes).

    Uncounted n-grams get weight 0, so that held-out rows and test rows are treated alike."""
    counts = np.asarray((table.T @ members).T, "float64")
    seen, a = counts.sum(axis=0) > 0, ctx.config["smoothing"]
    if ctx.config["model"] == "complement" and len(counts) > 2:
        counts = counts.sum(axis=0) - counts
    logs = np.log((counts + a) / (counts[:, seen] + a).sum(axis=1, keepdims=True)) * seen
    logs = -logs if ctx.config["model"] == "complement" and len(counts) > 2 else logs
    return logs.T.astype("float32"), np.log((members.sum(axis=0) + 0.5) / (len(members) + 1))


def vote(table: Any, model: tuple[Array, Array]) -> Array:
    """Votes (rows, classes), centred; with two classes, only their difference."""
    votes = table @ model[0] + model[1]
    middle = votes[:, :1] if votes.shape[1] == 2 else votes.mean(axis=1, keepdims=True)
    return np.asarray(votes - middle)[:, 1 if votes.shape[1] == 2 else 0 :]


def out_of_fold_votes(tables: list[Any], members: Array, fold: Array, ctx: Any) -> Array:
    """Out-of-fold votes: each training row is scored by a model of the other folds."""
    columns = []
    for table in tables:
        votes = np.zeros((len(members), 1 if members.shape[1] == 2 else members.shape[1]))
        for k in np.unique(fold):
            votes[fold == k] = vote(table[fold == k], learn_votes(table[fold != k], members[fold != k], ctx))
        columns.append(votes)
    return np.hstack(columns) if columns else np.zeros((len(members), 0))
