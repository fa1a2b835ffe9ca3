"""Linear models of sparse tables; each is (weights, intercept)."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.linear_model import LogisticRegression, Ridge

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array


def sparse_ridge(X: Any, y: Array, penalty: float, weights: Array | None) -> tuple[Array, float]:
    ridge = Ridge(penalty, solver="sparse_cg", tol=1e-3).fit(X, y, sample_weight=weights)
    return ridge.coef_.ravel(), float(ridge.intercept_)


def sparse_logistic(
    X: Any, y: Array, inverse: float, seed: int, weights: Array | None, balanced: bool = False
) -> tuple[Array, float]:
    """Logistic regression; `inverse` is the inverse of the penalty."""
    model = LogisticRegression(
        C=inverse,
        solver="liblinear",
        dual=True,
        tol=0.1,
        max_iter=20,
        class_weight="balanced" if balanced else None,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence warnings: an approximate fit is good enough
        model.fit(X, y, sample_weight=weights)
    return model.coef_[0], float(model.intercept_[0])
