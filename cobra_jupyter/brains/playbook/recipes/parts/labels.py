"""Labels as numbers, and predictions for all classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array


def labels_of(train: pd.DataFrame, ctx: Any) -> Array:
    """One column per target: class codes 0, 1, … or numbers."""
    labels = train[list(ctx.targets)]
    order = {str(label): i for i, label in enumerate(ctx.classes)}
    coded = labels.map(lambda v: order[str(v)]) if ctx.task in ("binary", "multiclass") else labels
    return np.asarray(coded.to_numpy("float64"))


def folds_of(rows: int, ctx: Any) -> Array:
    """A fold number from 0 to 4 for each training row, built from `ctx.inner`, which keeps units whole and
    holds out a superset of rows when the share grows."""
    fold = np.full(rows, 4)
    for k in (4, 3, 2, 1):
        fold[ctx.inner(k / 5)[1]] = k - 1
    return fold


def with_all_classes(P: Array, seen: Array, ctx: Any) -> Array:
    """Extend probabilities of the classes seen in training to all classes."""
    every = np.full((len(P), max(2, len(ctx.classes))), 1e-6)
    every[:, seen.astype(int)] += P
    return np.asarray(every / every.sum(axis=1, keepdims=True))


def answers_within(models: list[Any], X: Array, limits: tuple[Array, Array], ctx: Any) -> Array:
    """Raw predictions of one model per target; numbers are clipped to the limits.

    A model is a float (the only label seen in training), or has `predict`, or `classes_` and
    `predict_proba`."""
    if ctx.task == "regression":
        columns = [np.full(len(X), m) if isinstance(m, float) else m.predict(X) for m in models]
        return np.asarray(np.clip(np.column_stack(columns), *limits))
    P = []
    for m in models:
        alone = isinstance(m, float)
        seen, found = (np.array([m]), np.ones((len(X), 1))) if alone else (m.classes_, m.predict_proba(X))
        P.append(with_all_classes(found, seen, ctx))
    return np.column_stack([p[:, 1] for p in P]) if ctx.task == "multilabel" else P[0]
