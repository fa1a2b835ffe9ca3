"""Measures whether one model of all rows predicts better than the mean of the folds' models.

The fit of fold 0 knows all rows but those it predicts: it stands for a refit. The mean of models that each
leave out another fold too stands for the folds' models. Both predict the rows of fold 0, which neither has
seen."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cobra_jupyter.workbench.scoring.scorer import Difference, OutOfFold
from cobra_jupyter.workbench.search.trials import Trial, Trials
from cobra_jupyter.workbench.workers.pool import Outcome

OUTER = (0, 0)
SHARE = 0.05  # of the worker seconds left
MOST_SECONDS = 120.0  # of worker time
LEAST_SECONDS = 30.0  # that each fit gets


@dataclass(frozen=True)
class Refit:
    """What a refit gains over the mean of the folds' models; None if it was not measured, and `why`."""

    gain: Difference | None
    why: str = ""

    @property
    def clear(self) -> bool:
        """Whether a refit is better by more than chance brings about."""
        return self.gain is not None and self.gain.gain > 2 * self.gain.se > 0

    def __str__(self) -> str:
        if self.gain is None:
            return f"refit or mean of the folds' models: not measured, {self.why}"
        return (
            f"on the {self.gain.rows} rows of one fold a refit gains {self.gain.gain:+.3g} ± "
            f"{self.gain.se:.2g} over the mean of models that each leave out a fold{self.why}"
        )


def measure(trials: Trials, trial: Trial, seconds: float, cancelled: threading.Event) -> Refit:
    """Measure it for one trial, if this takes few of the worker `seconds` left."""
    if why := _obstacle(trials, trial, seconds):
        return Refit(None, why)
    others = [fold for fold in trial.spec.folds if fold != OUTER[1]]
    with ThreadPoolExecutor(len(others)) as threads:
        outcomes = list(threads.map(lambda fold: _fit(trials, trial, fold, cancelled), others))
    try:
        if failed := next((each.failure for each in outcomes if each.failure), None):
            return Refit(None, f"a fit without two folds failed: {failed.message}")
        raws = [np.load(_folder(trials, trial, fold) / "raw0.npy", allow_pickle=False) for fold in others]
    finally:
        for fold in others:
            shutil.rmtree(_folder(trials, trial, fold), ignore_errors=True)
    bag = trials.scorer.collect({OUTER: np.mean(raws, axis=0)})
    assert trial.oof
    alone = OutOfFold(trial.oof.raw[:1], (np.where(trial.oof.fold[0] == OUTER[1], OUTER[1], -1),))
    return Refit(trials.scorer.difference(bag, alone))


def _obstacle(trials: Trials, trial: Trial, seconds: float) -> str:
    """Why it is not measured; "" if it is."""
    if not trial.full or trial.oof is None or len(trial.spec.folds) < 3:
        return "as it takes a full-size trial with three folds or more"
    if any(fit.status != "ok" for fit in trial.fits):
        return "as a fit ended early"
    if "decode" in trial.spec.candidate.functions:
        return "as the candidate decodes itself"
    cost = sum(fit.seconds for fit in trial.fits if fit.repeat == 0 and fit.fold != OUTER[1])
    allowed = min(SHARE * seconds, MOST_SECONDS)
    if cost > allowed:
        return f"as it takes {cost:.3g} s of worker time, and {allowed:.3g} s may be used"
    return ""


def _folder(trials: Trials, trial: Trial, fold: int) -> Path:
    return trials.folder / f"{trial.id}-without-{fold}"


def _fit(trials: Trials, trial: Trial, fold: int, cancelled: threading.Event) -> Outcome:
    """Fit without the rows of fold 0 and of another one; predict fold 0."""
    out = _folder(trials, trial, fold)
    work = trials.work("fit", trial.spec, OUTER, out, (trials.views.asked(OUTER),))
    own = {**work.context, "seed": trials.seed(trial.spec, (0, fold))}
    positions = trials.views.without(OUTER, fold)
    work = replace(work, context=own, positions=positions, keep_model=False)
    longest = max(fit.seconds for fit in trial.fits)
    return trials.pool.run(work, max(LEAST_SECONDS, 4 * longest), cancelled)
