"""`solution.ipynb` writes the submission again, for every task, split and kind of candidate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.notebook import solution
from cobra_jupyter.run.proof import compare
from cobra_jupyter.workbench.scoring import metrics
from tests.conftest import Bench
from tests.fakes.solutions import reproduced, run_alone, run_in_fork

LINEAR = """
import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
FACTORS = {{"strength": [1.0, 0.01]}}
def columns(rows):
    return rows[["a", "b"]].to_numpy() ** {power}
def fit(train, ctx):
    inside, held = ctx.inner()
    part = train.iloc[inside]
    noise = np.random.normal(scale=1e-3, size=(len(part), 2))
    if ctx.task == "regression":
        return Ridge(ctx.config["strength"]).fit(columns(part) + noise, part[ctx.targets])
    if ctx.task == "multilabel":
        models = {{t: LogisticRegression(C=ctx.config["strength"]) for t in ctx.targets}}
        return [model.fit(columns(part) + noise, part[t]) for t, model in models.items()]
    codes = part[ctx.targets[0]].astype(str).map({{str(c): i for i, c in enumerate(ctx.classes)}})
    return LogisticRegression(C=ctx.config["strength"]).fit(columns(part) + noise, codes)
def predict(model, rows, ctx):
    if ctx.task == "regression":
        return model.predict(columns(rows))
    if ctx.task == "multilabel":
        return np.column_stack([m.predict_proba(columns(rows))[:, 1] for m in model])
    return model.predict_proba(columns(rows))
"""
PAIR = """
import numpy as np
def fit_predict(train, rows, ctx):
    doubled = ctx.shared("doubled")["a2"]
    change = doubled.loc[rows.index] - doubled.loc[train.index].mean()
    return np.full(len(rows), train[ctx.targets[0]].mean()) + 0.1 * change
"""
DOUBLED = """
import pandas as pd
def make(rows, ctx):
    return pd.DataFrame({"a2": 2 * rows["a"] + (ctx.side == "test")})
"""
OWN_DECODE = """
import numpy as np
DECODE = {"shift": [-0.3, 0.0, 0.3]}
def fit(train, ctx):
    return float(train["a"].mean())
def predict(model, rows, ctx):
    p = 1 / (1 + np.exp(-(rows["a"].to_numpy() - model)))
    return np.column_stack([1 - p, p])
def decode(raw, rows, params):
    return np.where(raw[:, 1] + params["shift"] > 0.5, "yes", "no")
