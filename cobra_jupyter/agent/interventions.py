"""A person's actions in an agent's notebook: recorded, and reported to the agent.

Edits are recorded once the person pauses for a moment. The agent reads of them when the notebook is handed
back, or when nobody has edited it for a while."""

from __future__ import annotations

import asyncio
import difflib
import time
from dataclasses import dataclass

from cobra_jupyter.agent.recorded import RecordedNotebook
from cobra_jupyter.agent.summary import trim
from cobra_jupyter.notebook.document import Document, Operation
from cobra_jupyter.records import kinds
from cobra_jupyter.records.ledger import Ledger, Record
from cobra_jupyter.workbench.kind import as_record

SETTLED = 2.0  # seconds after the last edit until it is recorded
QUIET = 5.0  # seconds after the last edit until a running agent reads of it
SOURCE, OUTPUT = 4_000, 2_000  # characters of a cell and of its output in a report
_REPORTED = ("insert", "source", "delete", "move")


@dataclass(frozen=True)
class Intervention:
    """`what`: added, changed, deleted, moved or ran. `text` is the cell's source, or how it changed."""

    what: tuple[str, ...]
    cell: str
    kind: str
    text: str
    status: str | None = None
    output: str = ""

    @property
    def brief(self) -> str:
        ended = f" ({self.status})" if self.status else ""
        return f"a {self.kind} cell {' and '.join(self.what)}{ended}"

    def __str__(self) -> str:
        lines = [f"- A {self.kind} cell was {' and '.join(self.what)}" + (":" if self.text else ".")]
        if self.text:
            language = "diff" if "changed" in self.what else "python" if self.kind == "code" else "markdown"
            lines.append(f"```{language}\n{self.text}\n```")
        if self.status is not None:
            lines.append(f"  It ended {self.status}. Output:\n```\n{self.output or '(none)'}\n```")
        return "\n".join(lines)


class Interventions:
    """Follows an agent's notebook and collects a person's actions for the record and the agent."""

    def __init__(self, document: Document, ledger: Ledger, agent: str) -> None:
        self._document, self._ledger, self._agent = document, ledger, agent
        # each cell's type and source as the agent last knew them
        self._known = {cell: (document.kind_of(cell), document.source_of(cell)) for cell in document}
        self._actions: dict[str, dict[str, None]] = {}  # cell → a person's actions, in order
        self._ran: dict[str, tuple[str, str]] = {}  # cell → status, output
        self._recorded = RecordedNotebook(document, ledger.path.parent, agent)
        self._unrecorded = False  # whether a person acted since the last reply in the record
        self._last = -QUIET
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe = document.subscribe(self._follow)
        ledger.follow(self._on_record)

    @property
    def quiet(self) -> bool:
        return time.monotonic() - self._last >= QUIET

    def ran(self, cell: str, status: str, output: str) -> None:
        """A cell that a person ran has ended."""
        self._last = time.monotonic()
        self._actions.setdefault(cell, {})["run"] = None
        self._ran[cell] = (status, output)

    def report(self, why: str) -> list[Intervention]:
        """Record the new actions in the words that the agent reads. → the actions."""
        self.record()
        found = self._found()
        for cell in self._actions:
            self._note_known(cell)
        self._actions, self._ran = {}, {}
        if not found:
            return []
        text = "\n".join(map(str, found))
        interventions = [as_record(kinds.Intervention, done) for done in found]
        self._ledger.append(
            kinds.HANDBACK, kinds.HandBack(agent=self._agent, why=why, text=text, interventions=interventions)
        )
        return found

    def record(self) -> None:
        """Write new edits into the record."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        edits = self._recorded.edits()
        if edits:
            self._ledger.append(kinds.EDIT, kinds.Edits(agent=self._agent, edits=edits))
        self._recorded.settle()

    def close(self) -> None:
        self._unsubscribe()
        self.record()

    # ---- inside

    def _follow(self, operation: Operation) -> None:
        cell, op = operation.cell_id, operation.op
        self._recorded.follow(operation)
        if not operation.by:
            if op in ("insert", "source", "delete"):  # the agent's own change
                self._note_known(cell)
            return
        if op in _REPORTED:
            self._actions.setdefault(cell, {})[op] = None
            self._last = time.monotonic()
        clears = op == "clear" and not operation.data["wait"] and cell not in self._document.running
        if clears:
            self._recorded.clear(cell)
        if clears or op in _REPORTED:
            self._unrecorded = True
            self._schedule()

    def _on_record(self, record: Record) -> None:
        """A new record; called in any thread, for records on cells in the loop's thread."""
        if record.kind not in ("reply", "note", "edit") or record.data["agent"] != self._agent:
            return
        self._recorded.apply(record)
        if self._unrecorded and record.kind != "edit":  # it may contain cells that a person was editing
            self._unrecorded = False
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SETTLED, self.record)

    def _now(self, cell: str) -> tuple[str, str] | None:
        """A cell's type and source; None if it is gone."""
        document = self._document
        return (document.kind_of(cell), document.source_of(cell)) if cell in document else None

    def _note_known(self, cell: str) -> None:
        """Note that the agent knows a cell as it is now."""
        now = self._now(cell)
        if now is None:
            self._known.pop(cell, None)
        else:
            self._known[cell] = now

    def _found(self) -> list[Intervention]:
        if not self._actions:
            return []
        cells = self._document.in_order(self._actions)
        return [done for cell in cells if (done := self._intervention(cell)) is not None]

    def _intervention(self, cell: str) -> Intervention | None:
        before, now = self._known.get(cell), self._now(cell)
        if now is None:
            return Intervention(("deleted",), cell, before[0], trim(before[1], SOURCE)) if before else None
        what, text = [], ""
        if before is None:
            if not now[1].strip() and "run" not in self._actions[cell]:
                return None  # an empty cell is not worth a report
            what, text = ["added"], trim(now[1], SOURCE)
        elif before != now:
            what, text = ["changed"], _change(before[1], now[1])
        if "move" in self._actions[cell] and before is not None:
            what.append("moved")
        status, output = self._ran.get(cell, (None, ""))
        if status is not None:
            what.append("run")
            text = text or trim(now[1], SOURCE)
        return Intervention(tuple(what), cell, now[0], text, status, trim(output, OUTPUT)) if what else None


def _change(before: str, now: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=3)
    return trim("\n".join([line for line in lines if not line.startswith(("---", "+++"))]), SOURCE)
