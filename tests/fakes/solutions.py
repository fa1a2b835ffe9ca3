"""`solution.ipynb` of a bench, its cells run as a script by a process that cannot import this package."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nbformat

from cobra_jupyter.notebook import solution


def reproduced(
    bench: Any, folder: Path, run: Callable[[Path, Path], None], retrain: bool = True, processes: int = 1
) -> Path:
    """Write the solution's cells to `folder` and have them run. → the submission they make."""
    notebook = nbformat.from_dict(solution.build(bench.solution(), retrain, {"competition": "made"}))
    nbformat.validate(notebook)
    lines = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if cell.source.startswith("%%writefile"):
            name, _, source = cell.source.removeprefix("%%writefile ").partition("\n")
            (folder / name).write_text(source)
        else:
            lines.append(cell.source)
    script = folder / "solution.py"
    script.write_text("\n\n".join(lines).replace("PROCESSES = 2", f"PROCESSES = {processes}"))
    run(script, bench.run)
    return folder / "submission.csv"


def run_alone(script: Path, run: Path) -> None:
    """Run a script with a Python started for it."""
    environment = {**os.environ, "COBRA_RUN": str(run), "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, script.name], cwd=script.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def run_in_fork(script: Path, run: Path) -> None:
    """Run a script in a fork of the warm server, which has loaded pandas and scikit-learn already."""
    process = get_context("forkserver").Process(target=_play, args=(script, run))
    process.start()
    process.join()
    assert process.exitcode == 0, script.with_suffix(".log").read_text()


def _play(script: Path, run: Path) -> None:
    """Be the Python that runs the script."""
    with script.with_suffix(".log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    for name in [name for name in sys.modules if name.partition(".")[0] == "cobra_jupyter"]:
        del sys.modules[name]
    sys.modules["cobra_jupyter"] = None  # type: ignore[assignment]  # it cannot be imported any more
    os.environ["COBRA_RUN"] = str(run)
    os.chdir(script.parent)
    try:
        runpy.run_path(str(script), run_name="__main__")
    except BaseException:
        traceback.print_exc()
        os._exit(1)
