"""What a person did in an agent's notebook: kept in the record, and told to the agent.

Edits are recorded when the person has paused for a moment; the agent is told when the notebook is handed back, or when
it has been left alone for a while."""

from __future__ import annotations

import asyncio
import difflib
import time
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.agent.history import NotebookCells
from cobra_jupyter.agent.summary import trim
from cobra_jupyter.notebook.document import Document, Operation
from cobra_jupyter.notebook.merge import longest_rising, touched
from cobra_jupyter.records import blobs, kinds
from cobra_jupyter.records.ledger import Ledger, Record
from cobra_jupyter.workbench.kind import as_record

SETTLED = 2.0  # seconds after the last edit until it is recorded
QUIET = 5.0  # seconds after the last edit until a running agent is told of it
SOURCE, OUTPUT = 4_000, 2_000  # characters of a cell and of its output that are told
_TELLING = ("insert", "source", "delete", "move")


@dataclass(frozen=True)
class Deed:
    """`what`: added, changed, deleted, moved or ran. `text` is the cell's source, or how it changed."""

    what: tuple[str, ...]
    cell: str
    kind: str
    text: str
    status: str | None = None
    output: str = ""

    @property
    def brief(self) -> str:
        ended = f" ({self.status})" if self.status else ""
        return f"a {self.kind} cell {' and '.join(self.what)}{ended}"

    def __str__(self) -> str:
        lines = [f"- A {self.kind} cell was {' and '.join(self.what)}" + (":" if self.text else ".")]
        if self.text:
            language = "diff" if "changed" in self.what else "python" if self.kind == "code" else "markdown"
            lines.append(f"```{language}\n{self.text}\n```")
        if self.status is not None:
            lines.append(f"  It ended {self.status}. Output:\n```\n{self.output or '(none)'}\n```")
        return "\n".join(lines)


