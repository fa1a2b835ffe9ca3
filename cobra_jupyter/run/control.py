"""A person's control of a run: pause, step, interrupt, take over and hand back, approve, stop.

starting → running → pausing → paused → running          stop: from any
                     paused → human (take over) → running (hand back)

A pause takes effect after the running cell, an interrupt at once. The clock stops while a person has the
run."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.records import kinds
from cobra_jupyter.records.ledger import Ledger
from cobra_jupyter.records.states import HELD
from cobra_jupyter.workbench.harness.ownership import LEAD

COSTLY = re.compile(r"\bcobra\s*\.\s*(scale|ablate|delegate)\b|\bbackground\s*=\s*True\b")
LONGEST = 20_000  # characters of a message
LOOK = 0.1  # seconds between two checks whether a cell still runs


class Refused(ValueError):  # noqa: N818
    """The run's state does not allow it; the message says what is possible."""


class BadMessage(ValueError):  # noqa: N818
    """A message or argument is not valid; `too_long` if its length is the reason."""

    def __init__(self, message: str, too_long: bool = False) -> None:
        super().__init__(message)
        self.too_long = too_long


@dataclass(frozen=True)
class Waiting:
    """A cell that waits for a person's approval."""

    agent: str
    cell: str
    why: str


@dataclass(frozen=True)
class Verdict:
    yes: bool
    why: str = ""


