"""Export a run's notebook as a page, a notebook or a script, with nbconvert."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class ExportError(ValueError):
    """The export is not possible; the message says why."""


SUFFIXES = {"html": ".html", "ipynb": "-export.ipynb", "py": ".py"}


def write(notebook: Path, to: str, output: Path | None = None) -> Path:
    """Export `notebook` to html, ipynb or py. Returns the written file, by default beside the notebook.

    Raises ExportError if the notebook is missing or the file cannot be written."""
    if not notebook.exists():
        raise ExportError(f"{notebook} does not exist (yet)")
    from nbconvert import exporters

    kinds: dict[str, Any] = {
        "html": exporters.HTMLExporter,
        "ipynb": exporters.NotebookExporter,
        "py": exporters.PythonExporter,
    }
    text, _ = kinds[to]().from_filename(str(notebook))
    target = output or notebook.with_name(notebook.stem + SUFFIXES[to])
    try:
        target.write_text(str(text), encoding="utf-8")
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error.strerror}") from error
    return target
