"""Reads status, log and notebooks from a run's folder, for runs whose runner has ended or does not answer.

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
from cobra_jupyter.notebook.coerce import cobra_metadata
from cobra_jupyter.records import states
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.run import folders, registry
from cobra_jupyter.run.status import RunStatus
from cobra_jupyter.server.errors import RequestError

Json = dict[str, Any]
NO_ANSWER = (
    "its process does not answer: it may be stopped or short of memory; this status is from its record"
)
BROKEN = (OSError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_log = logging.getLogger(__name__)


@dataclass
class Recorded:
    """The content of a record; `at` is the time of its last line."""

    status: RunStatus = field(default_factory=RunStatus)
    at: float = 0.0
    moved: dict[str, str] = field(default_factory=dict)  # agent → where its notebook was renamed to

    def notebook(self, run: Path, agent: str, root: Path) -> Path:
        """Returns the path of an agent's notebook, also if it was moved to another folder below the root."""
        if agent in self.moved and _is_file_below(moved := run / self.moved[agent], root):
            return moved
        return run / notebook_of(agent)


def status(run: Path, root: Path) -> Json:
    """Returns the last status of a run, `died` if its record cannot be read. Raises RequestError if there is
    no run.

    `root` is the server's root; nothing outside it is shown."""
    if not is_run(run):
        raise RequestError(404, f"{run.name}: no run there any longer")
    try:
        found = _status(run, root, folders.load(str(run)))
        json.dumps(found, allow_nan=False)  # one NaN would make the whole list of runs unreadable
        return found
    except folders.RunError as error:
        return _unreadable(run, str(error))
    except BROKEN as error:
        return _unreadable(run, f"its record cannot be read ({error!r})")


def _unreadable(run: Path, why: str) -> Json:
    """The status of a run whose record cannot be read."""
    try:
        at = (run / "ledger.jsonl").stat().st_mtime
    except OSError:
        at = 0.0
    return {
        **unknown(registry.identity(run), why.replace(f"{run}{os.sep}", "")[:1_000]),
        "name": run.name,
        "run": str(run),
        "at": at,
    }


def unknown(identity: str, why: str) -> Json:
    """The status of a run of which only the id is known."""
    texts = dict.fromkeys(("name", "competition", "folder", "run", "phase", "brain", "written_by"), "")
    seconds = dict.fromkeys(("at", "elapsed", "left", "budget"), 0.0)
    counts = dict.fromkeys(("turn", "trials", "tokens"), 0)
    missing = dict.fromkeys(("best", "submitted", "cost", "waiting"))
    flags = dict.fromkeys(("ticking", "resumable"), False)
    return {
        **texts,
        **seconds,
        **counts,
        **missing,
        **flags,
        "id": identity,
        "state": "died",
        "why": why,
        "approval": "none",
        "agents": [],
    }


def _status(run: Path, root: Path, found: Json) -> Json:
    recorded = read(run)
    s = recorded.status
    config: Mapping[str, Any] = s.config or {}
    state = found["state"] if found["state"] in states.OVER else "died"
    approval = str(config.get("approval") or "none")
    budget, used = float(found["budget"]), s.age(recorded.at)
    if state != "died":  # run.json of a killed run dates from its last change of state
        used = float(found.get("seconds") or used)
    return {
        "id": registry.identity(run),
        "name": found["run"],
        "competition": str(found.get("competition") or s.competition or ""),
        "folder": str(config.get("folder") or ""),
        "run": str(run),
        "state": state,
        "why": str(found["why"]) if found.get("why") else None,
        "phase": s.phase,
        "turn": s.turn,
        "at": recorded.at,
        "elapsed": used,
        "left": max(0.0, budget - used),
        "budget": budget,
        "ticking": False,
        "brain": str(found.get("brain") or ""),
        "written_by": s.authors.summary,
        "approval": approval if approval in states.APPROVALS else "none",
        "best": s.best,
        "submitted": s.submitted,
        "trials": s.trials,
        "tokens": s.tokens,
        "cost": round(s.cost, 6) if s.tokens else None,
        "agents": _agents(run, recorded, root),
        "waiting": None,
        "resumable": state in states.RESUMABLE,
    }


def unanswered(run: Path, root: Path) -> Json:
    """Returns the status of a live run whose runner has not answered yet. Raises like `status`."""
    found = status(run, root)
    try:
        state = folders.load(str(run))["state"]
    except folders.RunError:
        state = None
    return {
        **found,
        "state": state if state in states.LIVE else "starting",
        "why": NO_ANSWER,
        "resumable": False,
    }


def log(run: Path) -> list[Json]:
    """Returns the last entries of a run's log."""
    return list(read(run).status.log)


def notebooks(run: Path, root: Path) -> dict[Path, str]:
    """Returns the agents' names by the paths of their notebooks."""
    recorded = read(run)
    found = ((recorded.notebook(run, name, root), name) for name in recorded.status.agents)
    return {path.resolve(): name for path, name in found if _is_file_below(path, root)}


def notebook_path(run: Path, agent: str, root: Path) -> Path:
    """Raises RequestError if the run has no such agent."""
    recorded = read(run)
    path = recorded.notebook(run, agent, root)
    if agent not in recorded.status.agents or not _is_file_below(path, root):
        raise RequestError(404, f"{run.name} has no agent {agent!r} with a notebook")
    return path


def notebook(run: Path, agent: str, root: Path, seen: int | None = None) -> Json:
    """Returns an agent's notebook as `follow` answers; without cells if the tab has `seen` this seq."""
    from cobra_jupyter.notebook.document import Document

    path = notebook_path(run, agent, root)
    try:
        text = path.read_text(encoding="utf-8")
        if seen is not None and cobra_metadata(json.loads(text)).get("seq") == seen:
            return {"seq": seen, "operations": [], "running": []}
        document = Document.read(text)
    except Exception as error:  # nbformat raises many kinds of errors
        raise RequestError(409, f"{path.name} cannot be read as a notebook: {error}") from error
    return {"seq": document.seq, "notebook": document.notebook(), "running": []}


def read(run: Path) -> Recorded:
    """Returns the content of a run's record. The file is read again only if it has changed."""
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
            found.status.take(record)
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:  # a record of another version: skip it
            _log.debug("%s, line %d: %r", ledger, record.seq, error)
    return found


def is_run(folder: Path) -> bool:
    """Also False if the folder may not be read."""
    try:
        return (folder / "ledger.jsonl").is_file()
    except OSError:
        return False


def has_original_name(run: Path) -> bool:
    """Whether the folder still has the name that the run was given; a copy has another name."""
    asked = read(run).status.config
    return asked is not None and asked.get("run") == run.name


def has_started(run: Path) -> bool:
    """Whether the run got as far as reading its competition."""
    return any(record.kind == "card" for record in _records(run / "ledger.jsonl"))


def _agents(run: Path, recorded: Recorded, root: Path) -> list[Json]:
    return [
        {
            "name": name,
            "role": role,
            "notebook": os.path.relpath(recorded.notebook(run, name, root), run),
            "busy": False,
        }
        for name, role in recorded.status.agents.items()
    ]


def _records(ledger: Path) -> Iterator[Record]:
    """Yields the records up to the first incomplete line. Does not verify them."""
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
    except (OSError, RuntimeError, ValueError):  # a loop of symbolic links, a NUL character
        return False
