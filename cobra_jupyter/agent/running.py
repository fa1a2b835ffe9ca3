"""How an agent's cell runs: its output goes into the notebook, its end into the record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.kernel.base import Execution
from cobra_jupyter.kernel.executor import Executor
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.records import blobs
from cobra_jupyter.records.ledger import Ledger
from cobra_jupyter.workbench import disk, turns

MENDED = "Kernel or harness died under this cell. Both are back as they were, and the cell ran once more.\n"
MOST = 3_000  # characters kept from the beginning and from the end of a cell's output
DECLINED = "declined"  # status of a cell that a person declined
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class CellRunner:
    """Runs the cells of one agent. `shown` is the text output of its latest cell; `cut` is whether a person
    interrupted the agent."""

    document: Document
    executor: Executor
    ledger: Ledger
    agent: str
    role: str
    shown: str = ""
    cut: bool = False

    async def execute(
        self, cell_id: str, code: str, number: int, seconds: float, again: bool = False
    ) -> Execution:
        """Run a cell. If kernel or harness dies meanwhile, both are restored and the cell runs once more.

        Raises DiskFull, and records nothing, if the cell failed because the disk is full.
        """
        if not again:
            cell = turns.Cell(agent=self.agent, turn=number, cell=cell_id, role=self.role, source=code)
            self.ledger.append(turns.CELL, cell)
        begun = self._show(cell_id, "running")

        def on_output(output: dict[str, Any]) -> None:
            self.document.output(cell_id, output, begun=begun)

        try:
            done = await self.executor.execute(number, code, on_output, seconds, again)
            if not self.executor.whole:
                await self.executor.mend()
                if done.status != "timeout" and not self.cut:
                    if cell_id in self.document:
                        self.document.clear(cell_id)
                    on_output({"output_type": "stream", "name": "stderr", "text": MENDED})
                    done = await self.executor.execute(number, code, on_output, seconds, again=True)
                    if not self.executor.whole:
                        await self.executor.mend()
        finally:
            self._show(cell_id, "idle")
        if done.status != "ok":
            disk.check(self.ledger.path.parent)
        if cell_id in self.document:
            self.document.count(cell_id, done.execution_count)
        self.shown = digest(self._outputs(cell_id))
        self._record(cell_id, number, done)
        return done

    def decline(self, cell_id: str, number: int, why: str) -> Execution:
        """Record that a person does not let a cell run."""
        self.shown = ""
        declined = Execution(DECLINED, "", 0.0, None, "Declined by a person", why)
        self._record(cell_id, number, declined)
        return declined

    def _show(self, cell_id: str, state: str) -> int | None:
        """Show a cell's state. → the operation's seq; None if the cell is gone."""
        return self.document.state(cell_id, state).seq if cell_id in self.document else None

    def _record(self, cell_id: str, number: int, done: Execution) -> None:
        execution = turns.Execution(
            agent=self.agent,
            turn=number,
            cell=cell_id,
            status=done.status,
            count=done.execution_count,
            seconds=round(done.seconds, 4),
            ename=done.ename,
            evalue=done.evalue[:2000],
            output=self.shown,
            outputs=self._store_outputs(cell_id),
        )
        self.ledger.append(turns.EXECUTION, execution)

    def _outputs(self, cell_id: str) -> list[dict[str, Any]]:
        """A cell's outputs in the notebook; none if a person deleted the cell."""
        return list(self.document.cell(cell_id).get("outputs", ())) if cell_id in self.document else []

    def _store_outputs(self, cell_id: str) -> str | None:
        """Store a cell's outputs beside the record. → SHA-256, the name of the file; None if there are
        none."""
        shown = self._outputs(cell_id)
        return blobs.store(self.ledger.path.parent, shown) if shown else None


def message_of(ename: str, evalue: str) -> str:
    """An exception in one text, as brains read it."""
    return _ANSI.sub("", f"{ename}: {evalue}" if ename else "")


def digest(outputs: Iterable[Mapping[str, Any]]) -> str:
    """The text a person sees below a cell, trimmed. Bundles give their plain text; the competition card gives
    only its first line, as every context contains it."""
    parts = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            parts.append(str(output.get("text", "")))
        elif kind == "error":
            parts.append(_ANSI.sub("", "\n".join(output.get("traceback", ()))))
        elif "data" in output:
            first, _, rest = str(output["data"].get("text/plain", "")).partition("\n")
            card = rest and first.startswith("competition ")
            parts.append(
                f"{first} [the card stands in every context]" if card else "\n".join([first, rest]).strip()
            )
    distinct = [part for n, part in enumerate(parts) if n == 0 or part.strip() != parts[n - 1].strip()]
    text = "\n".join(distinct)  # a call shows its result, and a cell's last expression shows it again
    return text if len(text) <= 2 * MOST else f"{text[:MOST]}\n[…]\n{text[-MOST:]}"
