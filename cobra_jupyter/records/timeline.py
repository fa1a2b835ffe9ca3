"""A run's timeline, from its record: what happened when, in which turn, and where the time went."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from cobra_jupyter.records import describe, kinds
from cobra_jupyter.records.authors import Authors
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.charts import Point
from cobra_jupyter.workbench.display.pages import words
from cobra_jupyter.workbench.kind import Kind
from cobra_jupyter.workbench.rebuild import all_of, last_of, replay

T = TypeVar("T", bound=Mapping[str, Any])
Interval = tuple[float, float]
MOST_LINES = 150  # of one turn
LEFT_OUT = ("call", "clock")  # their results have their own records
USAGE = ("input", "cached", "output", "thoughts", "cost")


@dataclass(frozen=True)
class TimelineEntry:
    """One record of the trail. `offset` is seconds since the start."""

    offset: float
    kind: str
    text: str
    failed: bool = False


@dataclass
class Turn:
    """The records that follow one reply of a brain; number 0 holds those before the first reply."""

    number: int
    agent: str
    role: str
    heading: str
    prose: str
    offset: float
    brain: str = ""
    seconds: float = 0.0
    status: str = ""
    lines: list[TimelineEntry] = field(default_factory=list)
    left_out: int = 0

    def add(self, line: TimelineEntry) -> None:
        if len(self.lines) < MOST_LINES:
            self.lines.append(line)
        else:
            self.left_out += 1


@dataclass(frozen=True)
class Phase:
    """A share of the run's time."""

    name: str
    seconds: float
    share: float


