"""A run's record as a story: what happened when, in which turn, and where the time went."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.records.ledger import Record
from cobra_jupyter.workbench.display import pages
from cobra_jupyter.workbench.display.charts import Point
from cobra_jupyter.workbench.display.pages import words

Data = Mapping[str, Any]
Interval = tuple[float, float]
MOST_LINES = 150  # of one turn
UNTOLD = ("call", "clock")  # their results are records of their own
TAKEN = ("input", "cached", "output", "thoughts", "cost")
_FENCE = re.compile(r"^\s*(```|~~~)")
_EMPHASIS = re.compile(r"[*_`]{1,3}")


@dataclass(frozen=True)
class TimelineEntry:
    """One record of the trail. `offset` is seconds since the start."""

    offset: float
    kind: str
    text: str
    failed: bool = False


@dataclass
class Turn:
    """What followed one reply of a brain; number 0 is what came before the first."""

    number: int
    agent: str
    role: str
    heading: str
    prose: str
    offset: float
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
    """The record of one run. Kinds that are missing give empty answers."""

    run: Data
    records: Sequence[Record]

    def all(self, kind: str) -> list[Data]:
        return [record.data for record in self.records if record.kind == kind]

    def last(self, kind: str) -> Data:
        return next((r.data for r in reversed(self.records) if r.kind == kind), {})

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
        """How long the run took, or has taken."""
        given = self.run.get("seconds")
        last = self.offset(self.records[-1]) if self.records else 0.0
        return float(given) if words.known(given) else last

    @property
    def judged(self) -> Data:
        """The protocol in force, or what the card says where none was frozen."""
        return self.last("protocol") or self.last("card")

    @property
    def sign(self) -> int:
        return -1 if self.judged.get("direction") == "minimize" else 1

    # ---- trials

    def trials(self) -> list[Data]:
        return self.all("trial")

    def full(self) -> list[Data]:
        """Full-size trials with a score, those of the protocol in force first, best first."""
        found = [t for t in self.trials() if t.get("full") and words.known(t.get("score"))]
        return sorted(found, key=lambda t: (-(t.get("protocol") or 0), -self.sign * t["score"]))

    def small(self) -> list[Data]:
        """Trials on some of the rows or folds, as they came."""
        return [t for t in self.trials() if not t.get("full") and words.known(t.get("score"))]

    def failed(self) -> list[Data]:
        return [t for t in self.trials() if not words.known(t.get("score"))]

    def fold_scores(self) -> dict[str, Any]:
        """By id of trial or blend."""
        return {str(d.get("id")): d.get("fold_scores") for kind in ("trial", "blend") for d in self.all(kind)}

    def points(self) -> list[Point]:
        """Full-size trials and blends of the protocol in force; all its trials where none was full-size."""
        number = self.judged.get("number")
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
        """Where the time went; what overlaps counts once, for the first that claims it."""
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
        """Every turn with the records that followed it; what tells of no agent is the lead's."""
        found = [Turn(0, "lead", "", "Start", "", 0.0)]
        latest = {"lead": found[0]}
        for record in self.records:
            data, offset = record.data, self.offset(record)
            agent = str(data.get("agent") or "lead")
            if record.kind == "reply":
                text, number = str(data.get("text", "")), data.get("turn")
                place = number if isinstance(number, int) else len(found)
                turn = Turn(place, agent, str(data.get("role", "")), heading(text), prose(text), offset)
                found.append(turn)
                latest[agent] = turn
                continue
            if record.kind in UNTOLD:
                continue
            turn = latest.get(agent, latest["lead"])
            if record.kind == "execution":
                turn.status = str(data.get("status", ""))
                turn.seconds += float(data["seconds"]) if words.known(data.get("seconds")) else 0.0
            turn.add(TimelineEntry(offset, record.kind, said(record), _bad(record)))
        return [turn for turn in found if turn.number or turn.lines]

    # ---- agents and models

    def rungs(self) -> list[Data]:
        """Rungs of the plateau ladder as they stand, each with the `report` of the agent that was called in."""
        latest = {data.get("number"): data for data in self.all("rung")}
        reports = {data.get("id"): data.get("report") for data in self.all("brief")}
        return [{**data, "report": reports.get(data.get("brief"))} for data in latest.values()]

    def models(self) -> list[dict[str, Any]]:
        """What each model took, attempts included: replies, tokens, dollars."""
        found: dict[str, dict[str, Any]] = {}
        for reply in self.all("reply"):
            for each in (*(reply.get("attempts") or ()), reply):
                used = each.get("usage")
                if not isinstance(used, Mapping):
                    continue
                row = found.setdefault(str(used.get("model")), dict.fromkeys(TAKEN, 0) | {"replies": 0})
                row["replies"] += 1
                for name in TAKEN:
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


