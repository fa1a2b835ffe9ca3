"""The end of a run: a submission that counts is proven, by saved models where there is no time to train anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.records.ledger import Ledger
from cobra_jupyter.run import finish as closing_module
from cobra_jupyter.run.finish import Finisher
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.proof import Proof
from tests.conftest import Bench

SLOW_WHEN_PROVEN = """
import os
import time
from sklearn.linear_model import LogisticRegression
def fit(train, ctx):
    time.sleep(1000 if "COBRA_RUN" in os.environ else 0)  # set where solution.ipynb is run
    codes = train[ctx.targets[0]].astype(str).map({str(c): i for i, c in enumerate(ctx.classes)})
    return LogisticRegression().fit(train[["a", "b"]], codes)
def predict(model, rows, ctx):
    return model.predict_proba(rows[["a", "b"]])
"""


@pytest.fixture(scope="module")
def submitted(benches: Callable[..., Bench]) -> Bench:
    bench = benches(task="binary").ready()
    bench.candidate("slow", SLOW_WHEN_PROVEN)
    bench.submit(bench.trial("slow")["id"])
    return bench


def proven(bench: Bench, folder: Path, seconds: float) -> Proof:
    """The proof with so many seconds left."""
    now = time.time()
    latest = {kind: data for kind, data in bench.records if kind in ("submission", "card")}
    options = Options(bench.public, bench.run, "nobody", seconds, 0, None, {}, now)
    closing = Finisher(options, Ledger(folder / "ledger.jsonl"), Budget(seconds, now), latest)
    return asyncio.run(closing.prove(bench.solution()))


def test_where_training_anew_runs_late_the_saved_models_prove_the_submission(
    submitted: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing_module, "SECOND_PROOF", 20.0)
    proof = proven(submitted, tmp_path, 36.0)
    assert (proof.outcome, proof.retrained) == ("identical", False)
    assert "training anew did not end within 12 s" in proof.detail
    assert "RETRAIN = False" in (submitted.run / "solution.ipynb").read_text()
