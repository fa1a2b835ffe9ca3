"""Rules by which a blend averages its members: their predictions, the logits of these, or their ranks.

`solution.ipynb` contains the functions `spread` and `gathered` as they stand here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.scoring.scorer import OutOfFold

Array = np.ndarray[Any, Any]
MEAN, LOGIT, RANK = "mean", "logit", "rank"


def spread(raw: Array, task: str, rule: str) -> Array:
    """Return raw predictions in the form whose weighted mean the rule takes."""
    if rule == "logit":
        safe = np.clip(raw, 1e-12, 1 - 1e-12)
        return np.asarray(np.log(safe / (1 - safe)) if task == "multilabel" else np.log(safe))
    if rule == "rank":
        ranks = pd.DataFrame(raw).rank().to_numpy() / (len(raw) + 1)
        return np.column_stack([1 - ranks[:, -1], ranks[:, -1]]) if task == "binary" else ranks
    return raw


def gathered(mean: Array, task: str, rule: str) -> Array:
    """Return the raw prediction of a weighted mean of spread predictions."""
    if rule != "logit":
        return mean
    if task == "multilabel":
        return np.asarray(1 / (1 + np.exp(-mean)))
    powers = np.exp(mean - mean.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def mixed(weights: Iterable[float], raws: Iterable[Array], task: str, rule: str) -> Array:
    """Return the blend of raw predictions of the same rows."""
    return blended(weights, (spread(raw, task, rule) for raw in raws), task, rule)


def blended(weights: Iterable[float], members: Iterable[Array], task: str, rule: str) -> Array:
    """Return the blend of spread predictions of the same rows. Members without a weight do not count."""
    chosen = [w * member for w, member in zip(weights, members, strict=True) if w > 0]
    return gathered(np.sum(chosen, axis=0), task, rule)


def spread_folds(oof: OutOfFold, repeat: int, task: str, rule: str) -> Array:
    """Return spread out-of-fold predictions (n, width); each fold's rows have ranks of their own."""
    if rule == MEAN:
        return oof.raw[repeat]
    found = np.full_like(oof.raw[repeat], np.nan)
    for fold in np.unique(oof.fold[repeat][oof.fold[repeat] >= 0]):
        rows = np.flatnonzero(oof.fold[repeat] == fold)
        found[rows] = spread(oof.raw[repeat][rows], task, rule)
    return found


def rules(task: str, score: Callable[[Array], float], raw: Array) -> list[str]:
    """Return the rules that suit a task and metric. `raw`: some predictions, which `score` can score.

    Ranks suit a metric to which nothing but the order of predictions matters."""
    found = [MEAN]
    if task in ("binary", "multiclass", "multilabel"):
        found.append(LOGIT)
    if task != "multiclass" and len(np.unique(raw)) > 2:
        plain, ranked = score(raw), score(spread(raw, task, RANK))
        if np.isfinite(plain) and abs(plain - ranked) <= 1e-9 * max(1.0, abs(plain)):
            found.append(RANK)
    return found
