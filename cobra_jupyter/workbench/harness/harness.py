"""The harness: it alone holds labels, runs trials and keeps results. `cobra` calls its public methods.

Every method takes the call it serves (for progress and cancellation) and JSON values. It returns {"kind",
"data"}; the cell shows it and the runner writes it to the run's record. Nothing that a cell displays is
trusted."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, cast

from cobra_jupyter import competition as competitions
from cobra_jupyter.workbench import audit, results
from cobra_jupyter.workbench.ensemble.placeholder import Placeholder
from cobra_jupyter.workbench.ensemble.submission import SubmissionError
from cobra_jupyter.workbench.ensemble.suspicion import Suspicion
from cobra_jupyter.workbench.ensemble.training import Training
from cobra_jupyter.workbench.errors import NotReady, TooExpensive
from cobra_jupyter.workbench.harness import forecast
from cobra_jupyter.workbench.harness.given import Given, Sent
from cobra_jupyter.workbench.harness.jobs import Job, Jobs
from cobra_jupyter.workbench.harness.numbering import Numbers
from cobra_jupyter.workbench.harness.protocol_inputs import ProtocolInputs, judged_by_cell, prepare
from cobra_jupyter.workbench.harness.resources import UNLIMITED, Resources
from cobra_jupyter.workbench.harness.room import RoomMaker
from cobra_jupyter.workbench.harness.scope import Emit, ProtocolScope, RunServices, check_fraction, forbidden
from cobra_jupyter.workbench.hashing import sha256
from cobra_jupyter.workbench.kind import Kind
from cobra_jupyter.workbench.protocol import own_folds
from cobra_jupyter.workbench.protocol.views import Views
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.scoring import predictions
from cobra_jupyter.workbench.scoring.custom import CustomMetric
from cobra_jupyter.workbench.scoring.scorer import OutOfFold
from cobra_jupyter.workbench.search import scaling
from cobra_jupyter.workbench.search.ablation import Ablate
from cobra_jupyter.workbench.search.candidates import Candidates
from cobra_jupyter.workbench.search.fidelity import Fidelity
from cobra_jupyter.workbench.search.studies import Studies
from cobra_jupyter.workbench.search.trials import Spec
from cobra_jupyter.workbench.timed_decisions import TimedDecisions
from cobra_jupyter.workbench.workers.pool import MakePool
from cobra_jupyter.workbench.workers.processes import ProcessPool
from cobra_jupyter.workbench.workers.worker import Work

T = TypeVar("T", bound=Mapping[str, Any])
BESIDE = 4  # with so many cores a scout works beside the lead
ENFORCED = (
    "Labels are held by the harness process. A fit gets its training side's labels only, and `ctx.data` "
    "without those of held-out rows; a Python audit hook refuses to open other views, other fits' folders "
    "and label files. Not enforced without isolation: code that reads files through native libraries or "
    "child processes, that leaves labels in a file elsewhere for the fit of another fold, or that a cell fed "
    "with labels read in the kernel, as kernel and workers run as the same user."
)


class Result(TypedDict, Generic[T]):
    """The result of a call."""

    kind: str
    data: T


@dataclass(frozen=True)
class Settings:
    """Settings of a harness. `folder` is the run's folder; `open` may set the competition later."""

    folder: Path
    competition: str | None
    options: dict[str, str]
    seed: int
    slots: int
    memory_bytes: int
    started: float  # epoch seconds
    budget: float | None  # seconds; None = no limit
    gpus: int = 0  # visible to workers
    recorded: Path | None = None  # the ledger of a run to replay, with its timed decisions


