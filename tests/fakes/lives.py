"""A run in a process of its own that may be made to die: `python -m tests.fakes.lives FOLDER OUT [DEATH]`.

DEATH is `kind`, `kind:n` or `kind:n:how`: right after the n-th record of that kind the process kills itself,
or (how = full) the disk that OUT lies on takes no more. Where OUT holds a record already, the run is resumed.

`--copies PLACE` copies OUT to `PLACE/<moment>` at each of MOMENTS: what a kill at that moment would leave
behind."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from cobra_jupyter.cli import main as cli
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.run import folders
from cobra_jupyter.run.machinery import PROCESSES, Machinery
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.fakes.scripted import Scripted

ROOT = Path(__file__).parents[2]
BUDGET = 2400.0
MOMENTS = (
    "state", "card", "clock", "protocol", "candidate", "cell:4", "trial", "trial:2", "trial:4", "ablation",
    "job", "shared", "reply:9", "blend", "submission", "finish", "proof", "file",
)  # fmt: skip
CELLS = [
    "%load_ext cobra_jupyter\ncobra.open()",
    "cobra.protocol(folds=3)\nx = 40",
    """%%candidate ridge
import time
import numpy as np
from sklearn.linear_model import Ridge
SHARED = ["extra"]
FACTORS = {"alpha": [1000.0, 1.0, 30.0], "bend": [False, True]}
def numbers(rows, ctx):
    X = rows[["a", "b"]].to_numpy()
    return np.column_stack([X, X**2]) if ctx.config["bend"] else X
def fit(train, ctx):
    time.sleep(0.08)
    noise = np.random.default_rng(ctx.seed).normal(scale=0.01, size=len(train))
    return Ridge(alpha=ctx.config["alpha"]).fit(numbers(train, ctx), train[ctx.targets[0]] + noise)
def predict(model, rows, ctx):
    return model.predict(numbers(rows, ctx))""",
    'x += 1\nfirst = cobra.trial("ridge")',
    'x += 1\neffects = cobra.ablate("ridge", seconds=30, fraction=0.5)',
    'job = cobra.scale("ridge", effects.best, background=True)',
    "%%shared extra\ndef make(rows, ctx):\n    return rows[['a']] * 2",  # while the job runs
    "cobra.wait()",
    'cobra.scale("ridge", {"alpha": 30.0}, seed=7)\nblend = cobra.blend()',
    "selection = cobra.select()\ncobra.submit()\nprint('x is', x, 'first is', first.id)",
]


def live(folder: Path, out: Path, death: str = "", *more: str) -> subprocess.CompletedProcess[str]:
    """One life of a run, in a process of its own."""
    words = [
        sys.executable,
        "-m",
        "tests.fakes.lives",
        str(folder),
        str(out),
        *([death] if death else []),
        *more,
    ]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)


def script() -> Scripted:
    """The cells, under the name of a brain that the command knows, so that it can resume the run."""
    brain = Scripted(CELLS)
    brain.name = "playbook"
    return brain


def main(
    folder: Path, out: Path, death: str | None, copies: Path | None, machinery: Machinery = PROCESSES
) -> None:
    kind, nth, how = (
        ([*death.split(":"), *("", "1", "kill")[death.count(":") + 1 :]]) if death else ("", "1", "")
    )
    seen: Counter[str] = Counter()

    def on_record(record: Record, budget: object) -> None:
        seen[record.kind] += 1
        if copies:
            keep_moment(out, copies, record.kind, seen[record.kind])
        if record.kind == kind and seen[kind] == int(nth):
            end(how, out.parent)

    resume = (out / "ledger.jsonl").exists()
    options = Options(folder, out, "playbook", BUDGET, 0, None, {}, time.time())
    if resume:
        options = folders.options_of(folders.load(str(out)), None)
    runner = Runner(options, script(), on_record, resume=resume, machinery=machinery)
    try:
        result = asyncio.run(runner.run())
    except OSError as error:
        sys.exit(cli._refuse(error))
    print(result.proof.outcome)


def keep_moment(out: Path, copies: Path, kind: str, count: int) -> None:
    """Copy the run's folder where this record is one of MOMENTS."""
    for moment in (kind, f"{kind}:{count}"):
        if moment in MOMENTS and not (copies / moment).exists():
            copy_living(out, copies / moment)


def copy_living(folder: Path, to: Path) -> None:
    """Copy a folder in which processes are at work: what vanishes meanwhile is left out."""
    try:
        shutil.copytree(folder, to)
    except shutil.Error as error:
        still_there = [source for source, *_ in error.args[0] if Path(source).exists()]
        if still_there:
            raise


def end(how: str, disk: Path) -> None:
    if how == "full":
        with (disk / "ballast").open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
                file.flush()
    else:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("death", nargs="?")
    parser.add_argument("--copies", type=Path)
    chosen = parser.parse_args()
    main(chosen.folder, chosen.out, chosen.death, chosen.copies)
