"""The agent's loop: ask the brain, write its Markdown and its cell into the notebook as they arrive, run the cell."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.agent.context import Context, Turn
from cobra_jupyter.agent.reply import Parsed, parse
from cobra_jupyter.brains import Brain
from cobra_jupyter.kernel.session import Execution, KernelSession
from cobra_jupyter.ledger import Ledger
from cobra_jupyter.notebook.document import Document

MOST_TURNS = 50_000
FAILURES_IN_A_ROW = 6
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_SETUP = re.compile(r"^\s*%load_ext cobra_jupyter|^\s*cobra\.open\(", re.MULTILINE)


@dataclass
class Agent:
    """One brain with a notebook, a kernel and a place in the record."""

    brain: Brain
    document: Document
    kernel: KernelSession
    ledger: Ledger
    context: Callable[[tuple[Turn, ...]], Awaitable[Context]]
    role: str = "lead"

    def __post_init__(self) -> None:
        self.turns: list[Turn] = []
        self.finished: str | None = None
        self._setup: list[str] = []  # accepted cells that a new kernel needs again

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
        status, error = "none", ""
        if parsed.code is not None and cell_id is not None:
            done = await self.execute(cell_id, parsed.code, number, max(1.0, time_left()))
            status, error = done.status, _ANSI.sub("", f"{done.ename}: {done.evalue}" if done.ename else "")
            if done.status == "ok" and _SETUP.search(parsed.code):
                self._setup.append(parsed.code)
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
            {"turn": number, "role": self.role, "brain": self.brain.name, "text": text, "usage": None},
        )
        return parsed, code_id

    async def execute(self, cell_id: str, code: str, number: int, seconds: float) -> Execution:
        """Run a cell; a kernel that dies is started again and set up, its trials are not repeated."""
        self.ledger.append("cell", {"turn": number, "cell": cell_id, "role": self.role, "source": code})
        outputs: list[dict[str, Any]] = []

        def on_output(output: dict[str, Any]) -> None:
            outputs.append(output)
            self.document.output(cell_id, output)

        done = await self.kernel.execute(code, on_output, timeout=seconds)
        self.document.count(cell_id, done.execution_count)
        self.ledger.append("execution", {
            "turn": number, "cell": cell_id, "status": done.status, "count": done.execution_count, "seconds": round(done.seconds, 4),
            "ename": done.ename, "evalue": done.evalue[:2000], "output": _digest(outputs),
        })  # fmt: skip
        if not self.kernel.alive:
            await self._revive(cell_id, number)
        return done

    async def _revive(self, cell_id: str, number: int) -> None:
        note = "The kernel died here. It was started again and set up; results are kept by the harness.\n"
        self.document.output(cell_id, {"output_type": "stream", "name": "stderr", "text": note})
        self.ledger.append("kernel", {"event": "restarted", "turn": number})
        await self.kernel.restart()
        for code in self._setup:
            await self.kernel.execute(code, lambda output: None, timeout=120)

    async def say(self, markdown: str, code: str | None, seconds: float) -> Execution | None:
        """Cells of the runner's own (a closing submission), marked as such."""
        metadata = {"cobra": {"role": "runner", "turn": len(self.turns)}}
        self.document.insert("markdown", markdown, metadata=metadata)
        if code is None:
            return None
        cell_id = self.document.insert("code", code, metadata=metadata).cell_id
        return await self.execute(cell_id, code, len(self.turns), seconds)


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
