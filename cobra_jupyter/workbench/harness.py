"""The harness: it alone holds labels, runs trials and keeps results. Its public methods are what `cobra`
calls.

Every method takes the call it serves (progress, cancellation) and JSON values; it returns {"kind", "data"},
which is shown in the cell and written to the run's record. What a cell displays afterwards counts for
nothing."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cobra_jupyter import competition as competitions
from cobra_jupyter.workbench import audit, blending, metrics, protocol, scaling, submission
from cobra_jupyter.workbench.ablation import Ablate, Ablation, Fidelity
from cobra_jupyter.workbench.blending import Blend
from cobra_jupyter.workbench.candidates import Candidates
from cobra_jupyter.workbench.custom import CustomMetric
from cobra_jupyter.workbench.jobs import Jobs
from cobra_jupyter.workbench.judge import Judge
from cobra_jupyter.workbench.metrics import Metric, MetricUndefined
from cobra_jupyter.workbench.pool import Pool
from cobra_jupyter.workbench.protocol import Folds, Protocol
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.scaling import TooExpensive
from cobra_jupyter.workbench.selection import Selection, rank
from cobra_jupyter.workbench.shared import Artefacts
from cobra_jupyter.workbench.studies import Studies
from cobra_jupyter.workbench.trials import Spec, Trial, Trials, decode_settings
from cobra_jupyter.workbench.views import Views
from cobra_jupyter.workbench.worker import Work

Result = dict[str, Any]
Emit = Callable[[str, dict[str, Any]], None]
UNLIMITED = 7 * 86_400.0
PROOF_OVERHEAD = 12.0  # seconds: a fresh kernel, imports, reading the tables, on a busy machine
ENFORCED = (
    "Labels are held by the harness process. A fit gets its training side's labels only, and `ctx.data` "
    "without those of held-out rows; a Python audit hook refuses to open other views, other fits' folders "
    "and label files. Not enforced without isolation: code that reads files through native libraries or "
    "child processes, that leaves labels in a file elsewhere for the fit of another fold, or that a cell fed "
    "with labels read in the kernel, as kernel and workers run as the same user."
)


class NotReady(ValueError):  # noqa: N818
    """A step was asked for before the step it needs; the message names it."""


@dataclass(frozen=True)
class Settings:
    """How a harness runs. `folder` is the run's; `competition` may be given later by `open`."""

    folder: Path
    competition: str | None
    options: dict[str, str]
    seed: int
    slots: int
    memory_bytes: int
    started: float  # epoch seconds
    budget: float | None  # seconds; None = no limit


