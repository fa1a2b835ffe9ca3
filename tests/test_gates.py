"""An agent at its gate: what a person's cell and a person's steps mean for its turns."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cobra_jupyter import steering as steering_module
from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.agent.seat import Seat
from cobra_jupyter.closing import Closing, Options
from cobra_jupyter.ledger import Ledger
from cobra_jupyter.standing import Standing
from cobra_jupyter.steering import Steering
from tests.agent.test_deeds import Stage
from tests.agent.test_seat import seat_of
from tests.test_control import settle


class Harness:
    """Its jobs are told of nothing."""

    async def hold(self, started: float | None = None) -> None:
        pass


class Run:
    """A steered run whose lead does nothing but take turns. Make it inside a running event loop."""

    def __init__(self, folder: Path) -> None:
        stage, now = Stage(folder), time.time()
        self.seat: Seat = seat_of(stage, folder / "agent.ipynb")
        self.seat.document.insert("code", "mine", cell_id="mine")
        options = Options(folder, folder, "nobody", 100.0, 0, None, {}, now)
        ledger, budget = Ledger(folder / "steered.jsonl"), Budget(100.0, now)
        harness: Any = Harness()
        closing = Closing(options, ledger, budget, {})
        self.steering = Steering(closing, ledger, budget, Standing(), harness, "nobody", lambda: None)
        self.control = self.steering.control
        self.agent: Any = SimpleNamespace(name="lead", task=None, say=self._say)
        self.steering.seated(self.seat, self.agent)
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
        self.seat.visits.ran(f"m{self.cells}", "mine", "tab")
        self.seat.on_foreign(f"m{self.cells}", {"output_type": "execute_input", "execution_count": 1})

    def ends(self) -> None:
        self.seat.on_foreign(f"m{self.cells}", {"output_type": "idle"})

    async def until(self, state: str) -> None:
        while self.control.state != state:
            await asyncio.sleep(0)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.seat.file.close()


def test_a_step_that_a_persons_cell_holds_up_is_one_turn_all_the_same(
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

    asyncio.run(asyncio.wait_for(scenario(), 30))
