"""Which notebooks belong to runs: by where they lie, and by what living runners say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter import attach
from cobra_jupyter.attach import Entry
from cobra_jupyter.kernel.provisioner import agent_at
from cobra_jupyter.workbench.owners import LEAD

Json = dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """The agent and run of a notebook; `entry` is None where the run has no runner."""

    run: str
    folder: Path
    agent: str
    entry: Entry | None


class Whose:
    """`places` as for the server; notebooks that were renamed are known from statuses, which `told` takes."""

    def __init__(self) -> None:
        self._renamed: dict[Path, tuple[Path, str]] = {}  # notebook → run folder, agent

    def told(self, run: str, entry: Entry | None, status: Json) -> None:
        if entry is None:
            return
        for agent in status.get("agents", ()):
            path = (entry.run / str(agent["notebook"])).resolve()
            if _by_place(path) is None:
                self._renamed[path] = entry.run, str(agent["name"])

    def moved(self, old: Path, new: Path, owner: Owner) -> None:
        self._renamed.pop(old, None)
        if _by_place(new) is None:
            self._renamed[new] = owner.folder, owner.agent

    def maybe(self, path: Path) -> bool:
        """Whether it is worth asking: quick, as every notebook of the server is asked about."""
        return _by_place(path) is not None or path in self._renamed

    def of(self, path: Path) -> Owner | None:
        """The owner of a notebook. Reads files and may ask a runner: call it in a thread."""
        real = path.resolve()
        found = self._renamed.get(real) or _by_place(real)
        if found is None:
            return None
        folder, agent = found[0].resolve(), found[1]
        entry = attach.of(folder)
        if entry is not None and real not in self._renamed:
            status = attach.ask(entry, "status", 10.0)
            said = agent_at(status, entry.run, real)
            if said is None and agent in {other["name"] for other in status.get("agents", ())}:
                return None  # the agent's notebook lies elsewhere by now: this one is the person's
            if said is None:  # an agent of an earlier life: the runner does not hold its notebook
                return Owner(entry.id, folder, agent, None)
            agent = said
        return Owner(entry.id if entry else attach.identity(folder), folder, agent, entry)


def living_in(path: Path) -> list[Entry]:
    """Living runs whose folder is `path` or lies below it."""
    real = path.resolve()
    return [entry for entry in attach.registry() if entry.run.resolve().is_relative_to(real)]


def _by_place(path: Path) -> tuple[Path, str] | None:
    """`<run>/agent.ipynb` or `<run>/agents/<name>.ipynb`, where a run has its record."""
    if path.suffix != ".ipynb":
        return None
    if path.name == "agent.ipynb" and (path.parent / "ledger.jsonl").is_file():
        return path.parent, LEAD
    if path.parent.name == "agents" and (path.parent.parent / "ledger.jsonl").is_file():
        return path.parent.parent, path.stem
    return None
