"""Calibration: from scores to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array


def learn_maps(S: Array, T: Array, weights: Array | None, ctx: Any) -> list[Any]:
    """Fit (matrix, shift) from scores to logits: one for all classes, or one for each column."""
    if ctx.task == "regression":
        return []
    if ctx.task == "multiclass":
        y, columns = [T.argmax(axis=1)], [S]
    else:
        y, columns = list(T.T), [S[:, [j]] for j in range(S.shape[1])]
    maps = []
    for label, column in zip(y, columns, strict=True):
        whole = len(np.unique(label)) == max(2, column.shape[1])
        model = LogisticRegression(max_iter=300)
        found = model.fit(column, label, sample_weight=weights) if whole else None
        matrix, shift = (found.coef_.T, found.intercept_) if found else (np.eye(column.shape[1]), 0.0)
        if matrix.shape[1] < column.shape[1]:  # with two classes, the first has the logit 0
            matrix, shift = np.hstack([0 * matrix, matrix]), np.append(0.0, shift)
        maps.append((matrix, shift))
    return maps


def probabilities(S: Array, maps: list[Any], ctx: Any) -> Array:
    """Probabilities (rows, classes seen). Binary and multilabel: the probability of 1 for each column."""
    if ctx.task == "multiclass":
        logits = S @ maps[0][0] + maps[0][1]
        P = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(P / P.sum(axis=1, keepdims=True))
    logits = np.column_stack([S[:, [j]] @ matrix + shift for j, (matrix, shift) in enumerate(maps)])
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))


def loss(S: Array, maps: list[Any], T: Array, weights: Array | None, ctx: Any) -> float:
    """Mean squared error (regression) or mean negative log-likelihood."""
    if ctx.task == "regression":
        return float(np.average((S - T) ** 2, axis=0, weights=weights).mean())
    P = np.clip(probabilities(S, maps, ctx), 1e-9, 1 - 1e-9)
    if ctx.task == "multiclass":
        return float(np.average(-np.log(P[T > 0]), weights=weights))
    return float(np.average(-np.log(np.where(T > 0, P, 1 - P)), axis=0, weights=weights).mean())
