"""A frozen protocol with its trials, artefacts and finalists.

A call uses the protocol that is current when it begins; its results belong to that protocol, even if another
is frozen meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cobra_jupyter import competition as competitions
from cobra_jupyter.workbench import audit, results
from cobra_jupyter.workbench.ensemble import submission
from cobra_jupyter.workbench.ensemble.finalists import Finalists
from cobra_jupyter.workbench.errors import TooExpensive
from cobra_jupyter.workbench.harness.ideas import Ideas
from cobra_jupyter.workbench.harness.protocol_inputs import ProtocolInputs
from cobra_jupyter.workbench.harness.resources import Resources, threads
from cobra_jupyter.workbench.protocol.views import Views
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.scoring.scorer import OutOfFold, Scorer
from cobra_jupyter.workbench.search import scaling
from cobra_jupyter.workbench.search.ablation import Ablation
from cobra_jupyter.workbench.search.candidates import Candidates
from cobra_jupyter.workbench.search.fits import Fit
from cobra_jupyter.workbench.search.shared import Artefacts
from cobra_jupyter.workbench.search.studies import Studies
from cobra_jupyter.workbench.search.trials import DROPPED, Spec, Trial, Trials
from cobra_jupyter.workbench.timed_decisions import TimedDecisions
from cobra_jupyter.workbench.workers.pool import Pool

Emit = Callable[[str, Mapping[str, Any]], None]
LABELLED = ("views", "trials", "blends", "oof")  # folders of a run with labels: no candidate may read them


@dataclass(frozen=True)
class RunServices:
    """What all protocols of a run share. `folder` is the run's; `number` returns the id for a trial's key."""

    folder: Path
    pool: Pool
    candidates: Candidates
    resources: Resources
    decisions: TimedDecisions
    studies: Studies
    number: Callable[[str], str]
    emit: Emit
    device: str


class ProtocolScope:
    """One protocol: its scorer, the data that folds may see, and its trials."""

    def __init__(self, services: RunServices, inputs: ProtocolInputs, before: ProtocolScope | None) -> None:
        """`before`: the previous protocol; artefacts that it made for the same rows are reused."""
        self.services, self.competition, self.data = services, inputs.competition, inputs.data
        self.protocol = inputs.protocol
        self.scorer = Scorer(
            inputs.protocol,
            inputs.folds,
            inputs.truth,
            inputs.metric,
            inputs.competition.classes,
            inputs.evaluate,
            inputs.weights,
        )
        self.views = _views(services.folder, inputs)
        closed = forbidden(inputs.competition, services.folder)
        self.artefacts = Artefacts(
            services.folder / "shared", services.pool, self.views, self.context, closed
        )
        if before:
            self.artefacts.reuse(before.artefacts)
        self.trials = Trials(
            services.folder / "trials",
            services.pool,
            self.views,
            self.scorer,
            context=self.context,
            forbidden=closed,
            next_id=services.number,
            shared=self.artefacts.paths,
            on_trial=self._on_trial,
            on_fit=lambda record: services.emit(results.FIT, record),
            decisions=services.decisions,
        )
        self.finalists = Finalists(
            services.folder, self.competition, self.data, self.scorer, self.views, self.trials
        )
        self.ideas = Ideas(self.scorer, services.emit)
        self.ablations: list[Ablation] = []

    @property
    def number(self) -> int:
        return self.protocol.number

    def context(self) -> dict[str, Any]:
        """The part of `ctx` that is the same for all fits."""
        c = self.competition
        columns = {name: kind for name, kind in c.columns.items() if name not in self.protocol.leave_out}
        return {
            "targets": list(c.targets),
            "id": c.id,
            "task": c.task,
            "classes": list(c.classes),
            "columns": columns,
            "tables": c.csv_options(),
            "metric": c.metric,
            "direction": c.direction,
            "n_jobs": 1,
            "device": self.services.device,
            "weight_column": c.weights,
        }

    def judgement(self) -> results.Judgement:
        """Metric, direction, protocol."""
        metric = self.scorer.metric
        return {"metric": metric.name, "direction": metric.direction, "protocol": self.number}

    def measured_in(self, scorer: Scorer) -> results.MeasuredIn:
        """Metric, direction and protocol of effects; these may use a smoother metric than the protocol's."""
        found: results.MeasuredIn = {
            "metric": scorer.metric.name,
            "direction": scorer.metric.direction,
            "protocol": self.number,
        }
        if scorer is not self.scorer:
            found["stands_for"] = self.scorer.metric.name
        return found

    # ---- trials

    def spec(
        self,
        call: Call,
        candidate: str,
        config: Mapping[str, Any] | None = None,
        folds: int | list[int] | None = None,
        fraction: float = 1.0,
        seed: int = 0,
        repeats: int = 1,
        timeout: float | None = None,
    ) -> Spec:
        """Return the specification of a trial. Raises ValueError, CandidateError, TooExpensive."""
        chosen = self.folds(folds)
        check_fraction(fraction)
        if not 1 <= repeats <= self.protocol.repeats:
            raise ValueError(f"the protocol has {self.protocol.repeats} repeats, {repeats} were asked for")
        found, limit = self.services.candidates.get(candidate), self.services.resources.limit(call, timeout)
        rows = int(fraction * len(self.scorer.folds.training(0, chosen[-1])))
        source = self.services.candidates.source(found)
        return Spec(
            candidate=found,
            config=found.config(config),
            folds=chosen,
            repeats=repeats,
            fraction=float(fraction),
            seed=int(seed),
            timeout=limit,
            threads=threads(self.services.resources.slots, len(chosen) * repeats, rows, source),
        )

    def alike(self, spec: Spec) -> list[Trial]:
        """The finished trials of the same candidate and config with a score."""
        return [
            trial
            for trial in self.trials.finished()
            if (trial.spec.candidate, trial.spec.config) == (spec.candidate, spec.config) and trial.score
        ]

    def folds(self, folds: int | list[int] | None) -> tuple[int, ...]:
        count = self.protocol.folds
        if folds is None:
            return tuple(range(count))
        chosen = tuple(sorted({folds} if isinstance(folds, int) else set(folds)))
        if not chosen or not all(0 <= fold < count for fold in chosen):
            raise ValueError(f"folds are numbered 0 … {count - 1}, not {folds}")
        return chosen

    def finished(self, call: Call, counts: Callable[[Trial], bool] = lambda trial: True) -> list[Trial]:
        """Return the finished trials for which `counts` is true.

        A replay waits for those that had finished at this point of the original run, as long as work runs."""
        known = self.services.decisions.of(call).take(
            "finished", lambda: [trial.id for trial in self.trials.finished() if counts(trial)]
        )
        if self.services.decisions.recorded:
            self.trials.await_all(known, call.cancelled)
        return [trial for trial in self.trials.finished() if trial.id in set(known)]

    def full(self, call: Call, ids: Sequence[str] | None = None) -> list[Trial]:
        """Return the trials that stand for selection, or those in `ids`. Raises NotReady."""
        return self.finalists.trials(ids, self.finished(call, lambda t: t.oof is not None))

    def out_of_fold(self, id: str) -> OutOfFold | None:
        """Return the out-of-fold predictions of a trial or blend, or None if this protocol has none by that
        id.

        Raises ValueError if the trial failed or its predictions were dropped."""
        if blend := self.finalists.blends.get(id):
            return blend.oof
        if id in self.trials.dropped:
            raise ValueError(f"{id}: {DROPPED}")
        trial = next((trial for trial in self.trials.finished() if trial.id == id), None)
        if trial and trial.oof is None:
            raise ValueError(f"{id} failed: it has no out-of-fold predictions")
        return trial.oof if trial else None

    def _on_trial(self, trial: Trial) -> None:
        self.finalists.count(trial)
        self.services.emit(results.TRIAL, trial.record())
        self.services.studies.add(trial, self.protocol.direction)
        if trial.full:
            self.ideas.trial(trial)

    # ---- other measurements

    def probe(
        self, call: Call, candidate: str, config: Mapping[str, Any] | None, repeats: int | None
    ) -> scaling.Probe:
        """Measure small fits and predict the full trial's cost. Raises TooExpensive if the fits fail."""
        spec = self.spec(call, candidate, config)

        def of_this(trial: Trial) -> bool:
            same = trial.spec.candidate == spec.candidate and trial.spec.config == spec.config
            return same and trial.score is not None

        known = self.finished(call, of_this)
        sizes = {t.spec.fraction for t in known}
        last = self.protocol.folds - 1  # in a split by time, this fold has the most training rows
        n = len(self.scorer.folds.training(0, last))
        # on large data the second fit is large enough to tell its growth from the constant part of its cost
        small = {min(1.0, max(1_000, n // 100) / n), min(1.0, max(4_000, n // 20) / n)}
        lacking = [f for f in small if not any(0.7 * f < size < 1.4 * f for size in sizes)]
        known_enough = len(sizes) > 1 or any(size >= 0.7 * max(small) for size in sizes)
        for fraction in () if known_enough else sorted(lacking):
            trial = self.trials.run(replace(spec, folds=(last,), fraction=fraction), call.cancelled)
            if trial.score is None:
                raise TooExpensive(
                    f"{spec.candidate.key} failed on {fraction:.0%} of the rows: "
                    f"{trial.failure and trial.failure.message}"
                )
            known.append(trial)
        folds, resources = self.protocol.folds * (repeats or self.protocol.repeats), self.services.resources
        return scaling.predict(known, n, folds, resources.slots, resources.memory_mb)

    def effects(self) -> results.Effects:
        """Return all effects measured so far, strongest first; confirmed against all comparisons so far."""
        compared = sum(table.comparisons for table in self.ablations)
        rows: list[results.PlacedEffect] = [
            {
                **effect.record(),
                "confirmed": effect.confirmed and effect.still_confirmed(compared),
                "candidate": table.candidate,
                "fidelity": table.fidelity,
                "ablation": table.id,
            }
            for table in self.ablations
            for effect in table.effects
        ]
        rows.sort(key=lambda row: -(row["gain"] if row["gain"] is not None else -np.inf))
        best: list[results.BestConfig] = [
            {"candidate": t.candidate, "config": t.best, "trial": t.best_trial} for t in self.ablations
        ]
        return {"effects": rows, "best": best, **self.measured_in(self.scorer.smooth or self.scorer)}

    def findings(self, call: Call, clock: audit.Clock) -> list[audit.Finding]:
        """Return an audit's findings about data, folds, trials and vault."""
        found = audit.findings(
            self.competition,
            self.data.train,
            self.data.test,
            self.protocol,
            self.scorer.folds,
            metric=self.scorer.metric,
            clock=clock,
        )
        found += audit.of_trials(self.scorer, self.finished(call), self.ablations)
        return found + self._vault_finding(call.cancelled)

    def _vault_finding(self, cancelled: threading.Event) -> list[audit.Finding]:
        """Return findings about the vault, if a selection has used it already."""
        chosen = self.finalists.selection
        if chosen is None or not chosen.vault or not len(self.scorer.folds.vault):
            return []
        _, score = self.finalists.members(chosen.chosen)
        prediction = self.finalists.on_vault(chosen.chosen, cancelled)
        return list(audit.vault(self.scorer, chosen.chosen, score, prediction))

    # ---- the solution

    def described(self, submitted: results.Submission, reading: float) -> results.Solution:
        """Return what `solution.ipynb` needs of a submission; `reading`: seconds that the tables take."""
        c, what = self.competition, submitted["what"]
        used = self.finalists.used(what)
        members, score = self.finalists.members(what)
        return {
            "what": what,
            "load": competitions.load_code(c),
            "protocol_code": self.protocol.code,
            "folder": str(c.folder),
            "id": c.id,
            "sha256": submitted["sha256"],
            "context": self.context(),
            "members": [self._member(trial, weight, used.of(trial)) for trial, weight in members],
            "layout": c.layout,
            "outputs": list(c.outputs),
            "class_places": submission.class_places(c),
            "wants": self.scorer.metric.wants,
            "params": score.params,
            "own_decode": self.finalists.decodes_itself(what),
            "slots": self.services.pool.slots,
            "overhead": reading + self.artefact_seconds(what),
            "time_ordered": self.views.time_ordered,
            "time": self.protocol.time,
            "rule": self.finalists.rule(what),
            **self.judgement(),
        }

    def artefact_seconds(self, what: str) -> float:
        """Seconds to make the artefacts that a trial or blend reads."""
        members, _ = self.finalists.members(what)
        return self.artefacts.seconds([name for trial, _ in members for name in trial.spec.shared or ()])

    def _member(self, trial: Trial, weight: float, fits: Sequence[Fit]) -> results.SolutionMember:
        candidate, spec = trial.spec.candidate, trial.spec
        return {
            "trial": trial.id,
            "name": candidate.key,
            "source": self.services.candidates.source(candidate),
            "config": spec.config,
            "weight": weight,
            "folds": list(spec.folds),
            "repeats": spec.repeats,
            "fraction": spec.fraction,
            "seed": spec.seed,
            "cost": sum(f.seconds for f in fits),
            "seconds_given": max(f.seconds_given for f in fits),
            "label": trial.label,
            "functions": list(candidate.functions),
            "shared": self.artefacts.sources(self.trials.shared_of(spec)),
            "threads": spec.threads,
            "models": [
                {"repeat": f.repeat, "fold": f.fold, "path": f"trials/{Path(f.folder).name}/model.pkl"}
                for f in fits
            ],
        }


def _views(folder: Path, inputs: ProtocolInputs) -> Views:
    unused = list(inputs.protocol.leave_out)
    return Views(
        folder / "views" / f"p{inputs.protocol.number}",
        inputs.competition,
        inputs.data.train.drop(columns=unused),
        inputs.data.test.drop(columns=unused, errors="ignore"),
        inputs.truth,
        inputs.protocol,
        inputs.folds,
    )


def forbidden(competition: competitions.Competition, folder: Path) -> tuple[str, ...]:
    """Return the paths that an agent's code may not read; `folder` is the run's."""
    source = competition.folder
    labels = [str(source / name) for name in competition.label_sources]
    private = [str(each / "private") for each in (source, source.parent, source.parent.parent)]
    return (*(str(folder / name) for name in LABELLED), *labels, *private)


def check_fraction(fraction: float) -> float:
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is a share of the training rows, above 0 and at most 1, not {fraction}")
    return fraction
