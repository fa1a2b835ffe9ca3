"""Finds the run and agent that a notebook belongs to, from its path and from the statuses of live runs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.run import attach, registry
from cobra_jupyter.run.attach import AttachError
from cobra_jupyter.run.registry import Entry
from cobra_jupyter.server import stored_runs
from cobra_jupyter.server.provisioner import agent_at

Json = dict[str, Any]
WAIT = 10.0  # seconds for a runner to say which agent owns a notebook
RECORD = ("ledger.jsonl", "run.json")


@dataclass(frozen=True)
class Owner:
    """The agent and run of a notebook. `entry` is None without a runner; a `silent` one does not answer."""

    run: str
    folder: Path
    agent: str
    entry: Entry | None
    silent: bool = False


class Ownership:
    """`root` is the server's root. Renamed notebooks are known from the statuses of their runs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._renamed: dict[Path, tuple[Path, str]] = {}  # run folder and agent by notebook

    def on_status(self, run: str, entry: Entry | None, status: Json) -> None:
        if entry is None:
            return
        for agent in status.get("agents", ()):
            path = (entry.run / str(agent["notebook"])).resolve()
            if _run_folder(path) is None:
                self._renamed[path] = entry.run.resolve(), str(agent["name"])

    def moved(self, old: Path, new: Path, owner: Owner) -> None:
        self._renamed.pop(old, None)
        self._renamed[new] = owner.folder, owner.agent

    def may_own(self, path: Path) -> bool:
        """Whether a notebook may belong to a run. Quick, because the server asks this for every notebook."""
        return _run_folder(path) is not None or path in self._renamed

    def moved_into(self, folder: Path) -> dict[Path, Owner]:
        """Returns the notebooks that people moved from run folders into `folder`. As slow as `owner_of`."""
        real = folder.resolve()
        paths = [path for path in tuple(self._renamed) if path.is_relative_to(real) and path.is_file()]
        return {path: owner for path in paths if (owner := self.owner_of(path)) is not None}

    def owner_of(self, path: Path) -> Owner | None:
        """Returns the owner of a notebook. Reads files and may ask a runner: call it in a thread."""
        real = path.resolve()
        renamed = self._renamed.get(real)
        folder = renamed[0] if renamed else _run_folder(real)
        if folder is None:
            return None
        folder = folder.resolve()
        entry = registry.find(folder)
        if entry is not None:
            with contextlib.suppress(AttachError):
                agent = agent_at(attach.ask(entry, "status", WAIT), entry.run, real)
                return None if agent is None else Owner(entry.id, folder, agent, entry)
        agent = stored_runs.notebooks(folder, self._root).get(real) or (renamed[1] if renamed else None)
        if agent is None:
            return None
        return Owner(
            entry.id if entry else registry.identity(folder), folder, agent, entry, silent=entry is not None
        )


def live_runs_below(path: Path) -> list[Entry]:
    """Returns the live runs whose folder is `path` or below it."""
    real = path.resolve()
    return [entry for entry in registry.entries() if entry.run.resolve().is_relative_to(real)]


def live_runs_containing(path: Path) -> list[Entry]:
    """Returns the live runs whose folder contains `path`, which is resolved."""
    return [
        entry
        for entry in registry.entries()
        if path != (run := entry.run.resolve()) and path.is_relative_to(run)
    ]


def _run_folder(path: Path) -> Path | None:
    """Returns the run folder of a notebook that is directly in it or in its `agents/`."""
    if path.suffix != ".ipynb":
        return None
    for folder in (path.parent, path.parent.parent):
        if (folder / "ledger.jsonl").is_file() and (folder == path.parent or path.parent.name == "agents"):
            return folder
    return None
