"""A run without a runner: its status, its log and its notebooks, from what it has left on disk.

Everything here reads files: call it in a thread."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cobra_jupyter import attach, runs
from cobra_jupyter.agent.team import notebook_of
from cobra_jupyter.ledger import Record
from cobra_jupyter.server.refusal import Refusal
from cobra_jupyter.standing import Standing

Json = dict[str, Any]
OVER = ("stopped", "finished", "failed", "died")
_log = logging.getLogger(__name__)


@dataclass
class Recorded:
    """What a record says; `at` is the time of its last line."""

    standing: Standing = field(default_factory=Standing)
    at: float = 0.0
    moved: dict[str, str] = field(default_factory=dict)  # agent → where its notebook was renamed to

    def notebook(self, run: Path, agent: str) -> Path:
        """Where an agent's notebook lies; where it always does if it was moved away again."""
        moved = Path(self.moved.get(agent, ""))
        return moved if agent in self.moved and moved.is_file() else run / notebook_of(agent)


def status(run: Path) -> Json:
    """How a run stood when its runner went. Raises Refusal where the folder holds no run."""
    try:
        found = runs.load(str(run))
    except runs.RunError as error:
        raise Refusal(404, str(error)) from error
    recorded = read(run)
    s, asked = recorded.standing, recorded.standing.asked
    state = found["state"] if found["state"] in OVER else "died"
    budget, used = float(found.get("budget") or 0), float(found.get("seconds") or s.age(recorded.at))
    return {
        "id": attach.identity(run), "name": str(found["run"]), "competition": str(found.get("competition") or s.competition or ""),
        "folder": str(asked.get("folder") or ""), "run": str(run), "state": state, "why": found.get("why"), "phase": s.phase,
        "turn": s.turn, "at": recorded.at, "elapsed": used, "left": max(0.0, budget - used), "budget": budget, "ticking": False,
        "brain": str(found.get("brain") or ""), "approval": str(asked.get("approval") or "none"), "best": s.best,
        "submitted": s.submitted, "trials": s.trials, "tokens": s.tokens, "cost": round(s.cost, 6) if s.tokens else None,
        "agents": _agents(run, recorded), "waiting": None, "resumable": state in ("stopped", "failed", "died"),
    }  # fmt: skip


def log(run: Path) -> list[Json]:
    """The last entries of a run's log."""
    return list(read(run).standing.log)


def notebooks(run: Path) -> dict[Path, str]:
    """The agents by the place of their notebooks."""
    recorded = read(run)
    return {recorded.notebook(run, name).resolve(): name for name in recorded.standing.agents}


def notebook_path(run: Path, agent: str) -> Path:
    """Raises Refusal for an agent that this run does not have."""
    recorded = read(run)
    path = recorded.notebook(run, agent)
    if agent not in recorded.standing.agents or not path.is_file():
        raise Refusal(404, f"{run.name} has no agent {agent!r} with a notebook")
    return path


def notebook(run: Path, agent: str) -> Json:
    """An agent's notebook as `follow` answers with it."""
    from cobra_jupyter.notebook.document import Document

    path = notebook_path(run, agent)
    try:
        document = Document.read(path.read_text(encoding="utf-8"))
    except Exception as error:  # nbformat has errors of its own for every way to be broken
        raise Refusal(409, f"{path.name} cannot be read as a notebook: {error}") from error
    return {"seq": document.seq, "notebook": document.notebook(), "running": []}


def read(run: Path) -> Recorded:
    """What the record of a run says; read again only when it has changed."""
    ledger = run / "ledger.jsonl"
    try:
        found = ledger.stat()
    except OSError:
        return Recorded()
    return _read(str(ledger), found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=256)
def _read(ledger: str, size: int, changed: int) -> Recorded:
    found = Recorded()
    for record in _records(Path(ledger)):
        found.at = record.time
        if record.kind == "moved":
            found.moved[str(record.data.get("agent"))] = str(record.data.get("path"))
        try:
            found.standing.take(record)
        except (
            KeyError,
            TypeError,
            ValueError,
        ) as error:  # of another version: the rest is told all the same
            _log.debug("%s, line %d: %r", ledger, record.seq, error)
    return found


def _agents(run: Path, recorded: Recorded) -> list[Json]:
    return [
        {
            "name": name,
            "role": role,
            "notebook": os.path.relpath(recorded.notebook(run, name), run),
            "busy": False,
        }
        for name, role in recorded.standing.agents.items()
    ]


def _records(ledger: Path) -> Iterator[Record]:
    """The whole lines of a record; a torn end is passed over, and nothing is verified here."""
    try:
        with ledger.open("rb") as file:
            for line in file:
                try:
                    yield Record(**json.loads(line))
                except (ValueError, TypeError):
                    return
    except OSError:
        return
