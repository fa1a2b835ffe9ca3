"""Label-free artefacts of all rows."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from cobra_jupyter.workbench.search.shared import SharedError
from tests.conftest import Bench
from tests.workbench.sources import LINEAR, body

SQUARES = """
import pandas as pd


def make(rows, ctx):
    assert "y" not in rows
    assert (ctx.side == "train") == (len(rows) == 200)
    held = pd.read_csv(ctx.data / "train.csv")
    assert "y" not in held and len(held) == 200
    return pd.DataFrame({"square": rows["a"].to_numpy() ** 2, "words": rows["colour"].to_numpy()})
"""


@pytest.fixture(scope="module")
def bench(benches: Callable[..., Bench]) -> Bench:
    return benches(noise=True).ready(repeats=1)


def test_an_artefact_is_made_of_train_and_test_without_labels(bench: Bench) -> None:
    record = bench.shared("squares", SQUARES)
    assert record["columns"] == ["square", "words"]
    assert ("shared", record) in bench.records
    again = bench.shared("squares", SQUARES)
    assert again["digest"] == record["digest"]
    assert again["seconds"] == 0, "equal work is done once"
    assert again["columns"] == record["columns"]


def test_candidates_read_it_by_row_number(bench: Bench) -> None:
    bench.shared("squares", SQUARES)
    use = 'got = ctx.shared("squares").loc[{0}.index]\nassert (got["square"] == {0}["a"] ** 2).all()\n'
    bench.shared("unused", "def make(rows, ctx):\n    return rows[['a', 'b']].to_numpy()\n")
    bench.candidate(
        "user", body(use.format("train") + "return 1", use.format("rows") + "return np.full(len(rows), 0.4)")
    )
    trial = bench.trial("user")
    assert trial["failure"] is None
    bench.submit(trial["id"])
    source = bench.solution()["members"][0]["shared"]
    assert source == {"squares": SQUARES}


def test_a_changed_artefact_makes_new_work(bench: Bench) -> None:
    bench.shared("squares", SQUARES)
    bench.candidate("reader", body('return float(ctx.shared("squares")["square"].iloc[0])'))
    bench.candidate("other", LINEAR)
    before, other = bench.trial("reader", folds=0), bench.trial("other", folds=0)
    bench.shared("squares", SQUARES.replace("** 2", "** 2 + 1"))
    assert bench.trial("reader", folds=0)["id"] != before["id"]
    assert bench.trial("other", folds=0)["id"] == other["id"]
    bench.shared("squares", SQUARES)
    assert bench.trial("reader", folds=0)["id"] == before["id"]


def test_an_artefact_may_be_an_array(bench: Bench) -> None:
    record = bench.shared("plain", "def make(rows, ctx):\n    return rows[['a', 'b']].to_numpy()\n")
    assert record["columns"] == ["0", "1"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "def make(rows, ctx):\n    raise ValueError('cannot')",
            r"\(train rows\): error: ValueError: cannot \S+py:2 in make",
        ),
        ("def make(rows, ctx):\n    return rows.iloc[:3]", "rows: make.. returned 3 rows for 200"),
        ("def make(rows, ctx):\n    return rows if ctx.side == 'train' else 1 / 0", r"\(test rows\): error"),
        ("def make(rows", "syntax error in line 1"),
        ("def build(rows, ctx): ...", "define make"),
        ("def make(rows, ctx):\n    return open({labels!r}).read()", "PermissionError"),
    ],
)
def test_what_comes_to_nothing_says_why(bench: Bench, source: str, words: str) -> None:
    source = source.replace("{labels!r}", repr(str(bench.public / "train.csv")))
    with pytest.raises(SharedError, match=words):
        bench.shared("failing", source)
    with pytest.raises(SharedError, match="no name for an artefact"):
        bench.shared("../x", SQUARES)


def test_an_artefact_that_failed_leaves_the_one_before(bench: Bench) -> None:
    bench.shared("squares", SQUARES)
    with pytest.raises(SharedError):
        bench.shared("squares", "def make(rows, ctx):\n    return 1 / 0")
    bench.candidate("still", body('return float(ctx.shared("squares")["square"].iloc[0])'))
    assert bench.trial("still", folds=0)["failure"] is None


def test_artefacts_outlive_their_protocol(bench: Bench) -> None:
    bench.shared("squares", SQUARES)
    bench.protocol(folds=4, repeats=1)
    bench.candidate("later", body('return float(ctx.shared("squares")["square"].iloc[0])'))
    assert bench.trial("later", folds=0)["failure"] is None


def test_findings_of_an_audit_have_evidence(bench: Bench, benches: Callable[..., Bench]) -> None:
    assert {finding["severity"] for finding in bench.audit()["findings"]} <= {"note", "warning"}

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame["same"] = 1
        if "y" in frame:
            frame["tells"] = frame["y"]
        else:
            frame["tells"] = 0
        return frame

    leaky = benches(change=change)
    leaky.open()
    found = {finding["check"]: finding for finding in leaky.audit()["findings"]}
    assert found["implausible power"]["severity"] == "leak"
    assert "tells" in found["implausible power"]["evidence"]
    assert "same" in found["constant columns"]["evidence"]


def test_a_trial_still_predicts_after_an_artefact_it_could_use_was_made(
    benches: Callable[..., Bench],
) -> None:
    bench = benches(task="regression").ready()
    source = (
        "def fit(train, ctx):\n    return 'later' and train[ctx.targets[0]].mean()\n"
        "def predict(model, rows, ctx):\n    return 0 * rows['a'] + model\n"
    )
    bench.candidate("patient", source)
    trial = bench.trial("patient")
    bench.shared("later", "def make(rows, ctx):\n    return rows[['a']]\n")
    assert bench.submit(trial["id"])["what"] == trial["id"]
