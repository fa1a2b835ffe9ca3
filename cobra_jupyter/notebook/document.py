"""The live notebook in memory: cells have ids, and numbered operations change them."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from cobra_jupyter.notebook.cell import CELL_TYPES, Cell, clean_cell
from cobra_jupyter.notebook.coerce import (
    cell_metadata,
    cobra_metadata,
    count_of,
    is_cell_id,
    json_of,
    notebook_metadata,
    output_of,
    text_of,
)
from cobra_jupyter.notebook.operation import History, Operation
from cobra_jupyter.notebook.outputs import rest_of
from cobra_jupyter.notebook.serialise import cell_text, notebook_parts
from cobra_jupyter.notebook.versions import Versions

__all__ = ["Document", "Operation"]

MAX_TEXT = 1 << 20  # characters of output stored per cell
NO_LIMIT = sys.maxsize

_log = logging.getLogger(__name__)


class Document:
    """A notebook with many readers and one writing process. Not thread-safe: use it from one event loop.

    Every method that changes something passes the `Operation` to all subscribers and returns it (the last
    one if there were several). Methods on an unknown cell raise KeyError. Content is coerced to valid
    nbformat 4.5.
    """

    def __init__(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        max_text: int = MAX_TEXT,
        displays: int = 0,
        log: str = "",
    ) -> None:
        """max_text: characters of output stored per cell (images: eight times that). displays: extra
        characters for displays once output was left out. log: the file, if any, that the note in a cell
        with too much output names for the rest (see `on_rest`)."""
        self.seq = 0
        self.serialised = 0  # cells that `text` has serialised so far
        self._metadata = notebook_metadata(metadata)
        self._max_text, self._displays_room = max_text, displays
        self._log_name = log
        self._cells: dict[str, Cell] = {}
        self._order: list[str] = []
        self._displays: dict[str, dict[str, None]] = {}  # display id → cells that show it
        self._subscribers: list[Callable[[Operation], object]] = []
        self._recent = History()
        self._by = ""
        self.versions = Versions()
        self.running: dict[str, None] = {}  # code cells that are running
        self.begun: dict[str, int] = {}  # seq of each cell's latest start
        self.stamp: Callable[[], Mapping[str, Any]] = dict  # more keys of metadata.cobra in the file

        # called with the cell, the text that is not stored, and whether it is the first of an execution
        self.on_rest: Callable[[str, str, bool], object] = lambda cell_id, text, first: None

    @classmethod
    def read(cls, text: str, *, max_text: int = MAX_TEXT, log: str = "") -> Document:
        """Read a document from a notebook's JSON text (any nbformat; cells without ids get one).

        Raises nbformat.reader.NotJSONError or nbformat.ValidationError.
        """
        import nbformat

        notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
        document = cls(metadata=notebook.metadata, max_text=max_text, log=log)
        for cell in notebook.cells:
            clean = clean_cell(cell, document)
            document._insert(clean, document._order[-1] if document._order else None)
            document.versions.read(clean)
        seq = document._metadata.get("cobra", {}).get("seq", 0)
        document.seq = seq if isinstance(seq, int) else 0
        return document

    # reading

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, cell_id: object) -> bool:
        return cell_id in self._cells

    def __iter__(self) -> Iterator[str]:
        """The cell ids in order."""
        return iter(tuple(self._order))

    def last(self, number: int) -> list[str]:
        """The ids of the last cells, so many at most."""
        return self._order[-number:] if number else []

    def in_order(self, cells: Collection[str]) -> list[str]:
        """Cells in the notebook's order; those that are not in it come last."""
        if len(cells) < 2:
            return list(cells)
        places = dict(zip(self._order, range(len(self._order)), strict=True))
        return sorted(cells, key=lambda cell: places.get(cell, len(places)))

    def cell(self, cell_id: str) -> dict[str, Any]:
        """A cell in nbformat's form, with joined strings. Do not change it."""
        return self._cells[cell_id].to_json()

    def source_of(self, cell_id: str) -> str:
        return self._cells[cell_id].source

    def kind_of(self, cell_id: str) -> str:
        return self._cells[cell_id].kind

    def cobra_metadata(self, cell_id: str) -> Mapping[str, Any]:
        """A cell's `metadata.cobra`."""
        return cobra_metadata({"metadata": self._cells[cell_id].metadata})

    def inserted_at(self, cell_id: str) -> int:
        """The seq of the operation that inserted a cell. A file's cell has it in its metadata, else 0."""
        return self.versions.inserted[cell_id]

    @property
    def notebook_metadata(self) -> Mapping[str, Any]:
        return self._metadata

    def notebook(self) -> dict[str, Any]:
        """The whole notebook as an nbformat 4.5 dict."""
        cells = [self._cells[cell_id].to_json() for cell_id in self._order]
        return {"cells": cells, "metadata": self._file_metadata(), "nbformat": 4, "nbformat_minor": 5}

    def text(self) -> str:
        """The file's text, as nbformat writes it. Only cells changed since the last call are serialised."""
        return "".join(self.parts())

    def parts(self) -> list[str]:
        """`text`, in parts."""
        texts = [self._cell_text(self._cells[cell_id]) for cell_id in self._order]
        return notebook_parts(texts, self._file_metadata())

    # following

    def subscribe(self, callback: Callable[[Operation], object]) -> Callable[[], None]:
        """Call `callback` with every operation from now on. Returns a function that ends this."""
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def since(self, seq: int) -> tuple[Operation, ...] | None:
        """The operations after `seq`, or None if not all are remembered any more (send the notebook)."""
        return () if seq >= self.seq else self._recent.since(seq)

    @contextlib.contextmanager
    def acting(self, by: str) -> Iterator[None]:
        """Attribute changes made inside the block to the client `by`."""
        before, self._by = self._by, by
        try:
            yield
        finally:
            self._by = before

    def apply(self, operation: Operation) -> bool:
        """Apply an operation of another copy. Returns False, without a change, if its seq is not new."""
        if operation.seq <= self.seq:
            return False
        self.seq = operation.seq
        self._perform(operation)
        self._publish(operation)
        return True

    def begin(self, seq: int) -> None:
        """Count from `seq` on: whoever saw earlier operations must load the whole notebook."""
        self.seq = seq
        self._recent = History()
        self.versions.begin(seq)

    # changing

    def insert(
        self,
        cell_type: str = "code",
        source: str = "",
        *,
        after: str | None = None,
        first: bool = False,
        cell_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        cell: Mapping[str, Any] | None = None,
    ) -> Operation:
        """Insert a cell after the cell `after`, at the start (`first`) or, by default, at the end.

        `cell`: a whole nbformat cell to insert instead of cell_type, source and metadata. Raises ValueError
        for an unknown type and for an id that is invalid or in use, KeyError for an unknown `after`.
        """
        raw = (
            dict(cell)
            if cell is not None
            else {"cell_type": cell_type, "source": source, "metadata": metadata}
        )
        if cell_id is not None:
            raw["id"] = cell_id
        if raw.get("cell_type") not in CELL_TYPES:
            raise ValueError(f"no such cell type: {raw.get('cell_type')!r}")
        if raw.get("id") is not None and (not is_cell_id(raw["id"]) or raw["id"] in self._cells):
            raise ValueError(f"cell id not valid or not new: {raw['id']!r}")
        if after is not None:
            self._known(after)
        elif not first and self._order:
            after = self._order[-1]
        clean = clean_cell(raw, self)
        if "cobra" in clean["metadata"]:
            clean["metadata"]["cobra"] = {**clean["metadata"]["cobra"], "seq": self.seq + 1}
        return self._commit("insert", clean["id"], {"cell": clean, "after": after})

    def source(self, cell_id: str, text: str, *, append: bool = False) -> Operation:
        """Set a cell's source, or append to it while it is generated."""
        return self._commit("source", self._known(cell_id).id, {"text": text_of(text), "append": append})

    def output(
        self, cell_id: str, output: Any, *, begun: int | None = None, stored: bool = False
    ) -> Operation | None:
        """Append an output to a code cell, or act on an `update_display_data` or `clear_output` event.

        begun: the seq at which the cell started, for output that may come after the cell has ended.
        stored: a notebook stored this output before, so there is room for it.
        Returns None if nothing changed: the display id is unknown, no room is left, the cell was deleted (a
        person may delete a running cell), has started again, or is not code.
        """
        clean = output_of(output)
        if clean["output_type"] == "update_display_data":
            return self._update(clean)
        cell = self._cells.get(cell_id)
        if cell is None or cell.kind != "code" or begun not in (None, self.begun.get(cell_id)):
            return None
        if clean["output_type"] == "clear_output":
            return self.clear(cell_id, wait=clean["wait"])
        fitted, omitted = (clean, 0) if stored else cell.outputs.fit(clean)
        made = None
        if fitted is not None:
            made = self._commit("output", cell_id, {"output": fitted, "clear": cell.outputs.clear_next})
        if omitted:
            self.on_rest(cell_id, rest_of(clean, fitted), not cell.outputs.omitted)
            cell.outputs.omitted += omitted
            made = self._note(cell) or made
        return made

    def clear(self, cell_id: str, *, wait: bool = False) -> Operation:
        """Remove a cell's outputs: at once or (`wait`) when the next output comes."""
        return self._commit("clear", self._known(cell_id).id, {"wait": wait})

    def count(self, cell_id: str, count: int | None) -> Operation:
        """Set a cell's execution count. After an execution, this makes the note on omitted output exact."""
        cell = self._known(cell_id)
        if cell.outputs.omitted > cell.outputs.omitted_shown:
            self._note(cell, exact=True)
        return self._commit("count", cell_id, {"count": count_of(count)})

    def state(self, cell_id: str, state: str) -> Operation:
        """Mark a code cell as running or idle."""
        return self._commit("state", self._known(cell_id).id, {"state": state})

    def move(self, cell_id: str, after: str | None) -> Operation:
        """Move a cell behind another or (None) to the start. Raises ValueError for a cell behind itself."""
        if after == cell_id:
            raise ValueError(f"{cell_id!r} cannot follow itself")
        if after is not None:
            self._known(after)
        return self._commit("move", self._known(cell_id).id, {"after": after})

    def delete(self, cell_id: str) -> Operation:
        return self._commit("delete", self._known(cell_id).id, {})

    def metadata(self, cell_id: str | None, patch: Mapping[str, Any]) -> Operation:
        """Merge `patch` into the metadata of a cell or the notebook (None). A key with None is removed."""
        target = "" if cell_id is None else self._known(cell_id).id
        return self._commit("metadata", target, {"patch": json_of(patch)})

    # inside

    def _known(self, cell_id: str) -> Cell:
        return self._cells[cell_id]

    def _commit(self, op: str, cell_id: str, data: dict[str, Any]) -> Operation:
        self.seq += 1
        operation = Operation(op, cell_id, self.seq, data, self._by)
        self._perform(operation)
        self._publish(operation)
        return operation

    def _publish(self, operation: Operation) -> None:
        self._recent.add(operation)
        for callback in tuple(self._subscribers):
            try:
                callback(operation)
            except Exception:  # a failing subscriber must not stop the run
                _log.exception("a subscriber of the notebook failed")

    def _perform(self, operation: Operation) -> None:
        """Change the document. Cells change nowhere else, so that copies stay equal."""
        data, cell = operation.data, self._cells.get(operation.cell_id)
        if operation.op == "insert" and cell is None:
            self._insert(data["cell"], data["after"])
        else:
            self._change(operation, cell, data)
        changed = self._cells.get(operation.cell_id)
        self.versions.note(operation, changed.kind if changed else "", changed.source if changed else "")

    def _change(self, operation: Operation, cell: Cell | None, data: dict[str, Any]) -> None:
        if operation.op == "update_display":
            self._replace(data)
            return
        if operation.op == "metadata" and operation.cell_id == "":
            self._metadata = notebook_metadata(_merged(self._metadata, data["patch"]))
            return
        if cell is None:
            return
        cell.text = None
        if operation.op == "source":
            cell.source = cell.source + data["text"] if data["append"] else data["text"]
        elif operation.op == "output":
            self._put(cell, data["output"], data["clear"])
        elif operation.op == "clear":
            self._clear(cell, data["wait"])
        elif operation.op == "count":
            cell.count = data["count"]
        elif operation.op == "metadata":
            cell.metadata = cell_metadata(_merged(cell.metadata, data["patch"]))
        elif operation.op == "state":
            self.running.pop(cell.id, None)
            if data["state"] == "running":
                self.running[cell.id] = None
                self.begun[cell.id] = operation.seq
        elif operation.op == "move":
            self._order.remove(cell.id)
            self._place(cell.id, data["after"])
        elif operation.op == "delete":
            self._clear(cell, wait=False)
            del self._cells[cell.id]
            self.running.pop(cell.id, None)
            self._order.remove(cell.id)

    def _place(self, cell_id: str, after: str | None) -> None:
        position = 0 if after is None else len(self._order)
        if after in self._cells and after != self._order[-1]:
            position = self._order.index(after) + 1
        self._order.insert(position, cell_id)

    def _insert(self, cell: dict[str, Any], after: str | None) -> None:
        self._place(cell["id"], after)
        made = self._cells[cell["id"]] = Cell(cell, self._max_text, self._displays_room)
        for display_id in made.outputs.displays:
            self._displays.setdefault(display_id, {})[made.id] = None

    def _put(self, cell: Cell, output: dict[str, Any], clear: bool) -> None:
        if clear:
            self._clear(cell, wait=False)
        cell.outputs.put(output)
        if "transient" in output:
            self._displays.setdefault(output["transient"]["display_id"], {})[cell.id] = None

    def _clear(self, cell: Cell, wait: bool) -> None:
        if wait:
            cell.outputs.clear_next = True
            cell.outputs.end_stream()
            return
        for display_id in cell.outputs.displays:
            self._displays[display_id].pop(cell.id, None)
        cell.outputs.clear()

    def _update(self, clean: dict[str, Any]) -> Operation | None:
        display_id: str = clean.get("transient", {}).get("display_id", "")
        holders = [self._cells[cell_id] for cell_id in self._displays.get(display_id, ())]
        if not holders:
            return None
        fitted, omitted = holders[0].outputs.fit(clean, replaces=display_id)
        if fitted is None:
            self.on_rest(holders[0].id, rest_of(clean, None), False)
            where = f": {self._log_name}" if self._log_name else ""
            data = {"text/plain": f"[{omitted:,} characters are not stored here{where}]"}
            fitted = {"data": data, "metadata": {}}
        return self._display(display_id, fitted["data"], fitted["metadata"])

    def _display(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> Operation:
        targets: list[list[Any]] = [
            [cell_id, position]
            for cell_id in self._displays[display_id]
            for position in self._cells[cell_id].outputs.displays[display_id]
        ]
        change = {"display_id": display_id, "data": data, "metadata": metadata, "targets": targets}
        return self._commit("update_display", targets[0][0], change)

    def _replace(self, change: dict[str, Any]) -> None:
        for cell_id in self._displays.get(change["display_id"], ()):
            cell = self._cells[cell_id]
            cell.outputs.replace(change["display_id"], change["data"], change["metadata"])
            cell.text = None

    def _note(self, cell: Cell, exact: bool = False) -> Operation | None:
        """Note in the cell how much output is not stored; updated at each doubling and at the end."""
        area = cell.outputs
        if not exact and area.omitted < 2 * area.omitted_shown:
            return None
        omitted, new = area.omitted, area.omitted_shown == 0
        data = {
            "text/plain": f"[Output beyond {area.limit:,} characters is not stored: {omitted:,} more"
            f"{'' if exact else ' so far'}.{f' The rest: {self._log_name}' if self._log_name else ''}]"
        }
        display_id = f"cobra-omitted-{cell.id}"
        if new:
            output = {"output_type": "display_data", "data": data, "metadata": {}}
            change = {"output": {**output, "transient": {"display_id": display_id}}, "clear": area.clear_next}
            made = self._commit("output", cell.id, change)
            area.omitted = omitted  # a delayed clear reset it
        else:
            made = self._display(display_id, data, {})
        area.omitted_shown = omitted
        return made

    def _file_metadata(self) -> dict[str, Any]:
        return {
            **self._metadata,
            "cobra": {**self._metadata.get("cobra", {}), **self.stamp(), "seq": self.seq},
        }

    def _cell_text(self, cell: Cell) -> str:
        if cell.text is None:
            cell.text = cell_text(cell.to_json())
            self.serialised += 1
        return cell.text


def _merged(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**old, **patch}.items() if value is not None}
