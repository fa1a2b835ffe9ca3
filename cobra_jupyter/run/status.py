"""The status of a run, from its record: phase, best score, cost, and the log of its decisions."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict

from cobra_jupyter.brains.base import taken
from cobra_jupyter.records import describe, kinds
from cobra_jupyter.records.age import RunAge
from cobra_jupyter.records.authors import Authors
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.harness.ownership import LEAD
from cobra_jupyter.workbench.rebuild import Line, Rebuilt, replay, takes

MOST = 500  # entries of the log
Json = dict[str, Any]
_KINDS = {
    "reply": "step", "trial": "score", "blend": "score", "ablation": "effect", "selection": "decision",
    "rung": "decision", "agent": "decision", "brief": "decision", "protocol": "decision",
    "decision": "decision", "finish": "decision", "submission": "submission", "proof": "submission",
    "state": "state", "human": "human", "message": "human", "handback": "human", "ran": "human",
    "execution": "error", "kernel": "error",
}  # fmt: skip


class Best(TypedDict):
    """A score: what has it, in which metric."""

    score: float
    se: float | None
    metric: str | None
    direction: str
    what: str


@dataclass
class RunStatus(Rebuilt):
    """Built from every record, in order. Ages in seconds leave out the time for which a person had the
    run."""

    phase: str = ""
    turn: int = 0
    state: str = "starting"
    why: str | None = None
    config: kinds.Run | None = None
    competition: str | None = None
    metric: str | None = None
    direction: str = "maximize"
    best: Best | None = None
    submitted: Best | None = None
    trials: int = 0
    tokens: int = 0
    cost: float = 0.0
    log: deque[Json] = field(default_factory=lambda: deque(maxlen=MOST))
    agents: dict[str, str] = field(default_factory=lambda: {LEAD: LEAD})  # name → role
    authors: Authors = field(default_factory=Authors)
    _age: RunAge = field(default_factory=RunAge)

    @classmethod
    def of(cls, records: Iterable[Line]) -> RunStatus:
        status = cls()
        replay(records, status)
        return status

    def age(self, now: float | None = None) -> float:
        """The run's age in seconds at `now` (epoch seconds)."""
        return self._age.at(now or time.time())

    def count(self, record: Line) -> None:
        """Apply a record without a log entry."""
        self._age.take(record)
        self.authors.take(record)
        super().take(record)

    def take(self, record: Line) -> Json | None:
        """Apply a record. → its log entry, if it has one."""
        self.count(record)
        kind, text = _KINDS.get(record.kind), _text(record)
        if kind is None or text is None:
            return None
        entry = {
            "line": record.seq,
            "at": round(self.age(record.time), 1),
            "kind": kind,
            "agent": str(record.data.get("agent") or LEAD),
            "text": text,
        }
        cells = record.data.get("cells") or {}
        cell = record.data.get("cell") or cells.get("markdown") or cells.get("code")
        if cell:
            entry["cell"] = cell
        if brain := record.kind == kinds.REPLY and record.data.get("brain"):
            entry["written_by"] = str(brain)
        self.log.append(entry)
        return entry

    def better(self, score: float) -> bool:
        if self.best is None:
            return True
        best = self.best["score"]
        return score > best if self.direction == "maximize" else score < best

    @takes(kinds.RUN)
    def take_run(self, data: kinds.Run, line: Line) -> None:
        self.config = data

    @takes(results.CARD)
    def take_card(self, data: results.Card, line: Line) -> None:
        self.competition = data.get("name")
        self.metric, self.direction = data.get("metric"), data.get("direction") or self.direction

    @takes(results.PROTOCOL)
    def take_protocol(self, data: results.Protocol, line: Line) -> None:
        self.metric, self.direction, self.best = data["metric"], data["direction"], None

    @takes(kinds.STATE)
    def take_state(self, data: kinds.State, line: Line) -> None:
        self.state, self.why = data["state"], data["why"]
        if data["state"] == "resumed":
            self.state = "running"
        elif data["state"] == "running" and data["why"]:
            self.phase = data["why"]

    @takes(kinds.REPLY)
    def take_reply(self, data: kinds.Reply, line: Line) -> None:
        more = taken(data)
        self.tokens, self.cost = self.tokens + more[0], self.cost + more[1]
        title = describe.heading(data["text"])
        self.phase = title if data["agent"] == LEAD else f"{data['agent']}: {title}"
        if data["agent"] == LEAD:
            self.turn = data["turn"]

    @takes(kinds.AGENT)
    def take_agent(self, data: kinds.Agent, line: Line) -> None:
        self.agents[data["agent"]] = data["role"]

    @takes(results.TRIAL)
    def take_trial(self, data: results.Trial, line: Line) -> None:
        self.trials += 1
        if data["full"]:
            self._score(data, data["label"])

    @takes(results.BLEND)
    def take_blend(self, data: results.Blend, line: Line) -> None:
        self._score(data, "blend")

    @takes(kinds.PROOF)
    def take_proof(self, data: kinds.Proof, line: Line) -> None:
        self.phase = f"Proof: {data['outcome']}"

    @takes(results.SUBMISSION)
    def take_submission(self, data: results.Submission, line: Line) -> None:
        self.submitted = self._as_score(data, str(data["what"]))

    def _score(self, data: results.Trial | results.Blend, what: str) -> None:
        if data["score"] is not None and self.better(data["score"]):
            self.best = self._as_score(data, what)

    def _as_score(self, data: results.Trial | results.Blend | results.Submission, what: str) -> Best:
        return {
            "score": results.score_of(data),
            "se": data["se"],
            "metric": self.metric,
            "direction": self.direction,
            "what": what,
        }


def _text(record: Line) -> str | None:
    """One line for the log; None if the record does not appear there."""
    data, kind = record.data, record.kind
    if kind == "reply":
        return describe.heading(data["text"])
    if kind == "execution" and data["status"] in ("ok", "none"):
        return None
    if kind == "trial" and not data["full"]:
        return None
    return describe.line(record)
