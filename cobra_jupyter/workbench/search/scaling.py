"""Predicts the cost of a full-size trial from smaller fits. A trial that cannot fit is made smaller.

Fit and prediction are modelled apart: a fit grows with its training rows, while every fit predicts the same
held-out rows, however few it was trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.errors import TooExpensive
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.search.fits import Fit
from cobra_jupyter.workbench.search.trials import Trial

FRACTIONS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.06, 0.03, 0.015)
SAFETY = 1.2  # a trial may take so many times its prediction
LEAST_MB = 16.0  # a smaller peak is noise, from which nothing can be extrapolated


@dataclass(frozen=True)
class Probe:
    """Measured fits and the prediction for all rows: fit seconds = a · rows ** exponent; memory likewise.

    `trial_seconds` is the wall time of the whole trial; `rss_mb` the peak of one of its processes."""

    candidate: str
    config: dict[str, Any]
    measured: tuple[results.Measured, ...]
    rows: int
    exponent: float
    fit_seconds: float
    predict_seconds: float
    start_seconds: float
    base_mb: float
    fit_mb: float
    predict_mb: float
    rss_mb: float
    trial_seconds: float
    memory_mb: float
    fits_memory: bool

    def record(self) -> results.Probe:
        return as_record(results.Probe, self)

    def seconds(self, fraction: float) -> float:
        """Seconds of one fit on a share of the rows, with its prediction."""
        fitting = self.fit_seconds * math.pow(fraction, self.exponent)
        return self.start_seconds + fitting + self.predict_seconds

    def holds(self, fraction: float) -> bool:
        """Whether one fit on a share of the rows stays within the memory."""
        return self.base_mb + max(self.fit_mb * fraction, self.predict_mb) <= self.memory_mb


@dataclass(frozen=True)
class Size:
    """The size of a trial that was asked for at full size. `why` is empty if it is full-size."""

    repeats: int
    folds: tuple[int, ...]
    fraction: float
    seconds: float  # wall time
    why: str = ""


def extrapolate(
    points: Sequence[tuple[float, float]], at: float, low: float, high: float
) -> tuple[float, float]:
    """Evaluate a power law through the outermost points (x, y) at `at`. Returns value and exponent.

    The exponent is limited to [low, high], because two noisy points are unreliable. If a straight line gives
    a larger value, that is used: a constant part of the cost flattens the power law at small sizes."""
    (x1, y1), (x2, y2) = min(points), max(points)
    exponent = math.log(max(y2, 1e-6) / max(y1, 1e-6)) / math.log(x2 / x1) if x2 > x1 else 1.0
    exponent = min(high, max(low, exponent))
    line = y2 + max(0.0, (y2 - y1) / (x2 - x1)) * (at - x2) if x2 > x1 else 0.0
    return max(line, y2 * (at / x2) ** exponent), exponent


def predict(trials: Sequence[Trial], rows: int, folds: int, slots: int, memory_mb: float) -> Probe:
    """Predict the full trial's cost from trials of one candidate and config at one or two sizes."""
    fits: list[Fit] = [fit for trial in trials for fit in trial.fits if fit.status == "ok"]
    if not fits:
        raise TooExpensive("no fit of this candidate succeeded, so its cost is unknown")
    fits = [fit for fit in fits if not fit.beside] or fits  # times beside background work forecast nothing
    fitting, exponent = extrapolate([(f.rows, f.fit_seconds) for f in fits], rows, 0.5, 2.0)
    predicting = max(f.predict_seconds for f in fits)
    starting = sum(f.seconds - f.fit_seconds - f.predict_seconds for f in fits) / len(fits)
    fit_mb, _ = extrapolate([(f.rows, max(f.fit_mb, LEAST_MB)) for f in fits], rows, 0.0, 2.0)
    base_mb, predict_mb = max(f.base_mb for f in fits), max(f.predict_mb for f in fits)
    memory = max(base_mb + max(fit_mb, predict_mb), *(f.rss_mb for f in fits), 0.0)
    seconds = max(0.0, starting) + fitting + predicting
    return Probe(
        candidate=trials[0].spec.candidate.key,
        config=trials[0].spec.config,
        measured=tuple(
            {"rows": f.rows, "seconds": round(f.seconds, 3), "rss_mb": round(f.rss_mb, 1)} for f in fits
        ),
        rows=rows,
        exponent=round(exponent, 3),
        fit_seconds=fitting,
        predict_seconds=predicting,
        start_seconds=max(0.0, starting),
        base_mb=base_mb,
        fit_mb=fit_mb,
        predict_mb=max(0.0, predict_mb),
        rss_mb=memory,
        trial_seconds=seconds * folds / min(slots, folds),
        memory_mb=memory_mb,
        fits_memory=memory <= memory_mb,
    )


def affordable(probe: Probe, folds: int, repeats: int, slots: int, left: float) -> Size:
    """The largest trial that fits the seconds left and the memory; repeats take at most a third of them.

    First repeats are left out, then folds, then rows. Raises TooExpensive if not even the smallest fits."""
    one = probe.trial_seconds / repeats
    kept = max(1, min(repeats, int(0.35 * left / max(one, 1e-6))))
    if probe.fits_memory and SAFETY * one * kept <= left:
        return Size(kept, tuple(range(folds)), 1.0, one * kept)
    for count, fraction in _smaller(folds):
        seconds = probe.seconds(fraction) * math.ceil(count / slots)
        if probe.holds(fraction) and SAFETY * seconds <= left:
            size = Size(1, tuple(range(folds - count, folds)), fraction, seconds)
            return replace(size, why=_why(probe, size, folds, left))
    raise TooExpensive(f"{_refused(probe, left)}; even on {FRACTIONS[-1]:.1%} of the rows it does not fit")


def _smaller(folds: int) -> Iterator[tuple[int, float]]:
    """Numbers of folds and shares of the rows, the largest first."""
    yield from ((count, 1.0) for count in range(folds - 1, 0, -1))
    yield from ((1, fraction) for fraction in FRACTIONS[1:])


def _refused(probe: Probe, left: float) -> str:
    if not probe.fits_memory:
        return (
            f"one fit of {probe.candidate} on all rows would need about {probe.rss_mb:.0f} MiB; "
            f"{probe.memory_mb:.0f} MiB are allowed"
        )
    return (
        f"{probe.candidate} at full size would take about {probe.trial_seconds:.0f} s "
        f"and {max(left, 0):.0f} s are left before the reserve"
    )


def _why(probe: Probe, size: Size, folds: int, left: float) -> str:
    rows = "all rows" if size.fraction >= 1 else f"{size.fraction:.1%} of the rows"
    return f"{_refused(probe, left)}; so it ran on {len(size.folds)} of {folds} folds and {rows}"
