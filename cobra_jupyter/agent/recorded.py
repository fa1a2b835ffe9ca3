"""An agent's notebook as the record describes it, and the edits that lead from it to the live notebook.

Operations on the live notebook and new records name the cells that may differ. A comparison looks at these
cells alone, so its cost does not grow with the notebook. It looks at all cells only if their order may
differ: after a person moved a cell, inserted one, or edited a reply that was still streaming."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.history import NotebookCells
from cobra_jupyter.notebook.document import Document, Operation
from cobra_jupyter.notebook.merge import longest_rising, touched
from cobra_jupyter.records import blobs
from cobra_jupyter.records.kinds import Edit
from cobra_jupyter.records.ledger import Record

_CHANGING = ("insert", "source", "delete", "move", "metadata")  # metadata: marks a person's edit


class RecordedNotebook:
    """Pass it each operation of the live `document` (`follow`) and each record on its cells (`apply`).

    `edits` returns the edits that the record lacks; call `settle` once they are recorded."""

    def __init__(self, document: Document, run: Path, agent: str) -> None:
        self._document, self._run = document, run
        self._recorded = _copy(document)
        self._cells = NotebookCells(self._recorded, agent)
        self._changed: dict[str, None] = {}  # cells that may differ
        self._cleared: dict[str, None] = {}  # cells whose outputs a person cleared
        self._reordered = False  # whether cells in both notebooks may differ in order

    def follow(self, operation: Operation) -> None:
        """Note a change of the live notebook."""
        op, cell = operation.op, operation.cell_id
        if op in _CHANGING:
            self._changed[cell] = None
        if op == "move" or (op == "insert" and cell in self._recorded):
            self._reordered = True

    def clear(self, cell: str) -> None:
        """A person cleared a cell's outputs."""
        self._cleared[cell] = None

    def apply(self, record: Record) -> None:
        """Apply a new record: a reply, a note or an edit."""
        before = len(self._recorded)
        self._cells.take(record)
        cells = [cell for cell in record.data.get("cells", {}).values() if cell is not None]
        self._changed.update(dict.fromkeys(cells))
        added = len(self._recorded) - before
        if cells and self._recorded.last(added) != self._document.last(added):
            self._reordered = True

    def settle(self) -> None:
        """Note that the record is up to date."""
        self._changed, self._cleared, self._reordered = {}, {}, False

    def edits(self) -> list[Edit]:
        """The edits from the recorded notebook to the live one: deletions, then changes in the notebook's
        order. Cells of a reply that is still streaming are left out, unless a person edited them."""
        document, recorded = self._document, self._recorded
        looked = {**self._changed, **self._cleared}
        gone = [cell for cell in looked if cell in recorded and cell not in document]
        edits: list[Edit] = [{"edit": "delete", "cell_id": cell} for cell in recorded.in_order(gone)]
        there = [cell for cell in looked if self._is_covered(cell)]
        if self._reordered or any(cell not in recorded for cell in there):
            return edits + self._placed(looked)
        changes = {cell: found for cell in there if (found := self._changes(cell))}
        return edits + [edit for cell in document.in_order(changes) for edit in changes[cell]]

    # ---- inside

    def _is_covered(self, cell: str) -> bool:
        """Whether edits cover a cell of the live notebook."""
        return cell in self._document and (cell in self._recorded or touched(self._document, cell))

    def _placed(self, looked: Collection[str]) -> list[Edit]:
        """Insertions, moves and changes, for when the order may differ."""
        there = [cell for cell in self._document if self._is_covered(cell)]
        places = {cell: number for number, cell in enumerate(self._recorded)}
        stay = longest_rising([places[cell] for cell in there if cell in places])
        edits: list[Edit] = []
        for before, cell in zip([None, *there], there, strict=False):
            if cell not in places:
                edits.append(self._insertion(cell, before))
                continue
            moved = places[cell] not in stay
            if moved or cell in looked:
                edits += self._changes(
                    cell, [{"edit": "move", "cell_id": cell, "after": before}] if moved else []
                )
        return edits

    def _insertion(self, cell: str, before: str | None) -> Edit:
        return {**self._whole("insert", cell), "after": before}

    def _changes(self, cell: str, moves: Iterable[Edit] = ()) -> list[Edit]:
        """Differences in a cell that is in both notebooks."""
        found: list[Edit] = []
        source = self._document.source_of(cell)
        if self._recorded.kind_of(cell) != self._document.kind_of(cell):
            found.append(self._whole("replace", cell))
        elif self._recorded.source_of(cell) != source:
            found.append({"edit": "source", "cell_id": cell, "text": source})
        found += moves
        if cell in self._cleared:
            found.append({"edit": "clear", "cell_id": cell})
        return found

    def _whole(self, edit: str, cell: str) -> Edit:
        """A whole cell. A copied or restored cell comes with its prompt number and outputs."""
        kind, source = self._document.kind_of(cell), self._document.source_of(cell)
        made: dict[str, Any] = {"cell_type": kind, "id": cell, "source": source, "metadata": {}}
        found: Edit = {"edit": edit, "cell": made}
        if kind == "code":
            live = self._document.cell(cell)
            made["execution_count"] = live["execution_count"]
            if live["outputs"]:
                found["outputs"] = blobs.store(self._run, live["outputs"])
        return found


def _copy(document: Document) -> Document:
    """A copy of its cells without outputs."""
    copied = Document()
    for cell in document:
        copied.insert(document.kind_of(cell), document.source_of(cell), cell_id=cell)
    return copied
