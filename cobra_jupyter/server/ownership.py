"""Which notebooks belong to runs: by where they lie, and by what living runners say."""

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
WAIT = 10.0  # seconds for a runner to say whose a notebook is
RECORD = ("ledger.jsonl", "run.json")


@dataclass(frozen=True)
class Owner:
    """The agent and run of a notebook; `entry` is None where the run has no runner, `silent` whether it does not answer."""

    run: str
    folder: Path
    agent: str
    entry: Entry | None
    silent: bool = False


class Ownership:
    """`root` is the server's; notebooks that were renamed are known from statuses, which `told` takes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._renamed: dict[Path, tuple[Path, str]] = {}  # notebook → run folder, agent

    def told(self, run: str, entry: Entry | None, status: Json) -> None:
        if entry is None:
            return
        for agent in status.get("agents", ()):
            path = (entry.run / str(agent["notebook"])).resolve()
            if _place(path) is None:
                self._renamed[path] = entry.run.resolve(), str(agent["name"])

    def moved(self, old: Path, new: Path, owner: Owner) -> None:
        self._renamed.pop(old, None)
        self._renamed[new] = owner.folder, owner.agent

    def maybe(self, path: Path) -> bool:
        """Whether it is worth asking: quick, as every notebook of the server is asked about."""
        return _place(path) is not None or path in self._renamed

    def below(self, folder: Path) -> dict[Path, Owner]:
        """The notebooks of runs that were moved into a folder outside of their runs'. As `of`."""
        real = folder.resolve()
        paths = [path for path in tuple(self._renamed) if path.is_relative_to(real) and path.is_file()]
        return {path: owner for path in paths if (owner := self.of(path)) is not None}

    def of(self, path: Path) -> Owner | None:
        """The owner of a notebook. Reads files and may ask a runner: call it in a thread."""
        real = path.resolve()
        renamed = self._renamed.get(real)
        folder = renamed[0] if renamed else _place(real)
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


def living_in(path: Path) -> list[Entry]:
    """Living runs whose folder is `path` or lies below it."""
    real = path.resolve()
    return [entry for entry in registry.entries() if entry.run.resolve().is_relative_to(real)]


def living_around(path: Path) -> list[Entry]:
    """The living run in whose folder `path`, a real one, lies."""
    return [
        entry
        for entry in registry.entries()
        if path != (run := entry.run.resolve()) and path.is_relative_to(run)
    ]


def _place(path: Path) -> Path | None:
    """The run folder that a notebook lies in, itself or in `agents/`."""
    if path.suffix != ".ipynb":
        return None
    for folder in (path.parent, path.parent.parent):
        if (folder / "ledger.jsonl").is_file() and (folder == path.parent or path.parent.name == "agents"):
            return folder
    return None
