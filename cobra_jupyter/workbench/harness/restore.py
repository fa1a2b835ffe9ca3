"""A harness brought back to where the record of a run left it: nothing that was finished is done again.

Predictions, artefacts and code come from the run's folder, each checked against the hash in the record;
folds are made anew and must be those recorded."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cobra_jupyter.workbench.ensemble.selection import Selection
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.search.ablation import Ablation, Effect
from cobra_jupyter.workbench.search.trials import Spec

if TYPE_CHECKING:
    from cobra_jupyter.workbench.harness.harness import Harness

Data = dict[str, Any]


class RestoreError(ValueError):
    """The run's folder or the competition is not what the record tells of; the message names what differs."""


def read(ledger: Path) -> list[tuple[str, Data]]:
    """(kind, data) of every line. The chain is the runner's to check."""
    with ledger.open(encoding="utf-8") as file:
        records = (json.loads(line) for line in file)
        return [(record["kind"], record["data"]) for record in records]


def restore(harness: Harness, records: Iterable[tuple[str, Data]], call: Call) -> None:
    """Raises RestoreError."""
    shutil.rmtree(harness.settings.folder / "views", ignore_errors=True)  # made again as needed

    def refuse(what: str, kind: str, error: Exception) -> None:
        raise RestoreError(what) from error

    restoring = Restoring(harness, call)
    restoring.take_all(records, (OSError, ValueError, KeyError, RuntimeError), refuse)
    restoring.restart_jobs()


