"""The size of the data on which an ablation measures effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cobra_jupyter.workbench.search.trials import Trial

FRACTIONS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02)
SECONDS = 10.0  # a fit of all rows that takes so long at most is better than fewer rows where keys repeat
LEAST_ROWS = 200  # on fewer rows than this effects say nothing of all rows
LEAST = 0.02  # seconds of a trial, whatever was measured


@dataclass(frozen=True)
class Fidelity:
    """The size of the data: share of the training rows, and folds."""

    fraction: float
    folds: tuple[int, ...]

    def __str__(self) -> str:
        rows = "all rows" if self.fraction >= 1 else f"{self.fraction:.0%} of the rows"
        return f"{rows}, {len(self.folds)} fold{'s' * (len(self.folds) != 1)}"


def trial_seconds(first: Trial, small: float, fraction: float) -> float:
    """Predict the seconds of one fold at `fraction` of the rows from a fit at `small`.

    The held-out side is predicted whole at any size, so its time does not shrink with the fraction."""
    whole = first.alone
    predicting = min(whole, sum(fit.predict_seconds for fit in first.fits))
    return float((whole - predicting) * (fraction / small) ** 1.1 + predicting)


def affordable(
    first: Trial,
    small: float,
    count: int,
    trials: float,
    slots: int,
    left: float,
    longest: float,
    keyed: bool,
    rows: int,
) -> list[Any]:
    """Return the share of the rows and the folds: the largest size at which so many `trials` fit the time.

    `first` ran on the share `small`; the protocol has `count` folds; `longest` limits one fit. With `keyed`
    rows that share a key must stay together, so one fold of all rows comes before several of fewer. Of `rows`
    at least `LEAST_ROWS` stay: then the time is enough for some of the trials only."""
    folds = list(range(count))
    possible = [fraction for fraction in FRACTIONS if fraction == 1 or fraction * rows >= LEAST_ROWS]
    for fraction in possible:
        cost = trial_seconds(first, small, fraction)
        for chosen in sorted({count, 2, 1}, reverse=True):
            if fraction == 1 and chosen == 1 and count > 2 and not (keyed and cost <= SECONDS):
                continue  # two folds of fewer rows are better
            wall = trials * max(cost * chosen / slots, LEAST)
            if wall <= 0.8 * left and cost <= longest:
                return [fraction, folds[-chosen:]]
    return [possible[-1], folds[-1:]]
