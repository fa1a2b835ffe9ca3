"""What the runner adds to a trivial cell beyond the kernel: reply, notebook, record, context. In a real run
the brain writes `1 + 1` five thousand times. The figures are a turn's time minus its execution's, as medians
over windows of 100 turns."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from benchmarks import tables
from cobra_jupyter.brains.context import Context
from cobra_jupyter.records.ledger import read
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner

CELLS = 5_000
WINDOW = 100


class Adder:
    """A brain of one thought."""

    name = "adder"

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.rss = 0.0

    async def reply(self, context: Context) -> AsyncIterator[str]:
        self.asked.append(time.perf_counter())
        if len(self.asked) <= CELLS + 1:
            yield "Add.\n\n```python\n1 + 1\n```\n"
        else:
            self.rss = psutil.Process().memory_info().rss / 2**20
            yield '```python\n%load_ext cobra_jupyter\ncobra.finish("added")\n```\n'


def main() -> None:
    brain = Adder()
    with tempfile.TemporaryDirectory() as folder:
        public = tables.write(Path(folder), 500, 5)
        out = Path(folder) / "run"
        options = Options(public, out, brain.name, 3_600.0, 0, None, {}, time.time())
        asyncio.run(Runner(options, brain).run())
        executions = [
            record.data["seconds"] for record in read(out / "ledger.jsonl") if record.kind == "execution"
        ]
    turns = [after - before for before, after in zip(brain.asked, brain.asked[1:], strict=False)]
    added = [(turn - execution) * 1e3 for turn, execution in zip(turns, executions, strict=False)]
    first, last = statistics.median(added[:WINDOW]), statistics.median(added[CELLS - WINDOW : CELLS])
    print(
        json.dumps(
            {
                "median_ms_per_cell": round(statistics.median(added[:CELLS]), 2),
                "ratio_5000_to_100": round(last / first, 2),
                "rss_mb": round(brain.rss),
            }
        )
    )


if __name__ == "__main__":
    main()