@dataclass(frozen=True)
class Timeline:
    """The record of one run. Missing kinds give empty answers."""

    run: Mapping[str, Any]  # run.json
    records: Sequence[Record]

    def all(self, kind: Kind[T]) -> list[T]:
        return all_of(self.records, kind)

    def last(self, kind: Kind[T]) -> T | None:
        return last_of(self.records, kind)

    @property
    def started(self) -> float:
        """Epoch seconds."""
        given = self.run.get("started")
        if words.known(given):
            return float(given)
        return self.records[0].time if self.records else 0.0

    def offset(self, record: Record) -> float:
        return max(0.0, record.time - self.started)

    @property
    def seconds(self) -> float:
        """How long the run took, or has taken so far."""
        given = self.run.get("seconds")
        last = self.offset(self.records[-1]) if self.records else 0.0
        return float(given) if words.known(given) else last

    @property
    def judged(self) -> results.Protocol | results.Card | None:
        """The protocol in force; the card if there is none."""
        return self.last(results.PROTOCOL) or self.last(results.CARD)

    @property
    def sign(self) -> int:
        return -1 if self.judged and self.judged["direction"] == "minimize" else 1

    @cached_property
    def authors(self) -> Authors:
        """Who wrote the run."""
        authors = Authors()
        replay(self.records, authors)
        return authors

    # ---- trials

    def trials(self) -> list[results.Trial]:
        return self.all(results.TRIAL)

    def full(self) -> list[results.Trial]:
        """Full-size trials with a score; the latest protocol first, then the best first."""
        found = [t for t in self.trials() if t.get("full") and words.known(t.get("score"))]
        return sorted(found, key=lambda t: (-(t.get("protocol") or 0), -self.sign * results.score_of(t)))

    def small(self) -> list[results.Trial]:
        """Trials on a part of the rows or folds, in order."""
        return [t for t in self.trials() if not t.get("full") and words.known(t.get("score"))]

    def failed(self) -> list[results.Trial]:
        return [t for t in self.trials() if not words.known(t.get("score"))]

    def fold_scores(self) -> dict[str, Any]:
        """Id of a trial or blend → its scores by fold."""
        scored = [*self.all(results.TRIAL), *self.all(results.BLEND)]
        return {str(data.get("id")): data.get("fold_scores") for data in scored}

    def points(self) -> list[Point]:
        """Full-size trials and blends under the protocol in force; all its trials if none was full-size."""
        protocol = self.last(results.PROTOCOL)
        number = protocol.get("number") if protocol else None
        found = [
            r
            for r in self.records
            if r.kind in ("trial", "blend") and r.data.get("protocol") in (number, None)
        ]
        whole = [r for r in found if r.kind == "blend" or r.data.get("full")]
        return [
            _point(r, self.offset(r)) for r in (whole if any(r.kind == "trial" for r in whole) else found)
        ]

    # ---- time

    def phases(self) -> list[Phase]:
        """Where the time went; overlapping time counts once, for the first phase."""
        total = self.seconds
        if total <= 0:
            return []
        claimed: list[Interval] = []
        found: list[Phase] = []
        for name, spans in self._spans().items():
            wider = merged([*claimed, *((max(0.0, a), min(total, b)) for a, b in spans)])
            seconds = length(wider) - length(claimed)
            claimed = wider
            if seconds > 0.0005 * total:
                found.append(Phase(name, seconds, seconds / total))
        rest = max(0.0, total - length(claimed))
        return [*found, Phase("set-up, thinking, the rest", rest, rest / total)]

    def _spans(self) -> dict[str, list[Interval]]:
        spans: dict[str, list[Interval]] = {
            "ablations on small data": [],
            "full-size trials": [],
            "small trials": [],
            "blend and submission": [],
            "proof": [],
        }
        for record in self.records:
            seconds, end = record.data.get("seconds"), self.offset(record)
            if not words.known(seconds):
                continue
            name = {
                "ablation": "ablations on small data",
                "blend": "blend and submission",
                "submission": "blend and submission",
                "proof": "proof",
                "trial": "full-size trials" if record.data.get("full") else "small trials",
            }.get(record.kind)
            if name:
                spans[name].append((end - float(seconds), end))
        return spans

    # ---- the trail

    def turns(self) -> list[Turn]:
        """Every turn with the records that follow it; records without an agent belong to the lead."""
        found = [Turn(0, "lead", "", "Start", "", 0.0)]
        latest = {"lead": found[0]}
        for record in self.records:
            data, offset = record.data, self.offset(record)
            agent = str(data.get("agent") or "lead")
            if record.kind == "reply":
                text, number = str(data.get("text", "")), data.get("turn")
                place = number if isinstance(number, int) else len(found)
                turn = Turn(
                    place,
                    agent,
                    str(data.get("role", "")),
                    describe.heading(text),
                    describe.prose(text),
                    offset,
                    str(data.get("brain") or ""),
                )
                found.append(turn)
                latest[agent] = turn
                continue
            if record.kind in LEFT_OUT:
                continue
            turn = latest.get(agent, latest["lead"])
            if record.kind == "execution":
                turn.status = str(data.get("status", ""))
                turn.seconds += float(data["seconds"]) if words.known(data.get("seconds")) else 0.0
            turn.add(TimelineEntry(offset, record.kind, describe.line(record), describe.failed(record)))
        return [turn for turn in found if turn.number or turn.lines]

    # ---- agents and models

    def rungs(self) -> list[kinds.Rung]:
        """The latest state of each rung of the plateau ladder."""
        return list({data.get("number"): data for data in self.all(kinds.RUNG)}.values())

    def models(self) -> list[dict[str, Any]]:
        """Replies, tokens and dollars of each model, including failed attempts."""
        found: dict[str, dict[str, Any]] = {}
        for reply in self.all(kinds.REPLY):
            for each in (*(reply.get("attempts") or ()), reply):
                used = each.get("usage")
                if not isinstance(used, Mapping):
                    continue
                row = found.setdefault(str(used.get("model")), dict.fromkeys(USAGE, 0) | {"replies": 0})
                row["replies"] += 1
                for name in USAGE:
                    row[name] += used.get(name) or 0
        return [{"model": model, **row} for model, row in found.items()]


def _point(record: Record, offset: float) -> Point:
    data = record.data
    family = "blend" if record.kind == "blend" else str(data.get("name") or data.get("candidate") or "")
    score, se = data.get("score"), data.get("se")
    label = f"{data.get('id')} {data.get('label') or ''}".strip()
    return Point(
        offset, score if words.known(score) else None, family, se if words.known(se) else None, label
    )


def merged(spans: Iterable[Interval]) -> list[Interval]:
    """Intervals without overlaps, in order."""
    found: list[Interval] = []
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def length(spans: Iterable[Interval]) -> float:
    return math.fsum(end - start for start, end in spans)
