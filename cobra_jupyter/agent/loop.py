"""The agent's loop: ask the brain, write its Markdown and its cell into the notebook as they arrive, run the cell."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.agent.context import Context, Turn
from cobra_jupyter.agent.reply import Parsed, parse
from cobra_jupyter.brains import Brain
from cobra_jupyter.kernel.session import Execution
from cobra_jupyter.kernel.workplace import Workplace
from cobra_jupyter.ledger import Ledger
from cobra_jupyter.notebook import kept
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.workbench import disk

MOST_TURNS = 50_000
FAILURES_IN_A_ROW = 6
MENDED = "Kernel or harness died under this cell. Both are back as they were, and the cell ran once more.\n"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Agent:
    """One brain with a notebook, a workplace and a place in the record. `turns` are those of an earlier life."""

    brain: Brain
    document: Document
    workplace: Workplace
    ledger: Ledger
    context: Callable[[tuple[Turn, ...]], Awaitable[Context]]
    role: str = "lead"
    turns: list[Turn] = field(default_factory=list)
    finished: str | None = None

    async def run(self, time_left: Callable[[], float]) -> str:
        """Turn after turn until the brain is done or time is. → why it ended."""
        failures = 0
        while self.finished is None:
            if len(self.turns) >= MOST_TURNS:
                return f"{MOST_TURNS} turns were taken"
            if time_left() <= 0:
                return "the time for new work is over"
            turn = await self.turn(time_left)
            failures = failures + 1 if turn.status not in ("ok", "none") else 0
            if failures >= FAILURES_IN_A_ROW:
                return f"{failures} cells in a row failed"
        return self.finished

    async def turn(self, time_left: Callable[[], float]) -> Turn:
        """One reply and one executed cell."""
        number = len(self.turns) + 1
        context = await self.context(tuple(self.turns))
        parsed, cell_id = await self._write(number, context)
        return await self.run_reply(number, parsed, cell_id, max(1.0, time_left()))

    async def run_reply(
        self, number: int, parsed: Parsed, cell_id: str | None, seconds: float, again: bool = False
    ) -> Turn:
        """Run the cell of a reply. `again`: it had begun in an earlier life."""
        status, error = "none", ""
        if parsed.code is not None and cell_id is not None:
            done = await self.execute(cell_id, parsed.code, number, seconds, again)
            status, error = done.status, message_of(done.ename, done.evalue)
        turn = Turn(number, parsed.markdown, parsed.code or "", status, error)
        self.turns.append(turn)
        return turn

    async def _write(self, number: int, context: Context) -> tuple[Parsed, str | None]:
        """Stream the reply into the notebook: a Markdown cell first, then the code cell, growing."""
        metadata = {"cobra": {"role": self.role, "turn": number}}
        text, markdown_id, code_id = "", None, None
        parsed = Parsed("", None, False)
        async for piece in self.brain.reply(context):
            text += piece
            parsed = parse(text)
            if parsed.markdown and markdown_id is None:
                markdown_id = self.document.insert("markdown", parsed.markdown, metadata=metadata).cell_id
            elif markdown_id is not None and self.document.cell(markdown_id)["source"] != parsed.markdown:
                self.document.source(markdown_id, parsed.markdown)
            if parsed.code is not None and code_id is None:
                code_id = self.document.insert("code", parsed.code, metadata=metadata).cell_id
            elif parsed.code is not None and code_id is not None:
                self.document.source(code_id, parsed.code)
        self.ledger.append(
            "reply",
            {
                "turn": number,
                "role": self.role,
                "brain": self.brain.name,
                "text": text,
                "usage": None,
                "cells": {"markdown": markdown_id, "code": code_id},
            },
        )
        return parsed, code_id

    async def execute(
        self, cell_id: str, code: str, number: int, seconds: float, again: bool = False
    ) -> Execution:
        """Run a cell. Should kernel or harness die under it, both come back as they were and it runs once more.

        Raises DiskFull, with nothing recorded, where the cell failed since the run's folder takes no more.
        """
        if not again:
            self.ledger.append("cell", {"turn": number, "cell": cell_id, "role": self.role, "source": code})
        seen: list[dict[str, Any]] = []

        def on_output(output: dict[str, Any]) -> None:
            seen.append(output)
            self.document.output(cell_id, output)

        done = await self.workplace.execute(number, code, on_output, seconds, again)
        if not self.workplace.whole:
            await self.workplace.mend()
            if done.status != "timeout":
                seen.clear()
                self.document.clear(cell_id)
                self.document.output(cell_id, {"output_type": "stream", "name": "stderr", "text": MENDED})
                done = await self.workplace.execute(number, code, on_output, seconds, again=True)
                if not self.workplace.whole:
                    await self.workplace.mend()
        if done.status != "ok":
            disk.check(self.ledger.path.parent)
        self.document.count(cell_id, done.execution_count)
        self.ledger.append("execution", {
            "turn": number, "cell": cell_id, "status": done.status, "count": done.execution_count, "seconds": round(done.seconds, 4),
            "ename": done.ename, "evalue": done.evalue[:2000], "output": _digest(seen), "outputs": self._kept_outputs(cell_id),
        })  # fmt: skip
        return done

    def _kept_outputs(self, cell_id: str) -> str | None:
        """Store what the notebook shows below a cell. → SHA-256, the name of its file."""
        try:
            shown = self.document.cell(cell_id).get("outputs")
        except KeyError:  # a person deleted the cell
            return None
        return kept.store(self.ledger.path.parent, shown) if shown else None

    async def say(self, markdown: str, code: str | None = None, seconds: float = 60.0) -> Execution | None:
        """Cells of the runner's own (a title, a closing submission), marked as such."""
        metadata = {"cobra": {"role": "runner", "turn": 0}}
        note = self.document.insert("markdown", markdown, metadata=metadata).cell_id
        code_id = None if code is None else self.document.insert("code", code, metadata=metadata).cell_id
        cells = {"markdown": note, "code": code_id}
        self.ledger.append("note", {"cells": cells, "text": markdown, "code": code})
        if code is None or code_id is None:
            return None
        return await self.execute(code_id, code, 0, seconds)


def message_of(ename: str, evalue: str) -> str:
    """An exception as a brain is told of it."""
    return _ANSI.sub("", f"{ename}: {evalue}" if ename else "")


def _digest(outputs: list[dict[str, Any]]) -> str:
    """The text a person would have seen, trimmed; bundles by their plain text."""
    parts = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            parts.append(str(output.get("text", "")))
        elif kind == "error":
            parts.append(_ANSI.sub("", "\n".join(output.get("traceback", ()))))
        elif "data" in output:
            parts.append(str(output["data"].get("text/plain", "")))
    text = "\n".join(parts)
    return text if len(text) <= 6_000 else f"{text[:3000]}\n[…]\n{text[-3000:]}"
