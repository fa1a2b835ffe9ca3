"""What the record of a run says of it: enough to go on where it ended, however it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.context import Turn
from cobra_jupyter.agent.loop import Pending, message_of
from cobra_jupyter.agent.reply import parse
from cobra_jupyter.ledger import Record
from cobra_jupyter.notebook import kept
from cobra_jupyter.notebook.document import Document


class NothingRecorded(ValueError):  # noqa: N818
    """The run ended before its first line: there is nothing to resume."""


@dataclass(frozen=True)
class Life:
    """One agent so far. `accepted` (turn, code) are cells that ran well."""

    turns: tuple[Turn, ...] = ()
    pending: Pending | None = None
    finished: str | None = None

    @property
    def accepted(self) -> list[tuple[int, str]]:
        return [(turn.number, turn.code) for turn in self.turns if turn.status == "ok" and turn.code]


@dataclass(frozen=True)
class Past:
    """A run so far. `used` is in seconds, over all its lives; `lead` is the leading agent's life."""

    asked: Mapping[str, Any]
    records: tuple[Record, ...]
    used: float
    lead: Life
    state: str


def recall(records: Sequence[Record], folder: Path) -> Past:
    """What the records of the run in `folder` say. Raises NothingRecorded where there is none."""
    asked = next((record.data for record in records if record.kind == "run"), None)
    if asked is None:
        raise NothingRecorded(f"{folder}: nothing was recorded yet; start it again with `cobra run`")
    state = next((r.data["state"] for r in reversed(records) if r.kind == "state"), "running")
    return Past(asked, tuple(records), _used(asked["started"], records), life(records, "lead"), state)


def life(records: Iterable[Record], agent: str) -> Life:
    """What the records say of one agent."""
    own = [r for r in records if r.data.get("agent") == agent]
    replies = {r.data["turn"]: r for r in own if r.kind == "reply"}
    begun = {r.data["turn"] for r in own if r.kind == "cell"}
    done = {r.data["turn"]: r for r in own if r.kind == "execution" and r.data["turn"]}
    turns, pending = [], None
    for number, record in sorted(replies.items()):
        reply, parsed = record.data, parse(record.data["text"])
        if parsed.code is None:
            turns.append(
                Turn(
                    number,
                    parsed.markdown,
                    "",
                    "none",
                    role=reply["role"],
                    seq=record.seq,
                    knew=reply["knew"],
                )
            )
        elif number in done:
            end = done[number]
            error = message_of(end.data["ename"], end.data["evalue"])
            turns.append(Turn(
                number, parsed.markdown, parsed.code, end.data["status"], error, end.data["output"], reply["role"], end.seq, reply["knew"],
            ))  # fmt: skip
        else:
            pending = Pending(
                number, parsed, reply["cells"]["code"], number in begun, reply["role"], reply["knew"]
            )
    last = next((r for r in reversed(own) if r.kind in ("finish", "reply")), None)
    finished = (last.data.get("why") or "the agent is done") if last and last.kind == "finish" else None
    return Life(tuple(turns), pending, finished)


def _used(started: float, records: Sequence[Record]) -> float:
    """Seconds that the run lived."""
    return ages(started, records)[records[-1].seq]


def ages(started: float, records: Iterable[Record]) -> dict[int, float]:
    """How old the run was at each record, by line: what lies between its end and a resumption does not count."""
    begin, before, found = started, 0.0, {}
    for record in records:
        if record.kind == "state" and record.data["state"] == "resumed":
            begin, before = record.time, float(record.data["used"])
        found[record.seq] = before + max(0.0, record.time - begin)
    return found


def rebuild(
    records: Iterable[Record], run: Path, metadata: Mapping[str, Any], agent: str = "lead"
) -> Document:
    """An agent's notebook as the record tells of it. A reply that was never finished leaves nothing."""
    document = Document(metadata=metadata)
    for record in records:
        data = record.data
        if data.get("agent") != agent:
            continue
        if record.kind == "reply":
            parsed = parse(data["text"])
            about = {"agent": agent, "role": data["role"], "turn": data["turn"]}
            _insert(document, data["cells"], parsed.markdown, parsed.code, about)
        elif record.kind == "note":
            about = {"agent": agent, "role": "runner", "turn": 0}
            _insert(document, data["cells"], data["text"], data["code"], about)
        elif record.kind == "execution" and data["cell"] in document:
            document.clear(data["cell"])
            for output in kept.load(run, data["outputs"]) if data["outputs"] else ():
                document.output(data["cell"], output)
            document.count(data["cell"], data["count"])
    return document


def _insert(
    document: Document,
    cells: Mapping[str, str | None],
    markdown: str,
    code: str | None,
    about: dict[str, Any],
) -> None:
    for kind, text in (("markdown", markdown), ("code", code)):
        if cells[kind] is not None:
            metadata = {"cobra": about}
            document.insert(kind, text or "", cell_id=cells[kind], metadata=metadata)