"""


def grouped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(colour=[f"c{i % 37}" for i in range(len(frame))])


def dated(frame: pd.DataFrame) -> pd.DataFrame:
    days = np.random.default_rng(3).permutation(len(frame))
    return frame.assign(
        when=(pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D")).strftime("%Y-%m-%d")
    )


@pytest.mark.parametrize(
    ("task", "protocol", "options"),
    [
        ("binary", {}, {}),
        ("multiclass", {"groups": "colour"}, {"change": grouped}),
        ("multilabel", {}, {}),
        ("regression", {"time": "when"}, {"change": dated}),
        ("regression", {"groups": "colour", "repeats": 2}, {"change": grouped}),
        ("binary", {"vault": True, "split": "kfold"}, {"rows": 400}),
    ],
    ids=["binary", "multiclass-groups", "multilabel", "regression-time", "regression-groups", "binary-vault"],
)
def test_blend_is_reproduced_byte_for_byte(
    benches: Callable[..., Bench],
    tmp_path: Path,
    task: str,
    protocol: dict[str, Any],
    options: dict[str, Any],
) -> None:
    bench = benches(task=task, **options).ready(**protocol)
    bench.candidate("straight", LINEAR.format(power=1))
    bench.candidate("cubed", LINEAR.format(power=3))
    bench.trial("straight", {"strength": 0.01})
    bench.trial("cubed", seed=5)
    blend = bench.blend()
    bench.submit(blend["id"])
    assert compare(bench.run / "submission.csv", reproduced(bench, tmp_path, run_in_fork))[0] == "identical"


@pytest.mark.parametrize(
    ("task", "protocol", "options"),
    [
        ("binary", {}, {}),
        ("multiclass", {"groups": "colour"}, {"change": grouped}),
        ("multilabel", {}, {}),
        ("regression", {"time": "when"}, {"change": dated}),
    ],
    ids=["binary", "multiclass-groups", "multilabel", "regression-time"],
)
def test_a_trial_on_a_share_of_the_rows_and_folds_is_reproduced(
    benches: Callable[..., Bench],
    tmp_path: Path,
    task: str,
    protocol: dict[str, Any],
    options: dict[str, Any],
) -> None:
    bench = benches(task=task, **options).ready(**protocol)
    bench.candidate("straight", LINEAR.format(power=1))
    bench.submit(bench.trial("straight", folds=[1, 3], fraction=0.4, seed=3)["id"])
    assert compare(bench.run / "submission.csv", reproduced(bench, tmp_path, run_in_fork))[0] == "identical"


def test_shared_tables_and_fit_predict_are_reproduced(benches: Callable[..., Bench], tmp_path: Path) -> None:
    bench = benches(task="regression").ready()
    bench.shared("doubled", DOUBLED)
    bench.candidate("pair", PAIR)
    bench.submit(bench.trial("pair")["id"])
    made = reproduced(bench, tmp_path, run_alone, processes=2)
    assert compare(bench.run / "submission.csv", made)[0] == "identical"


def test_candidates_own_decoding_is_reproduced(benches: Callable[..., Bench], tmp_path: Path) -> None:
    def words(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(y=frame["y"].map({0: "no", 1: "yes"})) if "y" in frame else frame

    public = benches(task="binary", change=words, metric="accuracy").public
    sample = pd.read_csv(public / "sample_submission.csv").assign(y="no")
    sample.to_csv(public / "sample_submission.csv", index=False)
    bench = benches(public=public).ready()
    bench.candidate("own", OWN_DECODE)
    trial = bench.trial("own")
    bench.submit(trial["id"])
    assert set(pd.read_csv(bench.run / "submission.csv")["y"]) == {"yes", "no"}
    assert compare(bench.run / "submission.csv", reproduced(bench, tmp_path, run_in_fork))[0] == "identical"


def test_costly_winner_is_proven_from_its_saved_models(benches: Callable[..., Bench], tmp_path: Path) -> None:
    bench = benches(task="regression").ready()
    bench.candidate("straight", LINEAR.format(power=1))
    bench.submit(bench.trial("straight")["id"])
    made = reproduced(bench, tmp_path, run_in_fork, retrain=False)
    assert compare(bench.run / "submission.csv", made)[0] == "identical"


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        ("id,y\n1,0.5\n2,0.25\n", "identical"),
        ("id,y\n1,0.50000001\n2,0.25\n", "equal"),
        ("id,y\n1,0.6\n2,0.25\n", "different"),
        ("id,y\n1,0.5\n", "different"),
        ("id,z\n1,0.5\n2,0.25\n", "different"),
        ("id,y\n2,0.5\n1,0.25\n", "different"),
        ("id,y\n1,\n2,0.25\n", "different"),
    ],
)
def test_submissions_are_compared_by_bytes_then_by_value(tmp_path: Path, made: str, outcome: str) -> None:
    (tmp_path / "a.csv").write_text("id,y\n1,0.5\n2,0.25\n")
    (tmp_path / "b.csv").write_text(made)
    assert compare(tmp_path / "a.csv", tmp_path / "b.csv")[0] == outcome


def test_labels_are_compared_exactly(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,y\n1,yes\n2,no\n")
    (tmp_path / "b.csv").write_text("id,y\n1,yes\n2,yes\n")
    assert compare(tmp_path / "a.csv", tmp_path / "b.csv") == ("different", "1 values of y differ")
    assert compare(tmp_path / "a.csv", tmp_path / "nothing.csv")[0] == "failed"


@pytest.mark.parametrize(
    ("task", "wants", "params"),
    [
        ("binary", "label", {"threshold": 0.3}),
        ("multiclass", "label", {"rule": "argmax"}),
        ("multiclass", "label", {"rule": "expectation"}),
        ("multiclass", "label", {"rule": "cuts", "cuts": [0.7, 1.2]}),
        ("multiclass", "label", {"weights": [0.5, 2.0, 1.0]}),
        ("multiclass", "probability", {"weights": [0.5, 2.0, 1.0]}),
        ("regression", "value", {"shift": [1.5]}),
        ("regression", "value", {"minimum": 0.4}),
    ],
)
def test_plain_code_decodes_as_the_run_does(task: str, wants: str, params: dict[str, Any]) -> None:
    width = {"binary": 2, "multiclass": 3, "regression": 1}[task]
    blend = np.random.default_rng(0).dirichlet(np.ones(max(width, 2)), 40)[:, :width]
    outputs = [f"c{i}" for i in range(1 if wants == "label" else width)]
    layout = {"label": "label", "probability": "class_probabilities", "value": "values"}[wants]
    described: Any = {
        "params": params,
        "outputs": outputs,
        "context": {"classes": list(range(width)), "task": task},
        "layout": layout,
        "class_places": list(range(width)),
        "own_decode": False,
        "wants": wants,
    }
    lines = [line for line in solution._write(described).splitlines() if "to_csv" not in line]
    names: dict[str, Any] = {"np": np, "blend": blend, "sample": pd.DataFrame({"id": range(40)})}
    exec("\n".join(lines), names)
    made = names["submission"][outputs].to_numpy()
    expected = metrics.decode(blend, wants, task, params).reshape(40, -1)
    assert (made == expected).all()
