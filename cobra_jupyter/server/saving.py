"""Saving a notebook of a run that has no runner: the merge that the runner would do, with the file as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cobra_jupyter.notebook.coerce import about
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.merge import base_of, merge

Json = dict[str, Any]


def client_of(body: Json) -> str | None:
    """The tab that saves, where it says so."""
    client = about(body).get("client")
    return client if isinstance(client, str) else None


def merged(file: Path, body: Json) -> Json:
    """The notebook to write. Reads the file: call it in a thread. Raises ValueError where it is none."""
    if not file.is_file():
        return body
    try:
        document = Document.read(file.read_text(encoding="utf-8"))
    except Exception as error:  # nbformat has errors of its own for every way to be broken
        raise ValueError(str(error)) from error
    merge(document, body, base_of(body))
    return document.notebook()
