"""The end of a run: its submission is proven, with saved models if there is no time to train again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.records.ledger import Ledger
from cobra_jupyter.run.finish import CLOSING, Finisher
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.proof import Proof, prove
from cobra_jupyter.workbench.harness.resources import SECOND_PROOF
from tests.conftest import Bench
from tests.inprocess import MACHINERY

LOGISTIC = """
from sklearn.linear_model import LogisticRegression
def fit(train, ctx):
    codes = train[ctx.targets[0]].astype(str).map({str(c): i for i, c in enumerate(ctx.classes)})
    return LogisticRegression().fit(train[["a", "b"]], codes)
def predict(model, rows, ctx):
    return model.predict_proba(rows[["a", "b"]])
"""


@pytest.fixture(scope="module")
def submitted(light_benches: Callable[..., Bench]) -> Bench:
    bench = light_benches(task="binary").ready()
    bench.candidate("logistic", LOGISTIC)
    bench.submit(bench.trial("logistic")["id"])
    return bench


class SlowTraining:
    """Proofs that use up their time limit if they train again."""

    def __init__(self) -> None:
        self.given: list[tuple[bool, float]] = []  # whether it trains anew, its seconds

    async def __call__(
        self,
        notebook: Path,
        submission: Path,
        folder: Path,
        kernel: str | None,
        seconds: float,
        retrained: bool,
    ) -> Proof:
        self.given.append((retrained, seconds))
        if retrained:
            return Proof("failed", "a cell ended with timeout", seconds, True)
        return await MACHINERY.prove(notebook, submission, folder, kernel, 600.0, False)


def proven(bench: Bench, folder: Path, seconds: float, slow: SlowTraining) -> Proof:
    """The proof of a run with this many seconds left."""
    now = time.time()
    latest = {kind: data for kind, data in bench.records if kind in ("submission", "card")}
    options = Options(bench.public, bench.run, "nobody", seconds, 0, None, {}, now)
    finisher = Finisher(
        options,
        Ledger(folder / "ledger.jsonl"),
        Budget(seconds, now),
        latest,
        machinery=replace(MACHINERY, prove=slow),
    )
    return asyncio.run(finisher.prove(bench.solution()))


def test_saved_models_prove_the_submission_if_training_again_takes_too_long(
    submitted: Bench, tmp_path: Path
) -> None:
    slow = SlowTraining()
    proof = proven(submitted, tmp_path, 3600.0, slow)
    assert (proof.outcome, proof.retrained) == ("identical", False)
    assert [retrained for retrained, _ in slow.given] == [True, False]
    limit = slow.given[0][1]
    assert limit <= 3600.0 - CLOSING - SECOND_PROOF, "what the saved models need is kept for them"
    assert f"training anew did not end within {limit:.0f} s" in proof.detail
    assert "RETRAIN = False" in (submitted.run / "solution.ipynb").read_text()


def test_nothing_is_trained_again_if_too_little_time_is_left(submitted: Bench, tmp_path: Path) -> None:
    slow = SlowTraining()
    assert proven(submitted, tmp_path, SECOND_PROOF, slow).outcome == "identical"
    assert [retrained for retrained, _ in slow.given] == [False]


def test_a_proof_fails_in_time_if_its_training_does_not_end(tmp_path: Path) -> None:
    """In a real kernel."""
    notebook = v4.new_notebook(cells=[v4.new_code_cell("import time\ntime.sleep(1000)")])
    nbformat.write(notebook, tmp_path / "solution.ipynb")
    proof = asyncio.run(
        prove(tmp_path / "solution.ipynb", tmp_path / "submission.csv", tmp_path / "proof", None, 0.5, True)
    )
    assert (proof.outcome, proof.retrained) == ("failed", True)
    assert proof.seconds >= 0.5
    assert "time" in proof.detail
