"""The kernel of an agent is restored from its cells; while something is missing, no cell runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cobra_jupyter.kernel.base import Execution
from cobra_jupyter.kernel.executor import Executor
from cobra_jupyter.kernel.harness import ConnectionLost
from tests.inprocess.kernel import InProcessKernel

ONCE = "open('once', 'x').close()\nsecond = 2"  # runs well a single time


class QuietHarness:
    """A harness that answers nothing. It loses the connection `losses` times when turn 2 begins again."""

    alive = True

    def __init__(self, losses: int = 0) -> None:
        self.losses = losses

    async def call(self, name: str, **args: Any) -> dict[str, Any]:
        if args.get("again") and args["number"] == 2 and self.losses:
            self.losses -= 1
            raise ConnectionLost("it is busy")
        return {}


Work = Callable[[Executor, Callable[..., Awaitable[Execution]]], Awaitable[None]]


def with_kernel(folder: Path, work: Work, losses: int = 0) -> list[str]:
    """Let `work` use an executor and its cells. → the kernel's events"""
    events: list[str] = []

    async def run() -> None:
        async with InProcessKernel(None, folder) as kernel:
            harness: Any = QuietHarness(losses)
            executor = Executor(harness, kernel, folder / "ledger.jsonl", events.append)

            async def cell(number: int, code: str) -> Execution:
                return await executor.execute(number, code, lambda output: None, 60.0)

            await work(executor, cell)

    asyncio.run(run())
    return events


async def die(executor: Executor) -> None:
    kernel = executor.kernel
    assert isinstance(kernel, InProcessKernel)
    kernel.die()
    await executor.mend()


def test_a_restored_kernel_has_the_variables_of_all_cells_that_ran_well(tmp_path: Path) -> None:
    async def work(executor: Executor, cell: Any) -> None:
        await cell(1, "first = 1")
        await cell(2, "first = 7\n1 / 0")
        await cell(3, "second = first + 1")
        await die(executor)
        assert (await cell(4, "assert (first, second) == (1, 2)")).status == "ok"

    assert with_kernel(tmp_path, work) == ["kernel restarted"]


def test_no_cell_runs_in_a_kernel_that_is_not_restored_and_the_brain_is_told_why(tmp_path: Path) -> None:
    async def work(executor: Executor, cell: Any) -> None:
        await cell(1, "first = 1")
        await cell(2, ONCE)
        await cell(3, "third = first + second")
        await die(executor)
        done = await cell(4, "open('ran', 'x').close()")
        assert (done.status, done.ename) == ("error", "KernelNotRestored")
        assert "did not run again: turn 2 (error FileExistsError" in done.evalue
        assert "; turn 3 (error NameError" in done.evalue
        assert "define again what it needs from them" in done.evalue
        assert not (tmp_path / "ran").exists()

    events = with_kernel(tmp_path, work)
    assert events[0] == "kernel restarted"
    assert events[1].startswith("kernel not restored: turn 2 (error FileExistsError")


def test_the_cure_leads_on_and_what_failed_is_not_tried_again(tmp_path: Path) -> None:
    async def work(executor: Executor, cell: Any) -> None:
        await cell(1, "first = 1")
        await cell(2, ONCE)
        await die(executor)
        assert (await cell(3, "pass")).ename == "KernelNotRestored"
        assert (await cell(4, "second = first + 1")).status == "ok"
        await die(executor)
        assert (await cell(5, "assert (first, second) == (1, 2)")).status == "ok"

    with_kernel(tmp_path, work)


def test_what_can_be_restored_at_the_second_try_is_no_reason_not_to_run(tmp_path: Path) -> None:
    async def work(executor: Executor, cell: Any) -> None:
        await cell(1, "first = 1")
        await cell(2, "second = 2")
        await die(executor)
        assert (await cell(3, "assert (first, second) == (1, 2)")).status == "ok"

    events = with_kernel(tmp_path, work, losses=1)
    assert events[1] == "kernel not restored: turn 2 (ConnectionLost: it is busy); 1 in all"
