"""A run's notebook as a page, a notebook or a script; by nbconvert."""

from __future__ import annotations

from pathlib import Path


class ExportError(ValueError):
    """An export that cannot be made; the message says why."""


def write(notebook: Path, to: str, output: Path | None = None) -> Path:
    """Export `notebook` to html, ipynb or py. → the file written, by default beside the notebook."""
    if not notebook.exists():
        raise ExportError(f"{notebook} is not there (yet)")
    from nbconvert.exporters import HTMLExporter, NotebookExporter, PythonExporter

    exporter = {"html": HTMLExporter, "ipynb": NotebookExporter, "py": PythonExporter}[to]()
    suffix = {"html": ".html", "ipynb": "-export.ipynb", "py": ".py"}[to]
    target = output or notebook.with_name(notebook.stem + suffix)
    text, _ = exporter.from_filename(str(notebook))
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error.strerror}") from error
    return target
