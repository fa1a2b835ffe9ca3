"""Saves a notebook of a run without a runner: does the runner's merge, against the file on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cobra_jupyter.notebook.coerce import cobra_metadata
from cobra_jupyter.notebook.document import NO_LIMIT, Document
from cobra_jupyter.notebook.merge import base_of, merge

Json = dict[str, Any]
LAST_CLIENT = "last"  # key in metadata.cobra


def client_of(body: Json) -> str | None:
    """Returns the id of the tab that saves, if the notebook has one."""
    client = cobra_metadata(body).get("client")
    return client if isinstance(client, str) else None


def merged(file: Path, body: Json) -> Json:
    """Returns the notebook to write. Raises ValueError for a bad file. Reads it: call it in a thread."""
    if not file.is_file():
        return body
    try:
        # outputs of a person's own kernel exist nowhere else, so keep them whole
        document = Document.read(file.read_text(encoding="utf-8"), max_text=NO_LIMIT)
    except Exception as error:  # nbformat raises many kinds of errors
        raise ValueError(str(error)) from error
    document.versions.settle(document.seq)
    client, base = client_of(body), base_of(body)
    if base is None or (client is not None and client == _last_client(document)):
        base = document.seq
    elif base < document.seq:
        client = None  # this tab has not seen the file's newest changes
    merge(document, body, base, watched=False)
    document.stamp = lambda: {LAST_CLIENT: client or ""}
    return document.notebook()


def _last_client(document: Document) -> Any:
    """Returns the tab that saved last. It has seen the whole file, but does not know its sequence number."""
    return cobra_metadata({"metadata": document.notebook_metadata}).get(LAST_CLIENT)
