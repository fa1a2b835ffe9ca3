"""How often an ablation calls an effect confirmed although no factor does anything.

Simulates ablations of 20 levels that change nothing. Each trial's score has noise from its seed, and each
paired difference noise from the rows, whose standard error the bootstrap knows. Prints the share of ablations
with at least one confirmed effect, by the rule of version 0 (one twin, SE times the square root of 2 ln(m+1))
and by the present one, and how often a real effect is confirmed.

    python -m benchmarks.null_effects [ABLATIONS]
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np

from cobra_jupyter.workbench.search.ablation import REPEATED, TWINS
from cobra_jupyter.workbench.search.confirmation import SeedNoise, confirmed, uncertainty

LEVELS = 20
SETTINGS = {"seed noise alone": (1.0, 0.05), "both alike": (1.0, 1.0), "row noise alone": (0.05, 1.0)}


@dataclass(frozen=True)
class Simulated:
    """Scores (levels + baseline, seeds) of trials, and the standard error of a paired difference."""

    scores: np.ndarray
    se: float


def simulate(rng: np.random.Generator, seed_sd: float, row_se: float, real: float = 0.0) -> Simulated:
    """`real`: what the first level truly gains. Row noise is the same for all seeds of a level."""
    rows = rng.normal(0, row_se / math.sqrt(2), (LEVELS + 1, 1))
    seeds = rng.normal(0, seed_sd, (LEVELS + 1, 1 + len(TWINS)))
    scores = rows + seeds
    scores[1] += real
    return Simulated(scores, row_se)


def before(ablation: Simulated) -> list[bool]:
    """The rule of version 0, for each level."""
    baseline = ablation.scores[0]
    se = math.hypot(ablation.se, abs(baseline[1] - baseline[0]))
    needed = se * math.sqrt(2 * math.log(LEVELS + 1))
    return [abs(level[0] - baseline[0]) > needed for level in ablation.scores[1:]]


def after(ablation: Simulated) -> list[bool]:
    """The present rule, as `Ablate` applies it: twins of the baseline, the largest effects repeated."""
    baseline, levels = ablation.scores[0], ablation.scores[1:]
    gains = levels[:, 0] - baseline[0]
    noise = SeedNoise().with_twins(list(baseline))
    largest = np.argsort(-gains)[:REPEATED]
    for i in largest:
        noise = noise.with_twins([float(score) for score in levels[i, :2]])
    found = []
    for i, gain in enumerate(gains):
        repeated = i in largest
        mean = (gain + levels[i, 1] - baseline[1]) / 2 if repeated else gain
        sure = uncertainty(ablation.se, noise, 2 if repeated else 1)
        found.append(confirmed(float(mean), sure.se, sure.freedom, LEVELS))
    return found


def rates(ablations: int, seed_sd: float, row_se: float) -> dict[str, float]:
    """Shares of simulated ablations with a false confirmation, and of real effects that are confirmed."""
    rng = np.random.default_rng(0)
    counts = dict.fromkeys(("before", "after", "real before", "real after"), 0)
    for _ in range(ablations):
        null = simulate(rng, seed_sd, row_se)
        real = simulate(rng, seed_sd, row_se, real=8 * math.hypot(math.sqrt(2) * seed_sd, row_se))
        counts["before"] += any(before(null))
        counts["after"] += any(after(null))
        counts["real before"] += before(real)[0]
        counts["real after"] += after(real)[0]
    return {name: count / ablations for name, count in counts.items()}


def main(ablations: int = 2000) -> None:
    print(f"{'noise':<18} {'null: before':>13} {'after':>7} {'real (8 SE): before':>21} {'after':>7}")
    for name, noise in SETTINGS.items():
        found = rates(ablations, *noise)
        shown = [found[key] for key in ("before", "after", "real before", "real after")]
        print("{:<18} {:>13.1%} {:>7.1%} {:>21.1%} {:>7.1%}".format(name, *shown))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
