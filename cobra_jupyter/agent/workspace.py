"""An agent's workspace: its notebook and file, its kernel, and a person's actions there."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.history import log_of, rebuild
from cobra_jupyter.agent.interventions import Interventions
from cobra_jupyter.agent.loop import Agent
from cobra_jupyter.agent.person_cells import PersonCells, PersonExecution
from cobra_jupyter.agent.running import digest, message_of
from cobra_jupyter.kernel.base import Kernel
from cobra_jupyter.kernel.errors import KernelError
from cobra_jupyter.kernel.harness import CallError, ConnectionLost
from cobra_jupyter.notebook.coerce import cobra_metadata
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.file import NotebookFile
from cobra_jupyter.notebook.merge import base_of, merge
from cobra_jupyter.notebook.overflow import Overflow
from cobra_jupyter.records import blobs, kinds
from cobra_jupyter.records.ledger import Ledger, Record

TEND = 0.5  # seconds between two checks of the kernel
LIFE = 1_000_000  # seqs skipped when a run is resumed: more than any tab has seen


@dataclass
class Workspace:
    """The live notebook of one agent. `agent` and `kernel` are None until the kernel has started."""

    name: str
    role: str
    document: Document
    file: NotebookFile
    interventions: Interventions
    ledger: Ledger
    agent: Agent | None = None
    kernel: Kernel | None = None
    person_cells: PersonCells = field(init=False)

    def __post_init__(self) -> None:
        self.person_cells = PersonCells(self.document, self._ran)
        self.file.on_foreign = self._written_by_others

    @property
    def works(self) -> bool:
        """Whether a cell of the agent runs that no person has interrupted."""
        return self.kernel is not None and self.kernel.busy and not (self.agent and self.agent.was_cut)

    def on_foreign(self, msg_id: str, event: dict[str, Any]) -> None:
        """An event of an execution that is not the agent's."""
        self.person_cells.on_event(msg_id, event)

    def save(self, notebook: Mapping[str, Any], client: str) -> None:
        """Merge a notebook that a tab saves. Raises ValueError if it is not a notebook."""
        merge(self.document, notebook, self._base(notebook), client or "file")

    async def restart_kernel(self, seconds: float) -> None:
        """Restart the kernel for a person, and run the agent's accepted cells again."""
        assert self.agent
        await self.agent.executor.restart(seconds)

    async def tend(self) -> None:
        """Restore a kernel that dies while no cell of the agent runs, until cancelled."""
        while True:
            await asyncio.sleep(TEND)
            if self.agent is None or self.kernel is None or self.kernel.alive:
                continue
            self.person_cells.died()
            if not self.kernel.busy:
                with contextlib.suppress(KernelError, ConnectionLost, CallError):  # tried again
                    await self.agent.executor.mend()

    async def interrupt_kernel(self) -> None:
        if self.kernel is not None and self.kernel.alive:
            await self.kernel.interrupt()

    def _base(self, notebook: Mapping[str, Any]) -> int:
        """The seq that a notebook is based on; that of the last written file if the notebook does not say."""
        base = base_of(notebook)
        return self.file.seq if base is None else base

    def _written_by_others(self, text: str) -> None:
        try:
            notebook = read(text)
            merge(self.document, notebook, self._base(notebook))
        except ValueError as error:
            what = f"{self.file.path.name} was changed by another program and is no notebook any more"
            why = f"{error}; it is written again as it was"
            self.ledger.append(kinds.DECISION, kinds.Decision(what=what, why=why))

    def _ran(self, cell: str, execution: PersonExecution) -> None:
        """A cell that a person ran has ended."""
        if cell not in self.document:
            return
        self.interventions.record()
        shown = self.document.cell(cell).get("outputs", [])
        output = digest(shown)
        self.interventions.ran(cell, execution.status, output)
        ran = kinds.Ran(
            agent=self.name,
            cell=cell,
            source=self.document.source_of(cell),
            status=execution.status,
            count=execution.count,
            seconds=round(execution.seconds, 4),
            output=output,
            error=message_of(execution.ename, execution.evalue)[:2000],
            outputs=blobs.store(self.ledger.path.parent, shown) if shown else None,
        )
        self.ledger.append(kinds.RAN, ran)
        if execution.status == "ok" and self.agent is not None:
            self.agent.executor.visited(self.document.source_of(cell))


def read(text: str) -> dict[str, Any]:
    """A notebook's JSON, of nbformat 4. Raises ValueError."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4:
        raise ValueError("not a notebook of nbformat 4")
    return notebook


def open_workspace(
    records: Sequence[Record],
    ledger: Ledger,
    path: Path,
    metadata: Mapping[str, Any],
    name: str,
    role: str,
    run: str,
) -> Workspace:
    """Rebuild an agent's notebook from the record, and merge later changes of its file at `path`. Call it
    inside a running event loop."""
    folder = ledger.path.parent
    document = rebuild(records, folder, metadata, name)
    document.on_rest = Overflow(folder / log_of(name), ledger.clean).write
    interventions = Interventions(document, ledger, name)
    document.begin(_meanwhile(document, path) if len(document) else 0)
    document.stamp = lambda: {"run": run, "line": ledger.length - 1}
    path.parent.mkdir(exist_ok=True)
    return Workspace(name, role, document, NotebookFile(document, path), interventions, ledger)


def _meanwhile(document: Document, path: Path) -> int:
    """Merge a notebook's file into the notebook rebuilt from the record; both are numbered by lines of the
    record. → a seq that is higher than any that a tab has seen."""
    try:
        notebook = read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return document.seq + LIFE
    cells, line = notebook.get("cells"), cobra_metadata(notebook).get("line")
    if isinstance(line, int) and isinstance(cells, list):
        known = [cell for cell in cells if not _unfinished(document, cell)]
        document.seq = max(document.seq, line)
        with contextlib.suppress(ValueError):  # not a notebook any more: it is written again as it was
            merge(document, {**notebook, "cells": known}, line)
    return max(document.seq, base_of(notebook) or 0) + LIFE


def _unfinished(document: Document, cell: Any) -> bool:
    """Whether a cell is a leftover of a reply that never ended."""
    mark = cobra_metadata(cell)
    return bool(mark.get("agent")) and not mark.get("person") and str(cell.get("id")) not in document
