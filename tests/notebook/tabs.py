"""Browser tabs as in docs/live.md: a model, which the person edits, and a shadow, the runner's notebook."""

from __future__ import annotations

import copy
import random
from collections import deque
from typing import Any

from cobra_jupyter.notebook import edits
from cobra_jupyter.notebook.document import Document, Operation
from cobra_jupyter.notebook.merge import base_of, merge, touched

Json = dict[str, Any]
KINDS = ("code", "markdown", "raw")


class Copy:
    """A notebook in a tab: cells by id, in order."""

    def __init__(self) -> None:
        self.cells: dict[str, Json] = {}
        self.order: list[str] = []

    def state(self) -> list[tuple[str, str, str]]:
        return [(cell, self.cells[cell]["cell_type"], self.cells[cell]["source"]) for cell in self.order]

    def insert(self, cell: Json, after: str | None) -> None:
        if cell["id"] not in self.cells:
            self.cells[cell["id"]] = copy.deepcopy(cell)
            self._place(cell["id"], after)

    def delete(self, cell: str) -> None:
        if self.cells.pop(cell, None):
            self.order.remove(cell)

    def move(self, cell: str, after: str | None) -> None:
        if cell in self.cells and cell != after:
            self.order.remove(cell)
            self._place(cell, after)

    def _place(self, cell: str, after: str | None) -> None:
        end = self.order.index(after) + 1 if after in self.cells else len(self.order)
        self.order.insert(0 if after is None else end, cell)

    def apply(self, operation: Operation) -> None:
        cell, data = operation.cell_id, operation.data
        if operation.op == "insert":
            self.insert(data["cell"], data["after"])
        elif operation.op == "delete":
            self.delete(cell)
        elif operation.op == "move":
            self.move(cell, data["after"])
        elif operation.op == "source" and cell in self.cells:
            before = self.cells[cell]["source"] if data["append"] else ""
            self.cells[cell]["source"] = before + data["text"]


class World:
    """The runner: its document, and an agent that streams and runs cells."""

    def __init__(self, chance: random.Random) -> None:
        self.document, self.made, self._chance = Document(), set[str](), chance
        self._streams: str | None = None
        self._count = 0

    def state(self) -> list[tuple[str, str, str]]:
        cells = [self.document.cell(cell) for cell in self.document]
        return [(cell["id"], cell["cell_type"], cell["source"]) for cell in cells]

    def agent_acts(self) -> None:
        document, cell = self.document, self._streams
        if cell is None or cell not in document or touched(document, cell) or self._chance.random() < 0.2:
            kind = self._chance.choice(["code", "markdown"])
            metadata = {"cobra": {"agent": "lead"}}
            self._streams = document.insert(kind, "agent: ", metadata=metadata).cell_id
            self.made.add(self._streams)
        elif self._chance.random() < 0.6 or document.cell(cell)["cell_type"] != "code":
            document.source(cell, f"{self._chance.random():.3f} ", append=True)
        else:
            document.output(cell, {"output_type": "stream", "name": "stdout", "text": "x"})

    def settle(self, tabs: list[Tab]) -> None:
        """Let all tabs reconnect and send their changes."""
        for _ in range(10):
            for tab in tabs:
                tab.reconnect()
                tab.send()
            for tab in tabs:
                tab.receive()
            if all(tab.model.state() == tab.shadow.state() == self.state() for tab in tabs):
                return


