"""How a run stands, from its record: phase, best score, what was taken, and the log of what was decided."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.brains.base import taken
from cobra_jupyter.records import timeline
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.records.states import HELD, LIVE
from cobra_jupyter.workbench.harness.ownership import LEAD

MOST = 500  # entries of the log
Json = dict[str, Any]
_KINDS = {
    "reply": "step", "trial": "score", "blend": "score", "ablation": "effect", "selection": "decision", "rung": "decision",
    "agent": "decision", "brief": "decision", "protocol": "decision", "decision": "decision", "finish": "decision",
    "submission": "submission", "proof": "submission", "state": "state", "human": "human", "message": "human",
    "handback": "human", "ran": "human", "execution": "error", "kernel": "error",
}  # fmt: skip
_STATES = {
    "starting": "Starting", "resumed": "Goes on where it ended", "running": "Running", "pausing": "Pausing after this cell", "paused": "Paused",
    "human": "A person has the run", "waiting": "Waits for an approval", "stopped": "Stopped", "finished": "Finished",
    "failed": "Failed",
}  # fmt: skip


@dataclass
class RunStatus:
    """Told every record, in order. Seconds are of the run's life: what a person had it for does not count."""

    phase: str = ""
    turn: int = 0
    state: str = "starting"
    why: str | None = None
    asked: Json = field(default_factory=dict)
    competition: str | None = None
    metric: str | None = None
    direction: str = "maximize"
    best: Json | None = None
    submitted: Json | None = None
    trials: int = 0
    tokens: int = 0
    cost: float = 0.0
    log: deque[Json] = field(default_factory=lambda: deque(maxlen=MOST))
    agents: dict[str, str] = field(default_factory=lambda: {LEAD: LEAD})  # name → role
    _age: float = 0.0
    _since: float | None = None  # epoch seconds at which `_age` was right; None while the clock stands still

    @classmethod
    def of(cls, records: Iterable[Record]) -> RunStatus:
        standing = cls()
        for record in records:
            standing.take(record)
        return standing

    def age(self, now: float | None = None) -> float:
        """Seconds of the run's life, at `now` (epoch seconds)."""
        return self._age if self._since is None else self._age + max(0.0, (now or time.time()) - self._since)

    def count(self, record: Record) -> None:
        """Take in a record for the figures alone."""
        self._tick(record)
        act = getattr(self, f"_{record.kind}", None)
        if act is not None:
            act(record.data)

    def take(self, record: Record) -> Json | None:
        """→ the log's entry of the record, if it has one."""
        self.count(record)
        kind, text = _KINDS.get(record.kind), _text(record)
        if kind is None or text is None:
            return None
        entry = {
            "line": record.seq, "at": round(self.age(record.time), 1), "kind": kind,
            "agent": str(record.data.get("agent") or LEAD), "text": text,
        }  # fmt: skip
        cells = record.data.get("cells") or {}
        cell = record.data.get("cell") or cells.get("markdown") or cells.get("code")
        if cell:
            entry["cell"] = cell
        self.log.append(entry)
        return entry

    def better(self, score: float) -> bool:
        if self.best is None:
            return True
        best: float = self.best["score"]
        return score > best if self.direction == "maximize" else score < best

    def _tick(self, record: Record) -> None:
        if record.kind == "run":
            self._since = float(record.data["started"])
        if record.kind != "state":
            return
        self._age = float(record.data["used"]) if "used" in record.data else self.age(record.time)
        still = record.data["state"] in HELD or record.data["state"] not in (*LIVE, "resumed")
        self._since = None if still else record.time

    def _run(self, data: Json) -> None:
        self.asked = data

    def _card(self, data: Json) -> None:
        self.competition = data.get("name")
        self.metric, self.direction = data.get("metric"), data.get("direction") or self.direction

    def _protocol(self, data: Json) -> None:
        self.metric, self.direction, self.best = data["metric"], data["direction"], None

    def _state(self, data: Json) -> None:
        self.state, self.why = data["state"], data["why"]
        if data["state"] == "resumed":
            self.state = "running"
        elif data["state"] == "running" and data["why"]:
            self.phase = data["why"]

    def _reply(self, data: Json) -> None:
        more = taken(data)
        self.tokens, self.cost = self.tokens + more[0], self.cost + more[1]
        title = timeline.heading(data["text"])
        self.phase = title if data["agent"] == LEAD else f"{data['agent']}: {title}"
        if data["agent"] == LEAD:
            self.turn = data["turn"]

    def _agent(self, data: Json) -> None:
        self.agents[data["agent"]] = data["role"]

    def _trial(self, data: Json) -> None:
        self.trials += 1
        if data["full"]:
            self._score(data, data["label"])

    def _blend(self, data: Json) -> None:
        self._score(data, "blend")

    def _proof(self, data: Json) -> None:
        self.phase = f"Proof: {data['outcome']}"

    def _submission(self, data: Json) -> None:
        self.submitted = self._as_score(data, str(data["what"]))

    def _score(self, data: Json, what: str) -> None:
        if data["score"] is not None and self.better(data["score"]):
            self.best = self._as_score(data, what)

    def _as_score(self, data: Json, what: str) -> Json:
        return {
            "score": data["score"], "se": data.get("se"), "metric": self.metric, "direction": self.direction,
            "what": what,
        }  # fmt: skip


def _text(record: Record) -> str | None:
    """One line for the log; None for what is not told there."""
    data, kind = record.data, record.kind
    if kind == "reply":
        return timeline.heading(data["text"])
    if kind == "execution" and data["status"] in ("ok", "none"):
        return None
    if kind == "trial" and not data["full"]:
        return None
    if kind == "state":
        return _STATES[data["state"]] + (f": {data['why']}" if data["why"] else "")
    return timeline.said(record)
