"""Cohen's kappa: agreement beyond chance. Plain, or with linear or quadratic weights for ordered classes."""

from __future__ import annotations

from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import counted, ratio
from cobra_jupyter.competition.metrics.definition import Array

LACK = "kappa needs more than one class in truth and prediction together"
KAPPA = r"(?:cohen(?: s)? )?kappa(?: coefficient| score| statistic)?"


def kappa(power: int, tables: Array) -> Array:
    """1 - observed / expected disagreement. The disagreement of classes i and j is |i - j| ** power, or 1
    for power 0. Absent classes keep their distance."""
    places = np.arange(tables.shape[-1])
    distance = np.abs(places[:, None] - places).astype(float)
    cost = distance**power if power else (distance > 0).astype(float)
    total = tables.sum(axis=(-2, -1))
    expected = (tables.sum(axis=-1)[..., :, None] * tables.sum(axis=-2)[..., None, :] * cost).sum(
        axis=(-2, -1)
    )
    return np.asarray(1 - ratio((tables * cost).sum(axis=(-2, -1)) * total, expected))


METRICS = (
    counted(
        "quadratic_weighted_kappa",
        partial(kappa, 2),
        LACK,
        ordered=True,
        weighs=True,
        synonyms="qwk quadratic_kappa",
        words=(
            rf"(?:quadratic(?:ally)? )(?:weighted )?{KAPPA}(?: \(?qwk\)?)?",
            rf"{KAPPA} (?:\w+ )?(?:with )?quadratic(?:ally)? weight(?:s|ing|ed)",
            rf"{KAPPA} \(?quadratic\)?",
            r"qwk",
        ),
    ),
    counted(
        "linear_weighted_kappa",
        partial(kappa, 1),
        LACK,
        ordered=True,
        weighs=True,
        synonyms="linear_kappa linearly_weighted_kappa",
        words=(
            rf"linear(?:ly)? (?:weighted )?{KAPPA}",
            rf"{KAPPA} (?:\w+ )?(?:with )?linear(?:ly)? weight(?:s|ing|ed)",
        ),
    ),
    counted(
        "cohen_kappa",
        partial(kappa, 0),
        LACK,
        synonyms="kappa cohens_kappa unweighted_kappa",
        words=(rf"(?:unweighted )?{KAPPA}",),
    ),
)
