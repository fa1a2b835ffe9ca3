"""Finds folders that look like a competition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cobra_jupyter.run import folders
from cobra_jupyter.server.paths import Paths

Json = dict[str, Any]
MAX_DEPTH, MAX_FOLDERS, MAX_FOUND = 5, 4_000, 200  # levels below a top folder; folders searched; results
SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "private", "venv"})
DESCRIPTIONS = frozenset({"description.md", "description.txt", "description_obfuscated.md"})


def find(paths: Paths) -> list[Json]:
    """Returns the competitions below the root and the data folders. Reads folders: call it in a thread."""
    tops = [top for top in (paths.root, *paths.data) if top.is_dir()]
    found = {folder: None for top in tops for folder in _below(top, paths.new_runs)}
    listed = [
        {"name": folders.name_of(folder), "path": paths.named(folder)} for folder in list(found)[:MAX_FOUND]
    ]
    return sorted(listed, key=lambda one: (one["name"], one["path"]))


def _below(top: Path, runs_folder: Path) -> Iterator[Path]:
    looked = 0
    for folder, inner, files in os.walk(top):
        looked += 1
        here = Path(folder)
        if here == runs_folder or "ledger.jsonl" in files or looked > MAX_FOLDERS:
            inner.clear()
            continue
        if DESCRIPTIONS & set(files) and any(
            "sample" in name and "submission" in name for name in map(str.lower, files)
        ):
            inner.clear()
            yield here
            continue
        deep = len(here.relative_to(top).parts) >= MAX_DEPTH
        inner[:] = [] if deep else sorted(name for name in inner if name[0] != "." and name not in SKIPPED)
