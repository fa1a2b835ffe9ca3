"""A harness or kernel that dies during a run is restored. Here both are in this process; test_kills.py kills
real processes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.fakes.lives import BUDGET, CELLS
from tests.fakes.recorded import RecordedRun
from tests.fakes.scripted import Scripted
from tests.inprocess import MACHINERY
from tests.inprocess.harness import InProcessHarness
from tests.inprocess.kernel import InProcessKernel
from tests.run.ends import of, same_submission


class Mortals:
    """Access to the harness and the lead's kernel of a run."""

    def __init__(self) -> None:
        self.machinery = replace(MACHINERY, harness=self._make_harness, kernel=self._make_kernel)

    def _make_harness(self, *args: Any) -> InProcessHarness:
        self.harness = InProcessHarness(*args)
        return self.harness

    def _make_kernel(self, *args: Any, **options: Any) -> InProcessKernel:
        self.kernel = InProcessKernel(*args, **options)
        return self.kernel


OFTEN = [
    ("harness", "protocol:1"), ("harness", "submission:1"), ("kernel", "ablation:1"),
]  # fmt: skip
BEFORE_A_RELEASE = [
    ("harness", "job:1"), ("kernel", "cell:4"),
    ("harness", "trial:3"), ("kernel", "blend:1"),
    ("harness", "candidate:1"), ("harness", "ablation:1"), ("harness", "shared:1"), ("harness", "blend:1"),
    ("harness", "finish:1"), ("kernel", "trial:3"), ("kernel", "job:1"), ("kernel", "submission:1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("victim", "moment"),
    [*OFTEN, *(pytest.param(*case, marks=pytest.mark.full) for case in BEFORE_A_RELEASE)],
)
def test_a_harness_or_kernel_that_dies_is_restored(
    victim: str, moment: str, recorded: RecordedRun, tmp_path: Path
) -> None:
    """Takes long the first time: it makes the recorded run that many tests share."""
    kind, _, nth = moment.partition(":")
    seen: list[str] = []
    mortals = Mortals()

    def on_record(record: Record, budget: Budget) -> None:
        seen.append(record.kind)
        if record.kind == kind and seen.count(kind) == int(nth) and "kernel" not in seen:
            if victim == "harness":
                mortals.harness.kill()
            else:
                loop.call_soon_threadsafe(mortals.kernel.die)

    out = tmp_path / "run"
    options = Options(recorded.competition, out, "scripted", BUDGET, 0, None, {}, time.time())
    with asyncio.Runner() as life:
        loop = life.get_loop()
        life.run(Runner(options, Scripted(CELLS), on_record, machinery=mortals.machinery).run())
    assert of(out, "kernel")
    same_submission(out, recorded.whole)
