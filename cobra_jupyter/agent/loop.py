"""The agent's loop: ask the brain, stream its Markdown and its cell into the notebook, run the cell."""

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
FAILURES_IN_A_ROW = 6  # then another brain leads for a while
REST = 600.0  # seconds without requests to a brain that keeps failing
CELL, CELL_SHARE = 600.0, 0.35  # a cell's time limit: these seconds plus this share of the time left
CORRECTIONS = 3  # attempts to correct a reply that cannot be run; then another brain is asked
REPAIRS = 3  # attempts of the fast brain to repair a failing cell; then the lead decides
MENDED = "Kernel or harness died under this cell. Both are back as they were, and the cell ran once more.\n"
MOST = 3_000  # characters kept from the beginning and from the end of a cell's output
OVER = "the time for new work is over"
DECLINED = "declined"  # status of a cell that a person declined
_log = logging.getLogger(__name__)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Cut(Exception):  # noqa: N818
    """A person interrupted the agent."""


@dataclass(frozen=True)
class Pending:
    """A reply with a cell to run. `begun`: the cell began before the run was resumed; `knew`: the last line
    of the record in the context of the brain that wrote it."""

    number: int
    parsed: Parsed
    cell: str | None
    begun: bool
    role: str
    knew: int


@dataclass(frozen=True)
class _Answer:
    """What a brain replied to a context, complete."""

    brain: Brain
    context: Context
    text: str
    finish: Finish


