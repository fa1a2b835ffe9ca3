"""Scores, standard errors and paired differences: the only place where predictions meet labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cobra_jupyter.workbench.protocol.protocol import Folds, Positions, Protocol
from cobra_jupyter.workbench.scoring import metrics, resample
from cobra_jupyter.workbench.scoring.decoding import Decoder, Labelled, joined
from cobra_jupyter.workbench.scoring.metrics import Metric, MetricUndefined

Array = np.ndarray[Any, Any]
DRAWS = 200
REMEMBERED = 32  # decoded predictions that are kept
CONFIRM = 0.75  # a difference beyond this many standard errors counts


@dataclass(frozen=True)
class OutOfFold:
    """Raw out-of-fold predictions: `raw[repeat]` (n, width), NaN rows if no fold was predicted;
    `fold[repeat]` (n,), the fold of each row or -1. If a candidate decodes itself, `decoded[repeat]`
    (settings, n, columns)."""

    raw: tuple[Array, ...]
    fold: tuple[Positions, ...]
    decoded: tuple[Array, ...] | None = None
    settings: tuple[dict[str, Any], ...] = ()

    def rows(self, repeat: int) -> Positions:
        return np.flatnonzero(self.fold[repeat] >= 0)


@dataclass(frozen=True)
class Score:
    """A cross-validated score: the mean over repeats of the score on all out-of-fold rows; standard error by
    bootstrap over units."""

    value: float
    se: float
    folds: tuple[float | None, ...]
    rows: int
    params: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """`gain` > 0: b is better than a, in the metric's units. SE by a paired bootstrap over units."""

    gain: float
    se: float
    rows: int

    @property
    def verdict(self) -> str:
        if self.gain > CONFIRM * self.se:
            return "better"
        return "worse" if self.gain < -CONFIRM * self.se else "unclear"


@dataclass(frozen=True)
class Decoded:
    """Out-of-fold predictions of each repeat in the form that the metric wants, and the parameters for new
    rows."""

    predictions: tuple[Array, ...]
    params: dict[str, Any]


# scores of predictions of the rows, and of resampled rows: (truth, predictions, draws, rows of train)
Evaluate = Callable[[Array, list[Array], list[Positions], Positions], tuple[list[float], Array]]


