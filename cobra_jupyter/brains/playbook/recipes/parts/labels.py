"""Labels as numbers, and predictions of all classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array


def labels_of(train: pd.DataFrame, ctx: Any) -> Array:
    """A column a target, of class codes 0, 1, … or of numbers."""
    labels = train[list(ctx.targets)]
    order = {str(label): i for i, label in enumerate(ctx.classes)}
    coded = labels.map(lambda v: order[str(v)]) if ctx.task in ("binary", "multiclass") else labels
    return np.asarray(coded.to_numpy("float64"))


def folds_of(rows: int, ctx: Any) -> Array:
    """A fold number for each training row: what `ctx.inner` holds out grows with the share, units kept
    whole."""
    fold = np.full(rows, 4)
    for k in (4, 3, 2, 1):
        fold[ctx.inner(k / 5)[1]] = k - 1
    return fold


def with_all_classes(P: Array, seen: Array, ctx: Any) -> Array:
    """Probabilities of the classes seen in training → of all classes."""
    every = np.full((len(P), max(2, len(ctx.classes))), 1e-6)
    every[:, seen.astype(int)] += P
    return np.asarray(every / every.sum(axis=1, keepdims=True))


def answers_within(models: list[Any], X: Array, limits: tuple[Array, Array], ctx: Any) -> Array:
    """Raw predictions of the models, one a target; numbers stay within the limits. A float stands for the
    only label seen in training; other models have `predict`, or `classes_` and `predict_proba`."""
    if ctx.task == "regression":
        told = [np.full(len(X), m) if isinstance(m, float) else m.predict(X) for m in models]
        return np.asarray(np.clip(np.column_stack(told), *limits))
    P = []
    for m in models:
        alone = isinstance(m, float)
        seen, found = (np.array([m]), np.ones((len(X), 1))) if alone else (m.classes_, m.predict_proba(X))
        P.append(with_all_classes(found, seen, ctx))
    return np.column_stack([p[:, 1] for p in P]) if ctx.task == "multilabel" else P[0]
