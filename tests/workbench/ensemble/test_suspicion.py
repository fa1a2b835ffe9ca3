"""A submission of the right format can still be worthless: what gives it away is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench.ensemble import suspicion
from cobra_jupyter.workbench.ensemble.submission import SubmissionError
from cobra_jupyter.workbench.ensemble.suspicion import Expected, Suspicion
from tests.conftest import Bench
from tests.workbench.sources import LINEAR

RNG = np.random.default_rng(4)
OLD = RNG.normal(10, 2, 400)
NEW = RNG.normal(10, 2, 200)


def doubts(
    made: Any, sample: Any, new: Any = NEW, old: Any = OLD, layout: str = "values", explained: str = ""
) -> list[Suspicion]:
    made, sample = (
        pd.DataFrame(frame if isinstance(frame, dict) else {"y": frame}) for frame in (made, sample)
    )
    expected = Expected(np.asarray(old), list(made), [True] * len(made.columns), explained)
    return suspicion.of(made, sample, list(made), layout, np.asarray(new), expected)


def reasons(found: Sequence[Suspicion]) -> str:
    return "; ".join(each.reason for each in found)


def test_predictions_like_those_of_cross_validation_are_not_doubted() -> None:
    assert doubts(NEW, np.zeros(200)) == []


@pytest.mark.parametrize(
    ("made", "why"), [(3.0, "the same prediction"), (0.0, "equals the sample submission")]
)
def test_a_constant_and_a_copy_of_the_sample_are_empty(made: float, why: str) -> None:
    found = doubts(np.full(200, made), np.zeros(200))
    assert why in reasons(found)
    assert all(each.empty for each in found)


def test_a_column_that_was_left_at_the_sample_s_value_is_named() -> None:
    both = {"y": NEW, "z": np.zeros(200)}
    old = np.column_stack([OLD, OLD])
    found = doubts(both, {"y": np.zeros(200), "z": np.zeros(200)}, np.column_stack([NEW, np.zeros(200)]), old)
    assert "z holds the sample's values" in reasons(found)
    assert not any(each.empty for each in found)


def test_a_rare_flag_that_no_fold_ever_predicted_is_no_reason() -> None:
    flags = {"y": (NEW > 10).astype(int), "z": np.zeros(200, int)}
    old = np.column_stack([OLD > 10, np.zeros(400)]).astype(int)
    sample = {"y": np.zeros(200, int), "z": np.zeros(200, int)}
    assert doubts(flags, sample, np.column_stack(list(flags.values())), old) == []


def test_a_column_that_is_constant_out_of_fold_too_hides_no_other_one() -> None:
    made = {"y": NEW, "rare": np.zeros(200), "left": np.zeros(200)}
    old = np.column_stack([OLD, np.zeros(400), OLD])
    found = doubts(made, {name: np.zeros(200) for name in made}, np.column_stack(list(made.values())), old)
    assert "left holds the sample's values, though its labels differ" in reasons(found)
    assert "rare" not in reasons(found)


@pytest.mark.parametrize("new", [NEW + 3, NEW * 0.05 + 9.5, np.where(NEW > 10, 4.0, 16.0)])
def test_another_distribution_than_out_of_fold_is_an_alarm(new: Any) -> None:
    assert "differ from the out-of-fold ones" in reasons(doubts(new, np.zeros(200), new))


def test_a_finding_of_drift_explains_another_distribution() -> None:
    assert doubts(NEW + 3, np.zeros(200), NEW + 3, explained="a model tells test rows from train rows") == []


def test_other_shares_of_the_classes_are_an_alarm() -> None:
    old, new = np.repeat([0, 1], [300, 100]), np.repeat([0, 1], [60, 140])
    named = np.array(["no", "yes"])
    assert "distance 0.45" in reasons(doubts(named[new], ["no"] * 200, new, old, "label"))
    same = np.repeat([0, 1], [150, 50])
    assert doubts(named[same], ["no"] * 200, same, old, "label") == []


@pytest.mark.parametrize(
    ("made", "sample", "doubted"),
    [
        (["True", "False"], ["true", "false"], True),
        (["1", "2"], ["01", "02"], True),
        ([1, 2], [1.0, 2.0], False),
        (["cat", "dog"], ["none", "none"], False),  # a value for all rows may only hold the place
    ],
)
def test_labels_are_written_like_those_of_the_sample(made: Any, sample: Any, doubted: bool) -> None:
    codes = np.repeat([0, 1], [100, 100])
    found = doubts(np.array(made)[codes], np.array(sample)[codes], codes, np.tile(codes, 2), "label")
    assert ("stands in the sample" in reasons(found)) is doubted


def test_values_stay_where_those_of_the_sample_lie() -> None:
    sample = np.linspace(0.1, 0.9, 200)
    assert "leaves 0 to 1" in reasons(doubts(NEW, sample))
    assert "far from the sample's values" in reasons(doubts(NEW, np.linspace(1e4, 2e4, 200)))
    rows = {"a": np.linspace(0, 1, 200), "b": 1 - np.linspace(0, 1, 200)}
    two = np.column_stack([NEW / 40, NEW / 40])
    found = doubts(
        {"a": NEW / 40, "b": NEW / 40}, rows, two, np.column_stack([OLD, OLD]) / 40, "class_probabilities"
    )
    assert "do not sum to 1" in reasons(found)


CONSTANT = """
import numpy as np
def fit(train, ctx): return None
def predict(model, rows, ctx): return np.full((len(rows), len(ctx.targets)), 0.5)
"""


def test_an_empty_submission_never_replaces_one_that_says_something(
    light_benches: Callable[..., Bench],
) -> None:
    bench = light_benches(task="regression", noise=True).ready(repeats=1)
    bench.candidate("constant", CONSTANT.replace("0.5", "0.01"))  # as good as linear here
    bench.candidate("linear", LINEAR)
    empty = bench.trial("constant")["id"]
    record = bench.submit(empty)  # nothing better stands yet
    assert record["suspect"] == ["every row has the same prediction, though the labels differ"]
    assert bench.submit(bench.trial("linear")["id"])["suspect"] == []
    written = (bench.run / "submission.csv").read_bytes()
    with pytest.raises(SubmissionError, match="force=True"):
        bench.submit(empty)
    assert (bench.run / "submission.csv").read_bytes() == written
    assert bench.submit(empty, force=True)["suspect"] == record["suspect"]
