"""Cells that a person runs in an agent's kernel, from a tab: their outputs, whether the tab stays or not."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.notebook.document import Document

MOST = 200  # executions kept that no tab has told of
MOST_WAITING = 1_000  # outputs of such a one
LATE = 500  # executions that have ended whose late outputs are still taken
PATIENCE = 10.0  # seconds in which a kernel that has nothing else to run begins a cell that was sent to it
Event = dict[str, Any]


@dataclass
class Visit:
    """One execution: which cell's, if a tab has said so, and what it showed meanwhile."""

    began: float
    cell: str | None = None
    client: str = ""
    begun: int | None = None  # seq at which the cell began, as the tab told it
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
    """`on_end(cell, visit)` is told of each execution that ended and belongs to a cell."""

    def __init__(self, document: Document, on_end: Callable[[str, Visit], None]) -> None:
        self._document, self._on_end = document, on_end
        self._visits: dict[str, Visit] = {}
        self._ended: dict[str, Visit] = {}  # the latest that belong to a cell
        self._never: deque[str] = deque(maxlen=MOST)  # the latest that ended without having run
        self._heard = 0.0  # when the last word came, of a tab or of the kernel

    @property
    def open(self) -> bool:
        """Whether a person's cell runs now or is about to."""
        left = [visit for visit in self._visits.values() if not visit.over]
        if any(visit.count is not None for visit in left):
            return True
        return any(visit.cell for visit in left) and time.monotonic() - self._heard < PATIENCE

    def ran(self, msg_id: str, cell: str, client: str) -> None:
        """A tab says which cell it runs."""
        if msg_id in self._never or msg_id in self._ended:
            return
        self._heard = time.monotonic()
        visit = self._visit(msg_id)
        if visit.cell is not None or cell not in self._document:
            return
        visit.cell, visit.client = cell, client
        with self._document.acting(client):
            self._document.clear(cell)
            visit.begun = self._document.state(cell, "running").seq
            for event in visit.waiting:
                self._show(visit, event)
        visit.waiting = []
        self._end(msg_id, visit)

    def on_event(self, msg_id: str, event: Event) -> None:
        """What the kernel says of executions that are not the agent's."""
        kind = event["output_type"]
        if msg_id in self._ended:
            if kind not in ("execute_input", "idle"):  # of a thread that goes on
                self._show(self._ended[msg_id], event)
            return
        self._heard = time.monotonic()
        visit = self._visit(msg_id)
        if kind == "execute_input":
            visit.count = event.get("execution_count")
            visit.began = time.monotonic()
            return
        if kind == "idle":
            if (
                visit.count is None
            ):  # a completion or the like, or a cell that an error before it kept from running
                self._never.append(msg_id)
                self._drop(msg_id, visit)
                return
            visit.over = True
            self._end(msg_id, visit)
            return
        if kind == "error":
            visit.status, visit.ename, visit.evalue = "error", str(event["ename"]), str(event["evalue"])
        if visit.cell is None:
            visit.waiting = [*visit.waiting[-MOST_WAITING:], event]
            if kind == "update_display_data":  # what it updates may stand below another cell
                self._document.output("", event)
            return
        self._show(visit, event)

    def died(self) -> None:
        """The kernel is gone, and what ran in it."""
        for msg_id, visit in list(self._visits.items()):
            visit.status, visit.over = "died", True
            self._end(msg_id, visit)

    def _visit(self, msg_id: str) -> Visit:
        if msg_id not in self._visits:
            untold = [key for key, visit in self._visits.items() if visit.cell is None]
            for key in untold[: len(untold) + 1 - MOST]:
                del self._visits[key]
            self._visits[msg_id] = Visit(time.monotonic())
        return self._visits[msg_id]

    def _show(self, visit: Visit, event: Event) -> None:
        assert visit.cell
        with self._document.acting(visit.client):
            self._document.output(visit.cell, event, begun=visit.begun)

    def _end(self, msg_id: str, visit: Visit) -> None:
        if visit.cell is None or not visit.over:
            return
        self._drop(msg_id, visit)
        self._ended[msg_id] = visit
        if len(self._ended) > LATE:
            del self._ended[next(iter(self._ended))]
        self._on_end(visit.cell, visit)

    def _drop(self, msg_id: str, visit: Visit) -> None:
        del self._visits[msg_id]
        if visit.cell is not None and visit.cell in self._document:
            with self._document.acting(visit.client):
                self._document.count(visit.cell, visit.count)
                self._document.state(visit.cell, "idle")
