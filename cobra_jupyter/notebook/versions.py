"""When each cell of a notebook last changed: the history that a merge needs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.notebook.coerce import cobra_metadata
from cobra_jupyter.notebook.operation import Operation

_REMEMBERED = 512  # changes of one source


class Versions:
    """The seqs of the operations that inserted, moved, changed and deleted cells, and each cell's sources (as
    hashes) and types by seq. If `at` is set, operations are noted under it instead of their own seq."""

    def __init__(self) -> None:
        self.inserted: dict[str, int] = {}
        self.deleted: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self.metadata: dict[str, int] = {}
        self.attachments: dict[str, int] = {}  # of cells that ever had any, deleted cells included
        self.moved = 0
        self.at: int | None = None
        self._histories: dict[str, _CellHistory] = {}  # deleted cells included: they may return

    def read(self, cell: Mapping[str, Any]) -> None:
        """Register a cell that was read from a file."""
        seq = cobra_metadata(cell).get("seq")
        self.inserted[cell["id"]] = self.attachments[cell["id"]] = seq if isinstance(seq, int) else 0
        self._histories[cell["id"]] = _CellHistory([0], [hash(cell["source"])], [cell["cell_type"]])

    def settle(self, seq: int) -> None:
        """Date all content of a file to `seq`. Each cell's metadata says when the cell was inserted."""
        self.outputs, self.metadata = (
            dict.fromkeys(self.inserted, seq),
            dict.fromkeys(("", *self.inserted), seq),
        )
        self.moved = seq
        for history in self._histories.values():
            history.seqs = [seq] * len(history.seqs)

    def begin(self, seq: int) -> None:
        """Date all cells to `seq` and forget earlier changes, because they were numbered differently."""
        self.inserted = dict.fromkeys(self.inserted, seq)
        self.outputs, self.metadata, self.attachments, self.deleted, self.moved = {}, {}, {}, {}, 0
        self._histories = {
            cell: _CellHistory([0], history.hashes[-1:], history.kinds[-1:])
            for cell, history in self._histories.items()
            if cell in self.inserted
        }
        self.at = None

    def note(self, operation: Operation, kind: str, source: str) -> None:
        """Note an operation that was performed; `kind` and `source` are the cell's values after it."""
        cell, op = operation.cell_id, operation.op
        seq = operation.seq if self.at is None else self.at
        if op == "insert":
            self.inserted[cell] = seq
            self.deleted.pop(cell, None)
            if operation.data["cell"].get("attachments") or cell in self.attachments:
                self.attachments[cell] = seq
        elif op == "delete":
            self.deleted[cell] = seq
            for table in (self.inserted, self.outputs, self.metadata):
                table.pop(cell, None)
        elif op == "move":
            self.moved = seq
        elif op == "metadata" and operation.data["patch"].keys() - {"cobra"}:
            self.metadata[cell] = seq
        elif op in ("output", "clear", "count", "update_display"):
            self.outputs[cell] = seq
        if op in ("insert", "source") and kind:
            self._histories.setdefault(cell, _CellHistory()).add(seq, hash(source), kind)

    def had_source(self, cell: str, text: str, base: int, now: str) -> bool:
        """Whether `text` was a cell's source at `base`; if unknown, whether `now` may have grown from it."""
        history = self._histories[cell]
        index = history.index(base)
        return now.startswith(text) if index < 0 else history.hashes[index] == hash(text)

    def kind_at(self, cell: str, base: int) -> str:
        """A cell's type at `base`."""
        history = self._histories[cell]
        return history.kinds[max(0, history.index(base))]


@dataclass
class _CellHistory:
    """A cell's sources (as hashes) and types by seq."""

    seqs: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def add(self, seq: int, source: int, kind: str) -> None:
        self.seqs.append(seq)
        self.hashes.append(source)
        self.kinds.append(kind)
        if len(self.seqs) > 2 * _REMEMBERED:
            del self.seqs[:_REMEMBERED], self.hashes[:_REMEMBERED], self.kinds[:_REMEMBERED]

    def index(self, base: int) -> int:
        """The index of the entry that was current at `base`; negative if it is no longer remembered."""
        return bisect_right(self.seqs, base) - 1
