"""What the record of a run says of it: enough to go on where it ended, however it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.context import Turn
from cobra_jupyter.agent.loop import message_of
from cobra_jupyter.agent.reply import Parsed, parse
from cobra_jupyter.ledger import Record
from cobra_jupyter.notebook import kept
from cobra_jupyter.notebook.document import Document


class NothingRecorded(ValueError):  # noqa: N818
    """The run ended before its first line: there is nothing to resume."""


@dataclass(frozen=True)
class Pending:
    """A reply whose cell was not run to its end. `begun`: it had begun."""

    number: int
    parsed: Parsed
    cell: str | None
    begun: bool
    role: str


@dataclass(frozen=True)
class Past:
    """A run so far. `used` is in seconds, over all its lives; `accepted` (turn, code) of cells that ran well."""

    asked: Mapping[str, Any]
    records: tuple[Record, ...]
    used: float
    turns: tuple[Turn, ...]
    pending: Pending | None
    accepted: tuple[tuple[int, str], ...]
    finished: str | None
    state: str


def recall(records: Sequence[Record], folder: Path) -> Past:
    """What the records of the run in `folder` say. Raises NothingRecorded where there is none."""
    asked = next((record.data for record in records if record.kind == "run"), None)
    if asked is None:
        raise NothingRecorded(f"{folder}: nothing was recorded yet; start it again with `cobra run`")
    replies = {r.data["turn"]: r.data for r in records if r.kind == "reply"}
    begun = {r.data["turn"] for r in records if r.kind == "cell"}
    done = {r.data["turn"]: r.data for r in records if r.kind == "execution" and r.data["turn"]}
    lines = {r.data["turn"]: r.seq for r in records if r.kind == "reply"}
    ends = {r.data["turn"]: r.seq for r in records if r.kind == "execution"}
    turns, pending = [], None
    for number, reply in sorted(replies.items()):
        parsed = parse(reply["text"])
        if parsed.code is None:
            turns.append(Turn(number, parsed.markdown, "", "none", role=reply["role"], seq=lines[number]))
        elif number in done:
            error = message_of(done[number]["ename"], done[number]["evalue"])
            turns.append(Turn(
                number, parsed.markdown, parsed.code, done[number]["status"], error, done[number]["output"],
                reply["role"], ends[number],
            ))  # fmt: skip
        else:
            pending = Pending(number, parsed, reply["cells"]["code"], number in begun, reply["role"])
    finish = [r.data.get("why") for r in records if r.kind == "finish"]
    return Past(
        asked=asked, records=tuple(records), used=_used(asked["started"], records), turns=tuple(turns),
        pending=pending, accepted=tuple((t.number, t.code) for t in turns if t.status == "ok" and t.code),
        finished=(finish[-1] or "the agent is done") if finish else None,
        state=next((r.data["state"] for r in reversed(records) if r.kind == "state"), "running"),
    )  # fmt: skip


def _used(started: float, records: Sequence[Record]) -> float:
    """Seconds that the run lived: what lies between its end and a resumption does not count."""
    begin, before = started, 0.0
    for record in records:
        if record.kind == "state" and record.data["state"] == "resumed":
            begin, before = record.time, float(record.data["used"])
    return before + max(0.0, records[-1].time - begin)


def rebuild(records: Iterable[Record], run: Path, metadata: Mapping[str, Any]) -> Document:
    """The notebook as the record tells of it. A reply that was never finished leaves nothing."""
    document = Document(metadata=metadata)
    for record in records:
        data = record.data
        if record.kind == "reply":
            parsed = parse(data["text"])
            about = {"role": data["role"], "turn": data["turn"]}
            _insert(document, data["cells"], parsed.markdown, parsed.code, about)
        elif record.kind == "note":
            _insert(document, data["cells"], data["text"], data["code"], {"role": "runner", "turn": 0})
        elif record.kind == "execution" and data["cell"] in document:
            document.clear(data["cell"])
            for output in kept.load(run, data["outputs"]) if data["outputs"] else ():
                document.output(data["cell"], output)
            document.count(data["cell"], data["count"])
    return document


def _insert(
    document: Document,
    cells: Mapping[str, str | None],
    markdown: str,
    code: str | None,
    about: dict[str, Any],
) -> None:
    for kind, text in (("markdown", markdown), ("code", code)):
        if cells[kind] is not None:
            metadata = {"cobra": about}
            document.insert(kind, text or "", cell_id=cells[kind], metadata=metadata)