def _prose_lines(text: str) -> list[str]:
    """The lines of a reply outside its code."""
    lines, inside = [], False
    for line in text.splitlines():
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            lines.append(line.strip())
    return lines


def heading(text: str) -> str:
    """The first Markdown heading of a reply, else its first line of prose."""
    lines = [line for line in _prose_lines(text) if line]
    first = next(
        (line for line in lines if re.match(r"#{1,6}\s+\S", line)), lines[0] if lines else "code only"
    )
    return words.cut(_EMPHASIS.sub("", first.lstrip("#").strip()), 140)


def prose(text: str) -> str:
    """What a reply says besides heading and code, on one line."""
    rest = [line for line in _prose_lines(text) if line and not line.startswith("#")]
    said = words.cut(_EMPHASIS.sub("", " ".join(rest)), 700)
    return "" if said == heading(text) else said


def _bad(record: Record) -> bool:
    data = record.data
    if record.kind == "execution":
        return data.get("status") not in ("ok", None)
    if record.kind == "trial":
        return not words.known(data.get("score"))
    return record.kind == "proof" and data.get("outcome") in ("different", "failed")


def said(record: Record) -> str:
    """A record in one line."""
    data = record.data
    if record.kind in pages.KINDS and record.kind != "finish":
        return pages.headline(record.kind, data)
    if record.kind == "run":
        return (
            f"brain {data.get('brain')}, budget {words.seconds(data.get('budget'))}, seed {data.get('seed')}"
        )
    if record.kind == "environment":
        machine = (
            f"{words.counted(data.get('cores'), 'core')}, {words.size(data.get('memory_bytes'))} of memory"
        )
        return f"Python {data.get('python_version')}, {machine}"
    if record.kind == "cell":
        return words.counted(len(str(data.get("source", "")).splitlines()), "line")
    if record.kind == "execution":
        error = (
            words.cut(f"{data.get('ename')}: {data.get('evalue') or ''}", 240) if data.get("ename") else ""
        )
        return f"{data.get('status')} in {words.seconds(data.get('seconds'))}" + (
            f", {error}" if error else ""
        )
    if record.kind == "note":
        return heading(str(data.get("text", "")))
    if record.kind == "agent":
        return f"{data.get('agent')}, called in by the {data.get('by')}, for {words.seconds(data.get('seconds'))}"
    if record.kind == "rung":
        return f"{data.get('rung')} {data.get('state')}: {data.get('why')}"
    if record.kind == "idea":
        gain, se = data.get("gain"), data.get("se")
        against = f"{gain:+.5g} ± {se:.2g} against {data.get('best')}" if words.known(gain) else "the first"
        return f"{data.get('id')} in the family {data.get('family')}: {against}{', progress' if data.get('progress') else ''}"
    if record.kind == "message":
        return words.cut(f"a person says: {data.get('text')}", 300)
    if record.kind == "handback":
        return f"the agent is told what a person did ({data.get('why')}): {words.counted(len(data.get('interventions', ())), 'cell')}"
    if record.kind == "ran":
        return f"a person ran a cell: {data.get('status')} {data.get('error') or ''}".strip()
    if record.kind == "edit":
        return f"{words.counted(len(data.get('edits', ())), 'edit')} by a person"
    if record.kind == "human":
        return f"a person: {data.get('what')}{': ' + data['why'] if data.get('why') else ''}"
    if record.kind == "file":
        return f"{data.get('path')}, SHA-256 {str(data.get('sha256', ''))[:16]}…"
    order = ("state", "event", "what", "outcome", "why", "detail")
    shown = [words.cut(data[key], 300) for key in order if data.get(key)]
    return ": ".join(shown) if shown else words.cut(words.level(dict(data)), 240)
