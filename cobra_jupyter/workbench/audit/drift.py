"""Adversarial validation: checks whether a model can tell test rows from train rows, and by which columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cobra_jupyter.competition.metrics.ranking import auc
from cobra_jupyter.workbench.audit import quick
from cobra_jupyter.workbench.audit.finding import Finding
from cobra_jupyter.workbench.audit.sample import Sample, complements

Array = np.ndarray[Any, Any]
EACH = 3_000  # rows of either table
TELLING = 0.03  # AUC lost when a column is shuffled
NOTED, WORRYING = 0.55, 0.65


def drift(sample: Sample) -> Iterator[Finding]:
    """Cross-validates boosted trees that predict which table a row is from."""
    names = sample.trusted
    if not names or len(sample.test) < 50 or len(sample.train) < 50:
        return
    rng = np.random.default_rng(5)
    old, new = (sample.matrix(names, side) for side in (0, 1))
    old, new = (rows[np.sort(rng.permutation(len(rows))[:EACH])] for rows in (old, new))
    matrix, side = np.vstack([old, new]), np.repeat([0, 1], [len(old), len(new)])
    predicted, lost = _predicted(sample, matrix, side, names)
    value = auc(side, predicted)
    se = auc_error(value, len(new), len(old))
    if value < max(NOTED, 0.5 + 4 * se):
        return
    telling = sorted((name for name in lost if lost[name] > 0.01), key=lambda name: -lost[name])[:5]
    by = ", ".join(f"{name} ({lost[name]:+.2f})" for name in telling) or "many columns together"
    evidence = f"a model tells test rows from train rows with AUC {value:.3f} ± {se:.3f}; by {by}"
    proposal, protocol = _cure(sample, [name for name in telling if lost[name] > TELLING])
    yield Finding(
        "adversarial validation",
        "warning" if value >= WORRYING else "note",
        evidence,
        proposal,
        protocol,
        tuple(telling),
    )


def auc_error(value: float, positives: int, negatives: int) -> float:
    """Returns the standard error of an AUC (Hanley and McNeil, 1982)."""
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (positives - 1) * (q1 - value**2) + (negatives - 1) * (q2 - value**2)
    return float(np.sqrt(spread / (positives * negatives)))


def _predicted(
    sample: Sample, matrix: Array, side: Array, names: list[str]
) -> tuple[Array, dict[str, float]]:
    """Returns cross-validated probabilities of being a test row, and the AUC lost by shuffling a column."""
    rng = np.random.default_rng(6)
    predicted, lost = np.empty(len(side)), dict[str, float]()
    parts = np.array_split(rng.permutation(len(side)), 3)
    widths = np.cumsum([0, *(sample.block(name)[0].shape[1] for name in names)])
    for training, held_out in complements(parts, len(side)):
        sample.clock.check()
        model = quick.trees(classifier=True, rows=len(training), rounds=40)
        quick.fit(model, matrix[training], side[training])
        predicted[held_out] = model.predict_proba(matrix[held_out])[:, 1]
        if lost:
            continue
        whole = auc(side[held_out], predicted[held_out])
        for name, a, b in zip(names, widths[:-1], widths[1:], strict=True):
            sample.clock.check()
            shuffled = matrix[held_out].copy()
            shuffled[:, a:b] = shuffled[rng.permutation(len(held_out)), a:b]
            lost[name] = whole - auc(side[held_out], model.predict_proba(shuffled)[:, 1])
    return predicted, lost


def _cure(sample: Sample, telling: list[str]) -> tuple[str, dict[str, Any] | None]:
    """Returns a proposal and a protocol for the columns that tell test from train."""
    protocol = sample.protocol
    for name in telling:
        old, new = sample.block(name)[0][:, 0], sample.block(name)[1][:, 0]
        kind = sample.kind(name)
        if kind in ("date", "number") and np.nanmin(new) >= np.nanmax(old):
            if protocol and protocol.split == "time":
                return f"folds already predict later rows by {protocol.time}", None
            return (
                f"{name} of every test row is beyond train's: score on later rows",
                {"split": "time", "time": name},
            )
        if kind in ("category", "compound") and not set(sample.whole_train[name].dropna().astype(str)) & set(
            sample.whole_test[name].dropna().astype(str)
        ):
            if protocol and protocol.groups == name:
                return f"folds already keep {name} whole", None
            return f"test has none of train's values of {name}: split by groups", {"groups": name}
    if telling:
        return (
            f"compare trials with and without {', '.join(telling)}; look whether time or groups explain it",
            None,
        )
    return "look whether time or groups explain it", None
