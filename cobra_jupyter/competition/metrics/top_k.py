"""Top-k accuracy: the share of rows whose class is among the k most probable ones."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from cobra_jupyter.competition.metrics.accuracy import complement
from cobra_jupyter.competition.metrics.arithmetic import class_codes, probabilities
from cobra_jupyter.competition.metrics.definition import (
    PROBABILITY,
    UP,
    Array,
    Family,
    Metric,
    mean_loss,
)

NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}
K = rf"(?P<k>\d+|{'|'.join(NUMBERS)})"


def missed(k: int, truth: Array, prediction: Array) -> Array:
    """The chance that the true class is not among the k most probable ones; ties are drawn."""
    p = probabilities(truth, prediction)
    own = p[np.arange(len(p)), class_codes(truth, p.shape[1])][:, None]
    places = k - (p > own).sum(axis=1)
    return np.asarray(1 - np.clip(places / (p == own).sum(axis=1), 0, 1))


def of_k(match: re.Match[str]) -> Metric | None:
    k = int(match["k"])
    if k < 2:
        return None
    return mean_loss(f"top_{k}_accuracy", UP, PROBABILITY, {"multiclass"}, partial(missed, k), complement)


def k_named(match: re.Match[str], text: str) -> str:
    k = NUMBERS.get(match["k"]) or int(match["k"])
    name = "accuracy" if k == 1 else f"top_{k}_accuracy"
    return f"one_minus_{name}" if "error" in match.group() else name


FAMILIES = (
    Family(
        "top_5_accuracy",
        r"top_?(?P<k>\d+)(?:_accuracy)?",
        of_k,
        words=(
            rf"top ?{K} (?:classification |categorical |categori[sz]ation )?"
            r"(?:accuracy|error(?: rate)?)(?: score)?",
            rf"accuracy ?(?:@|at) ?(?:top )?{K}",
        ),
        named=k_named,
    ),
)
