"""The agent's loop: ask the brain, write its Markdown and its cell into the notebook as they arrive, run the cell."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cobra_jupyter.agent.budget import spoken
from cobra_jupyter.agent.page import Page
from cobra_jupyter.agent.reply import Parsed, complaint, parse
from cobra_jupyter.brains.base import Brain, BrainGone, Finish, TimeOver
from cobra_jupyter.brains.context import Clock, Context, Task, Turn
from cobra_jupyter.kernel.base import Execution
from cobra_jupyter.kernel.executor import Executor
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.records import blobs, kinds
from cobra_jupyter.records.ledger import Ledger
from cobra_jupyter.workbench import disk, turns

MOST_TURNS = 50_000
FAILURES_IN_A_ROW = 6  # before another brain leads for a while
REST = 600.0  # seconds for which a brain whose cells keep failing is not asked
CELL, CELL_SHARE = 600.0, 0.35  # seconds of a cell at most: so many, and a share of the time left
CORRECTIONS = 3  # of a reply that cannot be run, before another brain is asked
REPAIRS = 3  # of a failing cell by the fast brain, before the lead decides
MENDED = "Kernel or harness died under this cell. Both are back as they were, and the cell ran once more.\n"
MOST = 3_000  # characters from the beginning and from the end of what a cell showed
OVER = "the time for new work is over"
DECLINED = "declined"  # the status of a cell that a person did not let run
_log = logging.getLogger(__name__)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Cut(Exception):  # noqa: N818
    """A person ended at once what the agent did."""


@dataclass(frozen=True)
class Pending:
    """A reply whose cell is to be run. `begun`: it had begun in an earlier life; `knew`: the last line of the record
    that its writer's context held."""

    number: int
    parsed: Parsed
    cell: str | None
    begun: bool
    role: str
    knew: int


