"""The control of a run: every state, its transitions, refused commands, and when the clock stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.records.ledger import Ledger, read
from cobra_jupyter.run.control import LONGEST, BadMessage, Control, Refused, Verdict
from tests.patience import PATIENCE

HELD = ("paused", "human", "waiting")
CELL = "cobra.trial('x')"


class Stage:
    """A control whose agents only pass its gate."""

    def __init__(self, folder: Path, approval: str = "none") -> None:
        self.said: list[str] = []
        self.held, self.cuts, self.ended = False, 0, 0
        self.turns = 0
        self.tasks: list[asyncio.Task[Any]] = []

        async def hold(held: bool) -> None:
            assert held != self.held, "the clock is told once"
            self.held = held

        async def cut() -> None:
            self.cuts += 1

        def end() -> None:
            self.ended += 1

        def say(state: str, why: str | None) -> None:
            assert self.held == (state in HELD), "the clock stands still exactly while a person has the run"
            self.said.append(state)

        self.ledger = Ledger(folder / "ledger.jsonl")
        self.control = Control(self.ledger, say, hold, cut, end, approval)

    @property
    def state(self) -> str:
        assert self.held == (self.control.state in HELD)
        return self.control.state

    def human(self) -> list[str]:
        return [r.data["what"] for r in read(self.ledger.path) if r.kind == "human"]

    def go(self, doing: Awaitable[Any]) -> asyncio.Task[Any]:
        self.tasks.append(asyncio.ensure_future(doing))
        return self.tasks[-1]

    def gate(self) -> asyncio.Task[bool]:
        return self.go(self.control.gate("lead", always))

    def live(self) -> None:
        """Let the lead take turns, each as long as a few rounds of the loop."""

        async def turns() -> None:
            while True:
                await self.control.gate("lead", always)
                self.turns += 1
                await settle()

        self.go(turns())

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def always() -> bool:
    return True


def never() -> bool:
    return False


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


Scenario = Callable[[Stage], Awaitable[None]]
Play = Callable[..., Stage]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(scenario: Scenario, approval: str = "none", begun: bool = True) -> Stage:
        async def inside() -> Stage:
            stage = Stage(tmp_path, approval)
            if begun:
                await stage.control.begin()
            try:
                await asyncio.wait_for(scenario(stage), PATIENCE)
            finally:
                await stage.close()
            return stage

        return asyncio.run(inside())

    return run


async def reach(stage: Stage, state: str) -> None:
    """Bring a run into a state, with its lead at the gate if it has one."""
    control = stage.control
    if state == "starting":
        return
    await control.begin()
    if state == "waiting":
        control.approval = "cells"
        stage.go(control.approved("lead", "c", CELL))
    elif state == "pausing":
        await control.pause()
    elif state in ("paused", "human"):
        await (control.pause() if state == "paused" else control.take_over())
        stage.gate()
    await settle()
    assert stage.state == state


AFTER = {  # act → state before → state after, when the lead is at its gate; None: refused
    "pause": {
        "starting": "pausing", "running": "pausing", "pausing": "pausing",
        "paused": "paused", "human": "human", "waiting": "paused",
    },
    "resume": {
        "starting": None, "running": None, "pausing": "running",
        "paused": "running", "human": "running", "waiting": None,
    },
    "step": {
        "starting": None, "running": None, "pausing": None,
        "paused": "running", "human": "running", "waiting": None,
    },
    "interrupt": {
        "starting": "pausing", "running": "pausing", "pausing": "pausing",
        "paused": "paused", "human": "human", "waiting": "paused",
    },
    "take_over": {
        "starting": "pausing", "running": "pausing", "pausing": "pausing",
        "paused": "human", "human": None, "waiting": "human",
    },
    "hand_back": {
        "starting": None, "running": None, "pausing": None,
        "paused": None, "human": "running", "waiting": None,
    },
    "stop": {state: state for state in ("starting", "running", "pausing", "paused", "human", "waiting")},
}  # fmt: skip


@pytest.mark.parametrize(
    ("act", "before", "after"), [(act, *pair) for act, table in AFTER.items() for pair in table.items()]
)
def test_each_command_leads_to_its_next_state(play: Play, act: str, before: str, after: str | None) -> None:
    async def scenario(stage: Stage) -> None:
        await reach(stage, before)
        doing = getattr(stage.control, act)
        if after is None:
            noted = stage.human()
            with pytest.raises(Refused):
                await doing()
            assert stage.state == before
            assert stage.human() == noted
            return
        await doing()
        await settle()
        assert stage.state == after
        assert stage.ended == (act == "stop")
        assert stage.cuts == (act == "interrupt")

    play(scenario, begun=False)


@pytest.mark.parametrize(
    ("act", "then"), [("pause", "paused"), ("take_over", "human"), ("interrupt", "paused")]
)
def test_a_pause_takes_effect_when_the_lead_reaches_the_gate(play: Play, act: str, then: str) -> None:
    async def scenario(stage: Stage) -> None:
        await getattr(stage.control, act)()
        await settle()
        assert stage.state == "pausing"
        gate = stage.gate()
        await settle()
        assert stage.state == then
        assert not gate.done()
        await stage.control.resume()
        assert await gate is True
        assert stage.state == "running"

    assert play(scenario).said == ["running", "pausing", then, "running"]


@pytest.mark.parametrize("act", ["pause", "take_over", "interrupt"])
def test_a_pause_requested_before_the_run_begins_holds(play: Play, act: str) -> None:
    async def scenario(stage: Stage) -> None:
        await getattr(stage.control, act)()
        await stage.control.begin()
        gate = stage.gate()
        await settle()
        assert stage.state == ("human" if act == "take_over" else "paused")
        assert not gate.done()

    play(scenario, begun=False)


def test_nobody_waits_at_the_gate_of_a_running_run(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        assert await stage.control.gate("lead", always) is False
        assert await stage.control.gate("scout-1", always) is False

    play(scenario)


def test_all_agents_stop_at_a_pause_except_those_a_running_cell_waits_for(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.control.pause()
        scout, helper = (
            stage.go(stage.control.gate("scout-1", always)),
            stage.go(stage.control.gate("debugger", never)),
        )
        await settle()
        assert (scout.done(), helper.done()) == (False, True)
        assert stage.state == "pausing"
        stage.gate()
        await settle()
        assert stage.state == "paused"
        await stage.control.resume()
        assert await scout is True

    play(scenario)


def test_a_pause_holds_while_the_lead_waits_for_the_ladders_agent(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.control.pause()
        stage.control.aside = True  # the lead is between two turns, and comes to no gate
        auditor = stage.go(stage.control.gate("auditor-1", always))
        await settle()
        assert stage.state == "paused"
        await stage.control.resume()
        assert await auditor is True

    play(scenario)


def test_a_step_is_one_turn(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.control.pause()
        stage.live()
        await settle()
        for number in (1, 2, 3):
            await stage.control.step()
            for _ in range(5):
                await settle()
            assert (stage.turns, stage.state) == (number, "paused")
        await stage.control.resume()
        for _ in range(5):
            await settle()
        assert stage.turns > 4
        assert stage.state == "running"

    play(scenario)


def test_a_step_that_is_resumed_goes_on(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.control.pause()
        stage.live()
        await settle()
        await stage.control.step()
        await stage.control.pause()
        await stage.control.resume()
        for _ in range(5):
            await settle()
        assert stage.turns > 3

    play(scenario)


def test_a_pending_take_over_can_be_cancelled(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.control.take_over()
        assert stage.state == "pausing"
        await stage.control.hand_back()
        assert await stage.control.gate("lead", always) is False
        await stage.control.pause()
        stage.gate()
        await settle()
        assert stage.state == "paused"

    assert play(scenario).human() == ["take over", "hand back", "pause"]


# ---- approval


@pytest.mark.parametrize(
    ("approval", "code", "asked"),
    [
        ("none", "cobra.scale('x')", False),
        ("cells", "1", always),
        ("costly", CELL, False),
        ("costly", "cobra.scale('x')", always),
        ("costly", "cobra . ablate('x')", always),
        ("costly", "cobra.delegate('scout', 'x')", always),
        ("costly", "cobra.trial('x', background = True)", always),
        ("costly", "mycobra.scaled(1)", False),
        ("costly", "background=False", False),
    ],
)
def test_what_waits_for_approval(play: Play, approval: str, code: str, asked: bool) -> None:
    async def scenario(stage: Stage) -> None:
        verdict = stage.go(stage.control.approved("lead", "c", code))
        await settle()
        assert stage.state == ("waiting" if asked else "running")
        if asked:
            assert stage.control.waiting is not None
            assert stage.control.waiting.cell == "c"
            await stage.control.approve(True)
        assert (await verdict).yes
        assert stage.state == "running"
        assert stage.control.waiting is None

    play(scenario, approval)


def test_a_declined_cell_does_not_run_and_the_run_goes_on(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        verdict = stage.go(stage.control.approved("lead", "c", CELL))
        await settle()
        await stage.control.approve(False, "too dear")
        assert await verdict == Verdict(False, "too dear")
        assert stage.state == "running"

    stage = play(scenario, "cells")
    assert stage.human() == ["decline"]
    assert [r.data["why"] for r in read(stage.ledger.path) if r.kind == "human"] == ["too dear"]


def test_only_a_waiting_cell_can_be_approved_and_only_once(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        with pytest.raises(Refused):
            await stage.control.approve(True)
        stage.go(stage.control.approved("lead", "c", CELL))
        await settle()
        await stage.control.approve(True)
        with pytest.raises(Refused):
            await stage.control.approve(False)

    play(scenario, "cells")


@pytest.mark.parametrize(("yes", "why"), [("yes", ""), (1, ""), (None, ""), (True, 5), (True, None)])
def test_an_approval_is_yes_or_no(play: Play, yes: object, why: object) -> None:
    async def scenario(stage: Stage) -> None:
        stage.go(stage.control.approved("lead", "c", CELL))
        await settle()
        with pytest.raises(BadMessage):
            await stage.control.approve(yes, why)
        assert stage.state == "waiting"

    play(scenario, "cells")


@pytest.mark.parametrize(("act", "state"), [("pause", "paused"), ("take_over", "human")])
def test_a_run_that_waits_for_approval_can_be_paused_and_taken_over(play: Play, act: str, state: str) -> None:
    async def scenario(stage: Stage) -> None:
        verdict = stage.go(stage.control.approved("lead", "c", CELL))
        await settle()
        await getattr(stage.control, act)()
        assert stage.state == state
        await stage.control.resume()
        await settle()
        assert stage.state == "waiting"
        await getattr(stage.control, act)()
        await stage.control.approve(True)
        await settle()
        assert stage.state == state
        assert not verdict.done(), "a cell that is approved in a pause runs after it"
        await stage.control.resume()
        assert (await verdict).yes
        assert stage.state == "running"

    play(scenario, "cells")


def test_a_step_from_a_pause_while_a_cell_waited_ends_with_that_cell(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        verdict = stage.go(stage.control.approved("lead", "c", CELL))
        await settle()
        await stage.control.pause()
        await stage.control.step()
        assert stage.state == "waiting"
        await stage.control.approve(True)
        assert (await verdict).yes
        gate = stage.gate()
        await settle()
        assert (stage.state, gate.done()) == ("paused", False)

    play(scenario, "cells")


def test_an_interrupt_ends_the_wait_for_approval(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        verdict = stage.go(stage.control.approved("lead", "c", CELL))
        await settle()
        await stage.control.interrupt()
        verdict.cancel()  # as the agent's cut does
        await settle()
        assert (stage.state, stage.control.waiting) == ("paused", None)
        with pytest.raises(Refused):
            await stage.control.approve(True)
        await stage.control.resume()
        assert stage.state == "running"

    play(scenario, "cells")


def test_a_late_approval_does_not_approve_another_cell(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        first = stage.go(stage.control.approved("lead", "five", CELL))
        await settle()
        await stage.control.approve(True, cell="five")
        assert (await first).yes
        second = stage.go(stage.control.approved("lead", "six", CELL))
        await settle()
        with pytest.raises(Refused, match="another cell waits"):
            await stage.control.approve(True, cell="five")
        await settle()
        assert not second.done()
        await stage.control.approve(True, cell="six")
        assert (await second).yes

    stage = play(scenario, "cells")
    assert stage.human() == ["approve", "approve"]


def test_cells_of_two_agents_are_approved_one_after_the_other(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        asked = [stage.go(stage.control.approved(name, name, CELL)) for name in ("lead", "scout-1")]
        for name, verdict in zip(("lead", "scout-1"), asked, strict=True):
            await settle()
            assert stage.control.waiting is not None
            assert stage.control.waiting.agent == name
            await stage.control.approve(name == "lead")
            assert (await verdict).yes is (name == "lead")
        assert stage.state == "running"

    play(scenario, "cells")


def test_a_cell_asks_for_approval_after_a_pause_only(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.control.pause()
        verdict = stage.go(stage.control.approved("lead", "c", CELL))
        await settle()
        assert (stage.state, verdict.done()) == ("paused", False)
        await stage.control.resume()
        await settle()
        assert stage.state == "waiting"

    play(scenario, "cells")


# ---- messages and the end


def test_a_message_is_in_the_record_and_changes_no_state(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.control.message("  look at the dates \n")
        await stage.control.message("x" * LONGEST)
        assert stage.state == "running"

    stage = play(scenario)
    texts = [r.data["text"] for r in read(stage.ledger.path) if r.kind == "message"]
    assert texts == ["look at the dates", "x" * LONGEST]


@pytest.mark.parametrize(
    ("text", "long"), [("", False), (" \n", False), (None, False), (5, False), ("x" * (LONGEST + 1), True)]
)
def test_an_invalid_message_is_refused(play: Play, text: object, long: bool) -> None:
    async def scenario(stage: Stage) -> None:
        with pytest.raises(BadMessage) as caught:
            await stage.control.message(text)
        assert caught.value.too_long is long

    assert [r for r in read(play(scenario).ledger.path) if r.kind == "message"] == []


def test_a_run_at_its_end_accepts_only_a_stop_and_its_clock_runs(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await reach(stage, "paused")
        await stage.control.close()
        assert not stage.held
        for act in ("pause", "resume", "step", "interrupt", "take_over", "hand_back"):
            with pytest.raises(Refused, match="at its end"):
                await getattr(stage.control, act)()
        with pytest.raises(Refused):
            await stage.control.message("too late")
        await stage.control.stop()
        assert stage.ended == 1

    play(scenario)


@pytest.mark.parametrize("before", ["running", "pausing", "paused", "human", "waiting"])
def test_a_run_at_its_end_ignores_earlier_pauses(play: Play, before: str) -> None:
    async def scenario(stage: Stage) -> None:
        await reach(stage, before)
        await stage.control.close()
        assert stage.state == "running"
        assert (stage.control.why, stage.control.waiting) == (None, None)
        scout = stage.go(stage.control.gate("scout-1", always))
        cell = stage.go(stage.control.approved("scout-1", "c", CELL))
        await settle()
        assert stage.state == "running"
        assert not scout.done()
        assert cell.done() is (stage.control.approval == "none")

    stage = play(scenario, begun=False)
    assert stage.said[-1] == "running"