class Tab:
    def __init__(self, name: str, world: World, chance: random.Random) -> None:
        self.name, self.model, self.shadow, self.seq = name, Copy(), Copy(), 0
        self.made: set[str] = set()
        self.deleted: set[str] = set()
        self._world, self._chance, self._attached = world, chance, True
        self._events: deque[Operation] = deque()
        world.document.subscribe(self._event)

    def acts(self) -> None:
        actions = [self.receive, self._edit, self.send, self._save, self._drop, self.reconnect]
        self._chance.choices(actions, [5, 6, 3, 2, 0.7, 1.5])[0]()

    # ---- the person

    def _edit(self) -> None:
        model, chance = self.model, self._chance
        cell = chance.choice(model.order) if model.order else None
        what = chance.choice(["insert", "write", "write", "write", "delete", "move", "type"])
        if cell is None or what == "insert":
            made = f"{self.name}-{len(self.made)}"
            self.made.add(made)
            after = chance.choice([None, *model.order])
            model.insert(
                {"id": made, "cell_type": chance.choice(KINDS), "source": made, "metadata": {}}, after
            )
        elif what == "write":
            model.cells[cell]["source"] += f" {self.name}"
        elif what == "delete" and chance.random() < 0.5:
            self.deleted.add(cell)
            model.delete(cell)
        elif what == "move":
            model.move(cell, chance.choice([None, *model.order]))
        elif what == "type":
            model.cells[cell]["cell_type"] = chance.choice(KINDS)

    # ---- the wire

    def _event(self, operation: Operation) -> None:
        if self._attached:
            self._events.append(operation)

    def _drop(self) -> None:
        self._attached = False
        self._events.clear()

    def reconnect(self) -> None:
        """Follow from the last seq, or apply the whole notebook as its difference from the shadow."""
        if self._attached:
            self.receive()
            return
        self._attached = True
        missed = self._world.document.since(self.seq) if self._chance.random() < 0.6 else None
        if missed is None:
            missed = tuple(self._as_operations(self._world.document.notebook()))
        for operation in missed:
            self._apply(operation)
        self.seq = self._world.document.seq

    def _as_operations(self, notebook: Json) -> list[Operation]:
        found, cells = [], {cell["id"]: cell for cell in notebook["cells"]}
        shadow = copy.deepcopy(self.shadow)

        def say(op: str, cell_id: str, **data: Any) -> None:
            found.append(Operation(op, cell_id, 0, data))
            shadow.apply(found[-1])

        for cell in self.shadow.order:
            if cell not in cells or cells[cell]["cell_type"] != self.shadow.cells[cell]["cell_type"]:
                say("delete", cell)
        before = None
        for cell in cells:
            if cell not in shadow.cells:
                say("insert", cell, cell=cells[cell], after=before)
            elif shadow.cells[cell]["source"] != cells[cell]["source"]:
                say("source", cell, text=cells[cell]["source"], append=False)
            if shadow.order[0 if before is None else shadow.order.index(before) + 1] != cell:
                say("move", cell, after=before)
            before = cell
        return found

    def receive(self) -> None:
        """Process some of the operations that have arrived."""
        for _ in range(self._chance.randrange(len(self._events) + 1)):
            self._next()

    def _next(self) -> None:
        operation = self._events.popleft()
        if operation.seq > self.seq:
            self.seq = operation.seq
            self._apply(operation)

    def _apply(self, operation: Operation) -> None:
        mine, theirs = self.model.cells.get(operation.cell_id), self.shadow.cells.get(operation.cell_id)
        agree = (mine is None and theirs is None) or (
            mine is not None
            and theirs is not None
            and (mine["cell_type"], mine["source"]) == (theirs["cell_type"], theirs["source"])
        )
        self.shadow.apply(operation)
        if agree and operation.by != self.name:
            self.model.apply(operation)

    def send(self) -> None:
        """Send the difference between model and shadow; the resulting operations arrive before the answer."""
        if not self._attached:
            return
        refused = edits.apply(self._world.document, self._difference(), self.name)
        assert all(
            "there is no cell" in each["message"] or "does not exist" in each["message"] for each in refused
        )
        while self._events:
            self._next()

    def _difference(self) -> list[Json]:
        found: list[Json] = []
        shadow = copy.deepcopy(self.shadow)
        for cell in self.shadow.order:
            if cell not in self.model.cells:
                found.append({"edit": "delete", "cell_id": cell})
                shadow.delete(cell)
        before = None
        for cell in self.model.order:
            mine, theirs = self.model.cells[cell], shadow.cells.get(cell)
            if theirs is None:
                found.append({"edit": "insert", "cell": copy.deepcopy(mine), "after": before})
                shadow.insert(mine, before)
            elif mine["cell_type"] != theirs["cell_type"]:
                found.append({"edit": "replace", "cell": copy.deepcopy(mine)})
            elif mine["source"] != theirs["source"]:
                found.append({"edit": "source", "cell_id": cell, "text": mine["source"]})
            if shadow.order[0 if before is None else shadow.order.index(before) + 1] != cell:
                found.append({"edit": "move", "cell_id": cell, "after": before})
                shadow.move(cell, before)
            before = cell
        return found

    def _save(self) -> None:
        """Save through the contents API, which also works while the websocket is down."""
        if self._attached:
            self.send()
        cells = [copy.deepcopy(self.model.cells[cell]) for cell in self.model.order]
        body = {"cells": cells, "metadata": {"cobra": {"seq": self.seq}}, "nbformat": 4, "nbformat_minor": 5}
        merge(self._world.document, body, base_of(body), self.name)
