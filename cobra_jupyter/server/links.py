"""Leaves a link at the old path of a renamed folder that contains live runs, so that their runners keep
working.

The links are removed when the runs have ended. They are noted in Jupyter's runtime folder, so that a later
server can clean up too and nobody's own links are touched. Everything here reads files: call it in a
thread."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cobra_jupyter.run.registry import Entry


def create(old: Path, new: Path, runs: Collection[str]) -> None:
    """Links the old path to the new one."""
    try:
        old.symlink_to(os.path.relpath(new, old.parent), target_is_directory=True)
    except FileExistsError:
        return
    _write([*_noted(), {"link": str(old), "runs": sorted(runs)}])


def clean(live: Collection[Entry]) -> None:
    """Removes the links that no live run needs."""
    noted = _noted()
    needed = [note for note in noted if any(_needs(entry, note) for entry in live)]
    for note in noted:
        link = Path(note["link"])
        if note not in needed and link.is_symlink():
            with contextlib.suppress(OSError):
                link.unlink()
    if needed != noted:
        _write(needed)


def _needs(entry: Entry, note: dict[str, Any]) -> bool:
    """Whether a run was in the folder when it was renamed, or was started through the link later."""
    return entry.id in note["runs"] or entry.run.is_relative_to(note["link"])


def _file() -> Path:
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir()) / "cobra" / "links" / "links.json"


def _noted() -> list[dict[str, Any]]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [note for note in found if isinstance(note, dict) and {"link", "runs"} <= note.keys()]


def _write(notes: list[dict[str, Any]]) -> None:
    file = _file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(notes), encoding="utf-8")
    fresh.replace(file)
