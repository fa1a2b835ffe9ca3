"""Saving a notebook of a run that has no runner: the merge that the runner would do, with the file as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cobra_jupyter.server.kernels import SPEC

Json = dict[str, Any]


def stamp(body: Json) -> tuple[int | None, str | None]:
    """The last operation that the writer of a body had seen, and who it is, where it says so."""
    metadata = body.get("metadata")
    ours = metadata.get("cobra") if isinstance(metadata, dict) else None
    if not isinstance(ours, dict):
        return None, None
    seq, client = ours.get("seq"), ours.get("client")
    whole = isinstance(seq, int) and not isinstance(seq, bool) and seq >= 0
    return (seq if whole else None), (client if isinstance(client, str) else None)


def merged(file: Path, body: Json) -> Json:
    """The notebook to write. Reads the file: call it in a thread. Raises ValueError where it is none."""
    from cobra_jupyter.notebook.document import Document
    from cobra_jupyter.notebook.merge import merge

    if not file.is_file():
        return body
    try:
        document = Document.read(file.read_text(encoding="utf-8"))
    except Exception as error:  # nbformat has errors of its own for every way to be broken
        raise ValueError(str(error)) from error
    merge(document, _with_spec_of(document, body), stamp(body)[0])
    return document.notebook()


def _with_spec_of(document: Any, body: Json) -> Json:
    """A tab that was open while the run lived has the run's kernelspec; the file keeps its own."""
    metadata = dict(body.get("metadata") or {})
    spec = metadata.get("kernelspec")
    if isinstance(spec, dict) and spec.get("name") == SPEC:
        known = document.notebook()["metadata"].get("kernelspec")
        metadata.pop("kernelspec")
        if known:
            metadata["kernelspec"] = known
    return {**body, "metadata": metadata}
