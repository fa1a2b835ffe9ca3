"""A run without a runner, or with one that does not answer: its status, its log and its notebooks, from what it has left on disk.

Everything here reads files: call it in a thread."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.team import notebook_of
from cobra_jupyter.notebook.coerce import about
from cobra_jupyter.records import states
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.run import folders, registry
from cobra_jupyter.run.status import RunStatus
from cobra_jupyter.server.errors import RequestError

Json = dict[str, Any]
HANGS = "its process does not answer: it may be halted or short of memory; this is what its record says"
_log = logging.getLogger(__name__)


@dataclass
class Recorded:
    """What a record says; `at` is the time of its last line."""

    standing: RunStatus = field(default_factory=RunStatus)
    at: float = 0.0
    moved: dict[str, str] = field(default_factory=dict)  # agent → where its notebook was renamed to

    def notebook(self, run: Path, agent: str, root: Path) -> Path:
        """Where an agent's notebook lies; where it always does if it was moved away again, or out of the root."""
        if agent in self.moved and _is_file_below(moved := run / self.moved[agent], root):
            return moved
        return run / notebook_of(agent)


def status(run: Path, root: Path) -> Json:
    """How a run stood when its runner went; one whose record cannot be read has died of that. Raises Refusal where the
    folder holds no run. `root` is the server's: nothing outside of it is told of."""
    if not is_run(run):
        raise RequestError(404, f"{run.name}: no run there any longer")
    try:
        found = _status(run, root, folders.load(str(run)))
        json.dumps(found, allow_nan=False)  # else nobody could read the list that it stands in
        return found
    except folders.RunError as error:
        return _unreadable(run, str(error))
    except (
        OSError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        return _unreadable(run, f"its record cannot be read ({error!r})")


def _unreadable(run: Path, why: str) -> Json:
    """The status of a run of which little can be told."""
    try:
        at = (run / "ledger.jsonl").stat().st_mtime
    except OSError:
        at = 0.0
    return {
        **gone(registry.identity(run), why.replace(f"{run}{os.sep}", "")[:1_000]),
        "name": run.name, "run": str(run), "at": at,
    }  # fmt: skip


def gone(identity: str, why: str) -> Json:
    """The status of a run of which nothing but its id can be told."""
    return {
        "id": identity, "name": "", "competition": "", "folder": "", "run": "", "state": "died",
        "why": why, "phase": "", "turn": 0, "at": 0.0, "elapsed": 0.0, "left": 0.0, "budget": 0.0,
        "ticking": False, "brain": "", "approval": "none", "best": None, "submitted": None, "trials": 0, "tokens": 0,
        "cost": None, "agents": [], "waiting": None, "resumable": False,
    }  # fmt: skip


def _status(run: Path, root: Path, found: Json) -> Json:
    recorded = read(run)
    s = recorded.standing
    asked: Mapping[str, Any] = s.asked or {}
    state = found["state"] if found["state"] in states.OVER else "died"
    approval = str(asked.get("approval") or "none")
    budget, used = float(found["budget"]), s.age(recorded.at)
    if state != "died":  # run.json of a run that was killed is as old as its last change of state
        used = float(found.get("seconds") or used)
    return {
        "id": registry.identity(run), "name": found["run"], "competition": str(found.get("competition") or s.competition or ""),
        "folder": str(asked.get("folder") or ""), "run": str(run), "state": state, "why": str(found["why"]) if found.get("why") else None, "phase": s.phase,
        "turn": s.turn, "at": recorded.at, "elapsed": used, "left": max(0.0, budget - used), "budget": budget, "ticking": False,
        "brain": str(found.get("brain") or ""), "approval": approval if approval in states.APPROVALS else "none", "best": s.best,
        "submitted": s.submitted, "trials": s.trials, "tokens": s.tokens, "cost": round(s.cost, 6) if s.tokens else None,
        "agents": _agents(run, recorded, root), "waiting": None, "resumable": state in states.RESUMABLE,
    }  # fmt: skip


def unanswered(run: Path, root: Path) -> Json:
    """The status of a run that lives and whose runner has not said yet how it stands. Raises Refusal as `status`."""
    found = status(run, root)
    try:
        state = folders.load(str(run))["state"]
    except folders.RunError:
        state = None
    return {**found, "state": state if state in states.LIVE else "starting", "why": HANGS, "resumable": False}


def log(run: Path) -> list[Json]:
    """The last entries of a run's log."""
    return list(read(run).standing.log)


def notebooks(run: Path, root: Path) -> dict[Path, str]:
    """The agents by the place of their notebooks."""
    recorded = read(run)
    found = ((recorded.notebook(run, name, root), name) for name in recorded.standing.agents)
    return {path.resolve(): name for path, name in found if _is_file_below(path, root)}


def notebook_path(run: Path, agent: str, root: Path) -> Path:
    """Raises Refusal for an agent that this run does not have."""
    recorded = read(run)
    path = recorded.notebook(run, agent, root)
    if agent not in recorded.standing.agents or not _is_file_below(path, root):
        raise RequestError(404, f"{run.name} has no agent {agent!r} with a notebook")
    return path


def notebook(run: Path, agent: str, root: Path, seen: int | None = None) -> Json:
    """An agent's notebook as `follow` answers with it; without the notebook where it is the one of the seq `seen`."""
    from cobra_jupyter.notebook.document import Document

    path = notebook_path(run, agent, root)
    try:
        text = path.read_text(encoding="utf-8")
        if seen is not None and about(json.loads(text)).get("seq") == seen:
            return {"seq": seen, "operations": [], "running": []}
        document = Document.read(text)
    except Exception as error:  # nbformat has errors of its own for every way to be broken
        raise RequestError(409, f"{path.name} cannot be read as a notebook: {error}") from error
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
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:  # of another version: the rest is told
            _log.debug("%s, line %d: %r", ledger, record.seq, error)
    return found


def is_run(folder: Path) -> bool:
    """False also where nobody may look."""
    try:
        return (folder / "ledger.jsonl").is_file()
    except OSError:
        return False


def is_at_home(run: Path) -> bool:
    """Whether its folder has the name that it was given: a copy has another."""
    asked = read(run).standing.asked
    return asked is not None and asked.get("run") == run.name


def has_begun(run: Path) -> bool:
    """Whether more is recorded than that it was to start: its competition was read."""
    return any(record.kind == "card" for record in _records(run / "ledger.jsonl"))


def _agents(run: Path, recorded: Recorded, root: Path) -> list[Json]:
    return [
        {
            "name": name,
            "role": role,
            "notebook": os.path.relpath(recorded.notebook(run, name, root), run),
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
                    record = Record(**json.loads(line, parse_constant=_no_number))
                except (ValueError, TypeError, RecursionError):
                    return
                if not isinstance(record.data, dict) or not isinstance(record.time, int | float):
                    return
                yield record
    except OSError:
        return


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _is_file_below(path: Path, root: Path) -> bool:
    try:
        return path.is_file() and path.resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # a circle of links, a character with the code 0
        return False
