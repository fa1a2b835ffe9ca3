"""A record in one line, for the log, the panel, the terminal and the report's trail.

`workbench/display` describes results of the workbench, since the kernel shows them too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cobra_jupyter.records import kinds
from cobra_jupyter.workbench import turns
from cobra_jupyter.workbench.display import pages
from cobra_jupyter.workbench.display.pages import describe, words
from cobra_jupyter.workbench.rebuild import Line

STATES = {
    "starting": "Starting", "resumed": "Goes on where it ended", "running": "Running",
    "pausing": "Pausing after this cell", "paused": "Paused", "human": "A person has the run",
    "waiting": "Waits for an approval", "stopped": "Stopped", "finished": "Finished", "failed": "Failed",
}  # fmt: skip
_FENCE = re.compile(r"^\s*(```|~~~)")
_EMPHASIS = re.compile(r"[*_`]{1,3}")


def line(record: Line) -> str:
    """A record in one line."""
    if record.kind in pages.KINDS and record.kind != kinds.FINISH:
        return pages.headline(record.kind, record.data)
    if record.kind in _LINES:
        return _LINES[record.kind](record.data)
    order = ("state", "event", "what", "outcome", "why", "detail")
    shown = [words.cut(record.data[key], 300) for key in order if record.data.get(key)]
    return ": ".join(shown) if shown else words.cut(words.level(dict(record.data)), 240)


def failed(record: Line) -> bool:
    """Whether a record reports a failure."""
    data = record.data
    if record.kind == "execution":
        return data.get("status") not in ("ok", None)
    if record.kind == "trial":
        return not words.known(data.get("score"))
    return record.kind == "proof" and data.get("outcome") in ("different", "failed")


# ---- the text of a reply


def heading(text: str) -> str:
    """The first Markdown heading of a reply, else its first line of prose."""
    lines = [each for each in _prose_lines(text) if each]
    first = next(
        (each for each in lines if re.match(r"#{1,6}\s+\S", each)), lines[0] if lines else "code only"
    )
    return words.cut(_EMPHASIS.sub("", first.lstrip("#").strip()), 140)


def prose(text: str) -> str:
    """A reply without heading and code, on one line."""
    rest = [each for each in _prose_lines(text) if each and not each.startswith("#")]
    found = words.cut(_EMPHASIS.sub("", " ".join(rest)), 700)
    return "" if found == heading(text) else found


def _prose_lines(text: str) -> list[str]:
    """The lines of a reply outside its code."""
    lines, inside = [], False
    for each in text.splitlines():
        if _FENCE.match(each):
            inside = not inside
        elif not inside:
            lines.append(each.strip())
    return lines


# ---- records of the runner


def state(data: kinds.State) -> str:
    named = STATES.get(data.get("state", ""), data.get("state", ""))
    return f"{named}: {words.cut(data['why'], 300)}" if data.get("why") else named


def _run(data: kinds.Run) -> str:
    return f"brain {data.get('brain')}, budget {words.seconds(data.get('budget'))}, seed {data.get('seed')}"


def _environment(data: kinds.Environment) -> str:
    memory = words.size(data.get("memory_bytes"))
    return (
        f"Python {data.get('python_version')}, {words.counted(data.get('cores'), 'core')}, {memory} of memory"
    )


def _cell(data: turns.Cell) -> str:
    return words.counted(len(str(data.get("source", "")).splitlines()), "line")


def _execution(data: turns.Execution) -> str:
    ended = f"{data.get('status')} in {words.seconds(data.get('seconds'))}"
    error = words.cut(f"{data.get('ename')}: {data.get('evalue') or ''}", 240)
    return f"{ended}, {error}" if data.get("ename") else ended


def _agent(data: kinds.Agent) -> str:
    return f"{data.get('agent')}, called in by the {data.get('by')}, for {words.seconds(data.get('seconds'))}"


def _human(data: kinds.Human) -> str:
    return f"a person: {data.get('what')}{': ' + data['why'] if data.get('why') else ''}"


def _handback(data: kinds.HandBack) -> str:
    cells = words.counted(len(data.get("interventions", ())), "cell")
    return f"the agent is told what a person did ({data.get('why')}): {cells}"


_LINES: dict[str, Callable[[Any], str]] = {
    "state": state,
    "run": _run,
    "environment": _environment,
    "cell": _cell,
    "execution": _execution,
    "note": lambda data: heading(str(data.get("text", ""))),
    "agent": _agent,
    "rung": lambda data: f"{data.get('rung')} {data.get('state')}: {data.get('why')}",
    "idea": describe.idea,
    "message": lambda data: words.cut(f"a person says: {data.get('text')}", 300),
    "handback": _handback,
    "ran": lambda data: f"a person ran a cell: {data.get('status')} {data.get('error') or ''}".strip(),
    "edit": lambda data: f"{words.counted(len(data.get('edits', ())), 'edit')} by a person",
    "human": _human,
    "file": lambda data: f"{data.get('path')}, SHA-256 {str(data.get('sha256', ''))[:16]}…",
}