@dataclass
class Agent:
    """Brains with a notebook, a workplace and a place in the record. `brain` leads; `others` take its place, in
    order, where it is gone or cannot be corrected: a fast one, which also repairs failing cells, and the playbook,
    which is never corrected. `turns` are those of an earlier life."""

    brain: Brain
    document: Document
    executor: Executor
    ledger: Ledger
    context: Callable[[tuple[Turn, ...]], Awaitable[Context]]
    role: str = "lead"
    name: str = "lead"
    turns: list[Turn] = field(default_factory=list)
    finished: str | None = None
    others: tuple[Brain, ...] = ()
    task: Task | None = None
    most_turns: int = MOST_TURNS
    left: Callable[[], float] | None = None  # of an agent that was called in: seconds of its time
    between: Callable[[], Awaitable[None]] | None = None  # awaited before each turn
    gate: Callable[[], Awaitable[None]] | None = None  # returns when the next turn may begin
    approved: Callable[[str, str], Awaitable[str | None]] | None = None  # cell, code → why it may not run
    reads: bool = False  # whether a model wrote the last reply, rather than rules
    _gone: dict[Brain, float] = field(default_factory=dict)  # until when (monotonic seconds)
    _shown: str = ""
    _wrote: Brain | None = None
    _doing: asyncio.Future[Any] | None = None  # a reply, or the wait for an approval
    _cut: bool = False

    @property
    def clock(self) -> Clock | None:
        """Of an agent that was called in: its own time."""
        if self.task is None or self.left is None:
            return None
        return Clock(self.task.seconds, max(0.0, self.left()), 0.0)

    async def run(self, time_left: Callable[[], float]) -> str:
        """Turn after turn until the brain is done or time is. → why it ended. Raises BrainGone where not one turn was
        to be had."""
        failures = 0
        while self.finished is None or await self._preferred_returns(time_left()):
            if len(self.turns) >= self.most_turns:
                return f"{self.most_turns} turns were taken"
            if self.gate is not None:
                await self.gate()
            if self.between is not None and time_left() > 0 and self._next_role() == self.role:
                await self.between()
            if time_left() <= 0:
                return OVER
            try:
                turn = await self.turn(time_left)
            except TimeOver:
                return OVER
            except Cut:
                continue
            except BrainGone as gone:
                if not self.turns:
                    raise
                return f"nobody writes any more: {gone}"
            failures = failures + 1 if self._failed(turn) else 0
            if failures >= FAILURES_IN_A_ROW:
                if not await self._rest_failing(f"{failures} cells in a row failed"):
                    return f"{failures} cells in a row failed"
                failures = 0
        return self.finished

    def _failed(self, turn: Turn) -> bool:
        """Whether the cell of the turn that was just taken failed by itself: not where a person ended it."""
        return turn.status not in ("ok", "none", DECLINED, "interrupted") and not self._cut

    async def _rest_failing(self, why: str) -> bool:
        """Let the last in line lead for a while. → whether there is one besides those whose cells failed."""
        line = self._available(self.role)
        for brain in line[:-1]:
            await self._set_aside(brain, BrainGone(why, back=REST))
        return len(line) > 1

    async def _preferred_returns(self, left: float) -> bool:
        """Whether a brain that goes before the one that has finished comes back in time; then it is waited for."""
        line = [self.brain, *self.others]
        before = line[: line.index(self._wrote)] if self._wrote in line else []
        waits = [self._gone.get(brain, math.inf) - time.monotonic() for brain in before]
        wait = min(waits, default=math.inf)
        if wait >= left:
            return False
        self.finished = None
        await asyncio.sleep(max(0.0, wait))
        return True

    async def turn(self, time_left: Callable[[], float]) -> Turn:
        """One reply and one executed cell."""
        number, role, knew = len(self.turns) + 1, self._next_role(), self.ledger.length - 1
        self._cut = False
        context = replace(await self.context(tuple(self.turns)), role=role)
        if self._cut:
            raise Cut
        parsed, cell_id = await self._until_cut(self._write(number, context, knew))
        return await self.run_reply(Pending(number, parsed, cell_id, False, role, knew), time_left())

    def _next_role(self) -> str:
        """The debugger repairs a failing cell, at most REPAIRS times in a row; then the lead decides."""
        failed = 0
        for turn in reversed(self.turns):
            if turn.status != "error":
                break
            failed += 1
        debugs = len(self.others) > 1 and self.others[0] in self._available(self.role)
        return "debugger" if debugs and failed % (REPAIRS + 1) else self.role

    async def run_reply(self, reply: Pending, left: float) -> Turn:
        """Run the cell of a reply; one that takes too much of the time left is ended."""
        seconds = max(1.0, min(left, CELL + CELL_SHARE * left))
        status, error, output, code = "none", "", "", reply.parsed.code
        if code is not None and reply.cell is not None:
            why = await self._why_not(reply.cell, code)
            if why is None:
                code = self.document.source_of(reply.cell)  # as a person may have changed it
                done = await self.execute(reply.cell, code, reply.number, seconds, reply.begun)
            else:
                done = self._decline(reply, why)
            status, error = done.status, message_of(done.ename, done.evalue)
            if status == "timeout":
                error = (
                    f"it was ended after {seconds:.0f} s; longer work goes to the background {error}".strip()
                )
            output = self._shown
        turn = Turn(
            reply.number, reply.parsed.markdown, code or "", status, error, output, reply.role,
            self.ledger.length - 1, reply.knew,
        )  # fmt: skip
        self.turns.append(turn)
        return turn

    @property
    def was_cut(self) -> bool:
        """Whether a person has ended what it does or did last."""
        return self._cut

    async def cut(self) -> None:
        """End at once what it does."""
        self._cut = True
        if self._doing is not None:
            self._doing.cancel()
        elif self.executor.kernel.alive and not self.executor.restarting:
            await self.executor.kernel.interrupt()

    async def _until_cut(self, doing: Awaitable[Any]) -> Any:
        """Raises Cut where a person ends it."""
        self._doing = asyncio.ensure_future(doing)
        try:
            return await self._doing
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._cut and not (task and task.cancelling()):  # a stop may follow an interrupt at once
                raise Cut from None
            raise
        finally:
            self._doing = None

    async def _why_not(self, cell: str, code: str) -> str | None:
        """Why a person does not let a cell run, if so."""
        try:
            why = await self._until_cut(self.approved(cell, code)) if self.approved else None
        except Cut:
            return "it was interrupted before it ran"
        if self._cut:
            return "it was interrupted before it ran"
        return str(why) if why else None if cell in self.document else "it was deleted before it ran"

    def _decline(self, reply: Pending, why: str) -> Execution:
        assert reply.cell
        self._shown = ""
        self._record(
            reply.cell, reply.number, Execution(DECLINED, "", 0.0, None, "Declined by a person", why)
        )
        return Execution(DECLINED, "", 0.0, None, "Declined by a person", why)

    async def _write(self, number: int, context: Context, knew: int) -> tuple[Parsed, str | None]:
        """A reply that can be run, in the notebook and in the record. Whoever leads is asked first, and corrected;
        then the next in line. Raises BrainGone where none is left."""
        page = Page(self.document, {"cobra": {"agent": self.name, "role": context.role, "turn": number}})
        attempts: list[kinds.Attempt] = []
        why = "there is no brain"
        for brain in self._available(context.role):
            corrections: tuple[tuple[str, str], ...] = ()
            bound = brain is not ([self.brain, *self.others][-1])  # the last has none to fall back on
            while len(corrections) <= CORRECTIONS:
                told = replace(context, corrections=corrections)
                try:
                    text = await self._stream(brain, told, page)
                except (TimeOver, disk.DiskFull, asyncio.CancelledError):
                    page.clear()
                    raise
                except Exception as error:
                    gone = error if isinstance(error, BrainGone) else _defect(brain, error)
                    why = str(gone)
                    page.clear()
                    await self._set_aside(brain, gone)
                    break
                finish = getattr(brain, "finish", Finish())
                wrong = complaint(text, finish) if bound else None
                if wrong is None:
                    self._record_reply(number, told, knew, brain, text, finish, page, attempts)
                    return page.parsed, page.code
                attempts.append(kinds.Attempt(
                    brain=brain.name, text=text, correction=wrong, usage=_usage(finish), finish=finish.reason,
                    detail=finish.detail, thoughts=finish.thoughts,
                ))  # fmt: skip
                corrections = (*corrections, (text, wrong))
        page.clear()
        raise BrainGone(why)

    def _available(self, role: str) -> list[Brain]:
        """Whom to ask, first to last."""
        line = [self.brain, *self.others]
        if role == "debugger":
            line = [self.others[0], self.brain, *self.others[1:]]
        return [brain for brain in line if self._gone.get(brain, 0.0) <= time.monotonic()]

    async def _set_aside(self, brain: Brain, gone: BrainGone) -> None:
        """A brain that will not come back, or not soon: said in the record and in the notebook."""
        self._gone[brain] = math.inf if gone.back is None else time.monotonic() + gone.back
        rest = self._available(self.role)
        follows = f"; {rest[0].name} goes on" if rest else ""
        whose = "" if self.name == "lead" else f" ({self.name})"
        why = str(gone) if gone.back is None else f"{gone}. It is asked again in {spoken(gone.back)}"
        self.ledger.append(
            kinds.DECISION, kinds.Decision(what=f"{brain.name} is gone{whose}{follows}", why=why)
        )
        await self.say(f"**{brain.name} writes no more**{follows}: {why}")

    async def _stream(self, brain: Brain, context: Context, page: Page) -> str:
        """Take a reply into the notebook as it comes: a Markdown cell first, then the code cell, growing."""
        text = ""
        async for piece in brain.reply(context):
            text = text + piece if piece else ""
            page.show(parse(text))
        page.show(parse(text))
        return text

    def _store_prompt(self, context: Context) -> dict[str, str] | None:
        """What a model was asked, kept beside the record by its parts' hashes; None of a brain that does not read."""
        prompt = vars(context).get("prompt")  # made when it was asked for
        if prompt is None:
            return None
        parts = {"system": prompt.system, "stable": prompt.stable, "changing": prompt.changing}
        return {
            name: blobs.store_question(self.ledger.path.parent, self.ledger.clean(text))
            for name, text in parts.items()
        }

    def _record_reply(
        self, number: int, told: Context, knew: int, brain: Brain, text: str, finish: Finish, page: Page,
        attempts: list[kinds.Attempt],
    ) -> None:  # fmt: skip
        asked = self._store_prompt(told)
        self._wrote, self.reads = brain, asked is not None
        self.ledger.append(kinds.REPLY, kinds.Reply(
            agent=self.name, turn=number, role=told.role, knew=knew, asked=asked, brain=brain.name, text=text,
            usage=_usage(finish), finish=finish.reason, detail=finish.detail, thoughts=finish.thoughts,
            attempts=attempts, cells=kinds.Cells(markdown=page.markdown, code=page.code),
        ))  # fmt: skip

    async def execute(
        self, cell_id: str, code: str, number: int, seconds: float, again: bool = False
    ) -> Execution:
        """Run a cell. Should kernel or harness die under it, both come back as they were and it runs once more.

        Raises DiskFull, with nothing recorded, where the cell failed since the run's folder takes no more.
        """
        if not again:
            self.ledger.append(turns.CELL, turns.Cell(
                agent=self.name, turn=number, cell=cell_id, role=self.role, source=code,
            ))  # fmt: skip

        begun = self._show(cell_id, "running")

        def on_output(output: dict[str, Any]) -> None:
            self.document.output(cell_id, output, begun=begun)

        try:
            done = await self.executor.execute(number, code, on_output, seconds, again)
            if not self.executor.whole:
                await self.executor.mend()
                if done.status != "timeout" and not self._cut:
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
        self._shown = digest(self._outputs(cell_id))
        self._record(cell_id, number, done)
        return done

    def _show(self, cell_id: str, state: str) -> int | None:
        """→ the seq of that"""
        return self.document.state(cell_id, state).seq if cell_id in self.document else None

    def _record(self, cell_id: str, number: int, done: Execution) -> None:
        self.ledger.append(turns.EXECUTION, turns.Execution(
            agent=self.name, turn=number, cell=cell_id, status=done.status, count=done.execution_count, seconds=round(done.seconds, 4),
            ename=done.ename, evalue=done.evalue[:2000], output=self._shown, outputs=self._kept_outputs(cell_id),
        ))  # fmt: skip

    def _outputs(self, cell_id: str) -> list[dict[str, Any]]:
        """What the notebook shows below a cell; nothing where a person has deleted it."""
        return list(self.document.cell(cell_id).get("outputs", ())) if cell_id in self.document else []

    def _kept_outputs(self, cell_id: str) -> str | None:
        """Store what the notebook shows below a cell. → SHA-256, the name of its file."""
        shown = self._outputs(cell_id)
        return blobs.store(self.ledger.path.parent, shown) if shown else None

    async def say(self, markdown: str, code: str | None = None, seconds: float = 60.0) -> Execution | None:
        """Cells of the runner's own (a title, a closing submission), marked as such."""
        metadata = {"cobra": {"agent": self.name, "role": "runner", "turn": 0}}
        note = self.document.insert("markdown", markdown, metadata=metadata).cell_id
        code_id = None if code is None else self.document.insert("code", code, metadata=metadata).cell_id
        cells = kinds.Cells(markdown=note, code=code_id)
        self.ledger.append(kinds.NOTE, kinds.Note(agent=self.name, cells=cells, text=markdown, code=code))
        if code is None or code_id is None:
            return None
        return await self.execute(code_id, code, 0, seconds)


