"""What a person does in a tab, made operations of the notebook (docs/live.md, Edits)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cobra_jupyter.notebook.cell import CELL_TYPES
from cobra_jupyter.notebook.coerce import is_cell_id
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.merge import OURS, own, replace, touch

Edit = Mapping[str, Any]
MOST = 10_000  # edits at once


class BadEdit(ValueError):  # noqa: N818
    """An edit that cannot be; the message says why."""


def apply(document: Document, edits: Any, by: str) -> list[dict[str, Any]]:
    """Apply edits in order. → those that could not be, `{"edit": position, "message"}`. Raises BadEdit where it is no
    list of edits."""
    if not isinstance(edits, Sequence) or isinstance(edits, str) or len(edits) > MOST:
        raise BadEdit(f"edits are a list of at most {MOST}")
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
    act = _ACTS.get(name) if isinstance(name, str) else None
    if act is None:
        raise BadEdit(f"no such edit; there are {', '.join(_ACTS)}")
    act(document, edit)


def _insert(document: Document, edit: Edit) -> None:
    cell = _cell_of(edit)
    if cell["id"] in document:  # another tab's came first, or it was sent twice
        _set_source(document, cell["id"], cell["source"])
        return
    after = edit.get("after")
    if after is not None and not _there(document, after):
        after = list(document)[-1] if len(document) else None
    document.insert(cell=own(cell), after=after, first=after is None)
    touch(document, cell["id"])


def _source(document: Document, edit: Edit) -> None:
    text = edit.get("text")
    if not isinstance(text, str):
        raise BadEdit("text is a string")
    cell_id, was = _known(document, edit), edit.get("was")
    if isinstance(was, str):
        text = merged(was, document.source_of(cell_id), text)
    _set_source(document, cell_id, text)


def _set_source(document: Document, cell_id: str, text: str) -> None:
    if document.source_of(cell_id) != text:
        document.source(cell_id, text)
        touch(document, cell_id)


def merged(was: str, theirs: str, mine: str) -> str:
    """A text with the changes of two who began with the same one: `theirs` came first and stands before `mine` where
    both insert; where they changed the same part, mine is kept."""
    a, b = _change(was, theirs), _change(was, mine)
    if a[:2] == b[:2] and b[2].startswith(a[2]):
        return mine  # one who sent it again, perhaps with more, before the answer to the first came
    if a[1] <= b[0]:
        moved = 0
    elif a[0] >= b[1]:
        moved = len(b[2]) - (b[1] - b[0])
    else:
        return mine
    return mine[: a[0] + moved] + a[2] + mine[a[1] + moved :]


def _change(before: str, after: str) -> tuple[int, int, str]:
    """From where to where a text was replaced, and by what."""
    start = _same(before, after)
    tail = _same(before[start:][::-1], after[start:][::-1])
    return start, len(before) - tail, after[start : len(after) - tail]


def _same(one: str, other: str) -> int:
    """Characters that two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _delete(document: Document, edit: Edit) -> None:
    document.delete(_known(document, edit))


def _move(document: Document, edit: Edit) -> None:
    cell_id, after = _known(document, edit), edit.get("after")
    if after is not None and (not _there(document, after) or after == cell_id):
        raise BadEdit("it is to follow a cell that is not there")
    document.move(cell_id, after)


def _clear(document: Document, edit: Edit) -> None:
    cell_id = _known(document, edit)
    document.clear(cell_id)
    document.count(cell_id, None)


def _metadata(document: Document, edit: Edit) -> None:
    patch = edit.get("patch")
    if not isinstance(patch, Mapping):
        raise BadEdit("patch is an object")
    whole = edit.get("cell_id") == ""
    allowed = {name: value for name, value in patch.items() if name not in (OURS if whole else ("cobra",))}
    if allowed:
        document.metadata(None if whole else _known(document, edit), allowed)


def _replace(document: Document, edit: Edit) -> None:
    cell = _cell_of(edit)
    if cell["id"] not in document:
        raise BadEdit(f"there is no cell {cell['id']!r}")
    mark = document.about(cell["id"])
    replace(document, {**cell, "metadata": {**own(cell)["metadata"], **({"cobra": mark} if mark else {})}})
    touch(document, cell["id"])


def _known(document: Document, edit: Edit) -> str:
    cell_id = edit.get("cell_id")
    if not _there(document, cell_id):
        raise BadEdit(f"there is no cell {cell_id!r}")
    return str(cell_id)


def _there(document: Document, cell_id: Any) -> bool:
    return isinstance(cell_id, str) and cell_id in document


def _cell_of(edit: Edit) -> dict[str, Any]:
    cell = edit.get("cell")
    if not isinstance(cell, Mapping) or not is_cell_id(cell.get("id")):
        raise BadEdit("cell is a notebook's cell with an id")
    if cell.get("cell_type") not in CELL_TYPES or not isinstance(cell.get("source"), str):
        raise BadEdit("a cell has a cell_type (code, markdown, raw) and a source")
    return dict(cell)


_ACTS: dict[Any, Callable[[Document, Edit], None]] = {
    "insert": _insert, "source": _source, "delete": _delete, "move": _move, "clear": _clear,
    "metadata": _metadata, "replace": _replace,
}  # fmt: skip
