"""Runs on disk: naming, finding and describing them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import time
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.budget import spoken
from cobra_jupyter.brains.base import taken
from cobra_jupyter.records.ledger import LedgerError, is_locked, read
from cobra_jupyter.records.states import LIVE, RESUMABLE
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.status import RunStatus
from cobra_jupyter.workbench.display.pages.describe import best as best_score
from cobra_jupyter.workbench.display.pages.describe import cross_validated

REFUSED_LEAVES = {
    *("run.json", "ledger.jsonl", "logs", "pack", "code", "trials", "studies.db", "control.sock"),
    "submission.csv",  # a placeholder
}
CELLS = ("reply", "execution", "trial", "submission")
LONGEST = 200  # bytes of a competition's name in the name of a run's folder


class RunError(ValueError):
    """There is no such run, or it cannot be resumed; the message says why."""


def name_of(competition: Path) -> str:
    """A competition's name: its folder's, or that of the folder above MLE-bench's prepared/public."""
    inner = {"public", "prepared", "private"}
    return next((part for part in reversed(competition.resolve().parts) if part not in inner), "competition")


def new_folder(root: Path, competition: Path) -> Path:
    """<root>/<competition>-<time>, a path that does not exist yet."""
    folder = root / f"{_shortened(name_of(competition))}-{time.strftime('%Y%m%d-%H%M%S')}"
    return folder if not folder.exists() else folder.with_name(f"{folder.name}-{secrets.token_hex(2)}")


def _shortened(name: str) -> str:
    """Shorten a name to LONGEST bytes: file names have at most 255, and more is appended."""
    whole = os.fsencode(name)
    return name if len(whole) <= LONGEST else whole[:LONGEST].decode("utf-8", "ignore")


def _memory() -> Path:
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "cobra" / "latest"


def remember(folder: Path) -> None:
    """Note the folder of the latest run; do nothing if the home folder cannot be written."""
    try:
        _memory().parent.mkdir(parents=True, exist_ok=True)
        _memory().write_text(str(folder.resolve()), encoding="utf-8")
    except OSError:
        return


def find(run: str) -> Path:
    """The folder of a run: a path, a name below ./runs, or 'latest'. Raises RunError."""
    if run != "latest":
        for folder in (Path(run), Path("runs") / run):
            if (folder / "run.json").exists() or (folder / "ledger.jsonl").exists():
                return folder
        raise RunError(
            f"{run}: no run there (no run.json); give the folder that `cobra run` printed, or 'latest'"
        )
    noted = Path(_memory().read_text(encoding="utf-8")) if _memory().exists() else None
    nearby = sorted(Path("runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    candidates = [
        *(p.parent for p in nearby[-1:]),
        *([noted] if noted and (noted / "run.json").exists() else []),
    ]
    if not candidates:
        raise RunError("no run yet: start one with `cobra run FOLDER` or `cobra demo`")
    return max(candidates, key=lambda folder: (folder / "run.json").stat().st_mtime)


def load(run: str) -> dict[str, Any]:
    """run.json of a run, with its folder. The state is `died` if the runner is gone. Raises RunError."""
    folder = find(run)
    try:
        found = _checked(_run_json(folder))
    except RunError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{folder / 'run.json'} cannot be read: {error}") from error
    if found.get("state") in LIVE and not is_locked(folder):
        found["state"] = "died"
    return {**found, "folder": str(folder.resolve())}


def was_refused(folder: Path) -> bool:
    """Whether a folder holds a run that was refused before any cell ran, and nothing else."""
    if not (folder / "run.json").is_file() or not (folder / "ledger.jsonl").is_file() or is_locked(folder):
        return False
    if {path.name for path in folder.iterdir()} - REFUSED_LEAVES:
        return False
    try:
        state = _run_json(folder).get("state")
        return state == "failed" and not any(line.kind in CELLS for line in read(folder / "ledger.jsonl"))
    except (OSError, ValueError, AttributeError, LedgerError):
        return False


def _checked(found: Any) -> dict[str, Any]:
    """Check the entries that every reader needs. Raises ValueError."""
    if not isinstance(found, dict):
        raise ValueError("it holds no JSON object")
    for name, kind, expected in (
        ("run", str, "a text"),
        ("state", str, "a text"),
        ("budget", (int, float), "a number"),
    ):
        if not isinstance(found.get(name), kind) or isinstance(found[name], bool):
            raise ValueError(f'"{name}" must be {expected}, not {str(found.get(name))[:80]!r}')
    seconds = found.get("seconds") or 0
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f'"seconds" must be a number, not {str(seconds)[:80]!r}')
    if not 0 <= found["budget"] < math.inf:
        raise ValueError(f'"budget" must be a number of seconds, not {found["budget"]}')
    return found


