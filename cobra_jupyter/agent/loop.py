"""The agent's loop: ask the brain, stream its Markdown and its cell into the notebook, run the cell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cobra_jupyter.agent.budget import spoken
from cobra_jupyter.agent.page import Page
from cobra_jupyter.agent.reply import Parsed, complaint, parse
from cobra_jupyter.agent.running import DECLINED, CellRunner, message_of
from cobra_jupyter.agent.writers import GRACE, Awaited, Writers, longest_reply
from cobra_jupyter.brains.base import Brain, BrainGone, Finish, TimeOver, TooLate
from cobra_jupyter.brains.context import Clock, Context, Task, Turn
from cobra_jupyter.kernel.base import Execution
from cobra_jupyter.kernel.executor import Executor
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.records import blobs, kinds
from cobra_jupyter.records.ledger import Ledger
from cobra_jupyter.workbench import disk

MOST_TURNS = 50_000
FAILURES_IN_A_ROW = 6  # then another brain leads for a while
REST = 600.0  # seconds without requests to a brain that keeps failing
CELL, CELL_SHARE = 600.0, 0.35  # a cell's time limit: these seconds plus this share of the time left
CORRECTIONS = 3  # attempts to correct a reply that cannot be run; then another brain is asked
REPAIRS = 3  # attempts of the fast brain to repair a failing cell; then the lead decides
OVER = "the time for new work is over"
_log = logging.getLogger(__name__)


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
    brain: str = ""


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
    _doing: asyncio.Future[Any] | None = None  # a reply, or the wait for an approval or for a brain
    _hands_over: bool = False  # whether to wait for a brain that returns
    _time_left: Callable[[], float] = lambda: math.inf  # seconds for new work

    def __post_init__(self) -> None:
        self.writers = Writers((self.brain, *self.others))
        self.cells = CellRunner(self.document, self.executor, self.ledger, self.name, self.role)

    @property
    def clock(self) -> Clock | None:
        """A delegated agent's own clock."""
        if self.task is None or self.left is None:
            return None
        return Clock(self.task.seconds, max(0.0, self.left()), 0.0)

    async def run(self, time_left: Callable[[], float]) -> str:
        """Take turns until the brain is done or time is up. → why it ended. Raises BrainGone if no brain
        replied."""
        self._time_left, failures = time_left, 0
        while self.finished is None:
            if self._hands_over:
                await self._wait_for_brain(time_left())
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
                if self.writers.awaited(time_left(), anyone=True):
                    self._hands_over = True
                    continue
                if not self.turns:
                    raise
                return f"nobody writes any more: {gone}"
            failures = failures + 1 if self._failed(turn) else 0
            if failures >= FAILURES_IN_A_ROW:
                if not await self._rest_failing(f"{failures} cells in a row failed", time_left()):
                    return f"{failures} cells in a row failed"
                failures = 0
        return self.finished

    def hand_over(self) -> Awaited | None:
        """Wait, after this cell, for a brain that goes before its writer and returns in time. → that brain;
        None if there is none, so that the agent may finish."""
        awaited = self.writers.awaited(self._time_left())
        self._hands_over = awaited is not None
        return awaited

    async def _wait_for_brain(self, left: float) -> None:
        """Wait for the first brain that returns; a person may interrupt the wait."""
        self._hands_over = False
        if awaited := self.writers.awaited(left, anyone=True):
            with contextlib.suppress(Cut):
                await self._until_cut(asyncio.sleep(awaited.seconds))

    def _failed(self, turn: Turn) -> bool:
        """Whether the cell of the latest turn failed by itself, not because a person ended it."""
        return turn.status not in ("ok", "none", DECLINED, "interrupted") and not self.cells.cut

    async def _rest_failing(self, why: str, left: float) -> bool:
        """Let the last available brain lead for a while; if it is the one that failed, wait for another.
        → whether another goes on."""
        available = self.writers.available(self.role)
        for brain in available[:-1]:
            await self._set_aside(brain, BrainGone(why, back=REST))
        self._hands_over = len(available) == 1 and self.writers.awaited(left) is not None
        return len(available) > 1 or self._hands_over

    async def turn(self, time_left: Callable[[], float]) -> Turn:
        """One reply and one executed cell."""
        number, role, knew = len(self.turns) + 1, self._next_role(), self.ledger.length - 1
        self.cells.cut = False
        awaited = self.writers.awaited(time_left())
        returns = awaited.said if awaited else ""
        context = replace(await self.context(tuple(self.turns)), role=role, returns=returns)
        if self.cells.cut:
            raise Cut
        parsed, cell_id = await self._until_cut(self._write(number, context, knew, time_left()))
        assert self.writers.latest
        reply = Pending(number, parsed, cell_id, False, role, knew, self.writers.latest.name)
        return await self.run_reply(reply, time_left())

    def _next_role(self) -> str:
        """The debugger repairs a failing cell, at most REPAIRS times in a row; then the lead decides."""
        failed = 0
        for turn in reversed(self.turns):
            if turn.status != "error":
                break
            failed += 1
        return "debugger" if self.writers.can_debug() and failed % (REPAIRS + 1) else self.role

    async def run_reply(self, reply: Pending, left: float) -> Turn:
        """Run the cell of a reply. A cell that takes too much of the time left is ended."""
        seconds = max(1.0, min(left, CELL + CELL_SHARE * left))
        status, error, output, code = "none", "", "", reply.parsed.code
        if code is not None and reply.cell is not None:
            why = await self._why_not(reply.cell, code)
            if why is None:
                code = self.document.source_of(reply.cell)  # as a person may have changed it
                done = await self.cells.execute(reply.cell, code, reply.number, seconds, reply.begun)
            else:
                done = self.cells.decline(reply.cell, reply.number, why)
            status, error = done.status, message_of(done.ename, done.evalue)
            if status == "timeout":
                error = (
                    f"it was ended after {seconds:.0f} s; longer work goes to the background {error}".strip()
                )
            output = self.cells.shown
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
            brain=reply.brain,
        )
        self.turns.append(turn)
        return turn

    @property
    def was_cut(self) -> bool:
        """Whether a person interrupted its current or latest action."""
        return self.cells.cut

    async def cut(self) -> None:
        """Interrupt its current action at once."""
        self.cells.cut = True
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
            if self.cells.cut and not (task and task.cancelling()):  # a stop may follow an interrupt at once
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
        if self.cells.cut:
            return "it was interrupted before it ran"
        return str(why) if why else None if cell in self.document else "it was deleted before it ran"

    async def _write(
        self, number: int, context: Context, knew: int, left: float
    ) -> tuple[Parsed, str | None]:
        """Get a reply that can be run, into the notebook and the record. Ask the leading brain first and
        correct it; then ask the next. Raises BrainGone if none is left, TimeOver after `left` seconds."""
        attempts: list[kinds.Attempt] = []
        why, until = "there is no brain", time.monotonic() + left
        about = {"agent": self.name, "role": context.role, "turn": number}
        for brain in self.writers.available(context.role):
            page = Page(self.document, {"cobra": {**about, "brain": brain.name}})
            corrections: tuple[tuple[str, str], ...] = ()
            corrected = brain is not self.writers.last  # nobody could replace it
            if self.writers.is_back(brain):
                await self.say(f"**{brain.name} is asked again.**")
            while len(corrections) <= CORRECTIONS:
                left = until - time.monotonic()
                deadline = time.monotonic() + longest_reply(left)
                asked = replace(context, corrections=corrections, until=deadline)
                try:
                    text = await self._stream(brain, asked, page, left)
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

    async def _set_aside(self, brain: Brain, gone: BrainGone) -> None:
        """Stop asking a brain, for a while or for good; say so in the record and in the notebook."""
        self.writers.set_aside(brain, gone)
        rest = self.writers.available(self.role)
        follows = f"; {rest[0].name} goes on" if rest else ""
        agent = "" if self.name == "lead" else f" ({self.name})"
        why = f"{gone}{self._again(gone.back)}"
        what = f"{brain.name} is gone{agent}{follows}"
        aside = kinds.SetAside(brain=brain.name, agent=self.name)
        self.ledger.append(kinds.DECISION, kinds.Decision(what=what, why=why, set_aside=aside))
        silent = "writes no more" if gone.back is None else "does not write now"
        await self.say(f"**{brain.name} {silent}**{follows}: {why}")

    def _again(self, back: float | None) -> str:
        """When a brain that was set aside is asked again, as a sentence."""
        if back is None:
            return ""
        if back < self._time_left():
            return f". It is asked again in {spoken(back)}"
        return f". The time for new work ends before it could be asked again, in {spoken(back)}"

    async def _stream(self, brain: Brain, context: Context, page: Page, left: float) -> str:
        """Show a reply in the notebook while it arrives: first a growing Markdown cell, then the code cell.
        Raises TimeOver if the time for new work is over first, BrainGone if the reply takes too long."""
        text, seconds = "", longest_reply(left)
        try:
            async with asyncio.timeout(min(seconds + GRACE, left)) as deadline:
                async for piece in brain.reply(context):
                    text = text + piece if piece else ""
                    page.show(parse(text))
        except (TimeoutError, TooLate) as error:
            if isinstance(error, TimeoutError) and not deadline.expired():
                raise
            if seconds >= left:
                raise TimeOver(OVER) from None
            words = str(error) if isinstance(error, TooLate) else ""
            raise self.writers.late(brain, seconds, left, words) from None
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
        self.writers.wrote(answer.brain)
        self.reads = prompt is not None
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

    async def say(self, markdown: str, code: str | None = None, seconds: float = 60.0) -> Execution | None:
        """Insert cells of the runner (a title, a closing submission), marked as such; run the code."""
        metadata = {"cobra": {"agent": self.name, "role": "runner", "turn": 0}}
        note = self.document.insert("markdown", markdown, metadata=metadata).cell_id
        code_id = None if code is None else self.document.insert("code", code, metadata=metadata).cell_id
        cells = kinds.Cells(markdown=note, code=code_id)
        self.ledger.append(kinds.NOTE, kinds.Note(agent=self.name, cells=cells, text=markdown, code=code))
        if code is None or code_id is None:
            return None
        return await self.cells.execute(code_id, code, 0, seconds)


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
