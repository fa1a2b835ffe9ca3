"""Read a run back from its record, so that it can go on where it ended, however it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.loop import Pending
from cobra_jupyter.agent.reply import Parsed, parse
from cobra_jupyter.agent.running import message_of
from cobra_jupyter.brains.context import Turn
from cobra_jupyter.kernel.executor import plain
from cobra_jupyter.notebook import edits, overflow
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.records import blobs, kinds
from cobra_jupyter.records.age import RunAge
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.workbench.harness.ownership import LEAD
from cobra_jupyter.workbench.rebuild import Line, Rebuilt, last_of, replay, takes
from cobra_jupyter.workbench.turns import CELL, EXECUTION, Cell, Execution


class NothingRecorded(ValueError):  # noqa: N818
    """The run ended before its first record: there is nothing to resume."""


@dataclass(frozen=True)
class AgentHistory:
    """One agent so far. `person_cells` (seq, code): a person's cells that ran well."""

    turns: tuple[Turn, ...] = ()
    pending: Pending | None = None
    finished: str | None = None
    person_cells: tuple[tuple[int, str], ...] = ()

    @property
    def accepted(self) -> list[tuple[int, str]]:
        """(turn, code) of all cells that ran well, in order; a person's have turn 0."""
        own = [(turn.seq, turn.number, turn.code) for turn in self.turns if turn.status == "ok" and turn.code]
        by_person = [(seq, 0, code) for seq, code in self.person_cells]
        return [(number, code) for _, number, code in sorted([*own, *by_person])]


@dataclass(frozen=True)
class RunHistory:
    """A run so far. `used`: seconds of its age, over all resumptions; `lead`: the leading agent's history."""

    config: kinds.Run
    records: tuple[Record, ...]
    used: float
    lead: AgentHistory
    state: str


def recall(records: Sequence[Record], folder: Path) -> RunHistory:
    """Read the records of the run in `folder`. Raises NothingRecorded if there are none."""
    config = last_of(records, kinds.RUN)
    if config is None:
        raise NothingRecorded(f"{folder}: nothing was recorded yet; start it again with `cobra run`")
    state = last_of(records, kinds.STATE)
    used = ages(config["started"], records)[records[-1].seq]
    lead = agent_history(records, "lead")
    return RunHistory(config, tuple(records), used, lead, state["state"] if state else "running")


def agent_history(records: Iterable[Record], agent: str) -> AgentHistory:
    """Read one agent's history from the records."""
    builder = _AgentHistoryBuilder(agent)
    replay(records, builder)
    return builder.history()


class _AgentHistoryBuilder(Rebuilt):
    """Collects the turns of one agent."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._replies: dict[int, tuple[kinds.Reply, int]] = {}  # turn → reply, seq
        self._begun: dict[int, str] = {}  # turn → source of the cell, as a person may have changed it
        self._done: dict[int, tuple[Execution, int]] = {}
        self._finished: str | None = None
        self._person_cells: list[tuple[int, str]] = []

    def take(self, line: Line) -> None:
        if line.data.get("agent") == self._agent:
            super().take(line)

    @takes(kinds.REPLY)
    def take_reply(self, data: kinds.Reply, line: Line) -> None:
        self._replies[data["turn"]], self._finished = (data, line.seq), None

    @takes(CELL)
    def take_cell(self, data: Cell, line: Line) -> None:
        self._begun[data["turn"]] = data["source"]

    @takes(EXECUTION)
    def take_execution(self, data: Execution, line: Line) -> None:
        if data["turn"]:
            self._done[data["turn"]] = (data, line.seq)

    @takes(kinds.FINISH)
    def take_finish(self, data: kinds.Finish, line: Line) -> None:
        self._finished = data.get("why") or "the agent is done"

    @takes(kinds.RAN)
    def take_ran(self, data: kinds.Ran, line: Line) -> None:
        if data["status"] == "ok" and plain(data["source"]):
            self._person_cells.append((line.seq, data["source"]))

    def history(self) -> AgentHistory:
        turns, pending = [], None
        for number, (reply, seq) in sorted(self._replies.items()):
            parsed = parse(reply["text"])
            if parsed.code is None or number in self._done:
                turns.append(self._turn(number, reply, seq, parsed))
            else:
                begun = number in self._begun
                pending = Pending(
                    number,
                    parsed,
                    reply["cells"]["code"],
                    begun,
                    reply["role"],
                    reply["knew"],
                    reply["brain"],
                )
        return AgentHistory(tuple(turns), pending, self._finished, tuple(self._person_cells))

    def _turn(self, number: int, reply: kinds.Reply, seq: int, parsed: Parsed) -> Turn:
        role, knew, brain = reply["role"], reply["knew"], reply["brain"]
        if parsed.code is None:
            return Turn(number, parsed.markdown, "", "none", role=role, seq=seq, knew=knew, brain=brain)
        end, seq = self._done[number]
        return Turn(
            number=number,
            markdown=parsed.markdown,
            code=self._begun.get(number, parsed.code),
            status=end["status"],
            error=message_of(end["ename"], end["evalue"]),
            output=end["output"],
            role=role,
            seq=seq,
            knew=knew,
            brain=brain,
        )


def ages(started: float, records: Iterable[Record]) -> dict[int, float]:
    """The run's age in seconds at each record, by seq."""
    age, found = RunAge(since=started), {}
    for record in records:
        age.take(record)
        found[record.seq] = age.at(record.time)
    return found


