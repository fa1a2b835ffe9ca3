"""A run without a runner: its status, its log and its notebooks, from what it has left on disk.

Everything here reads files: call it in a thread."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from cobra_jupyter import attach, runs
from cobra_jupyter.agent.team import notebook_of
from cobra_jupyter.server.refusal import Refusal
from cobra_jupyter.workbench.owners import LEAD

Json = dict[str, Any]
OVER = ("stopped", "finished", "failed", "died")
LOG = 500  # entries


def status(run: Path) -> Json:
    """How a run stood when its runner went. Raises Refusal where the folder holds no run."""
    try:
        found = runs.load(str(run))
    except runs.RunError as error:
        raise Refusal(404, str(error)) from error
    state = found["state"] if found["state"] in OVER else "died"
    known = _recorded(run)
    budget, used = float(found.get("budget") or 0), float(found.get("seconds") or known["used"])
    return {
        "id": attach.identity(run), "name": str(found["run"]), "competition": str(found.get("competition") or known["folder"]),
        "folder": known["folder"], "run": str(run), "state": state, "why": found.get("why"), "phase": known["phase"],
        "turn": known["turn"], "at": known["at"], "elapsed": used, "left": max(0.0, budget - used), "budget": budget,
        "ticking": False, "brain": str(found.get("brain") or ""), "approval": str(found.get("approval") or "none"), "best": known["best"],
        "submitted": known["submitted"], "trials": known["trials"], "tokens": known["tokens"], "cost": known["cost"],
        "agents": _agents(run), "waiting": None, "resumable": state in ("stopped", "failed", "died"),
    }  # fmt: skip


def log(run: Path) -> list[Json]:
    """The last entries of a run's log."""
    entries: list[Json] = []
    started: float | None = None
    for line, record in _records(run / "ledger.jsonl"):
        started = record["time"] if started is None else started
        entry = _entry(record)
        if entry:
            at = round(record["time"] - started, 3)
            entries.append({"line": line, "at": at, "agent": record["data"].get("agent") or LEAD, **entry})
    return entries[-LOG:]


def notebook_path(run: Path, agent: str) -> Path:
    """Raises Refusal for an agent that this run does not have."""
    path = run / notebook_of(agent)
    if "/" in agent or os.sep in agent or not path.is_file():
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


def _agents(run: Path) -> list[Json]:
    called = sorted(path.stem for path in (run / "agents").glob("*.ipynb"))
    return [
        {"name": name, "role": name.partition("-")[0], "notebook": notebook_of(name), "busy": False}
        for name in (LEAD, *called)
    ]


def _recorded(run: Path) -> Json:
    ledger = run / "ledger.jsonl"
    try:
        found = ledger.stat()
    except OSError:
        return _read(str(ledger), 0, 0)
    return _read(str(ledger), found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=256)
def _read(ledger: str, size: int, changed: int) -> Json:
    """What the record says; read again only when it has changed."""
    found: Json = {
        "folder": "", "phase": "", "turn": 0, "at": 0.0, "used": 0.0, "best": None, "submitted": None, "trials": 0,
        "tokens": 0, "cost": None,
    }  # fmt: skip
    judged: Json = {"metric": None, "direction": "maximize"}
    first: float | None = None
    for _, record in _records(Path(ledger)):
        data, kind = record["data"], record["kind"]
        found["at"] = record["time"]
        first = record["time"] if first is None else first
        if kind == "run":
            found["folder"] = str(data.get("folder", ""))
        elif kind == "protocol":
            judged = {"metric": data.get("metric"), "direction": data.get("direction") or "maximize"}
        elif kind == "reply" and data.get("agent", LEAD) == LEAD:
            found["turn"] = max(found["turn"], int(data.get("turn") or 0))
            found["phase"] = _title(data) or found["phase"]
        elif kind == "trial":
            found["trials"] += 1
            if data.get("full"):
                found["best"] = _better(found["best"], _score(data, judged, data.get("candidate")))
        elif kind == "submission":
            found["submitted"] = _score(data, judged, data.get("what") or data.get("name"))
            found["best"] = _better(found["best"], found["submitted"])
    found["used"] = found["at"] - (first or found["at"])
    if size:
        tokens, dollars = runs.spent(Path(ledger).parent)
        found["tokens"], found["cost"] = tokens, dollars or None
    return found


def _score(data: Json, judged: Json, what: Any) -> Json | None:
    if data.get("score") is None:
        return None
    return {"score": data["score"], "se": data.get("se"), **judged, "what": str(what or "")}


def _better(old: Json | None, new: Json | None) -> Json | None:
    if old is None or new is None:
        return new or old
    sign = -1 if new["direction"] == "minimize" else 1
    return new if sign * (new["score"] - old["score"]) > 0 else old


def _entry(record: Json) -> Json | None:
    """What a record is in the log, if it is anything there."""
    kind, data = record["kind"], record["data"]
    if kind == "reply":
        return {"kind": "step", "text": _title(data)} if _title(data) else None
    if kind == "state":
        why = f": {data['why']}" if data.get("why") else ""
        return {"kind": "state", "text": f"{data.get('state')}{why}"}
    if kind == "decision":
        why = f": {data['why']}" if data.get("why") else ""
        return {"kind": "decision", "text": f"{data.get('what')}{why}"}
    if kind == "human":
        return {"kind": "human", "text": str(data.get("text") or data.get("what") or "")}
    if kind == "trial" and data.get("full") and data.get("score") is not None:
        return {
            "kind": "score",
            "text": f"{data.get('candidate', 'trial')}: {data['score']:.5f} ± {data.get('se') or 0:.5f}",
        }
    if kind == "submission" and data.get("score") is not None:
        return {"kind": "submission", "text": f"submitted, {data['score']:.5f} ± {data.get('se') or 0:.5f}"}
    return None


def _title(reply: Json) -> str:
    return str(reply.get("text") or "").strip().partition("\n")[0].lstrip("# ").strip()


def _records(ledger: Path) -> Iterator[tuple[int, Json]]:
    """Whole lines of a record, with their number; a torn end is passed over."""
    try:
        with ledger.open("rb") as file:
            for number, line in enumerate(file):
                try:
                    record = json.loads(line)
                    yield number, {"kind": record["kind"], "time": record["time"], "data": record["data"]}
                except (ValueError, KeyError, TypeError):
                    return
    except OSError:
        return
