"""Folders that look like a competition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cobra_jupyter.run import folders
from cobra_jupyter.server.paths import Paths

Json = dict[str, Any]
DEEP, MANY, FOUND = 5, 4_000, 200  # levels below a top; folders looked into; competitions told
NOT_IN = frozenset({"node_modules", "__pycache__", "site-packages", "private", "venv"})
DESCRIPTIONS = frozenset({"description.md", "description.txt", "description_obfuscated.md"})


def find(places: Paths) -> list[Json]:
    """Those below root and data folders, by name. Reads folders: call it in a thread."""
    tops = [top for top in (places.root, *places.data) if top.is_dir()]
    found = {folder: None for top in tops for folder in _below(top, places.new_runs)}
    listed = [
        {"name": folders.name_of(folder), "path": places.named(folder)} for folder in list(found)[:FOUND]
    ]
    return sorted(listed, key=lambda one: (one["name"], one["path"]))


def _below(top: Path, runs_folder: Path) -> Iterator[Path]:
    looked = 0
    for folder, inner, files in os.walk(top):
        looked += 1
        here = Path(folder)
        if here == runs_folder or "ledger.jsonl" in files or looked > MANY:
            inner.clear()
            continue
        if DESCRIPTIONS & set(files) and any(
            "sample" in name and "submission" in name for name in map(str.lower, files)
        ):
            inner.clear()
            yield here
            continue
        deep = len(here.relative_to(top).parts) >= DEEP
        inner[:] = [] if deep else sorted(name for name in inner if name[0] != "." and name not in NOT_IN)
