"""How the models of a submission are trained: each fold's model as it is, or again on all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cobra_jupyter.workbench.scoring.scorer import Difference
from cobra_jupyter.workbench.search.fits import Fit
from cobra_jupyter.workbench.search.refits import Refit
from cobra_jupyter.workbench.search.trials import Trial

MOST_SEEDS = 5
SHARE = 0.25  # of the time left, for refits and for the proof that repeats them


@dataclass(frozen=True)
class Training:
    """`refits`: models on all rows, by seed; 0: the mean of the folds' models predicts. `why` says why."""

    refits: int
    why: str


@dataclass(frozen=True)
class Used:
    """The fits that predict the test rows for a submission, by trial, where these are not all of its fits."""

    fits: Mapping[str, tuple[Fit, ...]]
    training: str

    def cost(self, members: Sequence[tuple[Trial, float]]) -> float:
        """Worker seconds to train the submission's models again."""
        return sum(sum(fit.seconds for fit in self.of(trial)) for trial, _ in members)

    def of(self, trial: Trial) -> tuple[Fit, ...]:
        return self.fits.get(trial.id, trial.fits)


BAG = Used({}, "")


def refit_seconds(trial: Trial, rows: int) -> float:
    """Predicts the worker seconds of a fit on all rows from the fit with the most rows."""
    largest = max(trial.fits, key=lambda fit: fit.rows)
    return float(largest.seconds * (rows / max(largest.rows, 1)) ** 1.1)


def choose(
    members: Sequence[tuple[Trial, float]],
    rows: int,
    look_ahead: bool,
    seconds: float,
    stored: bool = True,
    averaging: Difference | None = None,
    refit: Refit | None = None,
) -> Training:
    """Decide how to train a submission's members.

    `seconds`: worker seconds left for it and its proof; `stored`: whether the folds' models are stored;
    `averaging`: what the mean over repeats gains out of fold, measured where there are repeats; `refit`: what
    a refit gains over the mean of the folds' models."""
    each = sum(refit_seconds(trial, rows) for trial, _ in members)
    bag = sum(trial.cost for trial, _ in members)
    most = min(MOST_SEEDS, max(len(trial.fits) for trial, _ in members))
    seeds = max(1, min(most, int(SHARE * seconds / max(2 * each, 1e-6))))
    cost = f"about {each:.3g} s of worker time each, {seeds} seed{'s' * (seeds > 1)}"
    if look_ahead:
        return Training(
            seeds,
            "folds look ahead: their models know nothing of the latest rows, so all rows train the models "
            f"that predict ({cost})",
        )
    if not stored and bag > SHARE * seconds >= each:
        return Training(
            seeds,
            f"the folds' models are not stored, and training them again takes {bag:.3g} s of the "
            f"{seconds:.3g} s left; so all rows train the models that predict ({cost})",
        )
    measured = f"; {refit}" if refit else ""
    if refit and refit.clear and 2 * seeds * each <= SHARE * seconds:
        return Training(seeds, f"all rows train the models that predict ({cost}){measured}")
    if averaging:
        measured += (
            f"; the mean over repeats gains {averaging.gain:+.3g} ± {averaging.se:.2g} over one of them"
        )
    return Training(
        0,
        f"the mean of the folds' models predicts, as it was cross-validated{measured}; training all of them "
        f"again takes {bag:.3g} s, one model of all rows {each:.3g} s",
    )


def latest(trial: Trial) -> tuple[Fit, ...]:
    """The fit that knows most: of a split by time, the last fold's."""
    return (max(trial.fits, key=lambda fit: (fit.rows, fit.fold)),)


def forecast(
    members: Sequence[tuple[Trial, float]],
    plan: Training,
    rows: int,
    shares: Sequence[float],
    stored: Callable[[Trial], bool],
) -> tuple[float, float]:
    """Forecast the worker seconds to submit, and to train again for the proof.

    `rows`: of train; `shares`: by member, rows of test over the rows that one of its fits predicted;
    `stored`: whether the models of a trial's fits are stored."""
    submit = proof = 0.0
    for (trial, _), share in zip(members, shares, strict=True):
        predicting = share * max(fit.predict_seconds for fit in trial.fits)
        if plan.refits:
            training = plan.refits * refit_seconds(trial, rows)
            submit += training + plan.refits * predicting
        else:
            training = trial.cost
            submit += len(trial.fits) * predicting + (0.0 if stored(trial) else training)
        proof += training
    return submit, proof
