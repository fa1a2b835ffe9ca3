"""Checks of finished trials: folds that differ by more than chance, small effects, the vault."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace as Record
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench import audit
from tests.conftest import Bench

RIDGE = """
import numpy as np
from sklearn.linear_model import Ridge
FACTORS = {"alpha": [1.0, 1e6]}
def numbers(rows, ctx):
    return rows[["a", "b"]]
def fit(train, ctx):
    return Ridge(alpha=ctx.config["alpha"]).fit(numbers(train, ctx), train[ctx.targets])
def predict(model, rows, ctx):
    return model.predict(numbers(rows, ctx))
"""


def checks(bench: Bench) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in bench.audit()["findings"]}


def test_folds_that_differ_by_more_than_chance_are_a_warning(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression", rows=600).ready(folds=5, repeats=1)
    bench.candidate("unstable", RIDGE.replace("    return model", "    return 5 * (ctx.seed == 2) + model"))
    trial = bench.trial("unstable")
    finding = checks(bench)["fold spread"]
    assert finding["severity"] == "warning"
    assert trial["id"] in finding["evidence"]


def test_folds_of_a_time_split_may_differ(benches: Callable[..., Bench]) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame["day"] = np.arange(len(frame))
        if "y" in frame:  # noise grows
            frame["y"] += np.random.default_rng(0).normal(size=len(frame)) * frame["day"] / 50
        return frame

    bench = benches(task="regression", rows=600, change=change).ready(split="time", time="day", folds=5)
    bench.candidate("ridge", RIDGE)
    bench.trial("ridge")
    assert checks(bench)["fold spread"]["severity"] == "note"


def test_a_sound_split_and_its_vault_cause_no_warning(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression", rows=1200).ready(vault=True)
    bench.candidate("ridge", RIDGE)
    bench.trial("ridge")
    bench.trial("ridge", {"alpha": 1e6})
    assert "out-of-fold against vault" not in checks(bench), "the vault was asked before a selection"
    bench.select()
    found = checks(bench)
    assert found["out-of-fold against vault"]["severity"] == "note"
    assert [f for f in found.values() if f["severity"] != "note"] == []


def test_a_score_that_the_vault_does_not_confirm_is_a_warning(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression", rows=1200).ready(vault=True)
    scorer = bench.harness.scope.scorer
    truth = scorer.truth[scorer.folds.vault]
    promised = Record(value=1.0, se=0.02)
    noise = np.random.default_rng(0).normal(size=truth.shape)
    (kept,) = audit.vault(scorer, "t001", promised, truth + noise)
    (broken,) = audit.vault(scorer, "t001", promised, truth + 2 * noise)
    assert (kept.severity, broken.severity) == ("note", "warning")


def test_effects_on_one_fold_that_are_below_the_spread_of_folds_are_named(
    benches: Callable[..., Bench],
) -> None:
    scorer = benches(task="regression", rows=300).ready(folds=5, repeats=1).harness.scope.scorer
    score = Record(value=1.0, se=0.05, folds=(0.9, 0.95, 1.0, 1.05, 1.1))
    trial = Record(id="t001", full=True, score=score)
    effects = [Record(factor="depth", level=3, gain=gain, se=0.01, verdict="better") for gain in (0.02, 0.5)]
    (finding,) = audit.of_trials(scorer, [trial], [Record(folds=1, effects=effects)])
    assert "1 of 2 effects" in finding.evidence
    assert audit.of_trials(scorer, [trial], [Record(folds=5, effects=effects)]) == []


def test_a_leak_is_recorded_with_the_columns_to_leave_out(benches: Callable[..., Bench]) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(tells=frame.get("y", 0))

    bench = benches(rows=400, change=change)
    bench.open()
    before = bench.audit()
    bench.protocol()
    after = bench.audit()
    assert before["leaking"] == after["leaking"] == ["tells"]
    assert bench.records[-1] == ("audit", after)
    assert before["findings"][0]["scores"]["metric"] == "log_loss"
