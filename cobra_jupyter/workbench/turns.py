"""The types of the records that runner and harness share: cells, their results, their workbench calls."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from cobra_jupyter.workbench.kind import Kind
from cobra_jupyter.workbench.results import Count, Positive

AgentName = Annotated[str, "The agent: lead, scout-1, auditor-1 …"]
Outputs = Annotated[str | None, "SHA-256 of the cell's outputs in the notebook, stored in outputs/."]


class Cell(TypedDict):
    """A code cell that is about to run."""

    agent: AgentName
    turn: Count
    cell: str
    role: str
    source: str


class Execution(TypedDict):
    """The result of a cell; output is the visible text, trimmed."""

    agent: AgentName
    turn: Count
    cell: str
    status: str
    count: Count | None
    seconds: Positive
    ename: str
    evalue: str
    output: str
    outputs: Outputs


class CallError(TypedDict):
    """Why a call was refused or failed."""

    kind: str
    message: str


class Call(TypedDict):
    """A cell's call of the workbench with its answer, inline or as the number of the line that has it."""

    agent: AgentName
    turn: Count
    call: str
    args: dict[str, Any]
    record: Count | None
    answer: dict[str, Any] | None
    error: CallError | None


class Clock(TypedDict):
    """A decision that depended on time; a replay repeats it."""

    what: Annotated[
        str, "Agent, turn, call, its number among such calls of the turn's cell, and the decision's name."
    ]
    value: Annotated[Any, "JSON, in the form of its decision."]


CELL: Kind[Cell] = Kind("cell")
EXECUTION: Kind[Execution] = Kind("execution")
CALL: Kind[Call] = Kind("call")
CLOCK: Kind[Clock] = Kind("clock")
