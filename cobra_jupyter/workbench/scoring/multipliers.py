"""Weights of classes: the label is the class with the largest weighted probability."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cobra_jupyter.competition.metrics import Array

Better = Callable[[Array], Array]  # scores of count tables (..., C, C), larger is better
STEPS = 60  # weights of one class that are compared at once
SWEEPS = 3
SMOOTH = 5  # neighbouring weights whose mean score decides, so that no lucky one wins


def balancing(truth: Array, width: int, power: float, weights: Array | None = None) -> list[float]:
    """Class shares to the power -`power`, scaled to a mean of 1; a class without rows counts as one row."""
    counts = np.maximum(np.bincount(truth.astype(int), weights, width), 1.0)
    found = (counts / counts.sum()) ** -power
    return [float(f"{value:.6g}") for value in found / found.mean()]


def tuned(better: Better, truth: Array, raw: Array, weights: Array | None = None) -> list[float]:
    """Change one weight at a time while the score grows, from equal weights and from balancing ones."""
    truth, width = truth.astype(int), raw.shape[1]
    best, highest = np.ones(width), -np.inf
    for power in (0.0, 0.5, 1.0):
        start = np.array(balancing(truth, width, power, weights))
        score = _score(better, truth, raw, start, weights)
        if score > highest:
            best, highest = start, score
    for _ in range(SWEEPS):
        before = highest
        for code in range(width):
            found = _line_search(better, truth, raw, best, code, weights)
            score = _score(better, truth, raw, found, weights)
            if score > highest:
                best, highest = found, score
        if highest <= before:
            break
    return [float(f"{value:.6g}") for value in best / best.mean()]


def _line_search(
    better: Better, truth: Array, raw: Array, multipliers: Array, code: int, weights: Array | None
) -> Array:
    """The best weight of one class, the others as they are. A row goes to the class if its weight exceeds
    the row's ratio of the best other weighted probability to the class's own."""
    width = raw.shape[1]
    others = raw * multipliers
    others[:, code] = -np.inf
    rival = others.argmax(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = others.max(axis=1) / raw[:, code]
    finite = ratio[np.isfinite(ratio) & (ratio > 0)]
    if len(finite) < 2:
        return multipliers
    steps = np.unique(np.quantile(finite, np.linspace(0, 1, STEPS)))
    place = np.searchsorted(steps, ratio, side="left")  # the row is called `code` from this step on
    kept = place < len(steps)
    cells = (truth * width + rival) * (len(steps) + 1) + np.where(kept, place, len(steps))
    counts = np.bincount(cells, weights, width * width * (len(steps) + 1))
    counts = counts.reshape(width, width, len(steps) + 1).astype(float)
    moved = counts[:, :, :-1].cumsum(axis=2).transpose(2, 0, 1)  # (steps, true, rival)
    tables = counts.sum(axis=2) - moved
    tables[:, :, code] += moved.sum(axis=2)
    scores = better(tables)
    chosen = int(smoothed(scores).argmax())
    found = multipliers.copy()
    above = steps[min(chosen + 1, len(steps) - 1)]
    found[code] = np.sqrt(steps[chosen] * above) if above > steps[chosen] else steps[chosen] * (1 + 1e-9)
    return found


def smoothed(scores: Array) -> Array:
    """The mean of each score and its neighbours."""
    known = np.where(np.isfinite(scores), scores, scores[np.isfinite(scores)].min(initial=0.0))
    half = SMOOTH // 2
    padded = np.pad(known, half, mode="edge")
    return np.convolve(padded, np.ones(SMOOTH) / SMOOTH, mode="valid")


def _score(better: Better, truth: Array, raw: Array, multipliers: Array, weights: Array | None) -> float:
    width = raw.shape[1]
    called = (raw * multipliers).argmax(axis=1)
    counts = np.bincount(truth * width + called, weights, width * width).reshape(width, width)
    return float(better(counts.astype(float)))
