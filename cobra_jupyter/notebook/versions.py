"""When a notebook's cells changed last: what a merge needs to know of the past."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from cobra_jupyter.notebook.operation import Operation

_KEPT = 512  # changes of one source


class Versions:
    """Seqs of the operations that made, moved, changed and deleted cells; of sources a hash too, at each seq."""

    def __init__(self) -> None:
        self.inserted: dict[str, int] = {}
        self.deleted: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self.metadata: dict[str, int] = {}
        self.moved = 0
        self._sources: dict[str, tuple[list[int], list[int]]] = {}  # seqs, hashes

    def read(self, cell: Mapping[str, Any]) -> None:
        """Take in a cell as it stands in a file."""
        about = cell["metadata"].get("cobra")
        seq = about.get("seq") if isinstance(about, Mapping) else None
        self.inserted[cell["id"]] = seq if isinstance(seq, int) else 0
        self._sources[cell["id"]] = ([0], [hash(cell["source"])])

    def begin(self, seq: int) -> None:
        """Let all that is there now be of `seq`: what came before was numbered otherwise."""
        self.inserted = dict.fromkeys(self.inserted, seq)
        self.outputs, self.metadata, self.deleted, self.moved = {}, {}, {}, 0
        self._sources = {cell: ([0], hashes[-1:]) for cell, (_, hashes) in self._sources.items()}

    def note(self, operation: Operation, source: str) -> None:
        """Take in an operation that was performed; `source` is the cell's now."""
        cell, seq, op = operation.cell_id, operation.seq, operation.op
        if op == "insert":
            self.inserted[cell] = seq
            self.deleted.pop(cell, None)
            self._sources[cell] = ([seq], [hash(source)])
        elif op == "delete":
            self.deleted[cell] = seq
            for table in (self.inserted, self.outputs, self.metadata, self._sources):
                table.pop(cell, None)
        elif op == "source" and cell in self._sources:
            seqs, hashes = self._sources[cell]
            seqs.append(seq)
            hashes.append(hash(source))
            if len(seqs) > 2 * _KEPT:
                del seqs[:_KEPT], hashes[:_KEPT]
        elif op == "move":
            self.moved = seq
        elif op == "metadata":
            self.metadata[cell] = seq
        elif op in ("output", "clear", "count", "update_display"):
            self.outputs[cell] = seq

    def had(self, cell: str, text: str, base: int) -> bool:
        """Whether `text` is what the source of a cell was at `base`."""
        seqs, hashes = self._sources[cell]
        place = max(0, bisect_right(seqs, base) - 1)
        return hashes[place] == hash(text)
