"""Cells that a person runs in an agent's kernel from a tab; their outputs arrive even if the tab is
closed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.notebook.document import Document

MOST = 200  # executions without a known cell that are kept
MOST_WAITING = 1_000  # outputs kept of each of them
LATE = 500  # ended executions for which late outputs are still accepted
PATIENCE = 10.0  # seconds within which an idle kernel begins a cell that was sent to it
Event = dict[str, Any]


@dataclass
class PersonExecution:
    """One execution. `cell` is None until a tab has named it; `waiting` holds the outputs until then."""

    began: float
    cell: str | None = None
    client: str = ""
    begun: int | None = None  # seq at which the cell's state became running
    count: int | None = None
    status: str = "ok"
    ename: str = ""
    evalue: str = ""
    over: bool = False
    waiting: list[Event] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


class PersonCells:
    """Follows a person's executions. `on_end(cell, execution)` is called when an execution of a known cell
    ends."""

    def __init__(self, document: Document, on_end: Callable[[str, PersonExecution], None]) -> None:
        self._document, self._on_end = document, on_end
        self._executions: dict[str, PersonExecution] = {}
        self._ended: dict[str, PersonExecution] = {}  # the latest ended executions of known cells
        self._never: deque[str] = deque(maxlen=MOST)  # the latest executions that ended without running
        self._heard = 0.0  # time of the last message from a tab or the kernel

    @property
    def open(self) -> bool:
        """Whether a person's cell runs now or is about to."""
        left = [execution for execution in self._executions.values() if not execution.over]
        if any(execution.count is not None for execution in left):
            return True
        return any(execution.cell for execution in left) and time.monotonic() - self._heard < PATIENCE

    def ran(self, msg_id: str, cell: str, client: str) -> None:
        """A tab reports which cell an execution belongs to."""
        if msg_id in self._never or msg_id in self._ended:
            return
        self._heard = time.monotonic()
        execution = self._execution(msg_id)
        if execution.cell is not None or cell not in self._document:
            return
        execution.cell, execution.client = cell, client
        with self._document.acting(client):
            self._document.clear(cell)
            execution.begun = self._document.state(cell, "running").seq
            for event in execution.waiting:
                self._show(execution, event)
        execution.waiting = []
        self._end(msg_id, execution)

    def on_event(self, msg_id: str, event: Event) -> None:
        """An event of an execution that is not the agent's."""
        kind = event["output_type"]
        if msg_id in self._ended:
            if kind not in ("execute_input", "idle"):  # late output of a thread
                self._show(self._ended[msg_id], event)
            return
        self._heard = time.monotonic()
        execution = self._execution(msg_id)
        if kind == "execute_input":
            execution.count = event.get("execution_count")
            execution.began = time.monotonic()
            return
        if kind == "idle":
            if execution.count is None:  # e.g. a completion, or a cell skipped after an earlier error
                self._never.append(msg_id)
                self._drop(msg_id, execution)
                return
            execution.over = True
            self._end(msg_id, execution)
            return
        if kind == "error":
            execution.status, execution.ename, execution.evalue = (
                "error",
                str(event["ename"]),
                str(event["evalue"]),
            )
        if execution.cell is None:
            execution.waiting = [*execution.waiting[-MOST_WAITING:], event]
            if kind == "update_display_data":  # it may update a display below another cell
                self._document.output("", event)
            return
        self._show(execution, event)

    def died(self) -> None:
        """End all executions: the kernel is gone."""
        for msg_id, execution in list(self._executions.items()):
            execution.status, execution.over = "died", True
            self._end(msg_id, execution)

    def _execution(self, msg_id: str) -> PersonExecution:
        if msg_id not in self._executions:
            unknown = [key for key, execution in self._executions.items() if execution.cell is None]
            for key in unknown[: len(unknown) + 1 - MOST]:
                del self._executions[key]
            self._executions[msg_id] = PersonExecution(time.monotonic())
        return self._executions[msg_id]

    def _show(self, execution: PersonExecution, event: Event) -> None:
        assert execution.cell
        with self._document.acting(execution.client):
            self._document.output(execution.cell, event, begun=execution.begun)

    def _end(self, msg_id: str, execution: PersonExecution) -> None:
        if execution.cell is None or not execution.over:
            return
        self._drop(msg_id, execution)
        self._ended[msg_id] = execution
        if len(self._ended) > LATE:
            del self._ended[next(iter(self._ended))]
        self._on_end(execution.cell, execution)

    def _drop(self, msg_id: str, execution: PersonExecution) -> None:
        del self._executions[msg_id]
        if execution.cell is not None and execution.cell in self._document:
            with self._document.acting(execution.client):
                self._document.count(execution.cell, execution.count)
                self._document.state(execution.cell, "idle")
