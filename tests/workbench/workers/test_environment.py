"""Fits and proofs have the same environment, so that what a candidate iterates over keeps its order."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.notebook import solution
from cobra_jupyter.run import proof
from cobra_jupyter.workbench.workers.environment import FIXED
from tests.conftest import Bench
from tests.workbench.sources import body

ORDER = "abs(hash('the order of a set depends on this')) % 1000 / 1000"


def test_a_worker_has_the_fixed_hashes_and_threads(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression", rows=60).ready(repeats=1)
    bench.candidate("hashed", body(predict=f"return np.full(len(rows), {ORDER})"))
    trial = bench.trial("hashed")
    code = f"print({ORDER})"
    expected = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **FIXED}, capture_output=True, text=True, check=True
    )
    found = bench.harness.scope.out_of_fold(trial["id"]).raw[0]
    assert (found == float(expected.stdout)).all()


class Kernel:
    """Stands for the fresh kernel of a proof; keeps the variables that it is started with."""

    variables: dict[str, str]

    def __init__(self, name: str | None, folder: Path, variables: dict[str, str]) -> None:
        Kernel.variables = variables

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


def test_a_proof_runs_in_the_environment_of_the_fits(tmp_path: Path) -> None:
    notebook = tmp_path / "solution.ipynb"
    notebook.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    made: Any = Kernel
    asyncio.run(
        proof.prove(notebook, tmp_path / "submission.csv", tmp_path / "proof", None, 9.0, True, session=made)
    )
    assert FIXED.items() <= Kernel.variables.items()


def test_a_solution_sets_it_for_its_parallel_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    text = solution.SETTINGS.format(folder="/nowhere", slots=2, retrain=True, fixed=repr(FIXED))
    for name in FIXED:
        monkeypatch.delenv(name, raising=False)
    exec(text.partition("import importlib")[0], {})
    assert FIXED.items() <= dict(os.environ).items()