class Harness:
    """The harness of one run, which is about one competition."""

    def __init__(
        self,
        settings: Settings,
        emit: Emit,
        ask: Callable[[str, dict[str, Any]], Any],
        make_pool: MakePool = ProcessPool,
    ) -> None:
        self.settings, self._emit, self._ask = settings, emit, ask
        self.decisions = TimedDecisions(self._tell, settings.recorded)
        machine = {"slots": settings.slots, "memory_mb": settings.memory_bytes / 2**20}
        self.resources = Resources(settings.started, settings.budget, machine, self.decisions)
        self.pool = make_pool(settings.slots, settings.memory_bytes, self._data_view, self.decisions.patience)
        self.candidates = Candidates(settings.folder / "code")
        self.studies = Studies(settings.folder / "studies.db", lambda: self.pool.busy)
        self.jobs, self.numbers = Jobs(emit), Numbers(self.decisions)
        self.table_hashes: dict[str, str] = {}  # SHA-256 of the files that tables were read from
        self.scopes: dict[int, ProtocolScope] = {}  # all protocols by number
        self.room = RoomMaker(settings.folder, self.scopes, self.decisions, self._tell)
        self.given = Given(settings.folder)
        self._reading = 0.0  # seconds that the tables took
        self._submitted: results.Submission | None = None
        self.leaking: list[str] = []  # columns that the latest audit found leaking
        self.findings: list[results.Finding] = []  # of the latest audit
        self._in_force: ProtocolScope | None = None
        self._competition: competitions.Competition | None = None
        self._data: competitions.Data | None = None
        self._custom: CustomMetric | None = None
        self._all_views: list[Views] = []
        self._solution: results.Solution | None = None
        self.placeholder = Placeholder(settings.folder, self._tell)
        self._options: dict[str, str] = {}
        threading.Thread(target=self.pool.warm, name="warm", daemon=True).start()

    def _tell(self, kind: str, data: Mapping[str, Any]) -> None:
        self._emit(kind, data)

    @property
    def scope(self) -> ProtocolScope:
        """The current protocol. A call reads it once, when it begins. Raises NotReady if there is none."""
        if self._in_force is None:
            raise NotReady("no protocol is frozen: call cobra.protocol() first")
        return self._in_force

    def status(self, call: Call) -> Result[results.Status]:
        """Time, resources, what runs, what a submission would cost."""
        return _result(
            results.STATUS,
            results.Status(
                submit=forecast.of_the_best(self._in_force, self.resources, self._reading),
                seconds_left=round(self.resources.seconds_left, 1),
                reserve=round(self.resources.reserve, 1),
                budget=self.settings.budget,
                jobs=self._job_records(call, self.jobs.all()),
                slots=self.settings.slots,
                memory_mb=self.settings.memory_bytes // 2**20,
                protocol=len(self.scopes),
            ),
        )

    # ---- competition and protocol

    def open(
        self, call: Call, folder: str | None = None, options: Mapping[str, str] | None = None
    ) -> Result[results.Card]:
        """Read the competition folder."""
        where = self.settings.competition or folder
        if not where:
            raise NotReady("name the competition's folder: cobra.open('path/to/competition')")
        if self._competition is not None:
            opened = self._competition.folder
            if folder and not opened.is_relative_to(Path(folder).resolve()):
                raise NotReady(f"{opened} is open here; for another competition restart the kernel")
            if not options:
                return _result(results.CARD, self._card(self._competition))
        self._options = {**self.settings.options, **dict(options or {})}
        self.placeholder.copy_sample(where)
        self._competition = self._read(where)
        self.table_hashes = _table_hashes(self._competition)
        begun = time.monotonic()
        self._data = competitions.load(self._competition)
        self._reading = time.monotonic() - begun
        self.placeholder.write_constant(self._competition, self._data)
        self._in_force = None  # protocols belong to the card they were frozen for
        return self._publish(results.CARD, self._card(self._competition))

    def _read(self, where: str) -> competitions.Competition:
        """Read the folder with the options; the metric may be one that a cell defined."""
        custom, options = self._custom, self.given.resolved(self._options)
        if custom is None or self._options.get("metric") != custom.name:
            return competitions.read(where, options)
        others = {name: value for name, value in options.items() if name != "metric"}
        found = competitions.read(where, others)
        return judged_by_cell(found, custom)

    def _card(self, competition: competitions.Competition) -> results.Card:
        facts = {"enforced": ENFORCED, "settings": self._options, "sha256": self.table_hashes}
        return cast(
            "results.Card", {**competitions.card(competition), **facts}
        )  # its package has no record types

    def protocol(
        self,
        call: Call,
        split: str | None = None,
        folds: int | None = None,
        repeats: int | None = None,
        groups: str | Sent | None = None,
        time: str | None = None,
        metric: str | None = None,
        vault: bool | None = None,
        leave_out: list[str] | None = None,
        gap: float | None = None,
        name: str | None = None,
        cell: str | None = None,
        weights: str | Sent | None = None,
        beside: Path | None = None,
    ) -> Result[results.Protocol]:
        """Freeze split, folds and metric, after a test of the metric. A `cell` makes the folds in a worker.

        Columns that the audit found leaking are left out, unless `leave_out` is given or a person lets them
        in. A split that a leak calls for is the default. `groups` and `weights` may be columns of another
        table, or Series; the competition is then opened anew with them. `beside`: where Series were sent."""
        opened, loaded = self._opened()
        if given := self.given.settings(groups, weights, opened, loaded.train, beside):
            self.open(call, options={**self._options, **given})
        own_groups = groups if isinstance(groups, str) and "groups" not in given else None
        (competition, data), custom = self._opened(), self._custom
        if metric and custom and custom.name != metric:
            custom = None
        request: results.ProtocolAsked = {
            "split": split,
            "folds": folds,
            "repeats": repeats,
            "groups": own_groups,
            "time": time,
            "metric": metric,
            "vault": vault,
            "leave_out": leave_out,
            "gap": gap,
            "name": name,
            "cell": cell,
        }
        unused = self._unused() if leave_out is None else leave_out
        own = self._own_folds(name or "own", cell) if cell else None
        asked = (
            split or own_groups or time or cell or competition.split or competition.groups or competition.time
        )
        if not asked:
            request.update(cast("results.ProtocolAsked", audit.cures(self.findings)))
        number, seed = len(self.scopes) + 1, self.settings.seed
        inputs = prepare(competition, data, custom, request, unused, number, seed, own)
        self.decisions.of(call).note("machine", self.resources.machine)
        self._custom = custom
        self._start_protocol(inputs)
        request["leave_out"] = list(inputs.protocol.leave_out)
        found: results.Protocol = {
            **inputs.protocol.record(),
            "sanity": inputs.sanity,
            "wants": inputs.metric.wants,
            "asked": request,
            "answers": audit.answers(self.findings, inputs.protocol, self.let_in),
        }
        if unusual := [f for f in self.findings if f["severity"] == "leak" and f["columns"]]:
            card = self._card(inputs.competition)
            card["notes"] = [*card["notes"], *audit.left_out(unusual, found["answers"])]
            self._emit(results.CARD, card)
        return self._publish(results.PROTOCOL, found)

    @property
    def let_in(self) -> list[str]:
        """Columns that a person wants used although they look like leaks."""
        assert self._data
        return competitions.used_columns(self._options, self._data.train.columns)

    def _unused(self) -> list[str]:
        return [name for name in self.leaking if name not in self.let_in]

    def _own_folds(self, name: str, cell: str) -> own_folds.OwnFolds:
        """Run a protocol cell on rows without labels."""
        (competition, data), folder = self._opened(), self.settings.folder
        units = data.train.drop(columns=list(competition.targets))
        place, closed = folder / "splits", forbidden(competition, folder)
        return own_folds.run(name, cell, units, data.test, place, self.pool, closed)

    def _start_protocol(self, inputs: ProtocolInputs) -> None:
        services = RunServices(
            folder=self.settings.folder,
            pool=self.pool,
            candidates=self.candidates,
            resources=self.resources,
            decisions=self.decisions,
            studies=self.studies,
            number=self.numbers.trial,
            emit=self._tell,
            device="cuda" if self.settings.gpus else "cpu",
        )
        scope = ProtocolScope(services, inputs, self.scopes.get(len(self.scopes)))
        self._all_views.append(scope.views)
        self._competition = inputs.competition
        self.scopes[scope.number] = self._in_force = scope

    def _data_view(self, work: Work) -> Path:
        """Return the data folder of a worker's fold; make it if necessary."""
        wanted = Path(work.allowed[0])
        (views,) = (views for views in self._all_views if views.folder == wanted.parent)
        return views.data_at(wanted)

    # ---- cells: candidates, shared artefacts, metrics

    def candidate(self, call: Call, name: str, source: str) -> Result[results.Candidate]:
        """Save a candidate cell as its next version."""
        candidate, new = self.candidates.add(name, source)
        record: results.Candidate = {**candidate.record(), "new": new, "path": f"code/{candidate.key}.py"}
        return self._publish(results.CANDIDATE, record) if new else _result(results.CANDIDATE, record)

    def shared(self, call: Call, name: str, source: str) -> Result[results.Shared]:
        """Compute an artefact without labels for all train and test rows."""
        scope = self.scope
        made = scope.artefacts.make(name, source, self.resources.limit(call), call.cancelled)
        record: results.Shared = {**made, "protocol": scope.number}
        return self._publish(results.SHARED, record)

    def metric(self, call: Call, name: str, source: str) -> Result[results.Metric]:
        """Register a metric written in a cell; the next `protocol` uses it."""
        folder, (competition, data) = self.settings.folder, self._opened()
        scores = folder / "views" / "scores"  # candidates cannot read this folder
        closed = forbidden(competition, folder)
        rows = data.train.drop(columns=list(competition.targets))
        self._custom = CustomMetric(name, source, folder / "code", scores, self.pool, closed, rows)
        path = f"code/{self._custom.path.name}"
        digest = sha256(self._custom.path)
        record: results.Metric = {"name": name, **self._custom.facts, "path": path, "digest": digest}
        return self._publish(results.METRIC, record)

    # ---- trials

    def trial(
        self,
        call: Call,
        candidate: str,
        config: Mapping[str, Any] | None = None,
        folds: int | list[int] | None = None,
        fraction: float = 1.0,
        seed: int = 0,
        repeats: int = 1,
        timeout: float | None = None,
        background: bool = False,
    ) -> Result[results.Trial] | Result[results.Job]:
        """Run one trial."""
        scope = self._scope_with_room(call)
        spec = scope.spec(call, candidate, config, folds, fraction, seed, repeats, timeout)
        if timeout is not None:  # for the whole trial: fits that run one after the other share it
            spec = replace(spec, timeout=round(spec.timeout / math.ceil(len(spec.keys) / self.pool.slots), 1))
        if background:
            return self._background(f"trial of {spec.candidate.key}", call, scope, spec)
        forecast.say_proof(call, scope, spec, self.resources)
        return self._run_trial(call, scope, spec, call.cancelled)

    def restart_trial(self, call: Call, request: results.JobAsked) -> None:
        """Start a job again that ran before a restart, as `_background` recorded it. Raises ValueError."""
        scope = self.scopes[request["protocol"]]
        shared = scope.trials.recorded_shared(request["shared"])
        reduced = request.get("reduced", "")
        spec = replace(scope.spec(call, **request["args"]), shared=shared, reduced=reduced)
        self._background(f"trial of {spec.candidate.key}", call, scope, spec)

    def _background(self, what: str, call: Call, scope: ProtocolScope, spec: Spec) -> Result[results.Job]:
        """Start a job. Its arguments are fixed now, so that a restart can repeat it exactly."""
        spec = replace(scope.trials.settled(spec), background=True)
        args = {
            "candidate": spec.candidate.key,
            "config": spec.config,
            "folds": list(spec.folds),
            "fraction": spec.fraction,
            "seed": spec.seed,
            "repeats": spec.repeats,
            "timeout": spec.timeout,
        }
        request: results.JobAsked = {
            "call": "trial",
            "args": args,
            "protocol": scope.number,
            "shared": spec.shared_record(),
            "reduced": spec.reduced,
        }
        id = self.decisions.of(call).take("id", self.jobs.new_id)
        job = self.jobs.start(id, what, request, lambda stop: self._run_trial(call, scope, spec, stop))
        return _result(results.JOB, job.record())

    def _run_trial(
        self, call: Call, scope: ProtocolScope, spec: Spec, cancelled: threading.Event
    ) -> Result[results.Trial]:
        def on_fit(fit: Any, done: int, total: int) -> None:
            call.progress(done=done, total=total, what=spec.candidate.key, failed=fit.status == "failed")

        return _result(results.TRIAL, scope.trials.run(spec, cancelled, on_fit).record())

    # ---- ablation

    def ablate(
        self,
        call: Call,
        candidate: str,
        factors: Mapping[str, list[Any]] | list[str] | None = None,
        config: Mapping[str, Any] | None = None,
        seconds: float | None = None,
        fraction: float | None = None,
        folds: list[int] | None = None,
        seed: int = 0,
    ) -> Result[results.Ablation]:
        """Test factors one by one on small data, then combinations of the winners."""
        scope, found = self._scope_with_room(call), self.candidates.get(candidate)
        chosen = found.levels(factors)
        left = self.resources.left(call)
        seconds = min(seconds or 0.2 * self.resources.seconds, max(left, 0.0))
        if seconds < 1:
            raise TooExpensive(f"no time is left for an ablation ({left:.0f} s)")
        id = self.numbers.of(call, "a")
        ablate = Ablate(
            scope.trials,
            found,
            id=id,
            base=dict(config or {}),
            factors=chosen,
            seed=seed,
            seconds=seconds,
            trial_seconds=max(1.0, min(180.0, seconds / 3)),
            cancelled=call.cancelled,
            publish=lambda table: call.progress(ablation=table.record()),
            slots=self.resources.slots,
            deciding=self.decisions.of(call),
            compared=sum(table.comparisons for each in self.scopes.values() for table in each.ablations),
        )
        fidelity = None
        if fraction is not None or folds is not None:
            fidelity = Fidelity(check_fraction(1.0 if fraction is None else fraction), scope.folds(folds))
        with self.room.kept():
            table = ablate.run(fidelity)
        scope.ablations.append(table)
        scope.ideas.ablation(table)
        record: results.Ablation = {
            **table.record(),
            "notes": found.notes,
            **scope.measured_in(ablate.scorer),
        }
        return self._publish(results.ABLATION, record)

    def effects(self, call: Call) -> Result[results.Effects]:
        """Return all effects measured so far, strongest first."""
        return _result(results.EFFECTS, self.scope.effects())

    # ---- full size

    def probe(
        self, call: Call, candidate: str, config: Mapping[str, Any] | None = None, repeats: int | None = None
    ) -> Result[results.Probe]:
        """Measure small fits and predict the full trial's time and memory."""
        scope = self.scope
        probe = scope.probe(call, candidate, config, repeats)
        return self._publish(
            results.PROBE, forecast.with_proof(scope, probe, self.resources, self.resources.left(call))
        )

    def scale(
        self,
        call: Call,
        candidate: str,
        config: Mapping[str, Any] | None = None,
        seed: int = 0,
        repeats: int | None = None,
        background: bool = False,
        seconds: float | None = None,
    ) -> Result[results.Trial] | Result[results.Job]:
        """Run the full-size trial, or the largest whose predicted cost fits the time and memory left."""
        scope = self._scope_with_room(call)
        folds, repeats = scope.protocol.folds, repeats or scope.protocol.repeats
        probe = scope.probe(call, candidate, config, repeats)
        left = self.resources.left(call)
        left = left if seconds is None else min(left, seconds)
        size = scaling.affordable(probe, folds, repeats, self.resources.slots, left)
        spec = scope.spec(
            call,
            candidate,
            config,
            folds=list(size.folds),
            fraction=size.fraction,
            seed=seed,
            repeats=size.repeats,
            timeout=max(30.0, 4 * size.seconds),
        )
        spec = replace(spec, reduced=size.why)
        told = forecast.with_proof(scope, probe, self.resources, self.resources.left(call))
        self._emit(results.PROBE, told)
        if told.get("proof"):
            call.progress(said=f"{spec.candidate.key}: {told['proof']}")
        if background:
            return self._background(f"full-size {spec.candidate.key}", call, scope, spec)
        return self._run_trial(call, scope, spec, call.cancelled)

    # ---- blend, selection, submission

    def blend(
        self, call: Call, trials: list[str] | None = None, seconds: float | None = None
    ) -> Result[results.Blend]:
        """Blend full-size trials; nested folds give the blend's score."""
        scope = self._scope_with_room(call)
        limit = seconds * self.resources.slots if seconds else self.resources.proof_limit(call)
        pool = scope.full(call, trials)
        blend = scope.finalists.blend(self.numbers.of(call, "b"), pool, limit)
        scope.ideas.blend(blend)
        record: results.Blend = {**blend.record(), **scope.judgement()}
        return self._publish(results.BLEND, record)

    def select(self, call: Call) -> Result[results.Selection]:
        """Choose what to submit, by cross-validation alone."""
        return self._select(call, self.scope)

    def _select(self, call: Call, scope: ProtocolScope) -> Result[results.Selection]:
        selection = scope.finalists.select(scope.full(call), call.cancelled)
        record: results.Selection = {**selection.record(), **scope.judgement()}
        return self._publish(results.SELECTION, record)

    def submit(self, call: Call, what: str | None = None, force: bool = False) -> Result[results.Submission]:
        """Predict the test rows with the selected (or named) trial or blend; check and write the file.

        What is clearly worse than the present submission, or says nothing about the rows, replaces it only by
        `force`. Raises ValueError, SubmissionError."""
        scope = self.scope
        standing = self._submitted
        if what is not None and not force and standing and standing["protocol"] == scope.number:
            scope.finalists.refuse_worse(what, standing["what"])
        if what is None:
            if self.decisions.of(call).take("choose", lambda: scope.finalists.selection is None):
                self._select(call, scope)
            assert scope.finalists.selected
            what = scope.finalists.selected.chosen
        admit = partial(self._admit, what, force)
        explained = audit.drifting(self.findings)  # why test rows may differ
        if not explained and scope.views.time_ordered:
            explained = "the test rows are later than the train rows"
        plan = self._training(call, scope, what)
        expected = forecast.of_submission(scope, what, plan, self.resources, self._reading)
        forecast.say(call, expected)
        written = scope.finalists.submit(what, plan, call.cancelled, explained, admit)
        record: results.Submission = {**written, "forecast": expected, **scope.judgement()}
        self.restore_submission(record)
        return self._publish(results.SUBMISSION, record)

    def _training(self, call: Call, scope: ProtocolScope, what: str) -> Training:
        """Decide how the models of a submission are trained; a replay decides as the original did."""
        seconds = self.resources.seconds_left * self.resources.slots
        decided = self.decisions.of(call).take(
            "training", lambda: asdict(scope.finalists.training(what, seconds, call.cancelled))
        )
        return Training(**decided)

    def _admit(self, what: str, force: bool, suspect: Sequence[Suspicion]) -> None:
        """Raise SubmissionError if it says nothing about the rows and a better submission stands."""
        empty = [each.reason for each in suspect if each.empty]
        if empty and not force and self._submitted and not self._submitted["suspect"]:
            raise SubmissionError(
                f"{what} is not written: {'; '.join(empty)}. That of {self._submitted['what']} stays; "
                f"cobra.submit({what!r}, force=True) replaces it"
            )

    def restore_submission(self, record: results.Submission) -> None:
        """Register a submission as the latest."""
        self.placeholder.over, self._submitted = True, record
        self.scopes[record["protocol"]].finalists.restore_submission(record)
        self._solution = self.scopes[record["protocol"]].described(record, self._reading)
        self.resources.to_prove = record["cost"]
        self.resources.overhead = self._solution["overhead"] + record["seconds"]

    def solution(self, call: Call) -> Result[results.Solution]:
        """Return what `solution.ipynb` needs of the latest submission, whatever its protocol."""
        if self._solution is None:
            raise NotReady("nothing was submitted")
        return _result(results.SOLUTION, self._solution)

    # ---- audit, jobs, the agent

    def oof(self, call: Call, id: str) -> Result[results.OutOfFold]:
        """Write the out-of-fold predictions of a trial or blend of any protocol to a file for the caller."""
        scope, oof = self._out_of_fold(id)
        if oof is None and self.decisions.recorded:  # it had finished in the replayed run
            self.scope.trials.await_all([id], call.cancelled)
            scope, oof = self._out_of_fold(id)
        if scope is None or oof is None:
            raise ValueError(f"there is no finished trial or blend {id!r}")
        written = predictions.write(self.settings.folder / "oof" / f"{id}.npz", oof)
        names = predictions.columns(scope.context())
        record: results.OutOfFold = {"id": id, **written, "columns": names, "protocol": scope.number}
        return _result(results.OOF, record)

    def _out_of_fold(self, id: str) -> tuple[ProtocolScope | None, OutOfFold | None]:
        for scope in self.scopes.values():
            if (oof := scope.out_of_fold(id)) is not None:
                return scope, oof
        return None, None

    def audit(
        self,
        call: Call,
        candidate: str | None = None,
        config: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> Result[results.Audit]:
        """Check data, protocol and trials; with `candidate`, check whether forbidden labels reach it."""
        scope, (competition, data) = self._in_force, self._opened()
        deciding = self.decisions.of(call)
        clock = audit.Clock(seconds or audit.SECONDS, deciding.known("audit"))
        if candidate is not None:
            scope = self.scope
            spec = scope.spec(call, candidate, config)
            found = audit.permutation_probe(
                scope.trials,
                data.train,
                data.test,
                scope.competition,
                spec,
                self._all_views,
                call.cancelled,
            )
        elif scope is None:
            found = audit.findings(competition, data.train, data.test, None, None, clock=clock)
        else:
            found = scope.findings(call, clock)
        if clock.answers:
            deciding.note("audit", clock.answers)
        known = scope.protocol.leave_out if scope else ()
        leaking = list(dict.fromkeys([*known, *audit.leaking_columns(found)]))
        leaking = [name for name in leaking if name not in self.let_in]
        findings = [each.record() for each in audit.ordered(found)]
        record = results.Audit(findings=findings, probed=candidate, leaking=leaking)
        if candidate is None:
            self.leaking, self.findings = leaking, findings
            if scope:
                record["answers"] = audit.answers(findings, scope.protocol, self.let_in)
        return self._publish(results.AUDIT, record)

    def jobs_(self, call: Call) -> Result[results.Jobs]:
        return _result(results.JOBS, results.Jobs(jobs=self._job_records(call, self.jobs.all())))

    def _job_records(self, call: Call, jobs: Sequence[Job]) -> list[results.Job]:
        """Return the jobs with their current states; in a replay, with their states at that time."""
        if not jobs:
            return []
        ended: list[str] = self.decisions.of(call).take(
            "ended", lambda: [job.id for job in jobs if job.state != "running"]
        )
        if self.decisions.recorded:
            self.jobs.wait([job.id for job in jobs if job.id in ended], UNLIMITED, call.cancelled)
        return [job.record(running=job.id not in ended) for job in jobs]

    def wait(
        self, call: Call, ids: list[str] | None = None, seconds: float | None = None
    ) -> Result[results.Jobs]:
        """Wait for background jobs."""
        limit = self.resources.seconds_left - self.resources.reserve if seconds is None else seconds
        if self.decisions.of(call).known("ended") is None:
            self.jobs.wait(ids, max(0.0, limit), call.cancelled)
        return _result(results.JOBS, results.Jobs(jobs=self._job_records(call, self.jobs.named(ids))))

    # ---- calls about agents: the runner answers

    def delegate(
        self, call: Call, role: str, brief: str, background: bool | None = None, agent: str = "lead"
    ) -> Result[results.Brief] | Result[results.Job]:
        """Delegate a task to another agent. With enough cores a scout works in the background."""
        request = {"role": role, "brief": brief, "agent": agent}
        if background is None:
            background = role == "scout" and self.resources.slots >= BESIDE
        return self.delegate_in_background(call, request) if background else self._delegated(request)

    def delegate_in_background(self, call: Call, request: dict[str, Any]) -> Result[results.Job]:
        id = self.decisions.of(call).take("id", self.jobs.new_id)
        job = self.jobs.start(
            id,
            f"{request['role']}: {request['brief'][:60]}",
            {"call": "delegate", "args": request},
            lambda stop: self._delegated(request),
        )
        return _result(results.JOB, job.record())

    def _delegated(self, request: dict[str, Any]) -> Result[results.Brief]:
        return _result(results.BRIEF, self._ask("delegate", request))

    def recall(self, call: Call, id: str, agent: str = "lead") -> Result[results.Recall]:
        """Read an earlier record."""
        return _result(results.RECALL, self._ask("recall", {"id": id, "agent": agent}))

    def finish(self, call: Call, why: str = "", agent: str = "lead") -> Result[results.Finish]:
        """Tell the runner that the agent's work is done."""
        answer = self._ask("finish", {"why": why, "agent": agent})
        return _result(results.FINISH, results.Finish(why=why, answer=answer))

    # ---- restore and end

    @contextlib.contextmanager
    def silently(self) -> Iterator[None]:
        """Write nothing to the record in this context: its lines are there already."""
        emit, self._emit = self._emit, lambda kind, data: None
        over, self.placeholder.over = self.placeholder.over, True  # the submission's file is there too
        try:
            yield
        finally:
            self._emit = emit
            self.placeholder.over = over or self._solution is not None

    def close(self) -> None:
        self.jobs.cancel_all()
        self.pool.close()
        for scope in self.scopes.values():
            scope.trials.close()
        self.studies.close()

    # ---- helpers

    def _scope_with_room(self, call: Call) -> ProtocolScope:
        """Return the current protocol, after making room for new work."""
        scope = self.scope
        self.room.make(call)
        return scope

    def _opened(self) -> tuple[competitions.Competition, competitions.Data]:
        if self._competition is None or self._data is None:
            raise NotReady("no competition is open: call cobra.open() first")
        return self._competition, self._data

    def _publish(self, kind: Kind[T], data: T) -> Result[T]:
        self._emit(kind, data)
        return _result(kind, data)


PUBLIC = (
    "open",
    "protocol",
    "candidate",
    "shared",
    "metric",
    "trial",
    "ablate",
    "effects",
    "probe",
    "scale",
    "blend",
    "select",
    "submit",
    "solution",
    "oof",
    "audit",
    "wait",
    "status",
)


def _result(kind: Kind[T], data: T) -> Result[T]:
    return {"kind": kind, "data": data}


def _table_hashes(competition: competitions.Competition) -> dict[str, str]:
    tables = (competition.train, competition.test, competition.sample, competition.labels)
    paths = sorted({table.path for table in tables if table is not None})
    return {path: sha256(competition.folder / path) for path in paths}
