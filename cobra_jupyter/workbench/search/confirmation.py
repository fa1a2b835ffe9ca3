"""When an effect is confirmed: it must exceed what seeds and many comparisons bring about by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ALPHA = 0.05  # chance that any of all null effects of a run is called confirmed


@dataclass(frozen=True)
class SeedNoise:
    """The variance of a trial's score from its seed alone, pooled over twins: trials that differ by seed.

    `squares`: sum of squared deviations from the mean of each set of twins; `freedom`: degrees of freedom."""

    squares: float = 0.0
    freedom: int = 0

    def with_twins(self, scores: Sequence[float]) -> SeedNoise:
        """Return the noise with one more set of twins."""
        known = [score for score in scores if math.isfinite(score)]
        if len(known) < 2:
            return self
        mean = sum(known) / len(known)
        squares = sum((score - mean) ** 2 for score in known)
        return SeedNoise(self.squares + squares, self.freedom + len(known) - 1)

    @property
    def variance(self) -> float:
        return self.squares / self.freedom if self.freedom else 0.0

    @property
    def of_difference(self) -> float | None:
        """The SD that seeds alone cause in the difference of two trials; None if unknown."""
        return math.sqrt(2 * self.variance) if self.freedom else None


@dataclass(frozen=True)
class Uncertainty:
    """The standard error of an effect, and the degrees of freedom that its estimate has; None: many."""

    se: float
    freedom: float | None


def uncertainty(bootstrap_se: float, noise: SeedNoise, pairs: int = 1) -> Uncertainty:
    """Add the noise of seeds to an effect's bootstrap SE. `pairs`: seeds over which the effect is a mean."""
    seeds = 2 * noise.variance / pairs
    total = bootstrap_se**2 + seeds
    if seeds <= 0:
        return Uncertainty(bootstrap_se, None)
    return Uncertainty(math.sqrt(total), noise.freedom * (total / seeds) ** 2)  # Satterthwaite


def confirmed(gain: float, se: float, freedom: float | None, comparisons: int) -> bool:
    """Whether an effect exceeds what any of so many null effects reaches with a chance of `ALPHA`."""
    from scipy.stats import norm, t

    tail = ALPHA / (2 * max(comparisons, 1))
    needed = norm.isf(tail) if freedom is None else t.isf(tail, max(freedom, 1.0))
    return bool(se > 0 and abs(gain) > needed * se)