class Restoring:
    """One step a kind of record; kinds without one need nothing."""

    def __init__(self, harness: Harness, call: Call) -> None:
        self.harness, self.call = harness, call
        self._jobs: dict[str, Data] = {}
        self._last = {"t": 0, "a": 0, "b": 0}

    def take_all(
        self, records: Iterable[tuple[str, Data]], caught: tuple[type[Exception], ...],
        failed: Callable[[str, str, Exception], None],
    ) -> None:  # fmt: skip
        """Take records in order; `failed(what, kind, error)` is told of each that cannot be taken."""
        with self.harness.silently():
            for kind, data in records:
                step: Callable[[Data], None] | None = getattr(self, f"take_{kind}", None)
                try:
                    if step is not None:
                        step(data)
                except caught as error:
                    name = data.get("id") or data.get("what") or data.get("name")
                    failed(f"{kind} {name}: {error}" if name else f"{kind}: {error}", kind, error)

    def take_card(self, data: Data) -> None:
        self.harness.open(self.call, options=data["settings"])
        now = self.harness.table_hashes
        if changed := sorted(
            path for path in {*now, *data["sha256"]} if now.get(path) != data["sha256"].get(path)
        ):
            raise ValueError(f"{', '.join(changed)} of the competition: not what was read when the run began")

    def take_protocol(self, data: Data) -> None:
        self.harness.protocol(self.call, **data["asked"])
        if self.harness.frozen.protocol.digest != data["digest"]:
            raise ValueError("the folds made now differ from those recorded: files or libraries have changed")

    def take_candidate(self, data: Data) -> None:
        source = self._text(data["path"], data["digest"])
        candidate, _ = self.harness.candidates.add(data["name"], source)
        if candidate.version != data["version"]:
            raise ValueError(f"it is version {candidate.version} now, {data['version']} was recorded")

    def take_audit(self, data: Data) -> None:
        if data["probed"] is None:
            self.harness.leaking = list(data["leaking"])

    def take_metric(self, data: Data) -> None:
        self.harness.metric(self.call, data["name"], self._text(data["path"], data["digest"]))

    def take_shared(self, data: Data) -> None:
        if not self.harness.under[data["protocol"]].artefacts.restore(data):
            self.harness.shared(self.call, data["name"], self._text(data["path"]))

    def take_fit(self, data: Data) -> None:
        own = ("candidate", "config", "fraction", "trial_seed", "protocol", "shared")
        candidate = self.harness.candidates.get(data["candidate"])
        trials = self.harness.under[data["protocol"]].trials
        spec = Spec(
            candidate, dict(data["config"]), (data["fold"],), 1, data["fraction"], data["trial_seed"], 0.0,
            trials.recorded_shared(data["shared"]),
        )  # fmt: skip
        trials.restore_fit({k: v for k, v in data.items() if k not in own}, spec)

    def take_trial(self, data: Data) -> None:
        self._count("t", data["id"])
        frozen = self.harness.under[data["protocol"]]
        trial = frozen.trials.restore(data, self.harness.candidates.get(data["candidate"]))
        if data["full"]:
            frozen.finalists.selection = None
            frozen.ideas.trial(trial)

    def take_ablation(self, data: Data) -> None:
        self._count("a", data["id"])
        known = {name: data[name] for name in Ablation.__dataclass_fields__}
        known["effects"] = tuple(Effect(**effect) for effect in data["effects"])
        known["combinations"] = tuple(data["combinations"])
        frozen, table = self.harness.under[data["protocol"]], Ablation(**known)
        frozen.ablations.append(table)
        frozen.ideas.ablation(table)

    def take_blend(self, data: Data) -> None:
        self._count("b", data["id"])
        frozen = self.harness.under[data["protocol"]]
        frozen.ideas.blend(frozen.finalists.restore_blend(data))

    def take_selection(self, data: Data) -> None:
        known = {name: data[name] for name in Selection.__dataclass_fields__}
        selection = Selection(**{**known, "table": tuple(data["table"])})
        finalists = self.harness.under[data["protocol"]].finalists
        finalists.selection = finalists.selected = selection

    def take_submission(self, data: Data) -> None:
        self.harness.restore_submission(data)

    def take_job(self, data: Data) -> None:
        self._jobs[data["id"]] = data

    def restart_jobs(self) -> None:
        """Jobs that had ended are known again; those that were running start again under their old numbers."""
        results = {trial.id: {"data": trial.record()} for trial in self._trials()}
        for data in self._jobs.values():
            if data["state"] != "running":
                self.harness.jobs.restore(data, results.get(data["result"]))
        for id, data in self._jobs.items():
            if data["state"] == "running":
                self.harness.jobs.number_from(int(id[1:]))
                asked = data["asked"]
                try:
                    if asked["call"] == "delegate":
                        self.harness.delegate_in_background(self.call, asked["args"])
                    else:
                        self.harness.restart_trial(self.call, asked)
                except ValueError as error:  # no time is left for it
                    self.harness.jobs.restore({**data, "state": "failed", "error": str(error)}, None)
        self.harness.jobs.number_from(1 + max((int(id[1:]) for id in self._jobs), default=0))

    def _trials(self) -> Iterable[Any]:
        return [t for frozen in self.harness.under.values() for t in frozen.trials.finished()]

    def _count(self, kind: str, id: str) -> None:
        self._last[kind] = max(self._last[kind], int(id[1:]))
        self.harness.numbers.start_from(kind, self._last[kind] + 1)

    def _text(self, path: str, digest: str | None = None) -> str:
        text = (self.harness.settings.folder / path).read_text(encoding="utf-8")
        if digest is not None and hashlib.sha256(text.encode()).hexdigest() != digest:
            raise ValueError(f"{path} was changed after it was recorded")
        return text


SINGLE = {"protocol": "protocol", "blend": "blend", "ablation": "ablate", "submission": "submit"}


def journal(records: Iterable[tuple[str, Data]]) -> dict[tuple[str, int], list[Data]]:
    """By agent and turn the calls that the turn's cell made, with their answers, in order. A call whose result was recorded and
    whose answer was not, since all ended in between, is known by its name alone."""
    known = list(records)
    answers: dict[tuple[str, int], list[Data]] = {}
    turn, open_result = ("lead", 0), None
    for kind, data in known:
        if kind == "cell":
            turn, open_result = (data["agent"], data["turn"]), None
        elif kind in SINGLE:
            open_result = {
                "turn": turn[1], "call": SINGLE[kind], "args": None, "error": None, "answer": {"kind": kind, "data": data}
            }  # fmt: skip
        elif kind == "call":
            open_result = None
            answer = data
            if data["record"] is not None:
                found_kind, found = known[data["record"]]
                answer = {**data, "answer": {"kind": found_kind, "data": found}}
            answers.setdefault((data["agent"], data["turn"]), []).append(answer)
        elif kind == "execution":
            open_result = None
    if open_result is not None:
        answers.setdefault(turn, []).append(open_result)
    return answers
