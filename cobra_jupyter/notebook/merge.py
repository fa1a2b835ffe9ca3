"""Merge a saved notebook into the document. The writer may have missed the last operations.

`base` is the last operation that the writer had seen (`metadata.cobra.seq` in what it saved). By cell id:

  cell only in the document    deleted by the writer if it is older than the base; otherwise it stays
  cell only in the saved file  new, unless it was deleted since the base
  source, cell type            the writer's, if it also differs from the value at the base
  outputs                      the runner's; the writer's (cleared, run elsewhere) if none came since
  order                        the writer's, unless cells were moved since the base
  metadata                     the writer's, unless they changed since the base; the runner's own keys stay
  attachments                  the writer's, unless they changed since the base
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from cobra_jupyter.notebook.cell import clean_cell
from cobra_jupyter.notebook.coerce import cell_metadata, cobra_metadata, notebook_metadata
from cobra_jupyter.notebook.document import Document

RUNNER_KEYS = ("kernelspec", "language_info", "cobra")  # metadata that only the runner writes
Cell = dict[str, Any]


def base_of(notebook: Mapping[str, Any]) -> int | None:
    """The last operation that the writer of a notebook had seen."""
    seq = cobra_metadata(notebook).get("seq")
    return seq if isinstance(seq, int) and not isinstance(seq, bool) and seq >= 0 else None


def merge(
    document: Document, notebook: Mapping[str, Any], base: int | None, by: str = "file", watched: bool = True
) -> None:
    """Merge a notebook (nbformat 4, cells with ids) into `document`, as operations of `by`.

    Without a base, the writer counts as having seen everything. `watched`: the document gets the kernel's
    outputs itself, so outputs with the same execution count are the same. Raises ValueError if `notebook` is
    not a notebook."""
    cells = notebook.get("cells")
    if not isinstance(cells, list | tuple) or not all(isinstance(cell, Mapping) for cell in cells):
        raise ValueError("this is no notebook: it has no list of cells")
    base = document.seq if base is None else min(base, document.seq)
    written: dict[str, Cell] = {}
    for raw in cells:
        clean = clean_cell(raw, written)
        written[clean["id"]] = clean
    with document.acting(by):
        _delete(document, written, base)
        _apply(document, written, base, watched)
        if document.versions.moved <= base:
            _order(document, list(written))
        if document.versions.metadata.get("", 0) <= base:
            _metadata(document, notebook.get("metadata"))


def touch(document: Document, cell_id: str) -> None:
    """Mark a cell as touched by a person."""
    if not touched(document, cell_id):
        mark = {"seq": document.inserted_at(cell_id), **document.cobra_metadata(cell_id), "person": True}
        document.metadata(cell_id, {"cobra": mark})


def touched(document: Document, cell_id: str) -> bool:
    """Whether a person has written in a cell."""
    return bool(document.cobra_metadata(cell_id).get("person"))


def unmarked(cell: Mapping[str, Any]) -> Cell:
    """A cell without the runner's marks, because a copy of an agent's cell belongs to the person."""
    metadata = cell_metadata(cell.get("metadata"))
    metadata.pop("cobra", None)
    return {**cell, "metadata": metadata}


def replace(document: Document, cell: Cell) -> None:
    """Replace the cell with the same id, which may be of another type."""
    order = list(document)
    index = order.index(cell["id"])
    after = order[index - 1] if index else None
    document.delete(cell["id"])
    document.insert(cell=cell, after=after, first=after is None)


def _delete(document: Document, written: Mapping[str, Cell], base: int) -> None:
    for cell_id in document:
        if cell_id not in written and document.inserted_at(cell_id) <= base:
            document.delete(cell_id)


def _apply(document: Document, written: Mapping[str, Cell], base: int, watched: bool) -> None:
    before: str | None = None
    for cell_id, cell in written.items():
        if cell_id in document:
            _change(document, cell, base, watched)
        elif document.versions.deleted.get(cell_id, -1) > base:
            continue
        else:
            document.insert(cell=unmarked(cell), after=before, first=before is None)
            touch(document, cell_id)
        before = cell_id


def _change(document: Document, cell: Cell, base: int, watched: bool) -> None:
    now, cell_id = document.cell(cell["id"]), cell["id"]
    changed = cell["source"] != now["source"] and not document.versions.had_source(
        cell_id, cell["source"], base, now["source"]
    )
    if cell["cell_type"] not in (now["cell_type"], document.versions.kind_at(cell_id, base)):
        source = cell["source"] if changed else now["source"]
        replace(document, {**cell, "source": source, "metadata": now["metadata"]})
        touch(document, cell_id)
        return
    if changed:
        document.source(cell_id, cell["source"])
        touch(document, cell_id)
    if cell["cell_type"] == now["cell_type"] == "code" and document.versions.outputs.get(cell_id, 0) <= base:
        _outputs(document, cell, now, watched)
    if document.versions.metadata.get(cell_id, 0) <= base:
        patch = _difference(now["metadata"], cell["metadata"])
        if patch:
            document.metadata(cell_id, patch)
    if cell["cell_type"] == now["cell_type"]:
        _attachments(document, cell, base)


def _attachments(document: Document, cell: Cell, base: int) -> None:
    """The images that a text shows. No operation changes them alone, so the whole cell is replaced."""
    now, attachments = document.cell(cell["id"]), cell.get("attachments", {})
    if attachments != now.get("attachments", {}) and document.versions.attachments.get(cell["id"], 0) <= base:
        replace(document, {**now, "attachments": attachments})
        touch(document, cell["id"])


def _outputs(document: Document, cell: Cell, now: Cell, watched: bool) -> None:
    """Apply outputs that the writer cleared, or ran without the runner; ignore mere differences in form."""
    if cell["id"] in document.running:
        return
    cleared = bool(now["outputs"]) and not cell["outputs"]
    other = not watched and cell["outputs"] != now["outputs"]
    ran = bool(cell["outputs"]) and (other or cell["execution_count"] != now["execution_count"])
    if cleared or ran:
        document.clear(cell["id"])
        for output in cell["outputs"]:
            document.output(cell["id"], output)
        document.count(cell["id"], cell["execution_count"])


def _order(document: Document, written: Sequence[str]) -> None:
    """Apply the writer's order. Cells that the writer lacks stay behind their predecessor."""
    present = list(document)
    wanted = [cell_id for cell_id in written if cell_id in document]
    index = {cell_id: number for number, cell_id in enumerate(present)}
    if [index[cell_id] for cell_id in wanted] == sorted(index[cell_id] for cell_id in wanted):
        return
    known, target = set(wanted), list(wanted)
    for number, cell_id in enumerate(present):
        if cell_id not in known:
            target.insert(target.index(present[number - 1]) + 1 if number else 0, cell_id)
    stay = longest_rising([index[cell_id] for cell_id in target])
    for number, cell_id in enumerate(target):
        if index[cell_id] not in stay:
            document.move(cell_id, target[number - 1] if number else None)


def longest_rising(numbers: Sequence[int]) -> set[int]:
    """The members of a longest rising subsequence: the cells that do not have to move."""
    ends: list[int] = []
    lengths = []
    for number in numbers:
        length = bisect_left(ends, number)
        ends[length : length + 1] = [number]
        lengths.append(length)
    found, wanted = set(), len(ends) - 1
    for number, length in zip(reversed(numbers), reversed(lengths), strict=True):
        if length == wanted:
            found.add(number)
            wanted -= 1
    return found


def _metadata(document: Document, raw: Any) -> None:
    """Apply the notebook's metadata, except the runner's own keys."""
    patch = _difference(document.notebook_metadata, notebook_metadata(raw))
    if patch:
        document.metadata(None, patch)


def _difference(now: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that leads from `now` to `then`, without the runner's own keys."""
    names = {*now, *then} - set(RUNNER_KEYS)
    return {name: then.get(name) for name in sorted(names) if now.get(name) != then.get(name)}
