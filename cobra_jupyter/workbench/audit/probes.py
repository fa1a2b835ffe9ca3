"""Checks of finished trials: folds that differ by more than chance, small effects, the vault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from cobra_jupyter.workbench.audit.finding import Finding
from cobra_jupyter.workbench.scoring import resample
from cobra_jupyter.workbench.scoring.metrics import MetricUndefined
from cobra_jupyter.workbench.scoring.scorer import Score, Scorer

Array = np.ndarray[Any, Any]
CHANCE = 1e-4
GRAVE = 3.0  # standard errors
UNEXPLAINED = (
    "either the candidate is unstable (try another seed), or rows are not exchangeable: look for groups or "
    "time behind the folds"
)


def fold_spread(scorer: Scorer, trials: Iterable[Any]) -> Iterator[Finding]:
    """Checks whether the folds of the best full trial differ by more than random sampling explains."""
    from scipy.stats import chi2

    full = [trial for trial in trials if trial.full and trial.score and trial.score.se > 0]
    if not full:
        return
    best = max(full, key=lambda trial: scorer.sign * trial.score.value)
    count = scorer.protocol.folds
    found = [(fold, value) for fold, value in enumerate(best.score.folds[:count]) if value is not None]
    if len(found) < 3:
        return
    values = np.array([value for _, value in found])
    sizes = np.array([len(scorer.folds.held_out(0, fold)) for fold, _ in found])
    errors = best.score.se * np.sqrt(sizes.sum() / sizes)
    excess = float((((values - np.average(values, weights=sizes)) / errors) ** 2).sum())
    chance = float(chi2.sf(excess, len(values) - 1))
    spread, expected = float(values.std(ddof=1)), float(np.sqrt((errors**2).mean()))
    if chance < CHANCE and spread > 2 * expected:
        ordered = scorer.protocol.split == "time"
        yield Finding(
            "fold spread",
            "note" if ordered else "warning",
            f"folds of {best.id} score {values.min():.5g} to {values.max():.5g}: SD {spread:.2g}, "
            f"where drawing rows explains {expected:.2g} (p {chance:.0e})",
            "later folds train on more rows; look at the last ones" if ordered else UNEXPLAINED,
        )


def effects_and_folds(scorer: Scorer, trials: Iterable[Any], ablations: Iterable[Any]) -> Iterator[Finding]:
    """Finds effects that were measured on one fold and are smaller than the spread between folds."""
    full = [trial for trial in trials if trial.full and trial.score]
    if not full:
        return
    best = max(full, key=lambda trial: scorer.sign * trial.score.value)
    values = np.array([value for value in best.score.folds[: scorer.protocol.folds] if value is not None])
    if len(values) < 3:
        return
    spread = float(values.std(ddof=1))
    called = [
        effect
        for table in ablations
        if table.folds == 1
        for effect in table.effects
        if effect.verdict == "better"
    ]
    small = [effect for effect in called if effect.gain is not None and effect.gain < spread]
    if small:
        named = ", ".join(f"{e.factor}={e.level} ({e.gain:+.2g} ± {e.se or 0:.2g})" for e in small[:5])
        yield Finding(
            "effects within fold spread",
            "note",
            f"{len(small)} of {len(called)} effects called better were measured on one fold and are smaller "
            f"than the spread between folds (SD {spread:.2g}): {named}",
            "their sign is paired and may hold; measure finalists on more folds",
        )


def vault(scorer: Scorer, id: str, score: Score, prediction: Array) -> Iterator[Finding]:
    """Compares the out-of-fold score of a trial or blend with its score on the vault.

    `prediction` is for the vault's rows, in the form that the metric needs."""
    rows = scorer.folds.vault
    try:
        (value,), samples = scorer.score_rows(rows, [prediction])
    except MetricUndefined:
        return
    se = float(np.hypot(score.se, resample.standard_error(samples[0], *scorer.drawn(rows))))
    fall = scorer.sign * (score.value - value)
    grave = fall > GRAVE * se
    yield Finding(
        "out-of-fold against vault",
        "warning" if grave else "note",
        f"{id} scores {score.value:.5g} out of fold and {value:.5g} on {len(rows)} rows no fold has seen: "
        f"{-fall:+.2g} ± {se:.2g}",
        "folds promise more than unseen rows keep: look for what ties rows of different folds"
        if grave
        else "folds keep what they promise",
    )
