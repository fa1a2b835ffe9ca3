"""An agent's loop while a person interrupts, declines and deletes; its kernel is a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cobra_jupyter.agent.loop import DECLINED, Agent, Cut
from cobra_jupyter.agent.person_cells import PersonCells
from cobra_jupyter.brains.base import Finish
from cobra_jupyter.brains.context import Clock, Context, Turn
from cobra_jupyter.kernel.session import Execution
from cobra_jupyter.notebook import edits
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.records.ledger import Ledger, read
from tests.patience import PATIENCE

REPLY = ["# Words\n\n", "```python\n", "one = 1\n", "```\n"]


class Writer:
    """Replies with REPLY, and waits before the last pieces if it should."""

    name = "writer"

    def __init__(self, waits: bool = False) -> None:
        self.finish, self.reached, self.go = Finish(), asyncio.Event(), asyncio.Event()
        if not waits:
            self.go.set()

    async def reply(self, context: Context) -> AsyncIterator[str]:
        for number, piece in enumerate(REPLY):
            if number == 3:
                self.reached.set()
                await self.go.wait()
            yield piece


class Place:
    """An executor whose cells end as soon as they may."""

    whole, restarting = True, False

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.interrupts = self.mended = 0
        self.kernel = SimpleNamespace(alive=True, interrupt=self._interrupt)
        self.outputs: list[Callable[[dict[str, Any]], None]] = []  # where each cell's outputs go
        self.under: Callable[[], Awaitable[str]] | None = None  # what befalls a cell; → its status

    async def _interrupt(self) -> None:
        self.interrupts += 1

    async def execute(
        self, number: int, code: str, on_output: Callable[[dict[str, Any]], None], *_: Any, **__: Any
    ) -> Execution:
        self.ran.append(code)
        self.outputs.append(on_output)
        status = await self.under() if self.under else "ok"
        self.whole = status != "died"
        return Execution(status, "m", 0.1, 1)

    async def mend(self) -> None:
        self.mended += 1
        self.whole = True


class Stage:
    def __init__(self, folder: Path, waits: bool = False) -> None:
        self.brain, self.place, self.document = Writer(waits), Place(), Document()
        self.ledger = Ledger(folder / "ledger.jsonl")

        async def context(turns: tuple[Turn, ...]) -> Context:
            return Context(Clock(100.0, 100.0, 0.0), {}, turns)

        self.agent = Agent(self.brain, self.document, self.place, self.ledger, context)  # type: ignore[arg-type]

    def edit(self, **edit: Any) -> None:
        assert edits.apply(self.document, [edit], "tab") == []

    async def turn(self) -> Turn:
        return await self.agent.turn(lambda: 100.0)

    def executions(self) -> list[str]:
        return [r.data["status"] for r in read(self.ledger.path) if r.kind == "execution"]


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Stage]:
    def run(scenario: Callable[[Stage], Awaitable[None]], waits: bool = False) -> Stage:
        async def inside() -> Stage:
            stage = Stage(tmp_path, waits)
            await asyncio.wait_for(scenario(stage), PATIENCE)
            return stage

        return asyncio.run(inside())

    return run


Play = Callable[..., Stage]


def test_a_reply_that_is_interrupted_leaves_nothing(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        turn = asyncio.ensure_future(stage.turn())
        await stage.brain.reached.wait()
        assert len(stage.document) == 2
        await stage.agent.cut()
        with pytest.raises(Cut):
            await turn
        assert len(stage.document) == 0
        stage.brain.go.set()
        assert (await stage.turn()).status == "ok"

    stage = play(scenario, waits=True)
    assert stage.place.ran == ["one = 1"]
    assert stage.place.interrupts == 0


def test_an_interrupt_leaves_what_a_person_wrote_in_the_reply(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        turn = asyncio.ensure_future(stage.turn())
        await stage.brain.reached.wait()
        stage.edit(edit="source", cell_id=list(stage.document)[1], text="mine")
        await stage.agent.cut()
        with pytest.raises(Cut):
            await turn
        assert [stage.document.source_of(cell) for cell in stage.document] == ["mine"]

    play(scenario, waits=True)


def test_a_stop_right_after_an_interrupt_is_a_stop(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        turn = asyncio.ensure_future(stage.turn())
        await stage.brain.reached.wait()
        await stage.agent.cut()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn

    play(scenario, waits=True)


def test_an_interrupt_goes_to_the_kernel_if_the_agent_awaits_nothing(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.agent.cut()
        assert (await stage.turn()).status == "ok"

    assert play(scenario).place.interrupts == 1


def test_a_declined_cell_does_not_run_and_the_brain_reads_why(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        async def approved(cell: str, code: str) -> str | None:
            assert stage.document.source_of(cell) == code
            return "too dear"

        stage.agent.approved = approved
        turn = await stage.turn()
        assert (turn.status, turn.error) == (DECLINED, "Declined by a person: too dear")

    stage = play(scenario)
    assert stage.place.ran == []
    assert stage.executions() == [DECLINED]


def test_declined_cells_are_not_failures(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        async def approved(cell: str, code: str) -> str | None:
            return "no"

        stage.agent.approved, stage.agent.most_turns = approved, 20
        assert await stage.agent.run(lambda: 100.0) == "20 turns were taken"
        assert {turn.role for turn in stage.agent.turns} == {"lead"}

    play(scenario)


@pytest.mark.parametrize("status", ["interrupted", "died"])
def test_interrupted_cells_are_not_failures_and_do_not_run_again(play: Play, status: str) -> None:
    """A kernel that ignores the interrupt dies of it."""

    async def scenario(stage: Stage) -> None:
        async def under() -> str:
            await stage.agent.cut()
            return status

        stage.place.under, stage.agent.most_turns = under, 20
        assert await stage.agent.run(lambda: 100.0) == "20 turns were taken"

    stage = play(scenario)
    assert stage.executions() == [status] * 20
    assert len(stage.place.ran) == 20
    assert stage.place.mended == (20 if status == "died" else 0)


@pytest.mark.parametrize("status", ["error", "died", "timeout"])
def test_six_cells_that_fail_by_themselves_end_the_run_of_a_lone_brain(play: Play, status: str) -> None:
    async def scenario(stage: Stage) -> None:
        async def under() -> str:
            return status

        stage.place.under, stage.agent.most_turns = under, 20
        assert await stage.agent.run(lambda: 100.0) == "6 cells in a row failed"

    assert play(scenario).executions() == [status] * 6


def test_late_output_appears_until_a_person_runs_or_deletes_the_cell(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.turn()
        cell = list(stage.document)[1]
        late, person_cells = stage.place.outputs[0], PersonCells(stage.document, lambda cell, visit: None)
        late({"output_type": "stream", "name": "stdout", "text": "late"})
        assert [output["text"] for output in stage.document.cell(cell)["outputs"]] == ["late"]
        person_cells.ran("m", cell, "tab")
        person_cells.on_event("m", {"output_type": "execute_input", "execution_count": 2})
        person_cells.on_event("m", {"output_type": "idle"})
        late({"output_type": "stream", "name": "stdout", "text": "later"})
        assert stage.document.cell(cell)["outputs"] == []
        stage.edit(edit="delete", cell_id=cell)
        late({"output_type": "stream", "name": "stdout", "text": "too late"})
        assert cell not in stage.document

    assert play(scenario).executions() == ["ok"]


def test_an_interrupt_while_a_cell_waits_for_approval_declines_it(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        asked = asyncio.Event()

        async def approved(cell: str, code: str) -> str | None:
            asked.set()
            return await asyncio.Future[str | None]()

        stage.agent.approved = approved
        turn = asyncio.ensure_future(stage.turn())
        await asked.wait()
        await stage.agent.cut()
        assert (await turn).error.endswith("it was interrupted before it ran")

    assert play(scenario).place.ran == []


@pytest.mark.parametrize("asks", [True, False])
def test_a_cell_that_a_person_deleted_before_it_ran_does_not_run(play: Play, asks: bool) -> None:
    async def scenario(stage: Stage) -> None:
        async def approved(cell: str, code: str) -> str | None:
            stage.edit(edit="delete", cell_id=cell)
            return None

        if asks:
            stage.agent.approved = approved
        turn = asyncio.ensure_future(stage.turn())
        if not asks:
            await stage.brain.reached.wait()
            stage.edit(edit="delete", cell_id=list(stage.document)[1])
        stage.brain.go.set()
        assert (await turn).error.endswith("it was deleted before it ran")

    assert play(scenario, waits=True).place.ran == []


def test_a_cell_runs_as_edited_by_a_person(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        async def approved(cell: str, code: str) -> str | None:
            stage.edit(edit="source", cell_id=cell, text="one = 100")
            return None

        stage.agent.approved = approved
        assert (await stage.turn()).code == "one = 100"

    assert play(scenario).place.ran == ["one = 100"]


def test_no_turn_begins_before_the_gate_opens(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        gates: list[int] = []

        async def gate() -> None:
            gates.append(len(stage.agent.turns))

        stage.agent.gate, stage.agent.most_turns = gate, 3
        await stage.agent.run(lambda: 100.0)
        assert gates == [0, 1, 2]

    play(scenario)
