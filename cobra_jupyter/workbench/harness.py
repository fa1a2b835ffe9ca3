"""The harness: it alone holds labels, runs trials and keeps results. Its public methods are what `cobra`
calls.

Every method takes the call it serves (progress, cancellation) and JSON values; it returns {"kind", "data"},
which is shown in the cell and written to the run's record. What a cell displays afterwards counts for
nothing."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cobra_jupyter import competition as competitions
from cobra_jupyter.workbench import audit, metrics, protocol, scaling, submission
from cobra_jupyter.workbench.ablation import Ablate, Ablation, Fidelity
from cobra_jupyter.workbench.candidates import Candidates
from cobra_jupyter.workbench.custom import CustomMetric
from cobra_jupyter.workbench.decisions import Decisions
from cobra_jupyter.workbench.errors import NotReady
from cobra_jupyter.workbench.finalists import Finalists
from cobra_jupyter.workbench.hashing import sha256
from cobra_jupyter.workbench.ideas import Ideas
from cobra_jupyter.workbench.jobs import Job, Jobs
from cobra_jupyter.workbench.judge import Judge
from cobra_jupyter.workbench.metrics import Metric
from cobra_jupyter.workbench.pool import Pool
from cobra_jupyter.workbench.protocol import Folds, Protocol
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.scaling import TooExpensive
from cobra_jupyter.workbench.shared import Artefacts
from cobra_jupyter.workbench.studies import Studies
from cobra_jupyter.workbench.trials import Spec, Trial, Trials
from cobra_jupyter.workbench.views import Views
from cobra_jupyter.workbench.worker import Work

Result = dict[str, Any]
Emit = Callable[[str, dict[str, Any]], None]
UNLIMITED = 7 * 86_400.0
BESIDE = 4  # cores from which a scout's trials leave room for the lead's
PROOF_OVERHEAD = 12.0  # seconds: a fresh kernel, imports, reading the tables, on a busy machine
ENFORCED = (
    "Labels are held by the harness process. A fit gets its training side's labels only, and `ctx.data` "
    "without those of held-out rows; a Python audit hook refuses to open other views, other fits' folders "
    "and label files. Not enforced without isolation: code that reads files through native libraries or "
    "child processes, that leaves labels in a file elsewhere for the fit of another fold, or that a cell fed "
    "with labels read in the kernel, as kernel and workers run as the same user."
)


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
    recorded: Path | None = None  # the ledger of a run to replay: what hung on the clock is taken from it


class Harness:
    """One competition, one run."""

    judge: Judge  # these seven belong to the protocol that is frozen
    views: Views
    artefacts: Artefacts
    studies: Studies
    trials: Trials
    finalists: Finalists
    ideas: Ideas

    def __init__(self, settings: Settings, emit: Emit, ask: Callable[[str, dict[str, Any]], Any]) -> None:
        self.settings, self._emit, self._ask = settings, emit, ask
        self.decisions = Decisions(lambda kind, data: self._emit(kind, data), settings.recorded)
        self._use_machine({"slots": settings.slots, "memory_mb": settings.memory_bytes / 2**20})
        self.pool = Pool(settings.slots, settings.memory_bytes, self._data_view, self.decisions.patience)
        self.candidates = Candidates(settings.folder / "code")
        self.jobs = Jobs(emit)
        self.ablations: list[Ablation] = []
        self.submitted: dict[str, Any] | None = None
        recorded = self.decisions.recorded
        self._next = {"t": 1 + (recorded.trials if recorded else 0), "a": 1, "b": 1}
        self._lock = threading.Lock()
        self._competition: competitions.Competition | None = None
        self._data: competitions.Data | None = None
        self._custom: CustomMetric | None = None
        self._protocol: Protocol | None = None
        self._all_views: list[Views] = []
        self._solution: dict[str, Any] | None = None
        self._protocols = 0
        self._options: dict[str, str] = {}
        self.table_hashes: dict[str, str] = {}  # SHA-256 of the files that tables were read from
        self.under: dict[int, tuple[Trials, Finalists]] = {}  # by protocol
        self.leaking: list[str] = []  # columns, by the latest audit
        threading.Thread(target=self.pool.warm, name="warm", daemon=True).start()

    # ---- what the clock says

    @property
    def seconds_left(self) -> float:
        budget = self.settings.budget
        return UNLIMITED if budget is None else self.settings.started + budget - time.time()

    def _left(self, call: Call) -> float:
        """Seconds for new work: what is left before the reserve."""
        left = self.decisions.of(call).take("left", lambda: round(self.seconds_left - self.reserve(), 3))
        return float(left)

    def _use_machine(self, found: Mapping[str, Any]) -> None:
        """Whose cores and memory the predictions of cost reckon with: this machine's, or that of the replayed run."""
        recorded = self.decisions.recorded
        machine = {**found, **(recorded.machine if recorded else {})}
        self.slots, self.memory_mb = int(machine["slots"]), float(machine["memory_mb"])

    def _finished(self, call: Call, counts: Callable[[Trial], bool] = lambda trial: True) -> list[Trial]:
        """The finished trials that count, as they stood at this moment. In a replay those that stood then are waited
        for, as long as anything runs."""
        known = self.decisions.of(call).take(
            "finished", lambda: [trial.id for trial in self.trials.finished() if counts(trial)]
        )
        if self.decisions.recorded:
            self.trials.await_all(known, call.cancelled)
        return [trial for trial in self.trials.finished() if trial.id in set(known)]

    def reserve(self, cost: float | None = None) -> float:
        """Seconds to keep for predicting, decoding, refitting and proving what would be submitted, whose
        members cost `cost` worker seconds: 1.3 × measured, and at least 3 % of the budget."""
        if cost is None:
            cost = self.submitted["cost"] if self.submitted else 0.0
        share = 0.03 * (self.settings.budget or 0.0)
        return max(share, 1.3 * (cost / self.slots + PROOF_OVERHEAD))

    def _budget(self) -> float:
        return self.settings.budget or UNLIMITED

    def status(self, call: Call) -> Result:
        """Time, resources, what runs."""
        return _result("status", {
            "seconds_left": round(self.seconds_left, 1), "reserve": round(self.reserve(), 1),
            "budget": self.settings.budget,
            "jobs": self._job_records(call, self.jobs.all()), "slots": self.settings.slots,
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
        self._options = {**self.settings.options, **dict(options or {})}
        self._competition = competitions.read(where, self._options)
        self.table_hashes = _table_hashes(self._competition)
        self._data = competitions.load(self._competition)
        self._protocol = None  # what was frozen was frozen for what was known before
        return self._publish("card", self._card(self._competition))

    def _card(self, competition: competitions.Competition) -> dict[str, Any]:
        return {
            **competitions.card(competition),
            "enforced": ENFORCED,
            "settings": self._options,
            "sha256": self.table_hashes,
        }

    def protocol(
        self, call: Call, split: str | None = None, folds: int | None = None, repeats: int | None = None,
        groups: str | None = None, time: str | None = None, metric: str | None = None,
        vault: bool | None = None, leave_out: list[str] | None = None,
    ) -> Result:  # fmt: skip
        """Freeze split, folds and metric; test the metric before it is trusted. Columns that the audit found leaking
        are left out unless `leave_out` says otherwise."""
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
            leave_out=self.leaking if leave_out is None else leave_out,
        )  # fmt: skip
        judged_by = self._custom.metric if self._custom else metrics.get(competition.metric)
        sanity = metrics.sanity(judged_by, truth, competition.task, competition.classes, self.settings.seed)
        if not sanity["holds"]:
            raise NotReady(
                f"the metric {judged_by.name} failed its sanity check: {sanity['reason']}. "
                "Set another with metric=… or a %%metric cell."
            )
        self._protocols += 1
        machine = {"slots": self.slots, "memory_mb": self.memory_mb}
        self.decisions.of(call).note("machine", machine)
        self._start_protocol(competition, data, truth, frozen, made, judged_by)
        asked = {"split": split, "folds": folds, "repeats": repeats, "groups": groups, "time": time,
                 "metric": metric, "vault": vault, "leave_out": list(frozen.leave_out)}  # fmt: skip
        facts = {"sanity": sanity, "wants": judged_by.wants, "asked": asked}
        return self._publish("protocol", {**frozen.record(), **facts})

    def _start_protocol(
        self, competition: competitions.Competition, data: competitions.Data, truth: Any,
        frozen: Protocol, made: Folds, metric: Metric,
    ) -> None:  # fmt: skip
        if self._protocol:
            self.studies.close()
        self._protocol, self._competition = frozen, competition
        evaluate = self._custom.evaluate if self._custom else None
        self.judge = Judge(frozen, made, truth, metric, competition.classes, evaluate)
        folder, unused = self.settings.folder, list(frozen.leave_out)
        train, test = data.train.drop(columns=unused), data.test.drop(columns=unused, errors="ignore")
        self.views = Views(
            folder / "views" / f"p{frozen.number}", competition, train, test, truth, frozen, made
        )
        self._all_views.append(self.views)
        artefacts = Artefacts(folder / "shared", self.pool, self.views, self._context, self._forbidden())
        if self._protocols > 1:
            artefacts.take(self.artefacts)
        self.artefacts = artefacts
        self.studies = Studies(folder / "studies.db", frozen.direction, lambda: self.pool.busy)
        self.trials = Trials(
            folder / "trials", self.pool, self.views, self.judge, self._context, self._forbidden(),
            self._trial_id, self.artefacts.paths, self._on_trial,
            lambda record: self._emit("fit", record), self.decisions,
        )  # fmt: skip
        self.finalists = Finalists(folder, competition, data, self.judge, self.views, self.trials)
        self.ideas = Ideas(self.judge, lambda kind, data: self._emit(kind, data))
        self.under[frozen.number] = (self.trials, self.finalists)
        self.ablations = []

    def _trial_id(self, key: str) -> str:
        return self._number("t", self.decisions.trial(key))

    def _id(self, kind: str, call: Call) -> str:
        """The number of an ablation ("a") or blend ("b"): whose call came first may hang on the clock."""
        known: str | None = self.decisions.of(call).known("id")
        id = self._number(kind, known)
        self.decisions.of(call).note("id", id)
        return id

    def _number(self, kind: str, known: str | None) -> str:
        with self._lock:
            number = int(known[1:]) if known else self._next[kind]
            self._next[kind] = max(self._next[kind], number + 1)
        return f"{kind}{number:0{3 if kind == 't' else 2}d}"

    def _on_trial(self, trial: Trial) -> None:
        if trial.full:
            self.finalists.selection = None  # made without this one
        self._emit("trial", trial.record())
        self.studies.add(trial)
        if trial.full and trial.protocol == self._protocols:
            self.ideas.trial(trial)

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
            "classes": list(competition.classes), "columns": self._columns(competition),
            "tables": competition.csv_options(),
            "metric": competition.metric, "direction": competition.direction, "n_jobs": 1, "device": "cpu",
        }  # fmt: skip

    def _columns(self, competition: competitions.Competition) -> dict[str, str]:
        unused = self._protocol.leave_out if self._protocol else ()
        return {name: kind for name, kind in competition.columns.items() if name not in unused}

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
        record = self.artefacts.make(name, source, self._limit(call, None), call.cancelled)
        return self._publish("shared", record)

    def metric(self, call: Call, name: str, source: str) -> Result:
        """Take an agent- or person-written metric; it is used by the next `protocol`."""
        folder = self.settings.folder
        scores = folder / "views" / "scores"  # where candidates cannot look
        self._custom = CustomMetric(name, source, folder / "code", scores, self.pool, self._forbidden())
        path = f"code/{self._custom.path.name}"
        digest = sha256(self._custom.path)
        return self._publish("metric", {"name": name, **self._custom.facts, "path": path, "digest": digest})

    # ---- trials

    def trial(
        self, call: Call, candidate: str, config: Mapping[str, Any] | None = None,
        folds: int | list[int] | None = None,
        fraction: float = 1.0, seed: int = 0, repeats: int = 1, timeout: float | None = None,
        background: bool = False,
    ) -> Result:  # fmt: skip
        """Run one trial."""
        spec = self._spec(call, candidate, config, folds, fraction, seed, repeats, timeout)
        if background:
            return self._background(f"trial of {spec.candidate.key}", call, spec)
        return self._run_trial(call, spec, call.cancelled)

    def _background(self, what: str, call: Call, spec: Spec) -> Result:
        """Start a job. All that it hangs on is settled now, so that it can be started again as it was."""
        spec, trials = replace(self.trials.settled(spec), background=True), self.trials
        asked = {
            "candidate": spec.candidate.key, "config": spec.config, "folds": list(spec.folds),
            "fraction": spec.fraction, "seed": spec.seed, "repeats": spec.repeats, "timeout": spec.timeout,
        }  # fmt: skip
        id = self.decisions.of(call).take("id", lambda: self.jobs.next_id)
        job = self.jobs.start(
            id, what, {"call": "trial", "args": asked}, lambda stop: self._run_trial(call, spec, stop, trials)
        )
        return _result("job", job.record())

    def _run_trial(
        self, call: Call, spec: Spec, cancelled: threading.Event, trials: Trials | None = None
    ) -> Result:
        def on_fit(fit: Any, done: int, total: int) -> None:
            call.progress(done=done, total=total, what=spec.candidate.key, failed=fit.status == "failed")

        return _result("trial", (trials or self.trials).run(spec, cancelled, on_fit).record())

    def _spec(
        self, call: Call, candidate: str, config: Mapping[str, Any] | None, folds: int | list[int] | None,
        fraction: float, seed: int, repeats: int, timeout: float | None,
    ) -> Spec:  # fmt: skip
        frozen = self._judged()
        chosen = self._folds(folds)
        _check_fraction(fraction)
        if not 1 <= repeats <= frozen.repeats:
            raise ValueError(f"the protocol has {frozen.repeats} repeats, {repeats} were asked for")
        found = self.candidates.get(candidate)
        return Spec(
            found,
            found.config(config),
            chosen,
            repeats,
            float(fraction),
            int(seed),
            self._limit(call, timeout),
        )

    def _folds(self, folds: int | list[int] | None) -> tuple[int, ...]:
        count = self._judged().folds
        if folds is None:
            return tuple(range(count))
        chosen = tuple(sorted({folds} if isinstance(folds, int) else set(folds)))
        if not chosen or not all(0 <= fold < count for fold in chosen):
            raise ValueError(f"folds are numbered 0 … {count - 1}, not {folds}")
        return chosen

    def _limit(self, call: Call, timeout: float | None) -> float:
        left = self._left(call)
        if left <= 1:
            raise TooExpensive(
                f"{left + self.reserve():.0f} s are left and {self.reserve():.0f} s are kept for the submission "
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
        left = self._left(call)
        seconds = min(seconds or 0.2 * self._budget(), max(left, 0.0))
        if seconds < 1:
            raise TooExpensive(f"no time is left for an ablation ({left:.0f} s)")
        id = self._id("a", call)
        ablate = Ablate(
            self.trials, found, dict(config or {}), chosen, seed, seconds, max(1.0, min(180.0, seconds / 3)),
            call.cancelled, lambda table: call.progress(ablation=table.record()), id,
            self.slots, self.decisions.of(call),
        )  # fmt: skip
        fidelity = None
        if fraction is not None or folds is not None:
            fidelity = Fidelity(_check_fraction(1.0 if fraction is None else fraction), self._folds(folds))
        table = ablate.run(fidelity)
        self.ablations.append(table)
        self.ideas.ablation(table)
        return self._publish(
            "ablation", {**table.record(), "notes": found.notes, **self._judgement(ablate.judge)}
        )

    def effects(self, call: Call) -> Result:
        """All effects measured so far, strongest first."""
        self._judged()
        rows = [
            {**vars(effect), "candidate": table.candidate, "fidelity": table.fidelity, "ablation": table.id}
            for table in self.ablations for effect in table.effects
        ]  # fmt: skip
        rows.sort(key=lambda row: -(row["gain"] if row["gain"] is not None else -np.inf))
        best = [{"candidate": t.candidate, "config": t.best, "trial": t.best_trial} for t in self.ablations]
        return _result("effects", {"effects": rows, "best": best, **self._judgement(self.judge.smooth)})

    def _judgement(self, stand_in: Judge | None = None) -> dict[str, Any]:
        """Metric, direction, protocol; where effects are measured in a metric that stands for it, that one."""
        number, judge = self._judged().number, stand_in or self.judge
        facts = {"metric": judge.metric.name, "direction": judge.metric.direction, "protocol": number}
        return facts if judge is self.judge else {**facts, "stands_for": self.judge.metric.name}

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
        spec = self._spec(call, candidate, config, None, 1.0, 0, 1, None)

        def of_this(trial: Trial) -> bool:
            same = trial.spec.candidate == spec.candidate and trial.spec.config == spec.config
            return same and trial.score is not None

        known = self._finished(call, of_this)
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
        return scaling.predict(known, n, folds, self.slots, self.memory_mb)

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
        left = self._left(call)
        one = probe.trial_seconds / repeats
        repeats = max(1, min(repeats, int(0.35 * left / max(one, 1e-6))))
        probe = replace(probe, trial_seconds=one * repeats)
        if 1.2 * probe.trial_seconds > left:
            raise TooExpensive(
                f"{probe.candidate} at full size would take about {probe.trial_seconds:.0f} s "
                f"and {max(left, 0):.0f} s are left before the reserve"
            )
        spec = self._spec(
            call, candidate, config, None, 1.0, seed, repeats, max(30.0, 4 * probe.trial_seconds)
        )
        if background:
            return self._background(f"full-size {spec.candidate.key}", call, spec)
        return self._run_trial(call, spec, call.cancelled)

    # ---- blend, selection, submission

    def blend(self, call: Call, trials: list[str] | None = None, seconds: float | None = None) -> Result:
        """Weights for the full-size trials, judged by nested folds."""
        self._judged()
        limit = seconds * self.slots if seconds else self._proof_limit(call)
        pool = self.finalists.trials(trials, self._finished(call, _full))
        blend = self.finalists.blend(self._id("b", call), pool, limit)
        self.ideas.blend(blend)
        return self._publish("blend", {**blend.record(), **self._judgement()})

    def _proof_limit(self, call: Call) -> float:
        """Worker seconds the members of a blend may cost, so that refitting them all still fits the
        budget."""
        seconds = self.decisions.of(call).take("seconds left", lambda: round(self.seconds_left, 3))
        left = float(seconds) - 0.03 * self._budget() - PROOF_OVERHEAD
        return max(0.0, 0.6 * left / 1.3) * self.slots

    def select(self, call: Call) -> Result:
        """Choose what to submit, by cross-validation alone."""
        self._judged()
        pool = self.finalists.trials(None, self._finished(call, _full))
        selection = self.finalists.select(pool, call.cancelled)
        return self._publish("selection", {**selection.record(), **self._judgement()})

    def submit(self, call: Call, what: str | None = None) -> Result:
        """Predict the test rows with the selected (or named) trial or blend, decode, check, write."""
        self._judged()
        if what is None:
            if self.decisions.of(call).take("choose", lambda: self.finalists.selection is None):
                self.select(call)
            assert self.finalists.selected
            what = self.finalists.selected.chosen
        record = {**self.finalists.submit(what, call.cancelled), **self._judgement()}
        self.submitted, self._solution = record, self._described(record)
        return self._publish("submission", record)

    def solution(self, call: Call) -> Result:
        """All that `solution.ipynb` needs of what was submitted last, under whichever protocol that was."""
        if self._solution is None:
            raise NotReady("nothing was submitted")
        return _result("solution", self._solution)

    def _described(self, submitted: Mapping[str, Any]) -> dict[str, Any]:
        competition, _ = self._opened()
        members, score = self.finalists.members(submitted["what"])
        return {
            "what": submitted["what"], "load": competitions.load_code(competition),
            "protocol_code": self._judged().code,
            "folder": str(competition.folder), "id": competition.id, "sha256": submitted["sha256"],
            "context": self._context(), "members": [self._member(trial, weight) for trial, weight in members],
            "layout": competition.layout,
            "outputs": list(competition.outputs), "class_places": submission.class_places(competition),
            "wants": self.judge.metric.wants, "params": score.params,
            "own_decode": self.finalists.decodes_itself(submitted["what"]),
            "slots": self.settings.slots, "time_ordered": self.views.time_ordered,
            "time": self._judged().time, **self._judgement(),
        }  # fmt: skip

    def _member(self, trial: Trial, weight: float) -> dict[str, Any]:
        candidate, spec = trial.spec.candidate, trial.spec
        return {
            "trial": trial.id, "name": candidate.key, "source": self.candidates.source(candidate),
            "config": spec.config, "weight": weight, "folds": list(spec.folds), "repeats": spec.repeats,
            "seed": spec.seed, "cost": trial.cost, "seconds_given": max(f.seconds_given for f in trial.fits),
            "label": trial.label, "functions": list(candidate.functions),
            "shared": self.artefacts.sources(self.trials.shared_of(spec)),
            "models": [
                {"repeat": f.repeat, "fold": f.fold, "path": f"trials/{Path(f.folder).name}/model.pkl"}
                for f in trial.fits
            ],
        }  # fmt: skip

    # ---- audit, jobs, the agent

    def audit(
        self, call: Call, candidate: str | None = None, config: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> Result:  # fmt: skip
        """Checks of data, protocol and trials; of a candidate, whether labels reach it that must not."""
        competition, data = self._opened()
        train, test = data.train, data.test
        deciding = self.decisions.of(call)
        clock = audit.Clock(seconds or audit.SECONDS, deciding.known("audit"))
        if candidate is not None:
            spec = self._spec(call, candidate, config, None, 1.0, 0, 1, None)
            found = audit.permutation_probe(
                self.trials, train, test, competition, spec, self._all_views, call.cancelled
            )
        elif self._protocol is None:
            found = audit.findings(competition, train, test, None, None, clock=clock)
        else:
            found = audit.findings(
                competition, train, test, self._protocol, self.judge.folds, metric=self.judge.metric,
                clock=clock,
            )  # fmt: skip
            found += audit.of_trials(self.judge, self._finished(call), self.ablations)
            found += self._vault_finding(call.cancelled)
        if clock.said:
            deciding.note("audit", clock.said)
        known = self._protocol.leave_out if self._protocol else ()
        leaking = list(dict.fromkeys([*known, *audit.leaking_columns(found)]))
        if candidate is None:
            self.leaking = leaking
        facts = {"probed": candidate, "leaking": leaking}
        return self._publish("audit", {"findings": [each.record() for each in audit.ordered(found)], **facts})

    def _vault_finding(self, cancelled: threading.Event) -> list[Any]:
        """Only of what a selection has asked the vault about already."""
        chosen = self.finalists.selection
        if chosen is None or not chosen.vault or not len(self.judge.folds.vault):
            return []
        _, score = self.finalists.members(chosen.chosen)
        prediction = self.finalists.on_vault(chosen.chosen, cancelled)
        return list(audit.vault(self.judge, chosen.chosen, score, prediction))

    def jobs_(self, call: Call) -> Result:
        return _result("jobs", {"jobs": self._job_records(call, self.jobs.all())})

    def _job_records(self, call: Call, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """The jobs as they stood at this moment; in a replay, as they stood then."""
        if not jobs:
            return []
        ended: list[str] = self.decisions.of(call).take(
            "ended", lambda: [job.id for job in jobs if job.state != "running"]
        )
        if self.decisions.recorded:
            self.jobs.wait([job.id for job in jobs if job.id in ended], UNLIMITED, call.cancelled)
        return [job.record(running=job.id not in ended) for job in jobs]

    def wait(self, call: Call, ids: list[str] | None = None, seconds: float | None = None) -> Result:
        """Wait for background jobs."""
        limit = self.seconds_left - self.reserve() if seconds is None else seconds
        if self.decisions.of(call).known("ended") is None:
            self.jobs.wait(ids, max(0.0, limit), call.cancelled)
        return _result("jobs", {"jobs": self._job_records(call, self.jobs.named(ids))})

    # ---- what concerns the agent whose cell calls: the runner answers

    def delegate(
        self, call: Call, role: str, brief: str, background: bool | None = None, agent: str = "lead"
    ) -> Result:
        """Hand a task to another agent; a scout works beside the one that asks where there are cores for both."""
        asked = {"role": role, "brief": brief, "agent": agent}
        if background is None:
            background = role == "scout" and self.slots >= BESIDE
        return self.delegate_in_background(call, asked) if background else self._delegated(asked)

    def delegate_in_background(self, call: Call, asked: dict[str, Any]) -> Result:
        id = self.decisions.of(call).take("id", lambda: self.jobs.next_id)
        job = self.jobs.start(
            id, f"{asked['role']}: {asked['brief'][:60]}", {"call": "delegate", "args": asked},
            lambda stop: self._delegated(asked),
        )  # fmt: skip
        return _result("job", job.record())

    def _delegated(self, asked: dict[str, Any]) -> Result:
        return _result("brief", self._ask("delegate", asked))

    def recall(self, call: Call, id: str, agent: str = "lead") -> Result:
        """Read an earlier record."""
        return _result("recall", self._ask("recall", {"id": id, "agent": agent}))

    def finish(self, call: Call, why: str = "", agent: str = "lead") -> Result:
        """The agent's last word: tell the runner that the work is done."""
        return _result("finish", {"why": why, "answer": self._ask("finish", {"why": why, "agent": agent})})

    # ---- a run that goes on

    @contextlib.contextmanager
    def silently(self) -> Iterator[None]:
        """Within, nothing is written to the record: it is there already."""
        emit, self._emit = self._emit, lambda kind, data: None
        try:
            yield
        finally:
            self._emit = emit

    def number_from(self, kind: str, number: int) -> None:
        """The number of the next trial ("t"), ablation ("a") or blend ("b")."""
        self._next[kind] = max(self._next[kind], number)

    def restore_submission(self, record: dict[str, Any]) -> None:
        self.submitted, self._solution = record, self._described(record)

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
    "select", "submit", "solution", "audit", "wait", "status",
)  # fmt: skip


def _full(trial: Trial) -> bool:
    return trial.full and trial.oof is not None


def _result(kind: str, data: dict[str, Any]) -> Result:
    return {"kind": kind, "data": data}


def _table_hashes(competition: competitions.Competition) -> dict[str, str]:
    tables = (competition.train, competition.test, competition.sample, competition.labels)
    paths = sorted({table.path for table in tables if table is not None})
    return {path: sha256(competition.folder / path) for path in paths}


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
