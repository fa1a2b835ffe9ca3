"""Scores, differences and decoding, compared with scikit-learn on the pooled out-of-fold rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from sklearn.linear_model import LinearRegression

from cobra_jupyter.workbench.scoring import cuts, metrics
from cobra_jupyter.workbench.scoring.scorer import OutOfFold, Scorer
from tests.conftest import Bench
from tests.workbench.sources import CONSTANT, LINEAR, body


def pooled(bench: Bench, repeat: int, fit: Callable[[pd.DataFrame, pd.DataFrame], Any], width: int) -> Any:
    """Out-of-fold predictions of a repeat, computed by the test."""
    train, folds = bench.harness._data.train, bench.harness.scope.scorer.folds
    raw = np.full((len(train), width), np.nan)
    for training, held_out in folds.splits[repeat]:
        raw[held_out] = fit(train.iloc[training], train.iloc[held_out])
    return raw


def regressed(known: pd.DataFrame, rows: pd.DataFrame) -> Any:
    return LinearRegression().fit(known[["a", "b"]], known[["y"]]).predict(rows[["a", "b"]])


def classified(known: pd.DataFrame, rows: pd.DataFrame) -> Any:
    y = pd.get_dummies(known["y"]).astype(float)
    raw = LinearRegression().fit(known[["a", "b"]], y).predict(rows[["a", "b"]])
    raw = np.clip(raw, 0.01, 0.99)
    return raw / raw.sum(axis=1, keepdims=True)


def test_score_is_computed_on_pooled_rows_and_averaged_over_repeats(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression").ready(repeats=2)
    bench.candidate("linear", LINEAR)
    truth = bench.harness._data.train["y"]
    by_hand = [np.sqrt(sk.mean_squared_error(truth, pooled(bench, r, regressed, 1))) for r in range(2)]
    assert bench.trial("linear")["score"] == pytest.approx(by_hand[0])
    both = bench.trial("linear", repeats=2)
    assert both["score"] == pytest.approx(np.mean(by_hand))
    assert len(both["fold_scores"]) == 10
    held_out = bench.harness.scope.scorer.folds.held_out(1, 2)
    on_fold = np.sqrt(sk.mean_squared_error(truth.iloc[held_out], pooled(bench, 1, regressed, 1)[held_out]))
    assert both["fold_scores"][7] == pytest.approx(on_fold)
    part = bench.trial("linear", folds=[1, 3])
    assert part["rows"] == sum(len(bench.harness.scope.scorer.folds.held_out(0, k)) for k in (1, 3))


@pytest.mark.parametrize(
    ("task", "name"), [("binary", "log loss"), ("binary", "auc"), ("multiclass", "accuracy")]
)
def test_class_metrics_equal_scikit_learn(benches: Callable[..., Bench], task: str, name: str) -> None:
    sample = None
    if name == "accuracy":
        sample = pd.DataFrame({"id": pd.read_csv(benches(task=task).public / "test.csv")["id"], "y": "mid"})
    bench = benches(task=task, metric=name, sample=sample).ready(repeats=1)
    bench.candidate("linear", LINEAR)
    truth = bench.harness._data.train["y"]
    raw = pooled(bench, 0, classified, truth.nunique())
    want = {
        "log loss": lambda: sk.log_loss(truth, raw),
        "auc": lambda: sk.roc_auc_score(truth, raw[:, 1]),
        "accuracy": lambda: sk.accuracy_score(truth, np.array(sorted(truth.unique()))[raw.argmax(axis=1)]),
    }[name]()
    trial = bench.trial("linear")
    assert trial["score"] == pytest.approx(want)
    assert 0 < trial["se"] < 0.2


def test_multilabel_scores_are_means_of_columns(benches: Callable[..., Bench]) -> None:
    bench = benches(task="multilabel").ready(repeats=1)
    bench.candidate("linear", LINEAR)
    truth = bench.harness._data.train[["t1", "t2"]]
    assert bench.harness._competition.task == "multilabel"
    score = bench.trial("linear")["score"]

    def fit(known: pd.DataFrame, rows: pd.DataFrame) -> Any:
        model = LinearRegression().fit(known[["a", "b"]], known[["t1", "t2"]])
        return np.clip(model.predict(rows[["a", "b"]]), 0.01, 0.99)

    assert score == pytest.approx(sk.roc_auc_score(truth, pooled(bench, 0, fit, 2)))


@pytest.fixture(scope="module")
def f1(benches: Callable[..., Bench]) -> Bench:
    """Few positives, so that 0.5 is a bad threshold."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        if "y" in frame:
            frame["y"] = (frame["a"] + np.random.default_rng(0).normal(size=len(frame)) > 1.8).astype(int)
        return frame

    bench = benches(change=change, metric="f1 score", rows=600).ready(repeats=1)
    bench.candidate("linear", LINEAR)
    return bench


