"""Tests factors on small data: one at a time against a baseline, then combinations of the winners.

The share of rows and the folds are chosen so that the whole ablation fits its time. The best configurations
run again at larger sizes (successive halving), so that effects which change with scale are seen."""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.scoring.scorer import Scorer
from cobra_jupyter.workbench.search.candidates import Candidate
from cobra_jupyter.workbench.search.trials import Spec, Trial, Trials, config_key
from cobra_jupyter.workbench.timed_decisions import Deciding

SMALL_ROWS = 2_000  # rows of the first fit, which measures a candidate's cost
FRACTIONS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02)


@dataclass(frozen=True)
class Fidelity:
    """The size of the data: share of the training rows, and folds."""

    fraction: float
    folds: tuple[int, ...]

    def __str__(self) -> str:
        rows = "all rows" if self.fraction >= 1 else f"{self.fraction:.0%} of the rows"
        return f"{rows}, {len(self.folds)} fold{'s' * (len(self.folds) != 1)}"


@dataclass(frozen=True)
class Effect:
    """The effect of a level compared with the baseline level; a `gain` above 0 is better."""

    factor: str
    level: Any
    baseline: Any
    gain: float | None
    se: float | None
    verdict: str  # better | worse | unclear | failed | not tried
    confirmed: bool
    cost_ratio: float | None
    trial: str | None
    note: str = ""

    def record(self) -> results.Effect:
        return as_record(results.Effect, self)


@dataclass(frozen=True)
class Ablation:
    """The result of an ablation: effects, combinations and the best configuration of one candidate."""

    id: str
    candidate: str
    baseline: str
    fidelity: str
    fraction: float
    folds: int
    effects: tuple[Effect, ...]
    combinations: tuple[results.Combination, ...]
    importance: dict[str, float]
    best: dict[str, Any]
    best_trial: str
    best_gain: float
    best_se: float
    rank_agreement: float | None
    seed_sd: float | None
    comparisons: int
    seconds: float

    def record(self) -> results.AblationTable:
        return as_record(results.AblationTable, self)


@dataclass(frozen=True)
class _Running:
    """A running trial. `surely`: it finished in the replayed run, so it will finish."""

    key: str
    seconds: float
    surely: bool
    future: Future[Trial]


