"""The permutation probe: honest candidates pass, those with labels of held-out rows fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Bench

FIT = """
import numpy as np
from sklearn.{place} import {name}
def numbers(rows, ctx):
    kept = [c for c, kind in ctx.columns.items() if kind == "number"]
    return rows[kept].fillna(0.0)
def fit(train, ctx):
    return {name}({options}).fit(numbers(train, ctx), train[ctx.targets[0]])
def predict(model, rows, ctx):
    return {told}
"""
HONEST = {
    "binary": {"place": "linear_model", "name": "LogisticRegression", "options": "",
               "told": "model.predict_proba(numbers(rows, ctx))"},
    "multiclass": {"place": "ensemble", "name": "RandomForestClassifier", "options": "60, random_state=0",
                   "told": "model.predict_proba(numbers(rows, ctx))[:, np.argsort(model.classes_)]"},
    "regression": {"place": "linear_model", "name": "Ridge", "options": "",
                   "told": "model.predict(numbers(rows, ctx))"},
}  # fmt: skip


def labels(bench: Bench, path: Path) -> Path:
    """Writes a file with the true label of every id, as a cell could."""
    train = pd.read_csv(bench.public / "train.csv")
    path.write_text(json.dumps(dict(zip(train["id"], train["y"].astype(float), strict=True))))
    return path


@pytest.mark.parametrize("task", HONEST)
def test_an_honest_candidate_predicts_at_chance(task: str, benches: Callable[..., Bench]) -> None:
    bench = benches(task=task, rows=900).ready(folds=3, repeats=1)
    bench.candidate("honest", FIT.format(**HONEST[task]))
    (finding,) = bench.audit("honest")["findings"]
    assert (finding["check"], finding["severity"]) == ("permutation probe", "note")
    assert "at chance" in finding["proposal"]
    assert bench.records[-1][0] == "audit"
    assert [kind for kind in bench.kinds() if kind in ("trial", "fit")] == []
    assert bench.harness._all_views == [bench.harness.scope.views]
    assert not list(bench.run.glob("**/*probe-*"))
    assert bench.trial("honest")["id"] == "t001"


def test_stored_labels_of_held_out_rows_are_found(benches: Callable[..., Bench], tmp_path: Path) -> None:
    bench = benches(rows=900).ready(folds=3, repeats=1)
    path = labels(bench, tmp_path / "labels.json")
    bench.candidate(
        "thief",
        f"""
import json, numpy as np
STORED = json.load(open({str(path)!r}))
def fit(train, ctx):
    return train[ctx.targets[0]].mean()
def predict(model, rows, ctx):
    noise = np.random.default_rng(ctx.seed).normal(size=len(rows))
    return np.clip(0.5 + 0.2 * (rows["id"].map(STORED).to_numpy() - 0.5) + 0.1 * noise, 0, 1)
""",
    )
    finding = bench.audit("thief")["findings"][0]
    assert finding["severity"] == "leak"
    assert "true labels reach the candidate" in finding["proposal"]


def test_target_statistics_fitted_outside_folds_are_found(
    benches: Callable[..., Bench], tmp_path: Path
) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(shop=[f"s{i % 450}" for i in range(len(frame))])

    bench = benches(task="regression", rows=900, noise=True, change=change).ready(
        split="kfold", folds=3, repeats=1
    )
    train = pd.read_csv(bench.public / "train.csv")
    path = tmp_path / "means.json"
    path.write_text(json.dumps(train.groupby("shop")["y"].mean().to_dict()))
    source = FIT.format(**HONEST["regression"]).replace(
        "return rows[kept].fillna(0.0)", "return rows[['shop']].apply(lambda s: s.map(STORED))"
    )
    bench.candidate("encoder", f"import json\nSTORED = json.load(open({str(path)!r}))\n{source}")
    finding = bench.audit("encoder")["findings"][0]
    assert finding["severity"] == "warning"
    assert "target statistics fitted outside of folds" in finding["proposal"]


def test_labels_that_reach_a_candidate_through_its_view_are_found(
    benches: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cobra_jupyter.workbench.protocol.views import Views

    bench = benches(rows=900).ready(folds=3, repeats=1)
    monkeypatch.setattr(
        Views, "_unlabelled", lambda self, frame: frame.assign(y=frame["y"] * 0.5 + 0.25)
    )  # a defect of the workbench
    bench.candidate("peeker", "def fit_predict(train, rows, ctx):\n    return rows['y'].to_numpy()\n")
    finding = bench.audit("peeker")["findings"][0]
    assert finding["severity"] == "leak"
    assert "through what its fold may see" in finding["proposal"]


def test_a_candidate_that_cannot_be_fitted_raises_with_the_reason(benches: Callable[..., Bench]) -> None:
    bench = benches(rows=900).ready(folds=3, repeats=1)
    bench.candidate("broken", "def fit_predict(train, rows, ctx):\n    raise ValueError('asked to break')\n")
    with pytest.raises(RuntimeError, match="asked to break"):
        bench.audit("broken")