class Scorer:
    """Scores raw predictions under one protocol. `evaluate` scores a metric that an agent wrote."""

    def __init__(
        self,
        protocol: Protocol,
        folds: Folds,
        truth: Array,
        metric: Metric,
        classes: Sequence[Any],
        evaluate: Evaluate | None = None,
        weights: Array | None = None,
    ) -> None:
        """`weights` (n,) of the rows of train; None if all weigh the same."""
        self.protocol, self.folds, self.truth, self.metric = protocol, folds, truth, metric
        self.sign, self.weights = metrics.sign(metric), weights
        self._classes = classes
        self._evaluate = evaluate  # an agent's metric runs in a worker
        self._decoder = Decoder(metric, protocol.task, classes)
        self._known: dict[int, tuple[OutOfFold, Decoded]] = {}  # the latest decoded predictions, by identity

    @cached_property
    def smooth(self) -> Scorer:
        """A scorer for small differences. For label metrics it uses log loss, which shows a change of
        probabilities long before a label flips; otherwise it is this scorer."""
        protocol = self.protocol
        if self._evaluate or self.metric.wants != "label" or protocol.task not in ("binary", "multiclass"):
            return self
        log_loss = metrics.get("log_loss")
        return Scorer(protocol, self.folds, self.truth, log_loss, self._classes, weights=self.weights)

    def collect(self, parts: dict[tuple[int, int], Array]) -> OutOfFold:
        """Build out-of-fold predictions from raw predictions per (repeat, fold)."""
        width = next(iter(parts.values())).shape[1]
        raws, owners = [], []
        for repeat in sorted({r for r, _ in parts}):
            raw = np.full((len(self.truth), width), np.nan)
            owner = np.full(len(self.truth), -1, np.int64)
            for (r, fold), part in parts.items():
                if r == repeat:
                    rows = self.folds.held_out(repeat, fold)
                    raw[rows], owner[rows] = part, fold
            raws.append(raw)
            owners.append(owner)
        return OutOfFold(tuple(raws), tuple(owners))

    def score(self, oof: OutOfFold, with_se: bool = True) -> Score:
        """Score predictions. Raises MetricUndefined if their rows have no score (only one class, say)."""
        values, per_fold, samples = [], [], []
        decoded = self.decoded(oof)
        units = m = 1
        for repeat, prediction in enumerate(decoded.predictions):
            rows = oof.rows(repeat)
            (value,), drawn = self._scores(rows, [prediction[rows]], with_se)
            values.append(value)
            if with_se:
                samples.append(drawn[0])
                units, m = self.drawn(rows)
            for fold in np.unique(oof.fold[repeat][rows]):
                per_fold.append(self._one(np.flatnonzero(oof.fold[repeat] == fold), prediction))
        se = 0.0
        if with_se:
            least = min(len(s) for s in samples)
            se = resample.standard_error(np.mean([s[:least] for s in samples], axis=0), units, m)
        return Score(float(np.mean(values)), se, tuple(per_fold), len(oof.rows(0)), decoded.params)

    def difference(self, a: OutOfFold, b: OutOfFold) -> Difference:
        """The paired difference on the rows that both predicted."""
        gains, samples, shared = [], [], 0
        units = m = 1
        for repeat in range(min(len(a.raw), len(b.raw))):
            rows = np.flatnonzero((a.fold[repeat] >= 0) & (b.fold[repeat] >= 0))
            if not len(rows):
                continue
            pair = [self.decoded(oof).predictions[repeat][rows] for oof in (a, b)]
            (va, vb), drawn = self._scores(rows, pair, True)
            gains.append(self.sign * (vb - va))
            samples.append(self.sign * (drawn[1] - drawn[0]))
            units, m = self.drawn(rows)
            shared = len(rows)
        if not gains:
            raise ValueError("these two share no out-of-fold rows")
        least = min(len(s) for s in samples)
        se = resample.standard_error(np.mean([s[:least] for s in samples], axis=0), units, m)
        return Difference(float(np.mean(gains)), se, shared)

    def score_rows(self, rows: Positions, predictions: list[Array]) -> tuple[list[float], Array]:
        """Scores and bootstrap samples of decoded predictions of the given rows (the vault)."""
        return self._scores(rows, predictions, True)

    def drawn(self, rows: Positions) -> tuple[int, int]:
        """The number of units in these rows, and the number in each bootstrap draw."""
        units = len(np.unique(self.folds.units[rows]))
        return units, units if self._evaluate else resample.drawn_units(self.metric, units)

    def decoded(self, oof: OutOfFold) -> Decoded:
        """Predictions in the form that the metric wants, and the decoding parameters chosen on all rows.

        For the score, each fold's parameters are chosen on the rows of the other folds, so that it stays
        out-of-fold."""
        known = self._known.get(id(oof))
        if known is None or known[0] is not oof:
            while len(self._known) >= REMEMBERED:
                self._known.pop(next(iter(self._known)), None)
            made = self._own(oof) if oof.decoded is not None else self._standard(oof)
            known = self._known[id(oof)] = (oof, made)
        return known[1]

    def _standard(self, oof: OutOfFold) -> Decoded:
        if self._decoder.fixed:
            params = self._decoder.choose(self._labelled(oof, 0, oof.rows(0)))
            return Decoded(tuple(self._decode(oof, r, {-1: params}) for r in range(len(oof.raw))), params)
        predictions = []
        for repeat, owner in enumerate(oof.fold):
            seen = oof.rows(repeat)
            params_of = {
                int(fold): self._decoder.choose(self._labelled(oof, repeat, seen[owner[seen] != fold]))
                for fold in np.unique(owner[seen])
            }
            predictions.append(self._decode(oof, repeat, params_of))
        several = [self._labelled(oof, repeat, oof.rows(repeat)) for repeat in range(len(oof.raw))]
        return Decoded(tuple(predictions), self._decoder.choose(joined(several)))

    def _decode(self, oof: OutOfFold, repeat: int, params_of: dict[int, dict[str, Any]]) -> Array:
        """Decode a repeat with each fold's parameters; the key -1 stands for all folds."""
        owner, whole = oof.fold[repeat], None
        for fold, params in params_of.items():
            here = owner >= 0 if fold == -1 else owner == fold
            raw = oof.raw[repeat][here]
            part = (
                raw if self._evaluate and self.metric.wants != "label" else self._decoder.apply(raw, params)
            )
            if whole is None:
                whole = np.zeros((len(owner), *part.shape[1:]), part.dtype)
            whole[here] = part
        assert whole is not None
        return whole

    def _labelled(self, oof: OutOfFold, repeat: int, rows: Positions) -> Labelled:
        weights = None if self.weights is None else self.weights[rows]
        return Labelled(self.truth[rows], oof.raw[repeat][rows], oof.fold[repeat][rows], weights)

    def _own(self, oof: OutOfFold) -> Decoded:
        """The candidate's own decoding: the best of its settings."""
        assert oof.decoded is not None
        predictions, params = [], oof.settings[0]
        for repeat, stacked in enumerate(oof.decoded):
            options, owner, seen = list(stacked), oof.fold[repeat], oof.rows(repeat)
            final = options[0].copy()
            for fold in np.unique(owner[seen]) if len(options) > 1 else ():
                here, others = np.flatnonzero(owner == fold), seen[owner[seen] != fold]
                if len(others):
                    final[here] = options[self._best(options, others)][here]
            predictions.append(final)
            params = oof.settings[self._best(options, seen) if len(options) > 1 else 0]
        return Decoded(tuple(predictions), params)

    def _best(self, options: list[Array], rows: Positions) -> int:
        found = [self._one(rows, option) for option in options]
        ranked = [(-np.inf if value is None else self.sign * value) for value in found]
        return int(np.argmax(ranked))

    def _one(self, rows: Positions, prediction: Array) -> float | None:
        try:
            return self._scores(rows, [prediction[rows]], False)[0][0]
        except MetricUndefined:
            return None

    def _scores(
        self, rows: Positions, predictions: list[Array], with_samples: bool
    ) -> tuple[list[float], Array]:
        truth, units = self.truth[rows], self.folds.units[rows]
        weights = None if self.weights is None else self.weights[rows]
        if self._evaluate:
            draws = _draws(units) if with_samples else []
            return self._evaluate(truth, predictions, draws, rows)
        more = () if weights is None else (weights,)
        values = [float(self.metric.function(truth, prediction, *more)) for prediction in predictions]
        if not with_samples:
            return values, np.empty((len(values), 0))
        drawn = resample.bootstrap(self.metric, truth, predictions, units, draws=DRAWS, weights=weights)
        return values, drawn


def _draws(units: Positions, draws: int = 60) -> list[Positions]:
    """Rows of whole units, drawn with replacement, for a metric that runs in a worker."""
    rng = np.random.default_rng(0)
    names, codes = np.unique(units, return_inverse=True)
    if len(names) == len(units):
        return [rng.integers(len(units), size=len(units)) for _ in range(draws)]
    members = [np.flatnonzero(codes == code) for code in range(len(names))]
    return [
        np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))]) for _ in range(draws)
    ]