def _defect(brain: Brain, error: Exception) -> BrainGone:
    """A brain that fails in a way nobody has thought of must not end a run."""
    _log.error("%s failed", brain.name, exc_info=error)
    return BrainGone(f"{type(error).__name__}: {error}", back=REST)


def _usage(finish: Finish) -> kinds.Usage | None:
    """What a reply took, for the record."""
    return finish.usage.record() if finish.usage else None


def message_of(ename: str, evalue: str) -> str:
    """An exception as a brain is told of it."""
    return _ANSI.sub("", f"{ename}: {evalue}" if ename else "")


def digest(outputs: Iterable[Mapping[str, Any]]) -> str:
    """The text a person sees below a cell, trimmed; bundles by their plain text, those that stand in every context by
    their first line."""
    parts = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            parts.append(str(output.get("text", "")))
        elif kind == "error":
            parts.append(_ANSI.sub("", "\n".join(output.get("traceback", ()))))
        elif "data" in output:
            first, _, rest = str(output["data"].get("text/plain", "")).partition("\n")
            told = rest and first.startswith("competition ")
            parts.append(
                f"{first} [the card stands in every context]" if told else "\n".join([first, rest]).strip()
            )
    said = [part for n, part in enumerate(parts) if n == 0 or part.strip() != parts[n - 1].strip()]
    text = "\n".join(said)  # a call shows its result, and a cell's last expression shows it again
    return text if len(text) <= 2 * MOST else f"{text[:MOST]}\n[…]\n{text[-MOST:]}"
