"""What the record of a run says of it: enough to go on where it ended, however it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.loop import Pending, message_of
from cobra_jupyter.agent.reply import parse
from cobra_jupyter.brains.context import Turn
from cobra_jupyter.kernel.executor import plain
from cobra_jupyter.notebook import edits, overflow
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.records import blobs
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.records.states import HELD
from cobra_jupyter.workbench.harness.ownership import LEAD


class NothingRecorded(ValueError):  # noqa: N818
    """The run ended before its first line: there is nothing to resume."""


@dataclass(frozen=True)
class AgentHistory:
    """One agent so far. `accepted` (turn, code) are cells that ran well, a person's with turn 0."""

    turns: tuple[Turn, ...] = ()
    pending: Pending | None = None
    finished: str | None = None
    person_cells: tuple[
        tuple[int, str], ...
    ] = ()  # line of the record and code of cells that a person ran well

    @property
    def accepted(self) -> list[tuple[int, str]]:
        own = [(turn.seq, turn.number, turn.code) for turn in self.turns if turn.status == "ok" and turn.code]
        return [
            (number, code)
            for _, number, code in sorted([*own, *((seq, 0, code) for seq, code in self.person_cells)])
        ]


@dataclass(frozen=True)
class RunHistory:
    """A run so far. `used` is in seconds, over all its lives; `lead` is the leading agent's life."""

    asked: Mapping[str, Any]
    records: tuple[Record, ...]
    used: float
    lead: AgentHistory
    state: str


def recall(records: Sequence[Record], folder: Path) -> RunHistory:
    """What the records of the run in `folder` say. Raises NothingRecorded where there is none."""
    asked = next((record.data for record in records if record.kind == "run"), None)
    if asked is None:
        raise NothingRecorded(f"{folder}: nothing was recorded yet; start it again with `cobra run`")
    state = next((r.data["state"] for r in reversed(records) if r.kind == "state"), "running")
    return RunHistory(asked, tuple(records), _used(asked["started"], records), life(records, "lead"), state)


def life(records: Iterable[Record], agent: str) -> AgentHistory:
    """What the records say of one agent."""
    own = [r for r in records if r.data.get("agent") == agent]
    replies = {r.data["turn"]: r for r in own if r.kind == "reply"}
    begun = {
        r.data["turn"]: r.data["source"] for r in own if r.kind == "cell"
    }  # as a person may have changed it
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
                number, parsed.markdown, begun.get(number, parsed.code), end.data["status"], error, end.data["output"], reply["role"], end.seq, reply["knew"],
            ))  # fmt: skip
        else:
            pending = Pending(
                number, parsed, reply["cells"]["code"], number in begun, reply["role"], reply["knew"]
            )
    last = next((r for r in reversed(own) if r.kind in ("finish", "reply")), None)
    finished = (last.data.get("why") or "the agent is done") if last and last.kind == "finish" else None
    person_cells = tuple(
        (r.seq, r.data["source"]) for r in own if r.kind == "ran" and r.data["status"] == "ok"
    )
    return AgentHistory(tuple(turns), pending, finished, tuple(v for v in person_cells if plain(v[1])))


def _used(started: float, records: Sequence[Record]) -> float:
    """Seconds that the run lived."""
    return ages(started, records)[records[-1].seq]


def ages(started: float, records: Iterable[Record]) -> dict[int, float]:
    """How old the run was at each record, by line: what lies between its end and a resumption does not count."""
    begin, before, held, found = started, 0.0, False, {}
    for record in records:
        age = before if held else before + max(0.0, record.time - begin)
        if record.kind == "state":
            if "used" in record.data:
                age = float(record.data["used"])
            begin, before, held = record.time, age, record.data["state"] in HELD
        found[record.seq] = age
    return found


def rebuild(
    records: Iterable[Record], run: Path, metadata: Mapping[str, Any], agent: str = "lead"
) -> Document:
    """An agent's notebook as the record tells of it; its cells are numbered by the lines that told of them. A reply
    that was never finished leaves nothing."""
    document = Document(metadata=metadata, displays=overflow.DISPLAYS, log=overflow.said(log_of(agent)))
    for record in records:
        data = record.data
        if data.get("agent") != agent:
            continue
        document.versions.at = record.seq
        retell(document, record, agent)
        if record.kind in ("execution", "ran"):
            _show(document, run, data["cell"], data["outputs"])
            if data["cell"] in document:
                document.count(data["cell"], data["count"])
        elif record.kind == "edit":
            for edit in data["edits"]:
                if edit.get("outputs"):
                    _show(document, run, edit["cell"]["id"], edit["outputs"])
    document.versions.at = None
    return document


def log_of(agent: str) -> str:
    """Where in the run's folder an agent's cells go on that show more than its notebook stores."""
    return f"logs/{'agent' if agent == LEAD else agent}.log"


def _show(document: Document, run: Path, cell: str, outputs: str | None) -> None:
    """Put what was kept below a cell."""
    if cell not in document:
        return
    document.clear(cell)
    for output in blobs.load(run, outputs) if outputs else ():
        document.output(cell, output, stored=True)


def retell(document: Document, record: Record, agent: str) -> None:
    """Do in a notebook what one record tells of its agent's cells, but for their outputs."""
    data = record.data
    if record.kind == "reply":
        parsed = parse(data["text"])
        about = {"agent": agent, "role": data["role"], "turn": data["turn"]}
        _insert(document, data["cells"], parsed.markdown, parsed.code, about)
    elif record.kind == "note":
        about = {"agent": agent, "role": "runner", "turn": 0}
        _insert(document, data["cells"], data["text"], data["code"], about)
    elif record.kind == "edit":
        edits.apply(document, data["edits"], "person")


def _insert(
    document: Document,
    cells: Mapping[str, str | None],
    markdown: str,
    code: str | None,
    about: dict[str, Any],
) -> None:
    for kind, text in (("markdown", markdown), ("code", code)):
        cell = cells[kind]
        if cell is not None and cell in document:  # a person wrote in it before the reply was whole
            document.metadata(cell, {"cobra": {**about, **document.cobra_metadata(cell)}})
        elif cell is not None:
            document.insert(kind, text or "", cell_id=cell, metadata={"cobra": about})
