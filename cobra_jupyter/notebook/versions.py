"""When a notebook's cells changed last: what a merge needs to know of the past."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.notebook.coerce import about
from cobra_jupyter.notebook.operation import Operation

_KEPT = 512  # changes of one source


class Versions:
    """Seqs of the operations that made, moved, changed and deleted cells; of sources and types hashes too, at each
    seq. `at`: what to count by instead."""

    def __init__(self) -> None:
        self.inserted: dict[str, int] = {}
        self.deleted: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self.metadata: dict[str, int] = {}
        self.attachments: dict[str, int] = {}  # of cells that had any, deleted ones too
        self.moved = 0
        self.at: int | None = None
        self._pasts: dict[str, _Past] = {}  # deleted cells too: they may come back

    def read(self, cell: Mapping[str, Any]) -> None:
        """Take in a cell as it stands in a file."""
        seq = about(cell).get("seq")
        self.inserted[cell["id"]] = self.attachments[cell["id"]] = seq if isinstance(seq, int) else 0
        self._pasts[cell["id"]] = _Past([0], [hash(cell["source"])], [cell["cell_type"]])

    def settle(self, seq: int) -> None:
        """Let all that is there be of `seq`, as it stands in a file; when each cell was inserted, it says itself."""
        self.outputs, self.metadata = (
            dict.fromkeys(self.inserted, seq),
            dict.fromkeys(("", *self.inserted), seq),
        )
        self.moved = seq
        for past in self._pasts.values():
            past.seqs = [seq] * len(past.seqs)

    def begin(self, seq: int) -> None:
        """Let all that is there now be of `seq`: what came before was numbered otherwise."""
        self.inserted = dict.fromkeys(self.inserted, seq)
        self.outputs, self.metadata, self.attachments, self.deleted, self.moved = {}, {}, {}, {}, 0
        self._pasts = {
            cell: _Past([0], past.hashes[-1:], past.kinds[-1:])
            for cell, past in self._pasts.items()
            if cell in self.inserted
        }
        self.at = None

    def note(self, operation: Operation, kind: str, source: str) -> None:
        """Take in an operation that was performed; `kind` and `source` are the cell's now."""
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
            self._pasts.setdefault(cell, _Past()).add(seq, hash(source), kind)

    def had(self, cell: str, text: str, base: int, now: str) -> bool:
        """Whether `text` is what the source of a cell was at `base`. Where that is not remembered: whether `now` may
        have grown from it."""
        past = self._pasts[cell]
        place = past.place(base)
        return now.startswith(text) if place < 0 else past.hashes[place] == hash(text)

    def was(self, cell: str, base: int) -> str:
        """A cell's type at `base`."""
        past = self._pasts[cell]
        return past.kinds[max(0, past.place(base))]


@dataclass
class _Past:
    """A cell's sources, as hashes, and types by seq."""

    seqs: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def add(self, seq: int, source: int, kind: str) -> None:
        self.seqs.append(seq)
        self.hashes.append(source)
        self.kinds.append(kind)
        if len(self.seqs) > 2 * _KEPT:
            del self.seqs[:_KEPT], self.hashes[:_KEPT], self.kinds[:_KEPT]

    def place(self, base: int) -> int:
        """Of what stood at `base`; negative where that is not remembered."""
        return bisect_right(self.seqs, base) - 1