def test_threshold_is_chosen_on_the_other_folds(f1: Bench) -> None:
    trial = f1.trial("linear")
    assert f1.harness.scope.scorer.metric.name == "f1"
    raw, truth = pooled(f1, 0, classified, 2)[:, 1], f1.harness._data.train["y"].to_numpy()

    def exact(rows: Any) -> float:
        above = raw[rows][:, None] > raw[rows]  # a column for each threshold
        return float(max(2 * (truth[rows] @ above) / (above.sum(axis=0) + truth[rows].sum())))

    folds = [f1.harness.scope.scorer.folds.held_out(0, k) for k in range(5)]
    labels = np.zeros(len(truth), int)
    for held_out in folds:
        others = np.setdiff1d(np.arange(len(truth)), held_out)
        best = cuts.threshold(f1.harness.scope.scorer._decoder._better, truth[others], raw[others])
        assert sk.f1_score(truth[others], raw[others] > best) == pytest.approx(exact(others))
        labels[held_out] = raw[held_out] > best
    assert trial["score"] == pytest.approx(sk.f1_score(truth, labels))
    chosen = trial["params"]["threshold"]
    assert sk.f1_score(truth, raw > chosen) == pytest.approx(exact(np.arange(len(truth))))
    assert trial["score"] > sk.f1_score(truth, raw > 0.5)


def test_candidate_may_decode_labels_itself(f1: Bench) -> None:
    own = (
        LINEAR
        + """

DECODE = {"cut": [0.9, 0.5, 0.3, 0.2]}


def decode(raw, rows, params):
    assert "y" not in rows
    return (raw[:, 1] > params["cut"]).astype(int)
"""
    )
    f1.candidate("own", own)
    trial = f1.trial("own")
    assert trial["failure"] is None
    assert trial["params"]["cut"] in (0.2, 0.3)
    raw, truth = pooled(f1, 0, classified, 2)[:, 1], f1.harness._data.train["y"].to_numpy()
    assert trial["score"] > sk.f1_score(truth, raw > 0.5)
    f1.submit(trial["id"])
    made = pd.read_csv(f1.run / "submission.csv")
    assert set(made["y"]) == {0, 1}
    assert f1.solution()["own_decode"] is True
    blend = f1.blend([trial["id"]])  # of one member, which decodes as that does
    assert len(blend["members"]) == 1
    f1.submit(blend["id"])
    assert f1.solution()["own_decode"] is True


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("return ['maybe'] * len(rows)", "no classes of the target"),
        ("return [1]", "rows: decode"),
        ("raise ValueError('no idea')", "no idea"),
    ],
)
def test_failing_decode_fails_the_trial(f1: Bench, code: str, words: str) -> None:
    f1.candidate("undecided", CONSTANT + f"\ndef decode(raw, rows, params):\n    {code}\n")
    trial = f1.trial("undecided")
    assert (trial["status"], trial["score"]) == ("failed", None)
    assert words in trial["failure"]["message"]