class Ablate:
    """Runs one ablation within `seconds`. Its table lists what there was no time for."""

    def __init__(
        self,
        trials: Trials,
        candidate: Candidate,
        *,
        id: str,
        base: dict[str, Any],
        factors: dict[str, list[Any]],
        seed: int,
        seconds: float,
        trial_seconds: float,
        cancelled: threading.Event,
        publish: Callable[[Ablation], None],
        slots: int,
        deciding: Deciding,
    ) -> None:
        """`slots`: assumed number of parallel trials; `deciding` records decisions that depend on time."""
        self.trials, self.candidate, self.factors, self.seed = trials, candidate, factors, seed
        self.base = candidate.config(base)
        self.begun, self.seconds, self.trial_seconds = time.monotonic(), seconds, trial_seconds
        self.cancelled, self.publish, self.id = cancelled, publish, id
        self._stop = threading.Event()  # set at the end of the time
        self._small: dict[str, Trial] = {}  # by config: trials of the size that measures effects
        self.comparisons = 0
        self.slots, self._deciding = slots, deciding
        self._known: dict[str, Any] = deciding.known("course") or {}
        self._course: dict[str, Any] = {"fidelity": None, "twin": False, "rungs": 0, "tried": {}}
        self._threads = ThreadPoolExecutor(trials.pool.slots + 1)
        self.scorer = scorer_of(trials, candidate)

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.begun)

    def run(self, fidelity: Fidelity | None = None) -> Ablation:
        """Run the ablation. Raises RuntimeError if the baseline fails or takes all the time."""
        try:
            return self._run(fidelity)
        finally:
            self._deciding.note("course", self._course)

    def _run(self, fidelity: Fidelity | None) -> Ablation:
        fidelity = fidelity or self._fidelity()
        baseline = self._baseline(fidelity)
        singles = [
            (f, level) for f, levels in self.factors.items() for level in levels if level != self.base[f]
        ]
        self.comparisons = len(singles)
        self._course["twin"] = self._known.get("twin", self.left > 0)
        twin = self._trial(self.base, fidelity, self.seed + 1000) if self._course["twin"] else None
        running = {
            (f, config_key({f: level})): self._trial({**self.base, f: level}, fidelity)
            for f, level in singles
        }
        effects: list[Effect] = [self._untried(f, level, "running") for f, level in singles]
        by_key: dict[int, Trial] = {}
        for index, (factor, level) in enumerate(singles):
            trial = self._wait(running[factor, config_key({factor: level})])
            effects[index] = self._effect(baseline, trial, factor, level, None)
            if trial:
                by_key[index] = trial
            self.publish(self._table(fidelity, baseline, effects, [], baseline, None, None))
        seed_sd = self._seed_sd(baseline, self._wait(twin) if twin else None)
        effects = [
            self._effect(baseline, by_key.get(i), e.factor, e.level, seed_sd) for i, e in enumerate(effects)
        ]
        combos, best, agreement = self._combine(fidelity, baseline, effects, by_key)
        table = self._table(fidelity, baseline, effects, combos, best, agreement, seed_sd)
        self.publish(table)
        return table

    def _baseline(self, fidelity: Fidelity) -> Trial:
        trial = self._wait(self._trial(self.base, fidelity))
        if trial is None:
            raise RuntimeError(
                f"the baseline of {self.candidate.key} was not done within {self.seconds:.0f} s"
            )
        if trial.score is None:
            why = trial.failure.message if trial.failure else ""
            raise RuntimeError(f"the baseline of {self.candidate.key} failed: {why}")
        return trial

    def _fidelity(self) -> Fidelity:
        """Choose the largest size at which all trials fit the time, from the cost of one small fit."""
        n = len(self.trials.scorer.truth)
        small = min(1.0, SMALL_ROWS / n) if n > 2 * SMALL_ROWS else 1.0
        last = (self.trials.scorer.protocol.folds - 1,)  # by time: most training rows
        first = self._baseline(Fidelity(small, last))
        chosen = self._known.get("fidelity") or self._affordable(first, small)
        self._course["fidelity"] = chosen
        return Fidelity(chosen[0], tuple(chosen[1]))

    def _affordable(self, first: Trial, small: float) -> list[Any]:
        """Return the share of the rows and the folds."""
        protocol = self.trials.scorer.protocol
        levels = sum(len(levels) - 1 for levels in self.factors.values())
        planned = 1.6 * (levels + 4)  # levels cost more than the baseline on average; combinations follow
        folds = list(range(protocol.folds))
        for fraction in FRACTIONS:
            cost = first.cost * (fraction / small) ** 1.1
            for count in sorted({protocol.folds, 2, 1}, reverse=True):
                if fraction == 1 and count == 1 and protocol.folds > 2:
                    continue  # two folds of fewer rows are better
                wall = planned * max(cost * count / self.slots, 0.02)
                if wall <= 0.8 * self.left and cost <= self.trial_seconds:
                    return [fraction, folds[-count:]]
        return [FRACTIONS[-1], folds[-1:]]

    def _trial(self, config: dict[str, Any], fidelity: Fidelity, seed: int | None = None) -> _Running:
        seed = self.seed if seed is None else seed
        what = json.dumps([config, fidelity.fraction, fidelity.folds, seed], sort_keys=True)
        key = hashlib.sha256(what.encode()).hexdigest()[:12]
        known = self._known.get("tried", {})
        seconds = known.get(key) or round(max(5.0, min(self.trial_seconds * 5, self.left)), 1)
        if key in known and known[key] is None:  # it did not finish in the replayed run, so do not start it
            future = Future[Trial]()
            future.cancel()
        else:
            spec = Spec(self.candidate, config, fidelity.folds, 1, fidelity.fraction, seed, seconds)
            future = self._threads.submit(self.trials.run, spec, self._stop)
        return _Running(key, seconds, key in known, future)

    def _wait(self, running: _Running) -> Trial | None:
        """Wait for the trial. Returns None if it did not finish within the ablation's time."""
        future = running.future
        while not future.done():
            if (self.left <= 0 and not running.surely) or self.cancelled.is_set():
                self._stop.set()
                future.cancel()
            threading.Event().wait(0.01)
        trial = None if future.cancelled() else future.result()
        stopped = trial is not None and trial.failure is not None and trial.failure.kind == "cancelled"
        done = trial is not None and not stopped
        self._course["tried"][running.key] = running.seconds if done else None
        return trial if done else None

    def _untried(self, factor: str, level: Any, note: str) -> Effect:
        return Effect(factor, level, self.base[factor], None, None, "not tried", False, None, None, note)

    def _effect(
        self, baseline: Trial, trial: Trial | None, factor: str, level: Any, seed_sd: float | None
    ) -> Effect:
        if trial is None:
            return self._untried(factor, level, "no time left in this ablation")
        if trial.oof is None or baseline.oof is None:
            why = trial.failure.message if trial.failure else ""
            return Effect(
                factor, level, self.base[factor], None, None, "failed", False, None, trial.id, why[:200]
            )
        found = self.scorer.difference(baseline.oof, trial.oof)
        if seed_sd:
            found = replace(found, se=math.hypot(found.se, seed_sd))
        return Effect(
            factor,
            level,
            self.base[factor],
            found.gain,
            found.se,
            found.verdict,
            self.confirmed(found.gain, found.se),
            trial.cost / max(baseline.cost, 1e-9),
            trial.id,
        )

    def confirmed(self, gain: float, se: float) -> bool:
        """Whether an effect is larger than the largest expected of m null effects."""
        return abs(gain) > se * math.sqrt(2 * math.log(self.comparisons + 1))

    def _seed_sd(self, baseline: Trial, twin: Trial | None) -> float | None:
        """Estimate the SD that the seed alone causes in a difference of two trials, from one pair."""
        if twin is None or twin.oof is None or baseline.oof is None:
            return None
        return abs(self._value(twin) - self._value(baseline))

    def _value(self, trial: Trial) -> float:
        """Return a trial's score by the ablation's scorer; the worst possible if it has none."""
        if trial.oof is None:
            return -self.scorer.sign * math.inf
        return self.scorer.score(trial.oof, with_se=False).value

    def _combine(
        self, fidelity: Fidelity, baseline: Trial, effects: Sequence[Effect], singles: dict[int, Trial]
    ) -> tuple[list[results.Combination], Trial, float | None]:
        """Try all winners together and without one of them; run the best again at larger sizes."""
        winners: dict[str, Effect] = {}
        for effect in effects:
            if effect.verdict == "better" and effect.gain is not None:
                known = winners.get(effect.factor)
                if known is None or effect.gain > (known.gain or 0):
                    winners[effect.factor] = effect
        ranked = sorted(winners.values(), key=lambda e: -(e.gain or 0))
        changes = [{e.factor: e.level for e in ranked}] if len(ranked) > 1 else []
        if len(ranked) > 2:
            changes += [{e.factor: e.level for e in ranked if e is not omitted} for omitted in ranked[-3:]]
            changes.append({e.factor: e.level for e in ranked[:2]})
        unique = list({config_key(change): change for change in changes}.values())
        running = [(change, self._trial({**self.base, **change}, fidelity)) for change in unique]
        pool = [baseline, *(trial for trial in singles.values() if trial.score)]
        combos: list[results.Combination] = []
        for change, each in running:
            trial = self._wait(each)
            if trial is not None and trial.oof is not None and baseline.oof is not None:
                pool.append(trial)
                gain = self.scorer.difference(baseline.oof, trial.oof)
                combos.append(
                    {"change": change, "gain": gain.gain, "se": gain.se, "trial": trial.id, "rung": 0}
                )
        self.comparisons += len(combos)
        self._small = {config_key(trial.spec.config): trial for trial in pool}
        return self._halve(fidelity, baseline, pool, combos)

    def _halve(
        self, fidelity: Fidelity, baseline: Trial, pool: list[Trial], combos: list[results.Combination]
    ) -> tuple[list[results.Combination], Trial, float | None]:
        """Successive halving over the share of rows. Returns combinations, the best trial and rank agreement.

        The agreement tells how well the small size predicted the ranking at the next size."""
        agreement = None
        ranked = sorted(pool, key=lambda t: -self.scorer.sign * self._value(t))
        rung = 0
        while fidelity.fraction < 1 and len(ranked) > 1:
            rung += 1
            larger = Fidelity(min(1.0, fidelity.fraction * 3), fidelity.folds)
            survivors = ranked[: max(2, math.ceil(len(ranked) / 3))][:6]
            growth = (larger.fraction / fidelity.fraction) ** 1.1
            if not self._goes_on(rung, sum(t.cost for t in survivors) * growth / self.slots):
                break
            running = [self._trial(t.spec.config, larger) for t in survivors]
            done = [self._wait(each) for each in running]
            pairs = [
                (old, new) for old, new in zip(survivors, done, strict=True) if new is not None and new.score
            ]
            if len(pairs) < 2:
                break
            if agreement is None and len(pairs) > 2:
                agreement = _spearman([self._value(o) for o, _ in pairs], [self._value(n) for _, n in pairs])
            ranked = sorted((new for _, new in pairs), key=lambda t: -self.scorer.sign * self._value(t))
            combos += [
                {
                    "change": _change(self.base, t.spec.config),
                    "gain": None,
                    "se": None,
                    "trial": t.id,
                    "rung": rung,
                }
                for t in ranked
            ]
            fidelity = larger
        return combos, ranked[0], agreement

    def _goes_on(self, rung: int, seconds: float) -> bool:
        """Whether there is time for the next size."""
        most = self._known.get("rungs")
        on: bool = 0 < self.left >= seconds if most is None else rung <= most
        if on:
            self._course["rungs"] = rung
        return on

    def _table(
        self,
        fidelity: Fidelity,
        baseline: Trial,
        effects: Sequence[Effect],
        combos: Sequence[results.Combination],
        best: Trial,
        agreement: float | None,
        seed_sd: float | None,
    ) -> Ablation:
        small = self._small.get(config_key(best.spec.config), baseline)  # at the size of the effects
        found = self.scorer.difference(baseline.oof, small.oof) if baseline.oof and small.oof else None
        spread: dict[str, float] = {}
        for factor in self.factors:
            gains = [e.gain for e in effects if e.factor == factor and e.gain is not None]
            if gains:
                spread[factor] = max(0.0, *gains) - min(0.0, *gains)
        total = sum(spread.values()) or 1.0
        return Ablation(
            id=self.id,
            candidate=self.candidate.key,
            baseline=baseline.id,
            fidelity=str(fidelity),
            fraction=fidelity.fraction,
            folds=len(fidelity.folds),
            effects=tuple(effects),
            combinations=tuple(combos),
            importance={k: v / total for k, v in sorted(spread.items(), key=lambda kv: -kv[1])},
            best=best.spec.config,
            best_trial=best.id,
            best_gain=found.gain if found else 0.0,
            best_se=found.se if found else 0.0,
            rank_agreement=agreement,
            seed_sd=seed_sd,
            comparisons=self.comparisons,
            seconds=time.monotonic() - self.begun,
        )


def scorer_of(trials: Trials, candidate: Candidate) -> Scorer:
    """The scorer of effects: smooth for label metrics, unless the candidate has its own decode."""
    return trials.scorer if "decode" in candidate.functions else trials.scorer.smooth


def _change(base: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in config.items() if base.get(k) != v}


def _spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    value = np.corrcoef(np.stack(ranks).astype(float))[0, 1]
    return float(value) if np.isfinite(value) else None