def _run_json(folder: Path) -> Any:
    path = folder / "run.json"
    if not path.exists():  # the run ended before it was written
        config = _config(folder / "ledger.jsonl")
        known = {name: config.get(name) for name in ("run", "started", "budget", "seed", "brain")}
        return {**known, "state": "died", "why": None, "result": None}
    return json.loads(path.read_text(encoding="utf-8"))


def options_of(run: dict[str, Any], budget: float | None) -> Options:
    """Options to resume a run with; `budget` (seconds) replaces the old one. Raises RunError if the run is
    running or finished."""

    folder = Path(run["folder"])
    if is_locked(folder):
        raise RunError(f"{run['run']} is running (process {run.get('pid')}): see `cobra status`")
    given = float(run["budget"])
    if run["state"] == "finished" and (budget or 0) <= given:
        raise RunError(
            f"{run['run']} is over: nothing to resume. With --budget of more than {spoken(given)} it goes on"
        )
    config = _config(folder / "ledger.jsonl")
    try:
        return Options(
            folder=Path(config["folder"]),
            out=folder,
            brain=config["brain"],
            budget=budget or given,
            seed=config["seed"],
            kernel=config["kernel"],
            settings=config["settings"],
            started=time.time(),
            weights=tuple(config["weights"]),
            model=config.get("model", {}),
            approval=config.get("approval", "none"),
        )
    except (KeyError, TypeError) as error:
        raise RunError(
            f"{folder / 'ledger.jsonl'} does not say what was asked for ({error}): "
            "start the run again with `cobra run`"
        ) from error


def spent(folder: Path) -> tuple[int, float]:
    """Tokens and dollars that a run has cost so far."""
    tokens, dollars = 0, 0.0
    with contextlib.suppress(LedgerError):  # a torn last line: resuming the run cuts it
        for record in read(folder / "ledger.jsonl"):
            if record.kind == "reply":
                more = taken(record.data)
                tokens, dollars = tokens + more[0], dollars + more[1]
    return tokens, dollars


def _config(ledger: Path) -> dict[str, Any]:
    """The run's configuration: the first line of its record. Raises RunError."""
    try:
        with ledger.open(encoding="utf-8") as file:
            config: dict[str, Any] = dict(json.loads(file.readline())["data"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(
            f"{ledger} has no first line to go by: start the run again with `cobra run`"
        ) from error
    return config


def describe(run: dict[str, Any]) -> str:
    lines = [f"{run['run']}: {run['state']}" + (f" ({run['why']})" if run.get("why") else "")]
    result = run.get("result")
    if run["state"] in LIVE[1:]:
        lines += _progress_lines(Path(run["folder"]))
    elif result and result["submission"]:
        if result["cv"] is not None:
            found = cross_validated(result["metric"], result["cv"], result["cv_se"])
            lines.append(f"{found}, proof {result['proof']}")
        lines += [f"suspect     {reason}" for reason in result.get("suspect") or ()]
        lines += [
            f"{name:<11} {result[name]}"
            for name in ("submission", "notebook", "solution", "report")
            if result[name]
        ]
    if run["state"] in RESUMABLE:
        lines.append(f"go on with   cobra resume {run['folder']}")
    return "\n".join([*lines, f"{'folder':<11} {run['folder']}"])


def _progress_lines(folder: Path) -> list[str]:
    """Time, phase, best score and number of trials of a running run, from its record."""
    status = RunStatus()
    with contextlib.suppress(LedgerError):  # its last line is being written
        for record in read(folder / "ledger.jsonl"):
            status.count(record)
    best, config = status.best, status.config
    budget = (config["budget"] if config else None) or 0.0
    score = f", {best_score(best['score'], best['se'])}" if best else ""
    return [
        f"{spoken(status.age())} of {spoken(budget)} used, {spoken(budget - status.age())} left",
        f"{status.phase}; {status.trials} trials{score}",
    ]
