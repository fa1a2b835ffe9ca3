"""Cuts of a number into labels: the threshold of two classes, the cuts between ordered classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cobra_jupyter.competition.metrics import Array
from cobra_jupyter.workbench.scoring.metrics import mean_code
from cobra_jupyter.workbench.scoring.multipliers import smoothed

Better = Callable[[Array], Array]  # scores of count tables (..., C, C), larger is better
BINS = 200  # places between which a cut is moved
SWEEPS = 6


def threshold(better: Better, truth: Array, positive: Array, weights: Array | None = None) -> float:
    """The exact best threshold: every place between two different predictions is tried. Of equal ones the
    nearest to one half."""
    order = np.argsort(-positive, kind="stable")
    p = positive[order]
    w = np.ones(len(p)) if weights is None else np.asarray(weights, float)[order]
    hits, called = np.cumsum(w * (truth[order] == 1)), np.cumsum(w)
    ends = np.flatnonzero(np.r_[p[1:] != p[:-1], True])  # the last row of each distinct prediction
    hits, called = np.r_[0.0, hits[ends]], np.r_[0.0, called[ends]]
    tables = np.empty((len(hits), 2, 2))
    tables[:, 1, 1], tables[:, 0, 1] = hits, called - hits
    tables[:, 1, 0] = hits[-1] - hits
    tables[:, 0, 0] = called[-1] - called - tables[:, 1, 0]
    values = p[ends]
    limits = np.r_[max(values[0], 1.0), (values[1:] + values[:-1]) / 2, min(values[-1], 0.0) - 1e-9]
    scores = better(tables)
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(limits[best[np.abs(limits[best] - 0.5).argmin()]])


def matched(truth: Array, raw: Array, weights: Array | None = None) -> list[float]:
    """Cuts by which each class is called as often as it occurs."""
    shares = np.bincount(truth.astype(int), weights, raw.shape[1]).cumsum()[:-1]
    levels = shares / (len(truth) if weights is None else np.sum(weights))
    return [float(value) for value in np.quantile(mean_code(raw), np.clip(levels, 0, 1))]


def tuned(better: Better, truth: Array, raw: Array, weights: Array | None = None) -> list[float]:
    """Move one cut at a time while the score grows, from matched shares or halves, whichever is better."""
    width, values = raw.shape[1], mean_code(raw)
    places = np.unique(np.quantile(values, np.linspace(0, 1, BINS)))
    row = np.searchsorted(places, values, side="left")  # a value above a place lies in a later bin
    cells = row * width + truth.astype(int)
    counts = np.bincount(cells, weights, (len(places) + 1) * width).reshape(-1, width).astype(float)
    below = counts.cumsum(axis=0)  # below[i]: rows of each class at or below places[i]
    halves = [code + 0.5 for code in range(width - 1)]
    starts = [
        np.searchsorted(places, at).clip(0, len(places) - 1) for at in (matched(truth, raw, weights), halves)
    ]
    best = max(starts, key=lambda start: float(better(_tables(below, start[None]))[0]))
    highest = float(better(_tables(below, best[None]))[0])
    for _ in range(SWEEPS):
        before = highest
        for cut in range(width - 1):
            low = best[cut - 1] if cut else 0
            high = best[cut + 1] if cut + 1 < width - 1 else len(places) - 1
            tried = np.repeat(best[None], high - low + 1, axis=0)
            tried[:, cut] = np.arange(low, high + 1)
            scores = better(_tables(below, tried))
            found = tried[int(smoothed(scores).argmax())]
            score = float(better(_tables(below, found[None]))[0])
            if score > highest:
                best, highest = found, score
        if highest <= before:
            break
    return [float(value) for value in places[best]]


def _tables(below: Array, cuts: Array) -> Array:
    """Count tables (m, C, C) for cuts (m, C - 1), each the index of a place."""
    m, width = len(cuts), below.shape[1]
    reached = np.concatenate(
        [np.zeros((m, 1, width)), below[cuts], np.broadcast_to(below[-1], (m, 1, width))], axis=1
    )
    return np.diff(reached, axis=1).transpose(0, 2, 1)  # (m, true, called)
