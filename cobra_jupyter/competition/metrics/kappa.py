"""Cohen's kappa with quadratic weights: agreement on ordered classes."""

from __future__ import annotations

import numpy as np

from cobra_jupyter.competition.metrics.definition import LABEL, ONE_CLASS, UP, Array, MetricUndefined, scored


def quadratic_kappa(truth: Array, prediction: Array) -> float:
    # 1 - observed / expected disagreement. Absent classes keep their distance here, while scikit-learn
    # numbers only the classes that occur.
    y, p = np.asarray(truth, dtype=float), np.asarray(prediction, dtype=float).reshape(np.shape(truth))
    expected = y.var() + p.var() + (y.mean() - p.mean()) ** 2
    if expected == 0:
        raise MetricUndefined("kappa needs more than one class in truth and prediction together")
    return float(1 - ((y - p) ** 2).mean() / expected)


METRICS = (
    scored(
        "quadratic_weighted_kappa",
        UP,
        LABEL,
        ONE_CLASS,
        quadratic_kappa,
        ordered=True,
        synonyms="qwk kappa quadratic_kappa weighted_kappa",
        words=(
            r"(?:quadratic(?:ally)? )(?:weighted )?(?:cohen s )?kappa(?: score)?",
            r"(?:cohen s )?kappa (?:score )?with quadratic weights",
            r"\bqwk\b",
        ),
    ),
)
