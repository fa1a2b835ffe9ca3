"""Saving a notebook of a run that has no runner: the merge that the runner would do, with the file as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cobra_jupyter.notebook.coerce import cobra_metadata
from cobra_jupyter.notebook.document import NO_LIMIT, Document
from cobra_jupyter.notebook.merge import base_of, merge

Json = dict[str, Any]
LAST = "last"  # in metadata.cobra


def client_of(body: Json) -> str | None:
    """The tab that saves, where it says so."""
    client = cobra_metadata(body).get("client")
    return client if isinstance(client, str) else None


def merged(file: Path, body: Json) -> Json:
    """The notebook to write. Reads the file: call it in a thread. Raises ValueError where it is none."""
    if not file.is_file():
        return body
    try:
        # what a person's own kernel shows is theirs to keep, however long: it stands nowhere else
        document = Document.read(file.read_text(encoding="utf-8"), max_text=NO_LIMIT)
    except Exception as error:  # nbformat has errors of its own for every way to be broken
        raise ValueError(str(error)) from error
    document.versions.settle(document.seq)
    client, base = client_of(body), base_of(body)
    if base is None or (client is not None and client == _last(document)):
        base = document.seq
    elif base < document.seq:
        client = None  # it has yet to see what came to the file since
    merge(document, body, base, watched=False)
    document.stamp = lambda: {LAST: client or ""}
    return document.notebook()


def _last(document: Document) -> Any:
    """The tab that saved last and has seen all that stands in the file: nobody tells it the numbers of its own changes."""
    return cobra_metadata({"metadata": document.notebook_metadata}).get(LAST)
