"""One cell of the live notebook."""

from __future__ import annotations

import uuid
from collections.abc import Container, Mapping
from typing import Any

from cobra_jupyter.notebook.coerce import (
    attachments_of,
    cell_metadata,
    count_of,
    is_cell_id,
    output_of,
    text_of,
)
from cobra_jupyter.notebook.outputs import OutputArea

CELL_TYPES = ("code", "markdown", "raw")


class Cell:
    """One cell. `text` is its JSON in the file (None: it must be serialised again)."""

    def __init__(self, cell: Mapping[str, Any], limit: int, displays: int) -> None:
        self.id: str = cell["id"]
        self.kind: str = cell["cell_type"]
        self.source: str = cell["source"]
        self.metadata: dict[str, Any] = cell["metadata"]
        self.attachments: dict[str, Any] = cell.get("attachments") or {}
        self.count: int | None = cell.get("execution_count")
        self.outputs = OutputArea(limit, displays)
        self.text: str | None = None
        for output in cell.get("outputs") or ():
            self.outputs.put(output)
        self.outputs.end_stream()

    def to_json(self) -> dict[str, Any]:
        cell: dict[str, Any] = {
            "cell_type": self.kind,
            "id": self.id,
            "metadata": self.metadata,
            "source": self.source,
        }
        if self.kind == "code":
            cell |= {"execution_count": self.count, "outputs": self.outputs.to_json()}
        elif self.attachments:
            cell["attachments"] = self.attachments
        return cell


def clean_cell(raw: Mapping[str, Any], taken: Container[str]) -> dict[str, Any]:
    """Return a valid nbformat cell made from any input. An id that is invalid or taken is replaced."""
    kind = raw["cell_type"] if raw.get("cell_type") in CELL_TYPES else "raw"
    cell_id = raw.get("id")
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": cell_id if is_cell_id(cell_id) and cell_id not in taken else uuid.uuid4().hex[:12],
        "metadata": cell_metadata(raw.get("metadata")),
        "source": text_of(raw.get("source")),
    }
    if kind == "code":
        items = raw.get("outputs")
        outputs = [output_of(item) for item in items] if isinstance(items, list | tuple) else []
        stored = [
            output
            for output in outputs
            if output["output_type"] not in ("update_display_data", "clear_output")
        ]
        cell |= {"execution_count": count_of(raw.get("execution_count")), "outputs": stored}
    elif raw.get("attachments"):
        cell["attachments"] = attachments_of(raw["attachments"])
    return cell
