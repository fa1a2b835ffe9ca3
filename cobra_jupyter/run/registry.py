"""The registry of running runs: where each runner listens; and the ids of runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from cobra_jupyter.records.files import write_json
from cobra_jupyter.records.ledger import is_locked

Json = dict[str, Any]
_ID = re.compile("[0-9a-f]{12}")


@dataclass(frozen=True)
class Entry:
    """Where a runner listens. The token lets its reader steer the run: the file is as private as Jupyter's
    tokens."""

    id: str
    run: Path
    pid: int
    socket: Path
    token: str

    def to_json(self) -> Json:
        return {**asdict(self), "run": str(self.run), "socket": str(self.socket)}


def identity(folder: Path) -> str:
    """The id of a run: from run.json, else a hash of its folder's path. A copy of the folder has the same
    id."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("id")
    except (OSError, ValueError, AttributeError, RecursionError):
        found = None
    return found if isinstance(found, str) and _ID.fullmatch(found) else identity_by_place(folder)


def identity_by_place(folder: Path) -> str:
    """An id from the folder's path, which no run elsewhere has."""
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]


def settle(folder: Path, identity_here: str) -> None:
    """Give a copied run its own id before it is resumed; else clients could confuse it with the original."""
    if identity(folder) == identity_here:
        return
    path = folder / "run.json"
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), "id": identity_here})


def _registry_folder() -> Path:
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir()) / "cobra"


def register(entry: Entry) -> Path:
    """Write where a runner listens. → the file, which the runner removes at its end. A copy of another
    running run gets an id from its path."""
    folder = _registry_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = entry.run.resolve()
    if any(other.id == entry.id and other.run.resolve() != place for other in entries()):
        entry = replace(entry, id=identity_by_place(entry.run))
    path = folder / f"{entry.id}.json"
    fresh = path.with_suffix(f".{entry.pid}.tmp")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(entry.to_json()), encoding="utf-8")
    fresh.replace(path)
    return path


def entries() -> list[Entry]:
    """The active runners; removes files of runners that are gone."""
    found = []
    for path in sorted(_registry_folder().glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            data = json.loads(path.read_text(encoding="utf-8"))
            entry = Entry(
                str(data["id"]),
                Path(data["run"]),
                int(data["pid"]),
                Path(data["socket"]),
                str(data["token"]),
            )
            if is_locked(entry.run):
                found.append(entry)
            elif not psutil.pid_exists(entry.pid):  # else its folder is being renamed
                path.unlink()
    return found


def find(folder: Path) -> Entry | None:
    """The active runner of the run in a folder; None if there is none."""
    real = folder.resolve()
    return next((entry for entry in entries() if entry.run.resolve() == real), None)
