"""Turn a person's edits in a tab into operations of the notebook (docs/live.md, Edits)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cobra_jupyter.notebook.cell import CELL_TYPES
from cobra_jupyter.notebook.coerce import is_cell_id
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.merge import RUNNER_KEYS, replace, touch, unmarked

Edit = Mapping[str, Any]
MOST = 10_000  # edits per call


class BadEdit(ValueError):  # noqa: N818
    """An edit that is not possible; the message says why."""


def apply(document: Document, edits: Any, by: str) -> list[dict[str, Any]]:
    """Apply edits in order. Returns the refused ones as `{"edit": position, "message"}`.

    Raises BadEdit if `edits` is not a list of edits."""
    if not isinstance(edits, Sequence) or isinstance(edits, str) or len(edits) > MOST:
        raise BadEdit(f"edits must be a list of at most {MOST}")
    refused = []
    with document.acting(by):
        for number, edit in enumerate(edits):
            try:
                _apply(document, edit)
            except BadEdit as error:
                refused.append({"edit": number, "message": str(error)})
    return refused


def _apply(document: Document, edit: Any) -> None:
    name = edit.get("edit") if isinstance(edit, Mapping) else None
    handler = _HANDLERS.get(name) if isinstance(name, str) else None
    if handler is None:
        raise BadEdit(f"unknown edit; known are {', '.join(_HANDLERS)}")
    handler(document, edit)


def _insert(document: Document, edit: Edit) -> None:
    cell = _cell_of(edit)
    if cell["id"] in document:  # another tab inserted it first, or it was sent twice
        _set_source(document, cell["id"], cell["source"])
        return
    after = edit.get("after")
    if after is not None and not _exists(document, after):
        after = list(document)[-1] if len(document) else None
    document.insert(cell=unmarked(cell), after=after, first=after is None)
    touch(document, cell["id"])


def _source(document: Document, edit: Edit) -> None:
    text = edit.get("text")
    if not isinstance(text, str):
        raise BadEdit("text must be a string")
    cell_id, was = _known(document, edit), edit.get("was")
    if isinstance(was, str):
        text = merged(was, document.source_of(cell_id), text)
    _set_source(document, cell_id, text)


def _set_source(document: Document, cell_id: str, text: str) -> None:
    if document.source_of(cell_id) != text:
        document.source(cell_id, text)
        touch(document, cell_id)


def merged(was: str, theirs: str, mine: str) -> str:
    """Merge two changes of one text. If both insert at one place, `theirs` comes first; if both changed the
    same part, `mine` wins."""
    a, b = _change(was, theirs), _change(was, mine)
    if a[:2] == b[:2] and b[2].startswith(a[2]):
        return mine  # sent again, perhaps with more, before the first was answered
    if a[1] <= b[0]:
        moved = 0
    elif a[0] >= b[1]:
        moved = len(b[2]) - (b[1] - b[0])
    else:
        return mine
    return mine[: a[0] + moved] + a[2] + mine[a[1] + moved :]


def _change(before: str, after: str) -> tuple[int, int, str]:
    """Start and end of the replaced part of a text, and its replacement."""
    start = _common_prefix(before, after)
    tail = _common_prefix(before[start:][::-1], after[start:][::-1])
    return start, len(before) - tail, after[start : len(after) - tail]


def _common_prefix(one: str, other: str) -> int:
    """The length of two texts' common prefix."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def _delete(document: Document, edit: Edit) -> None:
    document.delete(_known(document, edit))


def _move(document: Document, edit: Edit) -> None:
    cell_id, after = _known(document, edit), edit.get("after")
    if after is not None and (not _exists(document, after) or after == cell_id):
        raise BadEdit("the cell to move it behind does not exist")
    document.move(cell_id, after)


def _clear(document: Document, edit: Edit) -> None:
    cell_id = _known(document, edit)
    document.clear(cell_id)
    document.count(cell_id, None)


def _metadata(document: Document, edit: Edit) -> None:
    patch = edit.get("patch")
    if not isinstance(patch, Mapping):
        raise BadEdit("patch must be an object")
    whole = edit.get("cell_id") == ""
    allowed = {
        name: value for name, value in patch.items() if name not in (RUNNER_KEYS if whole else ("cobra",))
    }
    if allowed:
        document.metadata(None if whole else _known(document, edit), allowed)


def _replace(document: Document, edit: Edit) -> None:
    cell = _cell_of(edit)
    if cell["id"] not in document:
        raise BadEdit(f"there is no cell {cell['id']!r}")
    metadata = unmarked(cell)["metadata"]
    if mark := document.cobra_metadata(cell["id"]):
        metadata["cobra"] = mark
    replace(document, {**cell, "metadata": metadata})
    touch(document, cell["id"])


def _known(document: Document, edit: Edit) -> str:
    cell_id = edit.get("cell_id")
    if not _exists(document, cell_id):
        raise BadEdit(f"there is no cell {cell_id!r}")
    return str(cell_id)


def _exists(document: Document, cell_id: Any) -> bool:
    return isinstance(cell_id, str) and cell_id in document


def _cell_of(edit: Edit) -> dict[str, Any]:
    cell = edit.get("cell")
    if not isinstance(cell, Mapping) or not is_cell_id(cell.get("id")):
        raise BadEdit("cell must be a notebook cell with an id")
    if cell.get("cell_type") not in CELL_TYPES or not isinstance(cell.get("source"), str):
        raise BadEdit("a cell needs a cell_type (code, markdown, raw) and a source")
    return dict(cell)


_HANDLERS: dict[Any, Callable[[Document, Edit], None]] = {
    "insert": _insert,
    "source": _source,
    "delete": _delete,
    "move": _move,
    "clear": _clear,
    "metadata": _metadata,
    "replace": _replace,
}