def test_candidate_may_decode_values_itself(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression").ready(repeats=1)
    bench.candidate(
        "own",
        LINEAR.replace("@ model\n", "@ model + 5\n")
        + """
DECODE = {"shift": [0, 5]}


def decode(raw, rows, params):
    return raw - params["shift"]
""",
    )
    bench.candidate("linear", LINEAR)
    trial = bench.trial("own")
    assert trial["params"] == {"shift": 5}
    assert trial["score"] == pytest.approx(bench.trial("linear")["score"])
    bench.submit(trial["id"])
    assert pd.read_csv(bench.run / "submission.csv")["y"].abs().mean() < 3


CUSTOM = """
import numpy as np
DIRECTION = "minimize"
WANTS = "value"
BEST = 0.0


def metric(truth, prediction):
    return float(np.sqrt(np.mean((truth - prediction) ** 2)))
"""


def test_custom_metric_scores_like_the_built_in_one(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression").ready(repeats=1)
    bench.candidate("linear", LINEAR)
    built_in = bench.trial("linear")
    bench.metric("my_rmse", CUSTOM)
    frozen = bench.protocol(repeats=1)
    assert (frozen["metric"], frozen["direction"], frozen["number"]) == ("my_rmse", "minimize", 2)
    own = bench.trial("linear")
    assert own["score"] == pytest.approx(built_in["score"])
    assert own["fold_scores"] == pytest.approx(built_in["fold_scores"])
    assert own["se"] == pytest.approx(built_in["se"], rel=0.4)
    bench.metric("my_rmse", CUSTOM.replace("float(", "10 * float("))
    again = bench.trial("linear", seed=1)
    assert again["score"] == pytest.approx(own["score"]), "a metric is frozen with its protocol"
    bench.protocol(repeats=1)
    assert bench.trial("linear")["score"] == pytest.approx(10 * own["score"])
    bench.protocol(repeats=1, metric="mae")
    assert bench.trial("linear")["score"] < built_in["score"]


def test_custom_metric_may_be_undefined_on_some_resamples(benches: Callable[..., Bench]) -> None:
    """Draws of groups differ in length; this metric is undefined on draws of odd length."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame["who"] = np.sort(np.random.default_rng(0).integers(0, 25, len(frame))) + 90 * ("y" not in frame)
        return frame

    bench = benches(change=change)
    bench.open()
    picky = CUSTOM.replace('"value"', '"probability"').replace("- prediction)", "- prediction[:, 1])")
    bench.metric("picky", picky.replace("    return", "    assert len(truth) % 2 == 0\n    return"))
    bench.protocol(groups="who", repeats=1)
    bench.candidate("linear", LINEAR)
    trial = bench.trial("linear")
    assert trial["failure"] is None
    assert trial["se"] > 0
    assert [score is None for score in trial["fold_scores"]] == [
        len(bench.harness.scope.scorer.folds.held_out(0, k)) % 2 == 1 for k in range(5)
    ]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("DIRECTION = 'minimize'", "define metric"),
        ("def metric(a, b): return 1", "set DIRECTION"),
        ("def metric(:", "syntax error"),
        ("DIRECTION = 'minimize'\nWANTS = 'wishes'\ndef metric(a, b): return 1", "WANTS is"),
    ],
)
def test_invalid_metric_cell_is_refused(f1: Bench, source: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        f1.metric("odd", source)
    with pytest.raises(ValueError, match="not a valid metric name"):
        f1.metric("../odd", CUSTOM)


SIDE = """
import numpy as np
DIRECTION = "minimize"


def metric(truth, prediction, rows):
    assert "y" not in rows
    return float(np.average(np.abs(truth - prediction)[:, 0], weights=1 + (rows["a"] > 0)))
"""


def test_custom_metric_may_read_the_rows_without_labels(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression").ready(repeats=1)
    bench.candidate("linear", LINEAR)
    bench.metric("side", SIDE)
    bench.protocol(repeats=1)
    trial = bench.trial("linear")
    train = bench.harness._data.train
    weights = 1 + (train["a"] > 0)
    raw = pooled(bench, 0, regressed, 1)
    assert trial["score"] == pytest.approx(sk.mean_absolute_error(train["y"], raw, sample_weight=weights))
    assert trial["se"] > 0


WEIGHTED = """
from sklearn.linear_model import LinearRegression


def fit(train, ctx):
    return LinearRegression().fit(train[["a", "b"]], train[["y"]], sample_weight=ctx.weights)


def predict(model, rows, ctx):
    return model.predict(rows[["a", "b"]])
"""


def test_weights_of_rows_reach_fit_metric_and_bootstrap(benches: Callable[..., Bench]) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        if "y" in frame:
            frame["w"] = np.random.default_rng(1).choice([0.0, 0.1, 5.0], len(frame))
        return frame

    bench = benches(task="regression", change=change, metric="weighted MAE, with weights in column `w`")
    bench.ready(repeats=1)
    assert (bench.harness._competition.weights, bench.harness._competition.metric) == ("w", "mae")
    assert "w" not in bench.harness._competition.columns
    bench.candidate("weighted", WEIGHTED)
    trial = bench.trial("weighted")
    train, weights = bench.harness._data.train, bench.harness._data.train["w"]

    def fitted(known: pd.DataFrame, rows: pd.DataFrame) -> Any:
        model = LinearRegression().fit(known[["a", "b"]], known[["y"]], sample_weight=known["w"])
        return model.predict(rows[["a", "b"]])

    raw = pooled(bench, 0, fitted, 1)
    assert trial["score"] == pytest.approx(sk.mean_absolute_error(train["y"], raw, sample_weight=weights))
    losses = np.abs(train["y"].to_numpy() - raw[:, 0])
    share = weights / weights.sum()
    assert trial["se"] == pytest.approx(
        float(np.sqrt((share**2 * (losses - share @ losses) ** 2).sum())), rel=0.3
    )
    bench.submit(trial["id"])
    assert bench.solution()["context"]["weight_column"] == "w"


def test_a_competition_can_be_opened_with_a_metric_of_a_cell(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression", metric="a secret recipe")
    assert bench.open()["assumed"][0]["about"] == "metric"
    bench.metric("my_rmse", CUSTOM)
    card = bench.open(options={"metric": "my_rmse"})
    assert (card["metric"], card["direction"]) == ("my_rmse", "minimize")
    assert not card["assumed"]
    assert not any(question.startswith("metric:") for question in card["questions"])
    assert bench.protocol(repeats=1)["metric"] == "my_rmse"


def test_failing_check_of_a_metric_shows_what_it_was_given(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression")
    bench.open()
    bench.metric("odd", CUSTOM.replace("return", "return truth.score #"))
    with pytest.raises(ValueError, match=r"given truth: float64 \(\d+, 1\), first \[\[.*prediction: float64"):
        bench.protocol()


def test_metric_that_cannot_tell_truth_from_chance_is_refused(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression")
    bench.open()
    bench.metric("blind", CUSTOM.replace("return", "return 3.0 #"))
    with pytest.raises(ValueError, match="failed its sanity check"):
        bench.protocol()
    with pytest.raises(ValueError, match="no protocol is frozen"):
        bench.trial("x")


def a_scorer(task: str = "binary", rows: int = 200) -> tuple[Scorer, Any, Any]:
    from types import SimpleNamespace

    from cobra_jupyter.workbench.protocol.protocol import Folds

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, rows)
    every = np.arange(rows)
    splits = (tuple((np.setdiff1d(every, every[k::4]), every[k::4]) for k in range(4)),)
    protocol: Any = SimpleNamespace(task=task, folds=4)
    folds = Folds(splits, every, np.arange(0))
    return Scorer(protocol, folds, truth, metrics.get("log_loss"), [0, 1]), truth, rng


def oof(scorer: Scorer, positive: Any) -> OutOfFold:
    raw = np.c_[1 - positive, positive]
    return scorer.collect({(0, k): raw[scorer.folds.held_out(0, k)] for k in range(4)})


def test_equal_predictions_have_no_difference() -> None:
    scorer, _, rng = a_scorer()
    one = oof(scorer, rng.uniform(0.1, 0.9, 200))
    found = scorer.difference(one, one)
    assert (found.gain, found.se, found.rows, found.verdict) == (0.0, 0.0, 200, "unclear")


def test_difference_is_positive_if_better() -> None:
    scorer, truth, rng = a_scorer()
    chance, good = oof(scorer, rng.uniform(0.4, 0.6, 200)), oof(scorer, np.where(truth == 1, 0.8, 0.2))
    found, back = scorer.difference(chance, good), scorer.difference(good, chance)
    assert found.verdict == "better"
    assert back.verdict == "worse"
    assert found.gain == -back.gain == pytest.approx(scorer.score(chance).value - scorer.score(good).value)


def test_difference_uses_the_rows_that_both_predicted() -> None:
    scorer, _, rng = a_scorer()
    whole = oof(scorer, rng.uniform(0.1, 0.9, 200))
    raw = whole.raw[0]
    parts = [scorer.collect({(0, k): raw[scorer.folds.held_out(0, k)]}) for k in (0, 1)]
    assert scorer.difference(whole, parts[0]).rows == 50
    with pytest.raises(ValueError, match="share no out-of-fold rows"):
        scorer.difference(*parts)


def test_paired_difference_has_a_smaller_error_than_its_parts() -> None:
    scorer, truth, rng = a_scorer()
    base = np.clip(np.where(truth == 1, 0.6, 0.4) + rng.normal(0, 0.1, 200), 0.05, 0.95)
    a, b = oof(scorer, base), oof(scorer, np.clip(base + 0.01, 0.05, 0.96))
    assert scorer.difference(a, b).se < scorer.score(a).se


def test_rows_of_a_single_class_have_no_score(benches: Callable[..., Bench]) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        if "y" in frame:
            frame["y"] = (np.arange(len(frame)) < 3).astype(int)
        return frame

    bench = benches(change=change, metric="auc").ready(folds=5, split="kfold", repeats=1)
    bench.candidate("even", body())
    lacking = [k for k in range(5) if not (bench.harness.scope.scorer.folds.held_out(0, k) < 3).any()]
    trial = bench.trial("even", folds=lacking[0])
    assert trial["score"] is None
    assert trial["failure"]["rule"] == "scorable"
