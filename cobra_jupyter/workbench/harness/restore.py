"""Restores a harness to the end of a run's record, so that no finished work is repeated.

Predictions, artefacts and code are read from the run's folder and checked against the hashes in the record.
Folds are computed again and must equal the recorded ones."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.ensemble.selection import Selection
from cobra_jupyter.workbench.harness.room import Discarded
from cobra_jupyter.workbench.rebuild import Line, Rebuilt, takes
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.search.ablation import Ablation, Effect
from cobra_jupyter.workbench.search.trials import Spec, Trial

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from cobra_jupyter.workbench.harness.harness import Harness


class RestoreError(ValueError):
    """The run's folder or the competition differs from the record; the message names the difference."""


def restore(harness: Harness, lines: Iterable[Line], call: Call) -> None:
    """Restore a harness to the end of the record. Raises RestoreError."""
    shutil.rmtree(harness.settings.folder / "views", ignore_errors=True)  # rewritten when needed

    def refuse(what: str, kind: str, error: Exception) -> None:
        raise RestoreError(what) from error

    restoring = Restoring(harness, call)
    restoring.take_all(lines, (OSError, ValueError, KeyError, RuntimeError), refuse)
    restoring.restart_jobs()


class Restoring(Rebuilt):
    """Restores a harness; one method per kind of record."""

    def __init__(self, harness: Harness, call: Call) -> None:
        self.harness, self.call = harness, call
        self._jobs: dict[str, results.Job] = {}
        self._last = {"t": 0, "a": 0, "b": 0}
        self._discarded = Discarded(())

    def take_all(
        self,
        lines: Iterable[Line],
        caught: tuple[type[Exception], ...],
        failed: Callable[[str, str, Exception], None],
    ) -> None:
        """Apply lines in order; call `failed(what, kind, error)` for each that cannot be applied."""
        lines = list(lines)
        self._discarded = Discarded(lines)
        with self.harness.silently():
            for line in lines:
                try:
                    self.take(line)
                except caught as error:
                    name = line.data.get("id") or line.data.get("what") or line.data.get("name")
                    what = f"{line.kind} {name}" if name else line.kind
                    failed(f"{what}: {error}", line.kind, error)

    @takes(results.CARD)
    def take_card(self, data: results.Card, line: Line) -> None:
        self.harness.open(self.call, options=data["settings"])
        now = self.harness.table_hashes
        if changed := sorted(
            path for path in {*now, *data["sha256"]} if now.get(path) != data["sha256"].get(path)
        ):
            raise ValueError(f"{', '.join(changed)} of the competition: not what was read when the run began")

    @takes(results.PROTOCOL)
    def take_protocol(self, data: results.Protocol, line: Line) -> None:
        self.harness.protocol(self.call, **data["asked"])
        if self.harness.scope.protocol.digest != data["digest"]:
            raise ValueError("the folds made now differ from those recorded: files or libraries have changed")

    @takes(results.CANDIDATE)
    def take_candidate(self, data: results.Candidate, line: Line) -> None:
        source = self._text(data["path"], data["digest"])
        candidate, _ = self.harness.candidates.add(data["name"], source)
        if candidate.version != data["version"]:
            raise ValueError(f"it is version {candidate.version} now, {data['version']} was recorded")

    @takes(results.AUDIT)
    def take_audit(self, data: results.Audit, line: Line) -> None:
        if data["probed"] is None:
            self.harness.leaking, self.harness.findings = list(data["leaking"]), list(data["findings"])

    @takes(results.METRIC)
    def take_metric(self, data: results.Metric, line: Line) -> None:
        self.harness.metric(self.call, data["name"], self._text(data["path"], data["digest"]))

    @takes(results.SHARED)
    def take_shared(self, data: results.Shared, line: Line) -> None:
        if not self.harness.scopes[data["protocol"]].artefacts.restore(data):
            self.harness.shared(self.call, data["name"], self._text(data["path"]))

    @takes(results.FIT)
    def take_fit(self, data: results.Fit, line: Line) -> None:
        if self._discarded.lacks(data["raw"], line):
            return
        candidate = self.harness.candidates.get(data["candidate"])
        trials = self.harness.scopes[data["protocol"]].trials
        spec = Spec(
            candidate,
            dict(data["config"]),
            (data["fold"],),
            1,
            data["fraction"],
            data["trial_seed"],
            0.0,
            trials.recorded_shared(data["shared"]),
        )
        trials.restore_fit(data, spec)

    @takes(results.TRIAL)
    def take_trial(self, data: results.Trial, line: Line) -> None:
        self._count("t", data["id"])
        scope = self.harness.scopes[data["protocol"]]
        dropped = data["id"] in self._discarded.trials
        trial = scope.trials.restore(data, self.harness.candidates.get(data["candidate"]), dropped)
        scope.finalists.count(trial)
        if data["full"]:
            scope.ideas.trial(trial)

    @takes(results.ABLATION)
    def take_ablation(self, data: results.Ablation, line: Line) -> None:
        self._count("a", data["id"])
        known: Mapping[str, Any] = {**data, "effects": tuple(Effect(**effect) for effect in data["effects"])}
        table = Ablation(**_fields(Ablation, {**known, "combinations": tuple(data["combinations"])}))
        scope = self.harness.scopes[data["protocol"]]
        scope.ablations.append(table)
        scope.ideas.ablation(table)

    @takes(results.BLEND)
    def take_blend(self, data: results.Blend, line: Line) -> None:
        self._count("b", data["id"])
        scope = self.harness.scopes[data["protocol"]]
        scope.ideas.blend(scope.finalists.restore_blend(data))

    @takes(results.SELECTION)
    def take_selection(self, data: results.Selection, line: Line) -> None:
        selection = Selection(**_fields(Selection, {**data, "table": tuple(data["table"])}))
        finalists = self.harness.scopes[data["protocol"]].finalists
        finalists.selection = finalists.selected = selection

    @takes(results.SUBMISSION)
    def take_submission(self, data: results.Submission, line: Line) -> None:
        self.harness.restore_submission(data)

    @takes(results.PLACEHOLDER)
    def take_placeholder(self, data: results.Placeholder, line: Line) -> None:
        self.harness.placeholder.record = data

    @takes(results.JOB)
    def take_job(self, data: results.Job, line: Line) -> None:
        self._jobs[data["id"]] = data

    def restart_jobs(self) -> None:
        """Restore ended jobs; start the others again under their old numbers."""
        trials = {trial.id: {"data": trial.record()} for trial in self._trials()}
        for data in self._jobs.values():
            if data["state"] != "running":
                self.harness.jobs.restore(data, trials.get(data["result"] or ""))
        for id, data in self._jobs.items():
            if data["state"] == "running":
                self.harness.jobs.number_from(int(id[1:]))
                request = data["asked"]
                try:
                    if request["call"] == "delegate":
                        self.harness.delegate_in_background(self.call, request["args"])
                    else:
                        self.harness.restart_trial(self.call, request)
                except ValueError as error:  # there is no time left
                    self.harness.jobs.restore({**data, "state": "failed", "error": str(error)}, None)
        self.harness.jobs.number_from(1 + max((int(id[1:]) for id in self._jobs), default=0))

    def _trials(self) -> list[Trial]:
        return [t for scope in self.harness.scopes.values() for t in scope.trials.finished()]

    def _count(self, kind: str, id: str) -> None:
        self._last[kind] = max(self._last[kind], int(id[1:]))
        self.harness.numbers.start_from(kind, self._last[kind] + 1)

    def _text(self, path: str, digest: str | None = None) -> str:
        text = (self.harness.settings.folder / path).read_text(encoding="utf-8")
        if digest is not None and hashlib.sha256(text.encode()).hexdigest() != digest:
            raise ValueError(f"{path} was changed after it was recorded")
        return text


def _fields(cls: type[DataclassInstance], known: Mapping[str, Any]) -> dict[str, Any]:
    """Keep those items of a record that are fields of the dataclass."""
    return {field.name: known[field.name] for field in fields(cls)}