@dataclass
class Agent:
    """Brains that work in a notebook, with an executor and the record. `brain` leads. If it is gone or cannot
    be corrected, the `others` take over in order: a fast brain, which also repairs failing cells, and the
    playbook, which is never corrected. `turns` starts with the turns before the run was resumed."""

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
    left: Callable[[], float] | None = None  # seconds left of a delegated agent's own time
    between: Callable[[], Awaitable[None]] | None = None  # awaited before each turn
    gate: Callable[[], Awaitable[None]] | None = None  # returns when the next turn may begin
    approved: Callable[[str, str], Awaitable[str | None]] | None = None  # cell, code → why it may not run
    reads: bool = False  # whether a language model wrote the last reply
    _gone: dict[Brain, float] = field(
        default_factory=dict
    )  # → when it may be asked again (monotonic seconds)
    _shown: str = ""
    _wrote: Brain | None = None
    _doing: asyncio.Future[Any] | None = None  # a reply, or the wait for an approval
    _cut: bool = False

    @property
    def clock(self) -> Clock | None:
        """A delegated agent's own clock."""
        if self.task is None or self.left is None:
            return None
        return Clock(self.task.seconds, max(0.0, self.left()), 0.0)

    async def run(self, time_left: Callable[[], float]) -> str:
        """Take turns until the brain is done or time is up. → why it ended. Raises BrainGone if no brain
        replied."""
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
        """Whether the cell of the latest turn failed by itself, not because a person ended it."""
        return turn.status not in ("ok", "none", DECLINED, "interrupted") and not self._cut

    async def _rest_failing(self, why: str) -> bool:
        """Let the last available brain lead for a while. → whether it is another than the one that failed."""
        available = self._available(self.role)
        for brain in available[:-1]:
            await self._set_aside(brain, BrainGone(why, back=REST))
        return len(available) > 1

    async def _preferred_returns(self, left: float) -> bool:
        """Wait for a brain with precedence over the one that has finished. → whether one comes back in
        time."""
        brains = [self.brain, *self.others]
        preferred = brains[: brains.index(self._wrote)] if self._wrote in brains else []
        waits = [self._gone.get(brain, math.inf) - time.monotonic() for brain in preferred]
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
        """Run the cell of a reply. A cell that takes too much of the time left is ended."""
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
            number=reply.number,
            markdown=reply.parsed.markdown,
            code=code or "",
            status=status,
            error=error,
            output=output,
            role=reply.role,
            seq=self.ledger.length - 1,
            knew=reply.knew,
        )
        self.turns.append(turn)
        return turn

    @property
    def was_cut(self) -> bool:
        """Whether a person interrupted its current or latest action."""
        return self._cut

    async def cut(self) -> None:
        """Interrupt its current action at once."""
        self._cut = True
        if self._doing is not None:
            self._doing.cancel()
        elif self.executor.kernel.alive and not self.executor.restarting:
            await self.executor.kernel.interrupt()

    async def _until_cut(self, doing: Awaitable[Any]) -> Any:
        """Raises Cut if a person interrupts it."""
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
        """Why a person does not let a cell run; None if it may."""
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
        declined = Execution(DECLINED, "", 0.0, None, "Declined by a person", why)
        self._record(reply.cell, reply.number, declined)
        return declined

    async def _write(self, number: int, context: Context, knew: int) -> tuple[Parsed, str | None]:
        """Get a reply that can be run, into the notebook and the record. Ask the leading brain first and
        correct it; then ask the next. Raises BrainGone if none is left."""
        page = Page(self.document, {"cobra": {"agent": self.name, "role": context.role, "turn": number}})
        attempts: list[kinds.Attempt] = []
        why = "there is no brain"
        for brain in self._available(context.role):
            corrections: tuple[tuple[str, str], ...] = ()
            corrected = brain is not ([self.brain, *self.others][-1])  # nobody could replace the last one
            while len(corrections) <= CORRECTIONS:
                asked = replace(context, corrections=corrections)
                try:
                    text = await self._stream(brain, asked, page)
                except (TimeOver, disk.DiskFull, asyncio.CancelledError):
                    page.clear()
                    raise
                except Exception as error:
                    gone = error if isinstance(error, BrainGone) else _defect(brain, error)
                    why = str(gone)
                    page.clear()
                    await self._set_aside(brain, gone)
                    break
                answer = _Answer(brain, asked, text, getattr(brain, "finish", Finish()))
                wrong = complaint(text, answer.finish) if corrected else None
                if wrong is None:
                    self._record_reply(number, knew, answer, page, attempts)
                    return page.parsed, page.code
                attempts.append(_attempt(answer, wrong))
                corrections = (*corrections, (text, wrong))
        page.clear()
        raise BrainGone(why)

    def _available(self, role: str) -> list[Brain]:
        """The brains to ask, first to last."""
        brains = [self.brain, *self.others]
        if role == "debugger":
            brains = [self.others[0], self.brain, *self.others[1:]]
        return [brain for brain in brains if self._gone.get(brain, 0.0) <= time.monotonic()]

    async def _set_aside(self, brain: Brain, gone: BrainGone) -> None:
        """Stop asking a brain, for a while or for good; say so in the record and in the notebook."""
        self._gone[brain] = math.inf if gone.back is None else time.monotonic() + gone.back
        rest = self._available(self.role)
        follows = f"; {rest[0].name} goes on" if rest else ""
        agent = "" if self.name == "lead" else f" ({self.name})"
        why = str(gone) if gone.back is None else f"{gone}. It is asked again in {spoken(gone.back)}"
        what = f"{brain.name} is gone{agent}{follows}"
        self.ledger.append(kinds.DECISION, kinds.Decision(what=what, why=why))
        await self.say(f"**{brain.name} writes no more**{follows}: {why}")

    async def _stream(self, brain: Brain, context: Context, page: Page) -> str:
        """Show a reply in the notebook while it arrives: first a growing Markdown cell, then the code
        cell."""
        text = ""
        async for piece in brain.reply(context):
            text = text + piece if piece else ""
            page.show(parse(text))
        page.show(parse(text))
        return text

    def _store_prompt(self, context: Context) -> dict[str, str] | None:
        """Store the parts of a model's prompt beside the record. → their hashes; None if the brain reads
        none."""
        prompt = vars(context).get("prompt")  # cached property: set once the brain has read it
        if prompt is None:
            return None
        parts = {"system": prompt.system, "stable": prompt.stable, "changing": prompt.changing}
        return {
            name: blobs.store_question(self.ledger.path.parent, self.ledger.clean(text))
            for name, text in parts.items()
        }

    def _record_reply(
        self, number: int, knew: int, answer: _Answer, page: Page, attempts: list[kinds.Attempt]
    ) -> None:
        prompt, finish = self._store_prompt(answer.context), answer.finish
        self._wrote, self.reads = answer.brain, prompt is not None
        reply = kinds.Reply(
            agent=self.name,
            turn=number,
            role=answer.context.role,
            knew=knew,
            asked=prompt,
            brain=answer.brain.name,
            text=answer.text,
            usage=_usage(finish),
            finish=finish.reason,
            detail=finish.detail,
            thoughts=finish.thoughts,
            attempts=attempts,
            cells=kinds.Cells(markdown=page.markdown, code=page.code),
        )
        self.ledger.append(kinds.REPLY, reply)

    async def execute(
        self, cell_id: str, code: str, number: int, seconds: float, again: bool = False
    ) -> Execution:
        """Run a cell. If kernel or harness dies meanwhile, both are restored and the cell runs once more.

        Raises DiskFull, and records nothing, if the cell failed because the disk is full.
        """
        if not again:
            cell = turns.Cell(agent=self.name, turn=number, cell=cell_id, role=self.role, source=code)
            self.ledger.append(turns.CELL, cell)
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
        """Show a cell's state. → the operation's seq; None if the cell is gone."""
        return self.document.state(cell_id, state).seq if cell_id in self.document else None

    def _record(self, cell_id: str, number: int, done: Execution) -> None:
        execution = turns.Execution(
            agent=self.name,
            turn=number,
            cell=cell_id,
            status=done.status,
            count=done.execution_count,
            seconds=round(done.seconds, 4),
            ename=done.ename,
            evalue=done.evalue[:2000],
            output=self._shown,
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

    async def say(self, markdown: str, code: str | None = None, seconds: float = 60.0) -> Execution | None:
        """Insert cells of the runner (a title, a closing submission), marked as such; run the code."""
        metadata = {"cobra": {"agent": self.name, "role": "runner", "turn": 0}}
        note = self.document.insert("markdown", markdown, metadata=metadata).cell_id
        code_id = None if code is None else self.document.insert("code", code, metadata=metadata).cell_id
        cells = kinds.Cells(markdown=note, code=code_id)
        self.ledger.append(kinds.NOTE, kinds.Note(agent=self.name, cells=cells, text=markdown, code=code))
        if code is None or code_id is None:
            return None
        return await self.execute(code_id, code, 0, seconds)


def _defect(brain: Brain, error: Exception) -> BrainGone:
    """A brain with a defect is set aside: it must not end the run."""
    _log.error("%s failed", brain.name, exc_info=error)
    return BrainGone(f"{type(error).__name__}: {error}", back=REST)


def _usage(finish: Finish) -> kinds.Usage | None:
    """Tokens and cost of a reply, for the record."""
    return finish.usage.record() if finish.usage else None


def _attempt(answer: _Answer, correction: str) -> kinds.Attempt:
    finish = answer.finish
    return kinds.Attempt(
        brain=answer.brain.name,
        text=answer.text,
        correction=correction,
        usage=_usage(finish),
        finish=finish.reason,
        detail=finish.detail,
        thoughts=finish.thoughts,
    )


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
