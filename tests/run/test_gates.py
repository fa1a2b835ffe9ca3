"""An agent at its gate: the effect of a person's cell and steps on its turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.agent.workspace import Workspace
from cobra_jupyter.records.ledger import Ledger
from cobra_jupyter.run import control as control_module
from cobra_jupyter.run import steering as steering_module
from cobra_jupyter.run.finish import Finisher
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.status import RunStatus
from cobra_jupyter.run.steering import Steering
from tests.agent.test_interventions import Stage
from tests.agent.test_workspace import workspace_of
from tests.patience import PATIENCE
from tests.run.test_control import settle


class Harness:
    """A harness without jobs to hold."""

    async def hold(self, started: float | None = None) -> None:
        pass


class Run:
    """A steered run whose lead only takes turns. Make it inside a running event loop."""

    def __init__(self, folder: Path) -> None:
        stage, now = Stage(folder), time.time()
        self.workspace: Workspace = workspace_of(stage, folder / "agent.ipynb")
        self.workspace.document.insert("code", "mine", cell_id="mine")
        options = Options(folder, folder, "nobody", 100.0, 0, None, {}, now)
        ledger, budget = Ledger(folder / "steered.jsonl"), Budget(100.0, now)
        harness: Any = Harness()
        finisher = Finisher(options, ledger, budget, {})
        self.steering = Steering(
            finisher=finisher,
            ledger=ledger,
            budget=budget,
            run_status=RunStatus(),
            harness=harness,
            brain="nobody",
            stop=lambda: None,
        )
        self.control = self.steering.control
        self.agent: Any = SimpleNamespace(name="lead", task=None, say=self._say)
        self.steering.add_agent(self.workspace, self.agent)
        self.turns = self.cells = 0
        self.task = asyncio.ensure_future(self._live())

    async def _say(self, text: str) -> None:
        pass

    async def _live(self) -> None:
        while True:
            await self.agent.gate()
            self.turns += 1

    def begins(self) -> None:
        """A person's cell begins in the kernel."""
        self.cells += 1
        self.workspace.person_cells.ran(f"m{self.cells}", "mine", "tab")
        self.workspace.on_foreign(f"m{self.cells}", {"output_type": "execute_input", "execution_count": 1})

    def ends(self) -> None:
        self.workspace.on_foreign(f"m{self.cells}", {"output_type": "idle"})

    async def until(self, state: str) -> None:
        while self.control.state != state:
            await asyncio.sleep(0)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.workspace.file.close()


def test_a_step_delayed_by_a_persons_cell_is_still_one_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steering_module, "LOOK", 0.0)

    async def scenario() -> None:
        run = Run(tmp_path)
        await run.control.pause()
        await run.until("paused")
        for number in (1, 2):
            run.begins()
            await run.control.step()
            await settle()
            assert (run.control.state, run.turns) == ("running", number - 1)
            run.ends()
            await run.until("paused")
            assert run.turns == number
        await run.close()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def called_in(run: Run, name: str = "auditor-1") -> tuple[Any, list[int]]:
    """An agent that a cell of the lead called in; it only takes turns. → its task, its turns"""
    turns: list[int] = []

    async def flush() -> None:
        pass

    agent: Any = SimpleNamespace(name=name, task=SimpleNamespace(by="lead"), say=None)
    workspace: Any = SimpleNamespace(
        name=name,
        document=run.workspace.document,
        file=SimpleNamespace(flush=flush),
        person_cells=SimpleNamespace(open=False),
        interventions=SimpleNamespace(quiet=True, report=lambda _: []),
    )
    run.steering.add_agent(workspace, agent)

    async def live() -> None:
        while True:
            await agent.gate()
            turns.append(len(turns))
            await settle()

    return asyncio.ensure_future(live()), turns


async def goes_on(turns: list[int]) -> bool:
    """Whether turns are begun."""
    await asyncio.sleep(0.01)  # whoever is at the gate now has looked
    before = len(turns)
    for _ in range(20):
        await asyncio.sleep(0.005)
    return len(turns) > before


@pytest.fixture
def working(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Plays a scenario with a run whose lead is in the middle of a turn: its cell runs while
    `run.workspace.kernel.busy`."""
    monkeypatch.setattr(control_module, "LOOK", 0.001)

    def play(scenario: Callable[[Run], Awaitable[None]]) -> None:
        async def inside() -> None:
            run = Run(tmp_path)
            await run.control.begin()
            run.task.cancel()
            kernel: Any = SimpleNamespace(busy=True, alive=True)
            run.agent.was_cut, run.agent.executor = False, SimpleNamespace(visited=lambda code: None)
            run.workspace.kernel, run.workspace.agent = kernel, run.agent
            run.steering.workspaces["lead"] = run.workspace
            await asyncio.wait_for(scenario(run), PATIENCE)
            await run.close()

        asyncio.run(inside())

    return play


Working = Callable[[Callable[[Run], Awaitable[None]]], None]


def test_an_agent_called_in_by_a_cell_works_in_a_pause_until_the_cell_ends(working: Working) -> None:
    async def scenario(run: Run) -> None:
        task, turns = called_in(run)
        await run.control.pause()
        assert await goes_on(turns), "the pause comes after the cell, which waits for it"
        run.workspace.kernel.busy = False  # type: ignore[union-attr, misc]
        assert not await goes_on(turns)
        run.workspace.kernel.busy = True  # type: ignore[union-attr, misc]
        assert await goes_on(turns), "the lead's last cell before the pause waits for a job"
        task.cancel()

    working(scenario)


def test_an_agent_called_in_by_an_interrupted_cell_waits_for_the_resumption(
    working: Working,
) -> None:
    async def scenario(run: Run) -> None:
        async def cut() -> None:
            run.agent.was_cut = True

        run.agent.cut = cut
        task, turns = called_in(run)
        await run.control.interrupt()
        assert not await goes_on(turns), "though the cell has yet to heed the interrupt"
        run.begins()
        assert not await goes_on(turns), "a cell that a person runs meanwhile does not wait for it"
        await run.control.resume()
        assert await goes_on(turns)
        task.cancel()

    working(scenario)


def test_an_agent_called_in_by_a_persons_cell_works_while_it_runs(working: Working) -> None:
    async def scenario(run: Run) -> None:
        run.workspace.kernel.busy = False  # type: ignore[union-attr, misc]
        await run.control.pause()
        run.begins()
        task, turns = called_in(run)
        assert await goes_on(turns)
        run.ends()
        assert not await goes_on(turns)
        task.cancel()

    working(scenario)