class Interventions:
    """Follows an agent's document."""

    def __init__(self, document: Document, ledger: Ledger, agent: str) -> None:
        self._document, self._ledger, self._agent = document, ledger, agent
        self._known = {cell: (document.kind_of(cell), document.source_of(cell)) for cell in document}
        self._begun = dict(self._known)  # as the agent last knew it
        self._acts: dict[str, dict[str, None]] = {}  # cell → what was done
        self._ran: dict[str, tuple[str, str]] = {}
        self._recorded = _copy(document)  # as the record tells of it
        self._retold = NotebookCells(self._recorded, agent)
        self._cleared: dict[
            str, None
        ] = {}  # cells whose outputs a person cleared; the record does not know yet
        self._unsaid = False  # whether a person did something since the last reply in the record
        self._last = -QUIET
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe = document.subscribe(self._follow)
        ledger.follow(self._retell)

    @property
    def quiet(self) -> bool:
        return time.monotonic() - self._last >= QUIET

    def ran(self, cell: str, status: str, output: str) -> None:
        """A cell that a person ran has ended."""
        self._last = time.monotonic()
        self._acts.setdefault(cell, {})["run"] = None
        self._ran[cell] = (status, output)

    def tell(self, why: str) -> list[Deed]:
        """Record what is new, as the agent is to read it. → what was told."""
        self.record()
        found = self._found()
        self._begun, self._acts, self._ran = dict(self._known), {}, {}
        if not found:
            return []
        text = "\n".join(map(str, found))
        deeds = [as_record(kinds.Deed, deed) for deed in found]
        self._ledger.append(
            kinds.HANDBACK, kinds.HandBack(agent=self._agent, why=why, text=text, interventions=deeds)
        )
        return found

    def record(self) -> None:
        """Write edits into the record that are not there yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        edits = self._edits()
        self._cleared = {}
        if edits:
            self._ledger.append(kinds.EDIT, kinds.Edits(agent=self._agent, edits=edits))

    def close(self) -> None:
        self._unsubscribe()
        self.record()

    # ---- inside

    def _follow(self, operation: Operation) -> None:
        cell, op = operation.cell_id, operation.op
        if op == "insert":
            self._known[cell] = (operation.data["cell"]["cell_type"], operation.data["cell"]["source"])
        elif op == "source" and cell in self._known:
            self._known[cell] = (self._known[cell][0], self._document.source_of(cell))
        elif op == "delete":
            self._known.pop(cell, None)
        if not operation.by:
            if op in ("insert", "source"):  # the agent's own: it knows
                self._begun[cell] = self._known[cell]
            elif op == "delete":
                self._begun.pop(cell, None)
            return
        if op in _TELLING:
            self._acts.setdefault(cell, {})[op] = None
            self._last = time.monotonic()
        clears = op == "clear" and not operation.data["wait"] and cell not in self._document.running
        if clears:
            self._cleared[cell] = None
        if clears or op in _TELLING:
            self._unsaid = True
            self._schedule()

    def _retell(self, record: Record) -> None:
        """A new line of the record, in any thread; those on cells come in the loop's."""
        if record.kind not in ("reply", "note", "edit") or record.data["agent"] != self._agent:
            return
        self._retold.take(record)
        if self._unsaid and record.kind != "edit":  # it may tell of cells that a person had in hand
            self._unsaid = False
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SETTLED, self.record)

    def _edits(self) -> list[kinds.Edit]:
        """What leads from the notebook that the record tells of to the one that is there. Cells of a reply that has
        not ended are left to its own line, unless a person wrote in them."""
        document, recorded = self._document, self._recorded
        there = [cell for cell in document if cell in recorded or touched(document, cell)]
        places = {cell: number for number, cell in enumerate(recorded)}
        stay = longest_rising([places[cell] for cell in there if cell in places])
        edits: list[kinds.Edit] = [
            {"edit": "delete", "cell_id": cell} for cell in recorded if cell not in document
        ]
        for before, cell in zip([None, *there], there, strict=False):
            edits += self._edits_of(cell, before, cell in places and places[cell] not in stay)
        return edits

    def _edits_of(self, cell: str, before: str | None, moved: bool) -> list[kinds.Edit]:
        kind, source = self._known[cell]
        made = {"cell_type": kind, "id": cell, "source": source, "metadata": {}}
        if cell not in self._recorded:
            return [{**self._whole("insert", made), "after": before}]
        found: list[kinds.Edit] = []
        if self._recorded.kind_of(cell) != kind:
            found.append(self._whole("replace", made))
        elif self._recorded.source_of(cell) != source:
            found.append({"edit": "source", "cell_id": cell, "text": source})
        if moved:
            found.append({"edit": "move", "cell_id": cell, "after": before})
        if cell in self._cleared:
            found.append({"edit": "clear", "cell_id": cell})
        return found

    def _whole(self, edit: str, made: dict[str, Any]) -> kinds.Edit:
        """A cell as a whole; a copy, or one that was taken back, comes with its prompt number and outputs."""
        found = kinds.Edit(edit=edit, cell=made)
        if made["cell_type"] == "code":
            cell = self._document.cell(made["id"])
            made["execution_count"] = cell["execution_count"]
            if cell["outputs"]:
                found["outputs"] = blobs.store(self._ledger.path.parent, cell["outputs"])
        return found

    def _found(self) -> list[Deed]:
        order = {cell: number for number, cell in enumerate(self._document)}
        cells = sorted(self._acts, key=lambda cell: order.get(cell, len(order)))
        return [deed for cell in cells if (deed := self._deed(cell)) is not None]

    def _deed(self, cell: str) -> Deed | None:
        before, now = self._begun.get(cell), self._known.get(cell)
        if now is None:
            return Deed(("deleted",), cell, before[0], trim(before[1], SOURCE)) if before else None
        what, text = [], ""
        if before is None:
            if not now[1].strip() and "run" not in self._acts[cell]:
                return None  # an empty cell says nothing
            what, text = ["added"], trim(now[1], SOURCE)
        elif before != now:
            what, text = ["changed"], _change(before[1], now[1])
        if "move" in self._acts[cell] and before is not None:
            what.append("moved")
        status, output = self._ran.get(cell, (None, ""))
        if status is not None:
            what.append("run")
            text = text or trim(now[1], SOURCE)
        return Deed(tuple(what), cell, now[0], text, status, trim(output, OUTPUT)) if what else None


def _copy(document: Document) -> Document:
    """Its cells without outputs."""
    copied = Document()
    for cell in document:
        copied.insert(document.kind_of(cell), document.source_of(cell), cell_id=cell)
    return copied


def _change(before: str, now: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=3)
    return trim("\n".join([line for line in lines if not line.startswith(("---", "+++"))]), SOURCE)