@dataclass
class Control:
    """The run's state machine. `say` writes a state into record and run.json (state, why). `hold` stops the
    clock or restarts it. `cut` interrupts all agents (a cell, a model's reply). `end` ends the run."""

    ledger: Ledger
    say: Callable[[str, str | None], None]
    hold: Callable[[bool], Awaitable[None]]
    cut: Callable[[], Awaitable[None]]
    end: Callable[[], None]
    approval: str = "none"
    state: str = "starting"
    why: str | None = None
    waiting: Waiting | None = None
    over: bool = False  # only the proof and the report are left
    aside: bool = False  # the lead waits for the ladder's agent: any agent at the gate may halt the run
    _human: bool = False  # a person takes over once the run has paused
    _steps: int | None = None  # turns until the next pause
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _verdict: asyncio.Future[Verdict] | None = None
    _approving: asyncio.Lock = field(default_factory=asyncio.Lock)

    # ---- what agents do

    async def begin(self) -> None:
        if self.state == "starting":  # nobody asked for a pause meanwhile
            await self._set("running", None)

    async def gate(self, agent: str, waits: Callable[[], bool]) -> bool:
        """Called once before each turn; returns when it may begin. → as `wait`."""
        if agent == LEAD and self._steps is not None and self.state == "running":
            self._steps -= 1
            if self._steps <= 0:
                self._steps = None
                await self._set("pausing", "one turn was asked for")
        return await self.wait(agent, waits)

    async def wait(self, agent: str, waits: Callable[[], bool]) -> bool:
        """Return when the run goes on. An agent that a running cell waits for does not wait: `waits` is
        called again and again, as cells begin and end. → whether a person had the run meanwhile."""
        waited = False
        while waits() and not self._goes_on:
            if self.state == "pausing" and (agent == LEAD or self.aside):
                await self._halt(self.why)
                continue
            waited = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._changed.wait()
        return waited

    async def approved(self, agent: str, cell: str, code: str) -> Verdict:
        """Before a cell: wait for a person's approval if the run asks for one."""
        why = self._asks(code)
        if why is None:
            return Verdict(True)
        async with self._approving:
            self.waiting = Waiting(agent, cell, why)
            self._verdict = asyncio.get_running_loop().create_future()
            try:
                await self._running()
                await self._set("waiting", f"{agent}: {why}")
                verdict = await self._verdict
                await self._running()
                return verdict
            finally:
                self.waiting = self._verdict = None
                if self.state == "waiting":
                    await self._set("running", None)

    def _asks(self, code: str) -> str | None:
        """Why a cell needs a person's approval; None if it needs none."""
        if self.approval == "cells":
            return "each cell is approved"
        found = COSTLY.search(code) if self.approval == "costly" else None
        return f"a costly step: {found.group(0)}" if found else None

    @property
    def _goes_on(self) -> bool:
        """Whether agents may begin anything: not while a person has the run, and not at its end."""
        return self.state in ("running", "waiting") and not self.over

    async def _running(self) -> None:
        while not self._goes_on:
            if self.state == "pausing":  # nothing runs
                await self._halt(self.why)
                continue
            await self._changed.wait()

    async def close(self) -> None:
        """End the person's control: nothing is left to steer, so any pause is over."""
        self.over, self.waiting = True, None
        if self.state != "running":
            await self._set("running", None)

    # ---- what a person does

    async def pause(self) -> None:
        self._alive()
        if self.state in ("running", "waiting", "starting"):
            self._note("pause")
            await self._pause("a person asked for it")

    async def resume(self) -> None:
        self._alive()
        if self.state in ("starting", "running", "waiting"):
            raise Refused("the run is going on already")
        self._note("hand back" if self.state == "human" else "resume")
        await self._go(None)

    async def step(self) -> None:
        self._alive()
        if self.state not in ("paused", "human"):
            raise Refused("a step is taken from a pause: pause first")
        self._note("step")
        await self._go(1)

    async def interrupt(self) -> None:
        self._alive()
        self._note("interrupt")
        if self.state in ("starting", "running", "waiting", "pausing"):
            await self._pause("a person interrupted it")
        await self.cut()

    async def stop(self) -> None:
        if self.state in ("stopped", "finished", "failed"):
            raise Refused("the run is over")
        self._note("stop")
        self.end()

    async def take_over(self) -> None:
        self._alive()
        if self.state == "human":
            raise Refused("a person has the run already: hand it back first")
        self._note("take over")
        self._human = True
        if self.state == "paused":
            await self._set("human", None)
        else:
            await self._pause("a person takes over")

    async def hand_back(self) -> None:
        self._alive()
        if self.state != "human" and not self._human:
            raise Refused("nobody has taken the run over: resume lets it go on")
        self._note("hand back")
        await self._go(None)

    async def message(self, text: Any) -> None:
        if not isinstance(text, str) or not text.strip():
            raise BadMessage("text is empty: say what the agent is to know")
        if len(text) > LONGEST:
            raise BadMessage(
                f"the message has {len(text):,} characters; at most {LONGEST:,} are taken: "
                "put more into a file and name it",
                too_long=True,
            )
        self._alive()
        self.ledger.append(kinds.MESSAGE, kinds.Message(text=text.strip()))

    async def approve(self, yes: Any, why: Any = "", cell: Any = None) -> None:
        """`cell`: the cell that the person saw, if known; a cell that nobody has seen must not run."""
        self._alive()
        if not isinstance(yes, bool) or not isinstance(why, str):
            raise BadMessage("yes is true or false, why is a text")
        if cell is not None and not isinstance(cell, str):
            raise BadMessage("cell is the id of a cell")
        if self._verdict is None or self._verdict.done():
            raise Refused("nothing waits for an approval")
        if cell is not None and self.waiting is not None and cell != self.waiting.cell:
            raise Refused("another cell waits for an approval now: look at that one")
        self._note("approve" if yes else "decline", why[:LONGEST])
        self._verdict.set_result(Verdict(yes, why[:LONGEST]))
        self._wake()

    # ---- inside

    async def _go(self, steps: int | None) -> None:
        self._human, self._steps = False, steps
        waits = self.waiting is not None and self._verdict is not None and not self._verdict.done()
        await self._set("waiting" if waits else "running", None)

    async def _pause(self, why: str) -> None:
        """Pause after the running cell; at once if a cell waits for approval, since nothing runs."""
        if self.state == "waiting":
            await self._halt(why)
        else:
            await self._set("pausing", why)

    async def _halt(self, why: str | None) -> None:
        await self._set(*(("human", None) if self._human else ("paused", why)))

    async def _set(self, state: str, why: str | None) -> None:
        held = self.state in HELD
        self.state, self.why = state, why
        if held != (state in HELD):
            await self.hold(state in HELD)
        self.say(state, why)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _alive(self) -> None:
        if self.over:
            raise Refused("the run is at its end: it proves its submission and reports")

    def _note(self, what: str, why: str = "") -> None:
        self.ledger.append(kinds.HUMAN, kinds.Human(what=what, why=why))