def rebuild(
    records: Iterable[Record], run: Path, metadata: Mapping[str, Any], agent: str = "lead"
) -> Document:
    """Rebuild an agent's notebook from the record. Cell versions are the seqs of the records they come from.
    A reply that never ended leaves nothing."""
    document = Document(metadata=metadata, displays=overflow.DISPLAYS, log=overflow.said(log_of(agent)))
    parts = (NotebookCells(document, agent), NotebookOutputs(document, agent, run))
    for record in records:
        document.versions.at = record.seq
        replay([record], *parts)
    document.versions.at = None
    return document


def log_of(agent: str) -> str:
    """Path, in the run's folder, of the log for output that is too long for the agent's notebook."""
    return f"logs/{'agent' if agent == LEAD else agent}.log"


class NotebookCells(Rebuilt):
    """The cells of an agent's notebook, without outputs."""

    def __init__(self, document: Document, agent: str) -> None:
        self.document, self.agent = document, agent

    def take(self, line: Line) -> None:
        if line.data.get("agent") == self.agent:
            super().take(line)

    @takes(kinds.REPLY)
    def take_reply(self, data: kinds.Reply, line: Line) -> None:
        parsed = parse(data["text"])
        about = {"agent": self.agent, "role": data["role"], "turn": data["turn"], "brain": data["brain"]}
        self._insert(data["cells"], parsed.markdown, parsed.code, about)

    @takes(kinds.NOTE)
    def take_note(self, data: kinds.Note, line: Line) -> None:
        about = {"agent": self.agent, "role": "runner", "turn": 0}
        self._insert(data["cells"], data["text"], data["code"], about)

    @takes(kinds.EDIT)
    def take_edit(self, data: kinds.Edits, line: Line) -> None:
        edits.apply(self.document, data["edits"], "person")

    def _insert(self, cells: kinds.Cells, markdown: str, code: str | None, about: dict[str, Any]) -> None:
        document = self.document
        for kind, cell, text in (("markdown", cells["markdown"], markdown), ("code", cells["code"], code)):
            if cell is not None and cell in document:  # a person edited it before the reply was complete
                document.metadata(cell, {"cobra": {**about, **document.cobra_metadata(cell)}})
            elif cell is not None:
                document.insert(kind, text or "", cell_id=cell, metadata={"cobra": about})


class NotebookOutputs(Rebuilt):
    """The outputs of an agent's notebook, from the files in the run's folder."""

    def __init__(self, document: Document, agent: str, run: Path) -> None:
        self.document, self.agent, self.run = document, agent, run

    def take(self, line: Line) -> None:
        if line.data.get("agent") == self.agent:
            super().take(line)

    @takes(EXECUTION)
    def take_execution(self, data: Execution, line: Line) -> None:
        self._ended(data)

    @takes(kinds.RAN)
    def take_ran(self, data: kinds.Ran, line: Line) -> None:
        self._ended(data)

    @takes(kinds.EDIT)
    def take_edit(self, data: kinds.Edits, line: Line) -> None:
        for edit in data["edits"]:
            if outputs := edit.get("outputs"):
                self._show(edit["cell"]["id"], outputs)

    def _ended(self, data: Execution | kinds.Ran) -> None:
        self._show(data["cell"], data["outputs"])
        if data["cell"] in self.document:
            self.document.count(data["cell"], data["count"])

    def _show(self, cell: str, outputs: str | None) -> None:
        """Put stored outputs below a cell."""
        if cell not in self.document:
            return
        self.document.clear(cell)
        for output in blobs.load(self.run, outputs) if outputs else ():
            self.document.output(cell, output, stored=True)
