"""Predicts the cost of a full-size trial from smaller fits, so that a trial that cannot fit is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.errors import TooExpensive
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.search.trials import Fit, Trial


@dataclass(frozen=True)
class Probe:
    """Measured fits and the prediction for all rows: seconds = a · rows ** exponent; memory likewise."""

    candidate: str
    config: dict[str, Any]
    measured: tuple[results.Measured, ...]
    rows: int
    exponent: float
    fit_seconds: float
    rss_mb: float
    trial_seconds: float
    memory_mb: float
    fits_memory: bool

    def record(self) -> results.Probe:
        return as_record(results.Probe, self)


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
    own = [(f.rows, f.fit_seconds + f.predict_seconds) for f in fits]  # without the constant cost of a fit
    started = sum(f.seconds - mine for f, (_, mine) in zip(fits, own, strict=True)) / len(fits)
    seconds, exponent = extrapolate(own, rows, 0.5, 2.0)
    seconds += started
    memory, _ = extrapolate([(f.rows, f.rss_mb) for f in fits], rows, 0.0, 1.5)
    beside = min(slots, folds)
    return Probe(
        candidate=trials[0].spec.candidate.key,
        config=trials[0].spec.config,
        measured=tuple(
            {"rows": f.rows, "seconds": round(f.seconds, 3), "rss_mb": round(f.rss_mb, 1)} for f in fits
        ),
        rows=rows,
        exponent=round(exponent, 3),
        fit_seconds=seconds,
        rss_mb=memory,
        trial_seconds=seconds * folds / beside,
        memory_mb=memory_mb,
        fits_memory=memory <= memory_mb,
    )


def affordable(probe: Probe, repeats: int, left: float) -> tuple[Probe, int]:
    """Reduce `repeats` so that the trial fits a third of the seconds left. Returns its probe and their
    number.

    Raises TooExpensive."""
    if not probe.fits_memory:
        raise TooExpensive(
            f"one fit of {probe.candidate} would need about {probe.rss_mb:.0f} MiB; "
            f"{probe.memory_mb:.0f} MiB are allowed"
        )
    one = probe.trial_seconds / repeats
    repeats = max(1, min(repeats, int(0.35 * left / max(one, 1e-6))))
    probe = replace(probe, trial_seconds=one * repeats)
    if 1.2 * probe.trial_seconds > left:
        raise TooExpensive(
            f"{probe.candidate} at full size would take about {probe.trial_seconds:.0f} s "
            f"and {max(left, 0):.0f} s are left before the reserve"
        )
    return probe, repeats