class Harness:
    """One competition, one run."""

    judge: Judge  # these five belong to the protocol that is frozen
    views: Views
    artefacts: Artefacts
    studies: Studies
    trials: Trials

    def __init__(self, settings: Settings, emit: Emit, ask: Callable[[str, dict[str, Any]], Any]) -> None:
        self.settings, self._emit, self._ask = settings, emit, ask
        self.pool = Pool(settings.slots, settings.memory_bytes, self._data_view)
        self.candidates = Candidates(settings.folder / "code")
        self.jobs = Jobs(emit)
        self.ablations: list[Ablation] = []
        self.blends: dict[str, Blend] = {}
        self.selection: Selection | None = None
        self.submitted: dict[str, Any] | None = None
        self._numbers = {kind: itertools.count(1) for kind in "tabs"}
        self._competition: competitions.Competition | None = None
        self._data: competitions.Data | None = None
        self._custom: CustomMetric | None = None
        self._protocol: Protocol | None = None
        self._all_views: list[Views] = []
        self._solution: dict[str, Any] | None = None
        self._protocols = 0
        threading.Thread(target=self.pool.warm, name="warm", daemon=True).start()

    # ---- what the clock says

    @property
    def seconds_left(self) -> float:
        budget = self.settings.budget
        return UNLIMITED if budget is None else self.settings.started + budget - time.time()

    def reserve(self, cost: float | None = None) -> float:
        """Seconds to keep for predicting, decoding, refitting and proving what would be submitted, whose
        members cost `cost` worker seconds: 1.3 × measured, and at least 3 % of the budget."""
        if cost is None:
            cost = self.submitted["cost"] if self.submitted else 0.0
        share = 0.03 * (self.settings.budget or 0.0)
        return max(share, 1.3 * (cost / self.settings.slots + PROOF_OVERHEAD))

    def _budget(self) -> float:
        return self.settings.budget or UNLIMITED

    def status(self, call: Call) -> Result:
        """Time, resources, what runs."""
        return _result("status", {
            "seconds_left": round(self.seconds_left, 1), "reserve": round(self.reserve(), 1),
            "budget": self.settings.budget,
            "jobs": [job.record() for job in self.jobs.all()], "slots": self.settings.slots,
            "memory_mb": self.settings.memory_bytes // 2**20, "protocol": self._protocols,
        })  # fmt: skip

    # ---- competition and protocol

    def open(self, call: Call, folder: str | None = None, options: Mapping[str, str] | None = None) -> Result:
        """Read the competition folder."""
        where = self.settings.competition or folder
        if not where:
            raise NotReady("name the competition's folder: cobra.open('path/to/competition')")
        if self._competition is not None:
            opened = self._competition.folder
            if folder and not opened.is_relative_to(Path(folder).resolve()):
                raise NotReady(f"{opened} is open here; for another competition restart the kernel")
            if not options:
                return _result("card", self._card(self._competition))
        self._competition = competitions.read(where, {**self.settings.options, **dict(options or {})})
        self._data = competitions.load(self._competition)
        self._protocol = None  # what was frozen was frozen for what was known before
        return self._publish("card", self._card(self._competition))

    def _card(self, competition: competitions.Competition) -> dict[str, Any]:
        return {**competitions.card(competition), "enforced": ENFORCED}

    def protocol(
        self, call: Call, split: str | None = None, folds: int | None = None, repeats: int | None = None,
        groups: str | None = None, time: str | None = None, metric: str | None = None,
        vault: bool | None = None,
    ) -> Result:  # fmt: skip
        """Freeze split, folds and metric; test the metric before it is trusted."""
        competition, data = self._opened()
        if metric and not (self._custom and self._custom.name == metric):
            known = metrics.get(metric)
            competition = replace(competition, metric=known.name, direction=known.direction)
            self._custom = None
        if self._custom:
            competition = replace(
                competition, metric=self._custom.name, direction=self._custom.metric.direction
            )
        if competition.metric is None or competition.direction is None:
            raise NotReady(
                " ".join(competition.questions) or "no metric: give one with metric=… or a %%metric cell"
            )
        if competition.task not in ("binary", "multiclass", "multilabel", "regression"):
            raise NotReady(
                " ".join(competition.questions)
                or f"task {competition.task} cannot be judged here yet: set task=… or kind=…"
            )
        truth = protocol.truth_of(competition, data.train)
        frozen, made = protocol.freeze(
            competition, data.train, data.test, number=self._protocols + 1, seed=self.settings.seed,
            split=split or competition.split, folds=folds, repeats=repeats,
            groups=groups or competition.groups, time=time or competition.time, vault=vault,
        )  # fmt: skip
        judged_by = self._custom.metric if self._custom else metrics.get(competition.metric)
        sanity = metrics.sanity(judged_by, truth, competition.task, competition.classes, self.settings.seed)
        if not sanity["holds"]:
            raise NotReady(
                f"the metric {judged_by.name} failed its sanity check: {sanity['reason']}. "
                "Set another with metric=… or a %%metric cell."
            )
        self._protocols += 1
        self._start_protocol(competition, data, truth, frozen, made, judged_by)
        return self._publish("protocol", {**frozen.record(), "sanity": sanity, "wants": judged_by.wants})

    def _start_protocol(
        self, competition: competitions.Competition, data: competitions.Data, truth: Any,
        frozen: Protocol, made: Folds, metric: Metric,
    ) -> None:  # fmt: skip
        if self._protocol:
            self.studies.close()
        self._protocol, self._competition = frozen, competition
        evaluate = self._custom.evaluate if self._custom else None
        self.judge = Judge(frozen, made, truth, metric, competition.classes, evaluate)
        folder = self.settings.folder
        self.views = Views(
            folder / "views" / f"p{frozen.number}", competition, data.train, data.test, truth, frozen, made
        )
        self._all_views.append(self.views)
        artefacts = Artefacts(folder / "shared", self.pool, self.views, self._context, self._forbidden())
        if self._protocols > 1:
            artefacts.take(self.artefacts)
        self.artefacts = artefacts
        self.studies = Studies(folder / "studies.db", frozen.direction, lambda: self.pool.busy)
        self.trials = Trials(
            folder / "trials", self.pool, self.views, self.judge, self._context, self._forbidden(),
            lambda: f"t{next(self._numbers['t']):03d}", self.artefacts.paths, self._on_trial,
        )  # fmt: skip
        self.ablations, self.blends, self.selection = [], {}, None

    def _on_trial(self, trial: Trial) -> None:
        if trial.full:
            self.selection = None  # made without this one
        self._emit("trial", trial.record())
        self.studies.add(trial)

    def _forbidden(self) -> tuple[str, ...]:
        competition, _ = self._opened()
        labels = [str(competition.folder / source) for source in competition.label_sources]
        folder = competition.folder
        private = [str(place / "private") for place in (folder, folder.parent, folder.parent.parent)]
        own = [str(self.settings.folder / name) for name in ("views", "trials")]  # models remember labels
        return (*own, *labels, *private)

    def _context(self) -> dict[str, Any]:
        competition, _ = self._opened()
        return {
            "targets": list(competition.targets), "id": competition.id, "task": competition.task,
            "classes": list(competition.classes), "columns": dict(competition.columns),
            "metric": competition.metric, "direction": competition.direction, "n_jobs": 1, "device": "cpu",
        }  # fmt: skip

    def _data_view(self, work: Work) -> Path:
        """The data folder a worker asked for: that of its fold, made now if need be."""
        wanted = Path(work.allowed[0])
        (views,) = (views for views in self._all_views if views.folder == wanted.parent)
        return views.data_at(wanted)

    # ---- cells: candidates, shared artefacts, metrics

    def candidate(self, call: Call, name: str, source: str) -> Result:
        """Save a candidate cell as its next version."""
        candidate, new = self.candidates.add(name, source)
        record = {**candidate.record(), "new": new, "path": f"code/{candidate.key}.py"}
        return self._publish("candidate", record) if new else _result("candidate", record)

    def shared(self, call: Call, name: str, source: str) -> Result:
        """Make a label-free artefact for all train and test rows."""
        self._judged()
        record = self.artefacts.make(name, source, self._limit(None), call.cancelled)
        return self._publish("shared", record)

    def metric(self, call: Call, name: str, source: str) -> Result:
        """Take an agent- or person-written metric; it is used by the next `protocol`."""
        folder = self.settings.folder
        scores = folder / "views" / "scores"  # where candidates cannot look
        self._custom = CustomMetric(name, source, folder / "code", scores, self.pool, self._forbidden())
        path = f"code/{self._custom.path.name}"
        return self._publish("metric", {"name": name, **self._custom.facts, "path": path})

    # ---- trials

    def trial(
        self, call: Call, candidate: str, config: Mapping[str, Any] | None = None,
        folds: int | list[int] | None = None,
        fraction: float = 1.0, seed: int = 0, repeats: int = 1, timeout: float | None = None,
        background: bool = False,
    ) -> Result:  # fmt: skip
        """Run one trial."""
        spec = self._spec(candidate, config, folds, fraction, seed, repeats, timeout)
        what = f"trial of {spec.candidate.key}"
        return self._maybe_background(call, background, what, lambda stop: self._run_trial(call, spec, stop))

    def _maybe_background(
        self, call: Call, background: bool, what: str, work: Callable[[threading.Event], Result]
    ) -> Result:
        if background:
            return _result("job", self.jobs.start(what, work).record())
        return work(call.cancelled)

    def _run_trial(self, call: Call, spec: Spec, cancelled: threading.Event) -> Result:
        def on_fit(fit: Any, done: int, total: int) -> None:
            call.progress(done=done, total=total, what=spec.candidate.key, failed=fit.status == "failed")

        return _result("trial", self.trials.run(spec, cancelled, on_fit).record())

    def _spec(
        self, candidate: str, config: Mapping[str, Any] | None, folds: int | list[int] | None,
        fraction: float, seed: int, repeats: int, timeout: float | None,
    ) -> Spec:  # fmt: skip
        frozen = self._judged()
        chosen = self._folds(folds)
        _check_fraction(fraction)
        if not 1 <= repeats <= frozen.repeats:
            raise ValueError(f"the protocol has {frozen.repeats} repeats, {repeats} were asked for")
        found = self.candidates.get(candidate)
        return Spec(
            found, found.config(config), chosen, repeats, float(fraction), int(seed), self._limit(timeout)
        )

    def _folds(self, folds: int | list[int] | None) -> tuple[int, ...]:
        count = self._judged().folds
        if folds is None:
            return tuple(range(count))
        chosen = tuple(sorted({folds} if isinstance(folds, int) else set(folds)))
        if not chosen or not all(0 <= fold < count for fold in chosen):
            raise ValueError(f"folds are numbered 0 … {count - 1}, not {folds}")
        return chosen

    def _limit(self, timeout: float | None) -> float:
        left = self.seconds_left - self.reserve()
        if left <= 1:
            raise TooExpensive(
                f"{self.seconds_left:.0f} s are left and {self.reserve():.0f} s are kept for the submission "
                "and its proof: nothing more can start"
            )
        return round(min(timeout or left, left), 1)

    # ---- ablation

    def ablate(
        self, call: Call, candidate: str, factors: Mapping[str, list[Any]] | list[str] | None = None,
        config: Mapping[str, Any] | None = None, seconds: float | None = None,
        fraction: float | None = None, folds: list[int] | None = None, seed: int = 0,
    ) -> Result:  # fmt: skip
        """Test factors one at a time on small data, then combinations of the winners."""
        self._judged()
        found = self.candidates.get(candidate)
        chosen = _factors(found.factors, factors)
        left = self.seconds_left - self.reserve()
        seconds = min(seconds or 0.2 * self._budget(), max(left, 0.0))
        if seconds < 1:
            raise TooExpensive(f"no time is left for an ablation ({left:.0f} s)")
        id = f"a{next(self._numbers['a']):02d}"
        ablate = Ablate(
            self.trials, found, dict(config or {}), chosen, seed, seconds, max(1.0, min(180.0, seconds / 3)),
            call.cancelled, lambda table: call.progress(ablation=table.record()), id,
        )  # fmt: skip
        fidelity = None
        if fraction is not None or folds is not None:
            fidelity = Fidelity(_check_fraction(1.0 if fraction is None else fraction), self._folds(folds))
        table = ablate.run(fidelity)
        self.ablations.append(table)
        return self._publish("ablation", {**table.record(), "notes": found.notes, **self._judgement()})

    def effects(self, call: Call) -> Result:
        """All effects measured so far, strongest first."""
        self._judged()
        rows = [
            {**vars(effect), "candidate": table.candidate, "fidelity": table.fidelity, "ablation": table.id}
            for table in self.ablations for effect in table.effects
        ]  # fmt: skip
        rows.sort(key=lambda row: -(row["gain"] if row["gain"] is not None else -np.inf))
        best = [{"candidate": t.candidate, "config": t.best, "trial": t.best_trial} for t in self.ablations]
        return _result("effects", {"effects": rows, "best": best, **self._judgement()})

    def _judgement(self) -> dict[str, Any]:
        frozen = self._judged()
        return {"metric": frozen.metric, "direction": frozen.direction, "protocol": frozen.number}

    # ---- full size

    def probe(
        self, call: Call, candidate: str, config: Mapping[str, Any] | None = None, repeats: int | None = None
    ) -> Result:
        """Measure small fits and predict the full trial's time and memory."""
        return self._publish("probe", self._probe(call, candidate, config, repeats).record())

    def _probe(
        self, call: Call, candidate: str, config: Mapping[str, Any] | None, repeats: int | None
    ) -> scaling.Probe:
        frozen = self._judged()
        spec = self._spec(candidate, config, None, 1.0, 0, 1, None)
        known = [
            t
            for t in self.trials.finished()
            if t.spec.candidate == spec.candidate and t.spec.config == spec.config and t.score
        ]
        sizes = {t.spec.fraction for t in known}
        last = frozen.folds - 1  # of a time split the one that learns from most rows
        n = len(self.judge.folds.training(0, last))
        wanted = (
            [] if 1.0 in sizes else [f for f in (min(1.0, 1_000 / n), min(1.0, 4_000 / n)) if f not in sizes]
        )
        for fraction in sorted(set(wanted)) if len(sizes) < 2 else ():
            trial = self.trials.run(replace(spec, folds=(last,), fraction=fraction), call.cancelled)
            if trial.score is None:
                raise TooExpensive(
                    f"{spec.candidate.key} failed on {fraction:.0%} of the rows: "
                    f"{trial.failure and trial.failure.message}"
                )
            known.append(trial)
        folds = frozen.folds * (repeats or frozen.repeats)
        return scaling.predict(known, n, folds, self.settings.slots, self.settings.memory_bytes / 2**20)

    def scale(
        self, call: Call, candidate: str, config: Mapping[str, Any] | None = None, seed: int = 0,
        repeats: int | None = None, background: bool = False,
    ) -> Result:  # fmt: skip
        """Run the full-size trial if its predicted cost fits what is left."""
        frozen = self._judged()
        repeats = repeats or frozen.repeats
        probe = self._probe(call, candidate, config, repeats)
        if not probe.fits_memory:
            raise TooExpensive(
                f"one fit of {probe.candidate} would need about {probe.rss_mb:.0f} MiB; "
                f"{probe.memory_mb:.0f} MiB are allowed"
            )
        left = self.seconds_left - self.reserve()
        one = probe.trial_seconds / repeats
        repeats = max(1, min(repeats, int(0.35 * left / max(one, 1e-6))))
        probe = replace(probe, trial_seconds=one * repeats)
        if 1.2 * probe.trial_seconds > left:
            raise TooExpensive(
                f"{probe.candidate} at full size would take about {probe.trial_seconds:.0f} s "
                f"and {max(left, 0):.0f} s are left before the reserve"
            )
        spec = self._spec(candidate, config, None, 1.0, seed, repeats, max(30.0, 4 * probe.trial_seconds))
        what = f"full-size {spec.candidate.key}"
        return self._maybe_background(call, background, what, lambda stop: self._run_trial(call, spec, stop))

    # ---- blend, selection, submission

    def blend(self, call: Call, trials: list[str] | None = None, seconds: float | None = None) -> Result:
        """Weights for the full-size trials, judged by nested folds."""
        begun = time.monotonic()
        pool = self._full_trials(trials)
        limit = seconds * self.settings.slots if seconds else self._proof_limit()
        members, nested, in_sample = blending.find(self.judge, pool, limit)
        score = self.judge.score(nested)
        best = min(pool, key=lambda t: -self.judge.sign * t.score.value if t.score else np.inf)
        over = self.judge.difference(best.oof, nested) if best.oof else None
        blend = Blend(
            id=f"b{next(self._numbers['b']):02d}", members=tuple((t.id, w) for t, w in members), score=score,
            in_sample=in_sample, over_best=over, best_single=best.id, cost=sum(t.cost for t, _ in members),
            seconds=time.monotonic() - begun, considered=len(pool), protocol=self._judged().number,
            oof=nested,
            trials=tuple(t for t, _ in members),
        )  # fmt: skip
        self.blends[blend.id], self.selection = blend, None
        return self._publish("blend", {**blend.record(), **self._judgement()})

    def _proof_limit(self) -> float:
        """Worker seconds the members of a blend may cost, so that refitting them all still fits the
        budget."""
        left = self.seconds_left - 0.03 * self._budget() - PROOF_OVERHEAD
        return max(0.0, 0.6 * left / 1.3) * self.settings.slots

    def _full_trials(self, ids: list[str] | None) -> list[Trial]:
        self._judged()
        full = [t for t in self.trials.finished() if t.full and t.oof is not None]
        if ids is not None:
            missing = set(ids) - {t.id for t in full}
            if missing:
                raise ValueError(
                    f"{', '.join(sorted(missing))}: not a finished full-size trial; "
                    f"full-size are: {', '.join(t.id for t in full) or 'none'}"
                )
            full = [t for t in full if t.id in ids]
        if not full:
            raise NotReady(
                "no full-size trial has finished: run cobra.trial(name) or cobra.scale(name) first"
            )
        return full

    def select(self, call: Call) -> Result:
        """Choose what to submit, by cross-validation alone."""
        selection = rank(self.judge, self._full_trials(None), list(self.blends.values()))
        selection = self._vault_veto(call, selection)
        self.selection = selection
        return self._publish("selection", {**selection.record(), **self._judgement()})

    def _vault_veto(self, call: Call, selection: Selection) -> Selection:
        """Where there is a vault: the chosen one against the runner-up on rows no fold has seen. It may only
        veto."""
        rows = self.judge.folds.vault
        if not len(rows) or selection.runner_up is None:
            return selection
        predictions = [
            self._prediction(id, self.views.vault(), "vault", call.cancelled)
            for id in (selection.chosen, selection.runner_up)
        ]
        try:
            values, samples = self.judge.score_rows(rows, predictions)
        except MetricUndefined as error:
            return replace(selection, vault=f"the vault tells nothing: {error}")
        loss = self.judge.sign * (values[1] - values[0])
        se = metrics.standard_error(samples[1] - samples[0], *self.judge.drawn(rows))
        vetoed = loss > 3 * se
        note = (
            f"vault of {len(rows)} rows: chosen {values[0]:.5f}, runner-up {values[1]:.5f}, "
            f"difference {-loss:+.5f} ± {se:.5f}"
        )
        if vetoed:
            note += ": worse by more than 3 SE, vetoed; audit the split"
            return replace(
                selection, chosen=selection.runner_up, runner_up=selection.chosen, vault=note, vetoed=True
            )
        return replace(selection, vault=note)

    def _members(self, id: str) -> tuple[list[tuple[Trial, float]], Any]:
        if blend := self.blends.get(id):
            return [(t, w) for t, (_, w) in zip(blend.trials, blend.members, strict=True)], blend.score
        (trial,) = self._full_trials([id])
        return [(trial, 1.0)], trial.score

    def _bag(
        self, members: list[tuple[Trial, float]], rows: Path, name: str, cancelled: threading.Event
    ) -> Any:
        return np.sum([w * self.trials.predict(t, rows, name, cancelled) for t, w in members], axis=0)

    def _prediction(self, what: str, rows: Path, name: str, cancelled: threading.Event) -> Any:
        """What a trial or blend says of other rows, in the form that the metric wants."""
        members, score = self._members(what)
        raw = self._bag(members, rows, name, cancelled)
        if self._decodes_itself(what):
            return self._own_decode(members[0][0], score, raw, rows, name)
        return metrics.decode(raw, self.judge.metric.wants, self._judged().task, score.params)

    def submit(self, call: Call, what: str | None = None) -> Result:
        """Predict the test rows with the selected (or named) trial or blend, decode, check, write."""
        competition, data = self._opened()
        self._judged()
        if what is None:
            if self.selection is None:
                self.select(call)
            assert self.selection
            what = self.selection.chosen
        members, score = self._members(what)
        begun = time.monotonic()
        raw = self._bag(members, self.views.test(), "test", call.cancelled)
        decoded = None
        if self._decodes_itself(what):
            decoded = self._own_decode(members[0][0], score, raw, self.views.test(), "test")
        made = submission.table(competition, data.sample, raw, self.judge.metric, score.params, decoded)
        submission.check(made, data.sample, competition.outputs)
        written = submission.write(made, self.settings.folder / "submission.csv")
        cost = sum(trial.cost for trial, _ in members)
        record = {
            "what": what, "score": score.value, "se": score.se, "rows": written.rows,
            "sha256": written.sha256,
            "path": "submission.csv", "cost": round(cost, 3), "seconds": round(time.monotonic() - begun, 3),
            "members": [{"trial": t.id, "label": t.label, "weight": w} for t, w in members],
            **self._judgement(),
        }  # fmt: skip
        self.submitted, self._solution = record, self._described(record)
        return self._publish("submission", record)

    def _decodes_itself(self, what: str) -> bool:
        """A trial may have a decode of its own; blends decode as usual."""
        return what not in self.blends and "decode" in self._members(what)[0][0][0].spec.candidate.functions

    def _own_decode(self, trial: Trial, score: Any, raw: Any, rows: Path, name: str) -> Any:
        """A candidate's own decode with the parameters its out-of-fold rows chose."""
        path = self.trials.folder / trial.fits[0].digest / f"{name}_raw.npy"
        np.save(path, raw)
        parts = self.trials.decode(trial.spec, (0, trial.spec.folds[0]), path, rows, f"decode-{name}")
        return parts[decode_settings(trial.spec.candidate).index(score.params)]

    def solution(self, call: Call) -> Result:
        """All that `solution.ipynb` needs of what was submitted last, under whichever protocol that was."""
        if self._solution is None:
            raise NotReady("nothing was submitted")
        return _result("solution", self._solution)

    def _described(self, submitted: dict[str, Any]) -> dict[str, Any]:
        competition, _ = self._opened()
        members, score = self._members(submitted["what"])
        described = []
        for trial, weight in members:
            candidate = trial.spec.candidate
            described.append({
                "trial": trial.id, "name": candidate.key, "source": self.candidates.source(candidate),
                "config": trial.spec.config,
                "weight": weight, "folds": list(trial.spec.folds), "repeats": trial.spec.repeats,
                "seed": trial.spec.seed,
                "cost": trial.cost, "seconds_given": max(f.seconds_given for f in trial.fits),
                "label": trial.label,
                "functions": list(candidate.functions),
                "shared": self.artefacts.sources(self.trials.shared_of(trial.spec)),
                "models": [
                    {"repeat": f.repeat, "fold": f.fold, "path": f"trials/{f.digest}/model.pkl"}
                    for f in trial.fits
                ],
            })  # fmt: skip
        return {
            "what": submitted["what"], "load": competitions.load_code(competition),
            "protocol_code": self._judged().code,
            "folder": str(competition.folder), "id": competition.id, "sha256": submitted["sha256"],
            "context": self._context(), "members": described, "layout": competition.layout,
            "outputs": list(competition.outputs), "class_places": submission.class_places(competition),
            "wants": self.judge.metric.wants, "params": score.params,
            "own_decode": self._decodes_itself(submitted["what"]),
            "slots": self.settings.slots, "time_ordered": self.views.time_ordered,
            "time": self._judged().time, **self._judgement(),
        }  # fmt: skip

    # ---- audit, jobs, the agent

    def audit(self, call: Call) -> Result:
        """Checks of data and protocol that need no model."""
        competition, data = self._opened()
        truth = protocol.truth_of(competition, data.train)
        folds = self.judge.folds if self._protocol else None
        found = audit.findings(competition, data.train, data.test, truth, self._protocol, folds)
        return self._publish("audit", {"findings": [finding.record() for finding in found]})

    def jobs_(self, call: Call) -> Result:
        return _result("jobs", {"jobs": [job.record() for job in self.jobs.all()]})

    def wait(self, call: Call, ids: list[str] | None = None, seconds: float | None = None) -> Result:
        """Wait for background jobs."""
        limit = self.seconds_left - self.reserve() if seconds is None else seconds
        done = self.jobs.wait(ids, max(0.0, limit), call.cancelled)
        return _result("jobs", {"jobs": [job.record() for job in done]})

    def finish(self, call: Call, why: str = "") -> Result:
        """The agent's last word: tell the runner that the work is done."""
        return _result("finish", {"why": why, "answer": self._ask("finish", {"why": why})})

    def close(self) -> None:
        self.jobs.cancel_all()
        self.pool.close()
        if self._protocol:
            self.studies.close()

    # ---- what must have come before

    def _opened(self) -> tuple[competitions.Competition, competitions.Data]:
        if self._competition is None or self._data is None:
            raise NotReady("no competition is open: call cobra.open() first")
        return self._competition, self._data

    def _judged(self) -> Protocol:
        if self._protocol is None:
            raise NotReady("no protocol is frozen: call cobra.protocol() first")
        return self._protocol

    def _publish(self, kind: str, data: dict[str, Any]) -> Result:
        self._emit(kind, data)
        return _result(kind, data)


PUBLIC = (
    "open", "protocol", "candidate", "shared", "metric", "trial", "ablate", "effects", "probe", "scale",
    "blend",
    "select", "submit", "solution", "audit", "wait", "finish", "status",
)  # fmt: skip


def _result(kind: str, data: dict[str, Any]) -> Result:
    return {"kind": kind, "data": data}


def _check_fraction(fraction: float) -> float:
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is a share of the training rows, above 0 and at most 1, not {fraction}")
    return fraction


def _factors(
    known: dict[str, list[Any]], wish: Mapping[str, list[Any]] | list[str] | None
) -> dict[str, list[Any]]:
    """The factors to test: all, some by name, or some with levels of their own."""
    if wish is None:
        chosen = dict(known)
    elif isinstance(wish, Mapping):
        chosen = {factor: list(levels) for factor, levels in wish.items()}
    else:
        chosen = {factor: known.get(factor, []) for factor in wish}
    strange = [factor for factor in chosen if factor not in known]
    if strange:
        raise ValueError(
            f"{', '.join(strange)}: not a factor of this candidate; "
            f"its factors are {', '.join(known) or 'none'}"
        )
    return chosen
