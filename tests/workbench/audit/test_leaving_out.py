"""A leaking column is reported with scores with and without it, and no candidate sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.notebook import solution
from tests.conftest import Bench

SEES = """
import numpy as np
from sklearn.linear_model import LogisticRegression
def numbers(rows):
    return rows.select_dtypes("number").drop(columns=["y"], errors="ignore")
def fit(train, ctx):
    assert "told" not in ctx.columns, "named"
    assert "told" not in train.columns, "seen"
    assert "told" not in (ctx.data / "train.csv").read_text().split("\\n")[0], "in the folder"
    return LogisticRegression().fit(numbers(train), train["y"])
def predict(model, rows, ctx):
    return model.predict_proba(numbers(rows))
"""


def tell(frame: pd.DataFrame) -> pd.DataFrame:
    """Adds a column that equals the label in train and is meaningless in test."""
    told = frame["y"] * 3 + 1 if "y" in frame else np.zeros(len(frame))
    return frame.assign(told=told)


@pytest.fixture(scope="module")
def bench(benches: Callable[..., Bench]) -> Bench:
    """A bench with an audit and a frozen protocol."""
    made = benches(rows=400, change=tell)
    made.open()
    made.audit()
    made.protocol()
    made.candidate("plain", SEES)
    return made


def last(bench: Bench, kind: str) -> dict[str, Any]:
    return next(data for found, data in reversed(bench.records) if found == kind)


def test_the_audit_shows_the_scores_with_and_without_the_column(bench: Bench) -> None:
    found = next(data for kind, data in bench.records if kind == "audit")
    assert found["leaking"] == ["told"]
    (leak,) = [f for f in found["findings"] if f["severity"] == "leak" and f["scores"]]
    assert leak["scores"]["with"] < 0.2 < leak["scores"]["without"]  # log loss


def test_the_protocol_leaves_the_column_out_and_no_candidate_sees_it(bench: Bench) -> None:
    assert last(bench, "protocol")["leave_out"] == ["told"]
    trial = bench.trial("plain")
    assert trial["failure"] is None
    assert trial["score"] > 0.2
    bench.submit(trial["id"])
    assert len(pd.read_csv(bench.run / "submission.csv")) == 40
    code = "\n".join(cell["source"] for cell in solution.build(bench.solution(), True, None)["cells"])
    assert "unused = ['told']" in code


def test_the_column_stays_out_after_another_audit_unless_it_is_requested(
    benches: Callable[..., Bench],
) -> None:
    bench = benches(rows=400, change=tell)
    bench.open()
    bench.audit()
    bench.protocol()
    assert bench.audit()["leaking"] == ["told"]
    assert bench.protocol()["leave_out"] == ["told"]
    assert bench.protocol(leave_out=[])["leave_out"] == []
