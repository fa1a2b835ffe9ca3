"""What finished trials tell about the protocol: folds that differ more than chance, effects below that, the vault."""

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


def fold_spread(judge: Scorer, trials: Iterable[Any]) -> Iterator[Finding]:
    """Do the folds of the best full trial differ by more than the rows drawn into them explain?"""
    from scipy.stats import chi2

    full = [trial for trial in trials if trial.full and trial.score and trial.score.se > 0]
    if not full:
        return
    best = max(full, key=lambda trial: judge.sign * trial.score.value)
    count = judge.protocol.folds
    found = [(fold, value) for fold, value in enumerate(best.score.folds[:count]) if value is not None]
    if len(found) < 3:
        return
    values = np.array([value for _, value in found])
    sizes = np.array([len(judge.folds.held_out(0, fold)) for fold, _ in found])
    errors = best.score.se * np.sqrt(sizes.sum() / sizes)
    excess = float((((values - np.average(values, weights=sizes)) / errors) ** 2).sum())
    chance = float(chi2.sf(excess, len(values) - 1))
    spread, expected = float(values.std(ddof=1)), float(np.sqrt((errors**2).mean()))
    if chance < CHANCE and spread > 2 * expected:
        ordered = judge.protocol.split == "time"
        yield Finding(
            "fold spread", "note" if ordered else "warning",
            f"folds of {best.id} score {values.min():.5g} to {values.max():.5g}: SD {spread:.2g}, where drawing "
            f"rows explains {expected:.2g} (p {chance:.0e})",
            "later folds learn from more rows; look at the last ones" if ordered else
            "either the candidate is unstable (try another seed), or rows are not exchangeable: look for groups or "
            "time behind the folds",
        )  # fmt: skip


def effects_and_folds(judge: Scorer, trials: Iterable[Any], ablations: Iterable[Any]) -> Iterator[Finding]:
    """Effects found on one fold that are smaller than what folds differ by."""
    full = [trial for trial in trials if trial.full and trial.score]
    if not full:
        return
    best = max(full, key=lambda trial: judge.sign * trial.score.value)
    values = np.array([value for value in best.score.folds[: judge.protocol.folds] if value is not None])
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
            "effects within fold spread", "note",
            f"{len(small)} of {len(called)} effects called better were measured on one fold and are smaller than "
            f"the spread between folds (SD {spread:.2g}): {named}",
            "their sign is paired and may hold; measure finalists on more folds",
        )  # fmt: skip


def vault(judge: Scorer, id: str, score: Score, prediction: Array) -> Iterator[Finding]:
    """The out-of-fold score of a trial or blend against its score on rows that no fold has seen.

    `prediction`: of the vault's rows, in the form the metric wants.
    """
    rows = judge.folds.vault
    try:
        (value,), samples = judge.score_rows(rows, [prediction])
    except MetricUndefined:
        return
    se = float(np.hypot(score.se, resample.standard_error(samples[0], *judge.drawn(rows))))
    fall = judge.sign * (score.value - value)
    grave = fall > GRAVE * se
    yield Finding(
        "out-of-fold against vault", "warning" if grave else "note",
        f"{id} scores {score.value:.5g} out of fold and {value:.5g} on {len(rows)} rows no fold has seen: "
        f"{-fall:+.2g} ± {se:.2g}",
        "folds promise more than unseen rows keep: look for what ties rows of different folds"
        if grave else "folds keep what they promise",
    )  # fmt: skip
