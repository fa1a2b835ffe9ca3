"""What a person did in an agent's notebook: kept in the record, and told to the agent.

Edits are recorded when the person has paused for a moment; the agent is told when the notebook is handed back, or when
it has been left alone for a while."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cobra_jupyter.ledger import Ledger
from cobra_jupyter.notebook.document import Document, Operation

SETTLED = 2.0  # seconds after the last edit until it is recorded
QUIET = 5.0  # seconds after the last edit until a running agent is told of it
SOURCE, OUTPUT = 4_000, 2_000  # characters of a cell and of its output that are told
_TELLING = ("insert", "source", "delete", "move")


@dataclass(frozen=True)
class Deed:
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


class Deeds:
    """Follows an agent's document."""

    def __init__(self, document: Document, ledger: Ledger, agent: str) -> None:
        self._document, self._ledger, self._agent = document, ledger, agent
        self._known = {
            cell: (document.cell(cell)["cell_type"], document.source_of(cell)) for cell in document
        }
        self._begun = dict(self._known)  # as the agent last knew it
        self._acts: dict[str, dict[str, None]] = {}  # cell → what was done
        self._ran: dict[str, tuple[str, str]] = {}
        self._unrecorded: dict[str, dict[str, None]] = {}  # cell → operations
        self._recorded = set(self._known)  # cells that the record knows
        self._last = -QUIET
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe = document.subscribe(self._follow)

    @property
    def quiet(self) -> bool:
        return time.monotonic() - self._last >= QUIET

    def ran(self, cell: str, status: str, output: str) -> None:
        """A cell that a person ran has ended."""
        self._last = time.monotonic()
        self._acts.setdefault(cell, {})["run"] = None
        self._ran[cell] = (status, output)

    def tell(self, why: str) -> list[Deed]:
        """Record what is new, as the agent is to read it. → what was told."""
        self.record()
        found = self._found()
        self._begun, self._acts, self._ran = dict(self._known), {}, {}
        if not found:
            return []
        text = "\n".join(map(str, found))
        deeds = [asdict(deed) for deed in found]
        self._ledger.append("handback", {"agent": self._agent, "why": why, "text": text, "deeds": deeds})
        return found

    def record(self) -> None:
        """Write edits into the record that are not there yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        edits = self._edits()
        self._unrecorded = {}
        if edits:
            self._ledger.append("edit", {"agent": self._agent, "edits": edits})

    def close(self) -> None:
        self._unsubscribe()
        self.record()

    # ---- inside

    def _follow(self, operation: Operation) -> None:
        cell, op = operation.cell_id, operation.op
        if op == "insert":
            self._known[cell] = (operation.data["cell"]["cell_type"], operation.data["cell"]["source"])
        elif op == "source" and cell in self._known:
            self._known[cell] = (self._known[cell][0], self._document.source_of(cell))
        elif op == "delete":
            self._known.pop(cell, None)
        if not operation.by:
            if op in ("insert", "source"):  # the agent's own: it knows
                self._begun[cell] = self._known[cell]
                self._recorded.add(cell)
            elif op == "delete":
                self._begun.pop(cell, None)
            return
        if op in _TELLING:
            self._acts.setdefault(cell, {})[op] = None
            self._last = time.monotonic()
        if op in _TELLING or (
            op == "clear" and not operation.data["wait"] and cell not in self._document.running
        ):
            self._unrecorded.setdefault(cell, {})[op] = None
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SETTLED, self.record)

    def _edits(self) -> list[dict[str, Any]]:
        """The unrecorded operations as edits that lead from what is recorded to what is there."""
        edits: list[dict[str, Any]] = []
        before: str | None = None
        for cell in self._document:
            ops = self._unrecorded.get(cell)
            if ops:
                edits += self._edits_of(cell, ops, before)
            before = cell
        gone = [cell for cell in self._unrecorded if cell not in self._document and cell in self._recorded]
        self._recorded.difference_update(gone)
        return [*edits, *({"edit": "delete", "cell_id": cell} for cell in gone)]

    def _edits_of(self, cell: str, ops: Mapping[str, None], before: str | None) -> list[dict[str, Any]]:
        kind, source = self._known[cell]
        if "insert" in ops:
            made = {"cell_type": kind, "id": cell, "source": source, "metadata": {}}
            known = cell in self._recorded  # its type was changed, or it was deleted and came back
            self._recorded.add(cell)
            return (
                [{"edit": "replace", "cell": made}]
                if known
                else [{"edit": "insert", "cell": made, "after": before}]
            )
        found: list[dict[str, Any]] = []
        if "source" in ops:
            found.append({"edit": "source", "cell_id": cell, "text": source})
        if "move" in ops:
            found.append({"edit": "move", "cell_id": cell, "after": before})
        if "clear" in ops:
            found.append({"edit": "clear", "cell_id": cell})
        return found

    def _found(self) -> list[Deed]:
        order = {cell: number for number, cell in enumerate(self._document)}
        cells = sorted(self._acts, key=lambda cell: order.get(cell, len(order)))
        return [deed for cell in cells if (deed := self._deed(cell)) is not None]

    def _deed(self, cell: str) -> Deed | None:
        before, now = self._begun.get(cell), self._known.get(cell)
        if now is None:
            return Deed(("deleted",), cell, before[0], trim(before[1], SOURCE)) if before else None
        what, text = [], ""
        if before is None:
            if not now[1].strip() and "run" not in self._acts[cell]:
                return None  # an empty cell says nothing
            what, text = ["added"], trim(now[1], SOURCE)
        elif before != now:
            what, text = ["changed"], _change(before[1], now[1])
        if "move" in self._acts[cell] and before is not None:
            what.append("moved")
        status, output = self._ran.get(cell, (None, ""))
        if status is not None:
            what.append("run")
            text = text or trim(now[1], SOURCE)
        return Deed(tuple(what), cell, now[0], text, status, trim(output, OUTPUT)) if what else None


def _change(before: str, now: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=3)
    return trim("\n".join([line for line in lines if not line.startswith(("---", "+++"))]), SOURCE)


def trim(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}\n[…]\n{text[-most // 2 :]}"
