"""The calls that cells made and their answers. A cell that runs again gets the same answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cobra_jupyter.workbench.rebuild import Line, Rebuilt, takes
from cobra_jupyter.workbench.results import TRIAL, Trial
from cobra_jupyter.workbench.turns import CALL, CELL, EXECUTION, Call, CallError, Cell, Execution

SINGLE = {"protocol": "protocol", "blend": "blend", "ablation": "ablate", "submission": "submit"}
Turn = tuple[str, int]  # agent, number


@dataclass(frozen=True)
class Answered:
    """A call with its answer or its error. `args` is None if only the answer was recorded."""

    call: str
    args: dict[str, Any] | None
    answer: dict[str, Any] | None
    error: CallError | None


class Journal(Rebuilt):
    """The calls of each turn's cell, in order. If the run stopped between result and answer of a call, only
    the call's name and its result are known."""

    def __init__(self) -> None:
        self.trial_lines: dict[str, int] = {}  # the line of each trial in the record
        self._calls: dict[Turn, list[Answered]] = {}
        self._turn: Turn = ("lead", 0)
        self._open: Answered | None = None  # a result whose call has not ended
        self._lines: list[Line] = []

    def take(self, line: Line) -> None:
        self._lines.append(line)
        if line.kind in SINGLE:
            self._open = Answered(SINGLE[line.kind], None, _answer(line), None)
        super().take(line)

    @takes(CELL)
    def take_cell(self, data: Cell, line: Line) -> None:
        self._turn, self._open = (data["agent"], data["turn"]), None

    @takes(EXECUTION)
    def take_execution(self, data: Execution, line: Line) -> None:
        self._open = None

    @takes(TRIAL)
    def take_trial(self, data: Trial, line: Line) -> None:
        self.trial_lines[data["id"]] = line.seq

    @takes(CALL)
    def take_call(self, data: Call, line: Line) -> None:
        self._open = None
        answer = data["answer"] if data["record"] is None else _answer(self._lines[data["record"]])
        self.keep(data["agent"], data["turn"], Answered(data["call"], data["args"], answer, data["error"]))

    def keep(self, agent: str, turn: int, call: Answered) -> None:
        self._calls.setdefault((agent, turn), []).append(call)

    def of(self, agent: str, turn: int) -> list[Answered]:
        """Return the calls of a turn, with the one that had not ended."""
        found = self._calls.get((agent, turn), [])
        return [*found, self._open] if self._open and self._turn == (agent, turn) else list(found)


def _answer(line: Line) -> dict[str, Any]:
    return {"kind": line.kind, "data": line.data}
