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
from cobra_jupyter.workbench.scoring.scorer import Difference, OutOfFold, Scorer
from cobra_jupyter.workbench.search import confirmation
from cobra_jupyter.workbench.search.candidates import Candidate
from cobra_jupyter.workbench.search.confirmation import SeedNoise
from cobra_jupyter.workbench.search.fidelity import Fidelity, affordable
from cobra_jupyter.workbench.search.trials import Spec, Trial, Trials, config_key
from cobra_jupyter.workbench.timed_decisions import Deciding

LEAST_JUDGED = 50  # held-out rows
SMALL_ROWS = 2_000  # rows of the first fit, which measures a candidate's cost
TWINS = (1000, 2000)  # seeds of the baseline's twins, added to its own
REPEATED = 3  # effects, the largest, that are measured again with the first twin's seed


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
    freedom: float | None = None  # degrees of freedom of `se`

    def record(self) -> results.Effect:
        return as_record(results.Effect, self)

    def still_confirmed(self, comparisons: int) -> bool:
        """Whether it is confirmed after so many comparisons of the run."""
        if self.gain is None or self.se is None:
            return False
        return confirmation.confirmed(self.gain, self.se, self.freedom, comparisons)


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
        compared: int = 0,
    ) -> None:
        """`slots`: assumed number of parallel trials; `deciding` records decisions that depend on time;
        `compared`: comparisons that the run made before."""
        self.trials, self.candidate, self.factors, self.seed = trials, candidate, factors, seed
        self.base = candidate.config(base)
        self.begun, self.seconds, self.trial_seconds = time.monotonic(), seconds, trial_seconds
        self.cancelled, self.publish, self.id = cancelled, publish, id
        self._stop = threading.Event()  # set at the end of the time
        self._small: dict[str, Trial] = {}  # by config: trials of the size that measures effects
        self.comparisons, self._compared = 0, compared
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
        seeds = TWINS if self._course["twin"] else ()
        twins = [self._trial(self.base, fidelity, self.seed + seed) for seed in seeds]
        running = {
            (f, config_key({f: level})): self._trial({**self.base, f: level}, fidelity)
            for f, level in singles
        }
        effects: list[Effect] = [self._untried(f, level, "running") for f, level in singles]
        by_key: dict[int, Trial] = {}
        for index, (factor, level) in enumerate(singles):
            trial = self._wait(running[factor, config_key({factor: level})])
            effects[index] = self._effect(baseline, trial, factor, level)
            if trial:
                by_key[index] = trial
            self.publish(self._table(fidelity, baseline, effects, [], baseline, None, None))
        effects, seed_sd = self._judged(fidelity, baseline, twins, effects, by_key)
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
        chosen = self._known.get("fidelity") or self._affordable(first, small, n)
        self._course["fidelity"] = chosen
        return Fidelity(chosen[0], tuple(chosen[1]))

    def _affordable(self, first: Trial, small: float, n: int) -> list[Any]:
        """Return the share of the rows and the folds."""
        levels = sum(len(levels) - 1 for levels in self.factors.values())
        return affordable(
            first,
            small,
            count=self.trials.scorer.protocol.folds,
            trials=1.6 * (levels + 1 + len(TWINS) + REPEATED + 2),  # levels cost more than the baseline
            slots=self.slots,
            left=self.left,
            longest=self.trial_seconds,
            keyed=self.trials.views.keys is not None,
            rows=n,
        )

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

    def _judged(
        self,
        fidelity: Fidelity,
        baseline: Trial,
        twins: Sequence[_Running],
        effects: Sequence[Effect],
        trials: dict[int, Trial],
    ) -> tuple[list[Effect], float | None]:
        """Judge the effects by the noise of seeds: of the baseline's twins, and of the largest effects, which
        are measured with another seed too. Returns them and the SD that seeds cause in a difference."""
        others = [trial for trial in (self._wait(each) for each in twins) if trial and trial.oof]
        noise = SeedNoise().with_twins([self._value(trial) for trial in (baseline, *others)])
        largest = sorted(trials, key=lambda i: -(effects[i].gain or -math.inf))[:REPEATED]
        again: dict[int, Trial] = {}
        if others and others[0].spec.seed == self.seed + TWINS[0]:
            started = {i: self._trial(trials[i].spec.config, fidelity, others[0].spec.seed) for i in largest}
            for i, running in started.items():
                trial = self._wait(running)
                if trial and trial.oof and trials[i].oof:
                    again[i] = trial
                    noise = noise.with_twins([self._value(trials[i]), self._value(trial)])
        return [
            self._effect(
                baseline,
                trials.get(i),
                effect.factor,
                effect.level,
                noise,
                (others[0], again[i]) if i in again else None,
            )
            for i, effect in enumerate(effects)
        ], noise.of_difference

    def _effect(
        self,
        baseline: Trial,
        trial: Trial | None,
        factor: str,
        level: Any,
        noise: SeedNoise = SeedNoise(),  # noqa: B008 (frozen)
        again: tuple[Trial, Trial] | None = None,
    ) -> Effect:
        """The effect of a level; `again`: baseline and level with another seed, which count as much."""
        if trial is None:
            return self._untried(factor, level, "no time left in this ablation")
        if trial.oof is None or baseline.oof is None:
            why = trial.failure.message if trial.failure else ""
            return Effect(
                factor, level, self.base[factor], None, None, "failed", False, None, trial.id, why[:200]
            )
        found, pairs = self._difference(baseline, trial), 1
        if again:
            second, pairs = self._difference(*again), 2
            gain, se = (found.gain + second.gain) / 2, (found.se + second.se) / 2
            found = replace(found, gain=gain, se=se)  # the same rows, so the SE does not shrink
        sure = confirmation.uncertainty(found.se, noise, pairs)
        found = replace(found, se=sure.se)
        return Effect(
            factor,
            level,
            self.base[factor],
            found.gain,
            found.se,
            found.verdict,
            bool(noise.freedom)
            and confirmation.confirmed(found.gain, found.se, sure.freedom, self._compared + self.comparisons),
            trial.cost / max(baseline.cost, 1e-9),
            trial.id,
            freedom=sure.freedom,
        )

    def _difference(self, a: Trial, b: Trial) -> Difference:
        return self.scorer.difference(self._judgeable(a), self._judgeable(b))

    def _judgeable(self, trial: Trial) -> OutOfFold:
        """Out-of-fold predictions without the rows whose key the trial's sample lacks, if any remain."""
        assert trial.oof
        spec, views = trial.spec, self.trials.views
        if spec.fraction >= 1 or views.keys is None:
            return trial.oof
        known = np.concatenate([views.known((0, fold), spec.fraction, spec.seed) for fold in spec.folds])
        if len(known) < LEAST_JUDGED:
            return trial.oof
        fold = np.full_like(trial.oof.fold[0], -1)
        fold[known] = trial.oof.fold[0][known]
        return replace(trial.oof, fold=(fold,))

    def _value(self, trial: Trial) -> float:
        """Return a trial's score by the ablation's scorer; the worst possible if it has none."""
        if trial.oof is None:
            return -self.scorer.sign * math.inf
        return self.scorer.score(self._judgeable(trial), with_se=False).value

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
                gain = self._difference(baseline, trial)
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
        found = self._difference(baseline, small) if baseline.oof and small.oof else None
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
