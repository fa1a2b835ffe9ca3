"""Every metric against numbers worked out by hand, against scikit-learn, and against its own sanity check."""

from __future__ import annotations

import sys
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats

from cobra_jupyter.workbench.scoring import metrics, resample
from cobra_jupyter.workbench.scoring.metrics import Metric, MetricError, MetricUndefined

# binary: positives score .8 and .3, negatives .1 and .4
Y2, P2 = np.array([0, 1, 0, 1]), np.array([0.1, 0.8, 0.4, 0.3])
PAIR2 = np.c_[1 - P2, P2]
# three classes, four rows; the last row is called 2 but is 0
Y3, L3 = np.array([0, 1, 2, 0]), np.array([0, 1, 2, 2])
P3 = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])
# two columns of 0/1
YT, PT = np.array([[0, 1], [1, 0], [1, 1]]), np.array([[0.5, 0.8], [0.4, 0.5], [0.8, 0.5]])
# numbers: errors 1, -1, 2 and, in a second column, 0, 0, 3
V, W = np.array([[1.0, 10], [2, 20], [4, 30]]), np.array([[2.0, 10], [1, 20], [6, 33]])
ln = np.log

BY_HAND: list[tuple[str, Any, Any, float]] = [
    ("accuracy", Y3, L3, 3 / 4),  # three of four right
    ("accuracy", np.array(["a", "b", "b"]), np.array(["a", "b", "a"]), 2 / 3),
    ("accuracy", YT, np.array([[0, 1], [1, 1], [1, 1]]), 2 / 3),  # the second row has one column wrong
    ("balanced_accuracy", Y3, L3, (1 / 2 + 1 + 1) / 3),  # recalls of 0, 1, 2
    ("roc_auc", Y2, PAIR2, 3 / 4),  # of the pairs only (.3, .4) is in the wrong order
    ("roc_auc", Y2, np.c_[[0.5] * 4, [0.5] * 4], 1 / 2),  # all tied
    # class 0: (.5, .3) against (.2, .1) → 1; class 1: .6 above .3, .1, .3 → 1; class 2: .8 on top → 1
    ("roc_auc", Y3, P3, 1.0),
    # column 0: (.4, .8) against .5 → 1/2; column 1: (.8, .5) against .5 → (1 + 1/2) / 2 = 3/4
    ("roc_auc", YT, PT, 5 / 8),
    ("mean_columnwise_roc_auc", YT, PT, 5 / 8),
    # descending: .8 hit (1/1), .4 miss, .3 hit (2/3)
    ("average_precision", Y2, PAIR2, (1 + 2 / 3) / 2),
    ("log_loss", Y2, PAIR2, -(ln(0.9) + ln(0.8) + ln(0.6) + ln(0.3)) / 4),
    ("log_loss", Y3, 2 * P3, -(ln(0.5) + ln(0.6) + ln(0.8) + ln(0.3)) / 4),  # rows are rescaled to 1
    ("log_loss", np.array([0]), np.array([[0.0, 1.0]]), -ln(1e-15)),  # clipped
    ("log_loss", np.array([0, 1]), np.array([[0.0, 0.0], [0.0, 1.0]]), -ln(1e-15) / 2),  # no mass at all
    # columns: .5, .4, .8 and .8, .5, .5
    ("multi_column_log_loss", YT, PT, -(ln(0.5) + ln(0.4) + ln(0.8) + ln(0.8) + 2 * ln(0.5)) / 6),
    ("brier_score", Y2, PAIR2, (0.01 + 0.04 + 0.16 + 0.49) / 4),
    # rows: .25+.09+.04, .04+.16+.04, .01+.01+.04, .49+.09+.16
    ("brier_score", Y3, P3, (0.38 + 0.24 + 0.06 + 0.74) / 4),
    ("f1", np.array([1, 1, 0, 0, 1]), np.array([1, 0, 1, 0, 1]), 2 / 3),  # 2 hits, 3 called, 3 true
    # F1 of 0: 2·1/(2+1); of 1: 1; of 2: 2·1/(1+2)
    ("f1_macro", Y3, L3, (2 / 3 + 1 + 2 / 3) / 3),
    ("f1_micro", Y3, L3, 3 / 4),  # equals accuracy
    ("f1_weighted", Y3, L3, (2 * 2 / 3 + 1 + 2 / 3) / 4),
    (
        "f1_macro",
        YT,
        np.array([[0, 1], [1, 1], [1, 1]]),
        (1 + 4 / 5) / 2,
    ),  # column 1: 2 hits, 3 called, 2 true
    # hits 2, false alarms 1, misses 1, rejections 1: (2·1 - 1·1) / √(3·3·2·2)
    ("matthews_corrcoef", np.array([1, 1, 0, 0, 1]), np.array([1, 0, 1, 0, 1]), 1 / 6),
    # Σ(t-p)² = 4 over 4 rows: 1; variances 11/16 both, mean 3/4 and 5/4: 22/16 + 1/4 ...
    ("quadratic_weighted_kappa", Y3, L3, 1 - 1 / (11 / 16 + 11 / 16 + 1 / 4)),
    ("mse", V, W, (1 + 1 + 4 + 0 + 0 + 9) / 6),
    ("rmse", V[:, :1], W[:, :1], np.sqrt(2)),
    ("rmse", V, W, np.sqrt(15 / 6)),
    ("mean_columnwise_rmse", V, W, (np.sqrt(2) + np.sqrt(3)) / 2),
    ("mae", V[:, 0], W[:, 0], 4 / 3),
    ("median_absolute_error", V, W, (1 + 0) / 2),
    ("rmsle", np.array([0.0, np.e - 1]), np.array([0.0, 0.0]), np.sqrt(1 / 2)),
    ("rmsle", np.array([0.0, np.e - 1]), np.array([-0.5, np.e - 1]), 0.0),  # below zero counts as zero
    ("mean_columnwise_rmsle", np.array([[0.0, np.e - 1]]), np.array([[0.0, 0.0]]), 1 / 2),
    ("mape", V[:, 0], W[:, 0], (1 + 1 / 2 + 1 / 2) / 3),
    ("smape", V[:, 0], W[:, 0], 200 * (1 / 3 + 1 / 3 + 2 / 10) / 3),
    ("smape", np.zeros(2), np.zeros(2), 0.0),
    # Σ errors² = 6, Σ(y - 7/3)² = 21 - 49/3
    ("r2", V[:, 0], W[:, 0], 1 - 6 / (21 - 49 / 3)),
    ("pearson", np.array([0.0, 1, 2]), np.array([0.0, 2, 1]), 1 / 2),
    ("spearman", np.array([1.0, 10, 100]), np.array([0.0, 7, 5]), 1 / 2),  # ranks 1 2 3 and 1 3 2
    # ranks 1.5 1.5 3 4 and 1 2.5 2.5 4: covariance 3.75, variances 4.5 (over n)
    ("spearman", np.array([0.0, 0, 1, 2]), np.array([0.0, 1, 1, 2]), 3.75 / 4.5),
    ("error_rate", Y3, L3, 1 / 4),
    ("balanced_error_rate", Y3, L3, 1 - (1 / 2 + 1 + 1) / 3),
    ("geometric_mean_recall", np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), np.sqrt(1 / 2)),
    # agree on 3 of 4; by chance 2·1/16 + 1·1/16 + 1·2/16
    ("cohen_kappa", Y3, L3, (3 / 4 - 5 / 16) / (1 - 5 / 16)),
    # Σ|t-p| = 2 over 4; expected: classes 2,1,1 and 1,1,2 of 4 → Σ|i-j|·n·m = 2(0+1+4)+(1+0+2)+(2+1+0) = 16
    ("linear_weighted_kappa", Y3, L3, 1 - (2 / 4) / (16 / 16)),
    ("f_beta_2", np.array([1, 1, 0, 0, 1]), np.array([1, 0, 0, 0, 0]), 5 * 1 / (4 * 3 + 1)),
    # class 0: -ln .9, -ln .6 → mean; class 1: -ln .8, -ln .3 → mean; their mean is that of all rows
    ("balanced_log_loss", Y2, PAIR2, -(ln(0.9) + ln(0.8) + ln(0.6) + ln(0.3)) / 4),
    # class 0 has two rows (.5 and .3), classes 1 and 2 one each (.6, .8)
    ("balanced_log_loss", Y3, P3, -((ln(0.5) + ln(0.3)) / 2 + ln(0.6) + ln(0.8)) / 3),
    ("top_2_accuracy", Y3, P3, 3.5 / 4),  # the last row's class 0 ties for the second place
    ("top_2_accuracy", Y3, np.array([[0.1, 0.3, 0.6]] * 4), 2 / 4),
    ("gini", Y2, PAIR2, 2 * 3 / 4 - 1),
    # labels 1, 2, 4 found in the order 4, 1, 2: shares 4/7, 5/7, 1 → (16/7 - 2) / 3; best 4/7, 6/7, 1
    ("normalized_gini", V[:, 0], np.array([2.0, 1, 6]), (16 - 14) / (17 - 14)),
    ("rmspe", V[:, 0], W[:, 0], np.sqrt((1 + 1 / 4 + 1 / 4) / 3)),
    ("rmspe", np.array([0.0, 2]), np.array([5.0, 1]), 1 / 2),  # a true 0 is left out
    ("wape", V[:, 0], W[:, 0], 4 / 7),
    ("msle", np.array([0.0, np.e - 1]), np.array([0.0, 0.0]), 1 / 2),
    ("log_rmse", np.array([1.0, np.e]), np.array([1.0, np.e**3]), np.sqrt(4 / 2)),
    ("poisson_deviance", np.array([0.0, 1]), np.array([1.0, np.e]), 2 * (1 + (-1 - 1 + np.e)) / 2),
    # errors 1 (too high), -1 (too low), 2 (too high)
    ("pinball_0.9", V[:, 0], W[:, 0], (0.1 * 1 + 0.9 * 1 + 0.1 * 2) / 3),
    ("kendall_tau", np.array([0.0, 1, 2]), np.array([0.0, 2, 1]), (2 - 1) / 3),
    # covariance 2/3 · 1/2, variances 2/3 and 2/3, equal means
    ("concordance_correlation", np.array([0.0, 1, 2]), np.array([0.0, 2, 1]), 1 / 2),
    ("concordance_correlation", np.array([0.0, 1, 2]), np.array([1.0, 2, 3]), (4 / 3) / (4 / 3 + 1)),
    ("one_minus_pearson", np.array([0.0, 1, 2]), np.array([0.0, 2, 1]), 1 / 2),
    ("negative_mse", V, W, -15 / 6),
    ("one_minus_roc_auc", Y2, PAIR2, 1 / 4),
]
NAMES = list(dict.fromkeys(name for name, *_ in BY_HAND))
FAMILY = {
    "f_beta_2",
    "top_2_accuracy",
    "pinball_0.9",
    "one_minus_pearson",
    "negative_mse",
    "one_minus_roc_auc",
}


def test_all_names_are_there_and_each_has_an_example() -> None:
    assert sorted([*metrics.names(), *FAMILY]) == sorted(NAMES)


@pytest.mark.parametrize(("name", "truth", "prediction", "score"), BY_HAND)
def test_score_is_what_the_hand_finds(name: str, truth: Any, prediction: Any, score: float) -> None:
    assert metrics.get(name).function(truth, prediction) == pytest.approx(score, rel=1e-9, abs=1e-12)


def _random(task: str, n: int = 300) -> tuple[Any, Any, list[Any]]:
    """Truth, a fair raw prediction, classes."""
    rng = np.random.default_rng(7)
    if task == "regression":
        truth = rng.gamma(2.0, 3.0, (n, 2))
        return truth, np.abs(truth + rng.normal(size=truth.shape)), []
    if task == "multilabel":
        truth = (rng.random((n, 3)) < [0.5, 0.3, 0.2]).astype(int)
        return truth, np.clip(0.4 * truth + 0.6 * rng.random(truth.shape).round(1), 0, 1), []
    k = 2 if task == "binary" else 4
    truth = rng.choice(k, n, p=np.arange(1, k + 1)[::-1] / np.arange(1, k + 1).sum())
    raw = rng.random((n, k)).round(2) + 0.05 + 0.7 * np.eye(k)[truth]
    return truth, raw / raw.sum(axis=1, keepdims=True), list(range(k))


def _each_column(score: Any) -> Any:
    return lambda y, p: np.mean([score(y[:, j], p[:, j]) for j in range(y.shape[1])])


PEERS: dict[str, dict[str, Any]] = {
    "accuracy": {"": sk.accuracy_score},
    "balanced_accuracy": {"": sk.balanced_accuracy_score},
    "roc_auc": {
        "binary": lambda y, p: sk.roc_auc_score(y, p[:, 1]),
        "multiclass": lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr"),
        "multilabel": sk.roc_auc_score,
    },
    "log_loss": {
        "multilabel": _each_column(sk.log_loss),
        "": sk.log_loss,
    },
    "f1": {"": sk.f1_score},
    "f1_macro": {"": lambda y, p: sk.f1_score(y, p, average="macro")},
    "f1_micro": {"": lambda y, p: sk.f1_score(y, p, average="micro")},
    "f1_weighted": {"": lambda y, p: sk.f1_score(y, p, average="weighted")},
    "matthews_corrcoef": {"": sk.matthews_corrcoef},
    "quadratic_weighted_kappa": {"": lambda y, p: sk.cohen_kappa_score(y, p, weights="quadratic")},
    "average_precision": {
        "binary": lambda y, p: sk.average_precision_score(y, p[:, 1]),
        "": sk.average_precision_score,
    },
    "brier_score": {"binary": lambda y, p: sk.brier_score_loss(y, p[:, 1])},
    "mse": {"": sk.mean_squared_error},
    "mean_columnwise_rmse": {"": sk.root_mean_squared_error},
    "mae": {"": sk.mean_absolute_error},
    "median_absolute_error": {"": sk.median_absolute_error},
    "mean_columnwise_rmsle": {"": sk.root_mean_squared_log_error},
    "mape": {"": sk.mean_absolute_percentage_error},
    "r2": {"": sk.r2_score},
    "pearson": {"": _each_column(lambda y, p: stats.pearsonr(y, p).statistic)},
    "spearman": {"": _each_column(lambda y, p: stats.spearmanr(y, p).statistic)},
    "error_rate": {"multilabel": lambda y, p: sk.zero_one_loss(y, p), "": sk.zero_one_loss},
    "balanced_error_rate": {"": lambda y, p: 1 - sk.balanced_accuracy_score(y, p)},
    "cohen_kappa": {"": sk.cohen_kappa_score},
    "linear_weighted_kappa": {"": lambda y, p: sk.cohen_kappa_score(y, p, weights="linear")},
    "f_beta_2": {"": lambda y, p: sk.fbeta_score(y, p, beta=2)},
    "balanced_log_loss": {
        "": lambda y, p: sk.log_loss(y, p, sample_weight=1 / np.bincount(y)[y]),
    },
    "gini": {"binary": lambda y, p: 2 * sk.roc_auc_score(y, p[:, 1]) - 1},
    "msle": {"": sk.mean_squared_log_error},
    "poisson_deviance": {"": _each_column(sk.mean_poisson_deviance)},
    "pinball_0.9": {"": lambda y, p: sk.mean_pinball_loss(y, p, alpha=0.9)},
    "kendall_tau": {"": _each_column(lambda y, p: stats.kendalltau(y, p).statistic)},
    "log_rmse": {"": lambda y, p: sk.root_mean_squared_error(np.log(y).ravel(), np.log(p).ravel())},
    "wape": {"": lambda y, p: np.abs(y - p).sum() / np.abs(y).sum()},
}


@pytest.mark.parametrize("name", PEERS)
def test_score_equals_that_of_scikit_learn(name: str) -> None:
    metric = metrics.get(name)
    for task in metric.tasks:
        peer = PEERS[name].get(task) or PEERS[name].get("")
        if peer:
            truth, raw, _ = _random(task)
            prediction = metrics.decode(raw, metric.wants, task)
            assert metric.function(truth, prediction) == pytest.approx(peer(truth, prediction), rel=1e-9), (
                task
            )


def test_top_k_accuracy_without_ties_equals_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, p = rng.integers(0, 6, 200), rng.random((200, 6))
    for k in (2, 3, 5):
        expected = sk.top_k_accuracy_score(truth, p, k=k)
        assert metrics.get(f"top_{k}_accuracy").function(truth, p) == pytest.approx(expected)


WEIGHTED_PEERS: dict[str, Any] = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "roc_auc": lambda y, p, **w: sk.roc_auc_score(y, p[:, 1], **w),
    "average_precision": lambda y, p, **w: sk.average_precision_score(y, p[:, 1], **w),
    "log_loss": sk.log_loss,
    "f1": sk.f1_score,
    "f1_macro": lambda y, p, **w: sk.f1_score(y, p, average="macro", **w),
    "matthews_corrcoef": sk.matthews_corrcoef,
    "quadratic_weighted_kappa": lambda y, p, **w: sk.cohen_kappa_score(y, p, weights="quadratic", **w),
    "mean_columnwise_rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
    "pinball_0.9": lambda y, p, **w: sk.mean_pinball_loss(y, p, alpha=0.9, **w),
}


@pytest.mark.parametrize("name", WEIGHTED_PEERS)
def test_weighted_score_equals_that_of_scikit_learn_and_of_repeated_rows(name: str) -> None:
    metric = metrics.get(name)
    task = min(metric.tasks & {"binary", "regression"})
    truth, raw, _ = _random(task)
    prediction = metrics.decode(raw, metric.wants, task)
    weights = np.random.default_rng(1).integers(1, 4, len(truth))
    expected = WEIGHTED_PEERS[name](truth, prediction, sample_weight=weights)
    score = metric.function(truth, prediction, weights)
    assert score == pytest.approx(expected, rel=1e-9)
    rows = np.repeat(np.arange(len(truth)), weights)
    assert score == pytest.approx(metric.function(truth[rows], prediction[rows]), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_is_a_number_of_equal_rows_in_every_metric_that_takes_weights(name: str) -> None:
    metric = metrics.get(name)
    for task in metric.tasks:
        truth, raw, _ = _random(task, 60)
        prediction = metrics.decode(raw, metric.wants, task)
        weights = np.random.default_rng(1).integers(1, 4, len(truth))
        if not metric.takes_weights:
            with pytest.raises(MetricUndefined, match="takes no weights"):
                metric.function(truth, prediction, weights)
            continue
        rows = np.repeat(np.arange(len(truth)), weights)
        repeated = metric.function(truth[rows], prediction[rows])
        assert metric.function(truth, prediction, weights) == pytest.approx(repeated, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_mean_losses_make_the_score(name: str) -> None:
    metric = metrics.get(name)
    for task in metric.tasks:
        truth, raw, _ = _random(task)
        prediction = metrics.decode(raw, metric.wants, task)
        score = metric.function(truth, prediction)
        if metric.row_loss and metric.reduce:
            losses = metric.row_loss(truth, prediction)
            assert len(losses) == len(truth)
            assert float(metric.reduce(losses.mean(axis=0))) == pytest.approx(score)
        if metric.columns:
            assert metric.columns(truth, prediction).mean() == pytest.approx(score)


@pytest.mark.parametrize("name", NAMES)
def test_sanity_holds_on_every_task_of_a_metric(name: str) -> None:
    for task in metrics.get(name).tasks:
        truth, _, classes = _random(task)
        found = metrics.sanity(metrics.get(name), truth, task, classes, np.random.default_rng(0))
        assert found["holds"], (task, found)
        assert metrics.better(name, found["perfect"], found["shuffled"])
        assert metrics.better(name, found["perfect"], found["constant"])


def test_sanity_says_why_it_does_not_hold() -> None:
    def says(name: str, truth: Any, task: str, classes: Any = (0, 1)) -> str:
        found = metrics.sanity(name, np.asarray(truth), task, classes, 0)
        assert not found["holds"]
        return str(found["reason"])

    assert "one class" in says("roc_auc", [1, 1, 1], "binary")
    assert "no better than" in says("rmse", [[3.0], [3.0]], "regression")
    assert "not defined for task" in says("rmse", [0, 1], "binary")
    turned = Metric("turned", "minimize", "label", frozenset({"binary"}), metrics.get("accuracy").function)
    found = metrics.sanity(turned, np.array([0, 1] * 9), "binary", [0, 1], 0)
    assert not found["holds"]
    assert "no better than the shuffled" in found["reason"]


def test_sanity_accepts_a_metric_of_another_scale() -> None:
    def percent(truth: Any, called: Any) -> float:
        return 100 * metrics.get("accuracy").function(truth, called)

    metric = Metric("percent", "maximize", "label", frozenset({"binary"}), percent)
    assert metrics.sanity(metric, np.array([0, 1] * 9), "binary", [0, 1], 0)["holds"]


@pytest.mark.parametrize(
    ("name", "truth", "prediction"),
    [
        ("roc_auc", np.ones(3, int), np.full((3, 2), 0.5)),
        ("roc_auc", np.array([0, 1, 1]), np.full((3, 3), 1 / 3)),  # class 2 is missing
        ("average_precision", np.zeros(3, int), np.full((3, 2), 0.5)),
        ("f1", np.zeros(3, int), np.ones(3, int)),
        ("matthews_corrcoef", np.ones(3, int), np.ones(3, int)),
        ("quadratic_weighted_kappa", np.ones(3, int), np.ones(3, int)),
        ("r2", np.ones((3, 1)), np.ones((3, 1))),
        ("pearson", np.arange(3.0), np.ones(3)),
        ("spearman", np.ones(3), np.arange(3.0)),
        ("rmsle", np.array([-2.0, 1.0]), np.ones(2)),
        ("rmse", np.ones(2), np.array([1.0, np.nan])),
        ("log_loss", np.zeros(0, int), np.zeros((0, 2))),
        ("accuracy", np.zeros(0, int), np.zeros(0, int)),
    ],
)
def test_what_has_no_value_is_refused_without_a_warning(name: str, truth: Any, prediction: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(MetricUndefined, match=name):
            metrics.get(name).function(truth, prediction)


def test_rows_must_agree() -> None:
    with pytest.raises(ValueError, match="3 rows of truth but 2"):
        metrics.get("mae").function(np.ones(3), np.ones(2))


def test_kappa_keeps_the_distance_of_classes_that_do_not_occur() -> None:
    truth, called = np.array([0, 4, 4, 1]), np.array([0, 4, 1, 1])
    expected = sk.cohen_kappa_score(truth, called, weights="quadratic", labels=range(5))
    assert metrics.get("qwk").function(truth, called) == pytest.approx(expected)


def test_metrics_are_found_by_synonym_and_else_the_close_one_is_named() -> None:
    pairs = {
        "AUC": "roc_auc",
        "log loss": "log_loss",
        "multi-class log loss": "log_loss",
        "QWK": "quadratic_weighted_kappa",
        "kappa": "cohen_kappa",
        "pinball loss 0.9": "pinball_0.9",
        "top-5 accuracy": "top_5_accuracy",
        "F2": "f_beta_2",
        "1 - AUC": "one_minus_roc_auc",
        "normalized gini": "normalized_gini",
        "Macro-F1": "f1_macro",
        "MCRMSE": "mean_columnwise_rmse",
        "RMSLE": "rmsle",
        "R^2": "r2",
        "MCC": "matthews_corrcoef",
    }
    assert {synonym: metrics.get(synonym).name for synonym in pairs} == pairs
    assert set(metrics.ALIASES.values()) <= set(NAMES)
    assert not set(metrics.ALIASES) & set(NAMES)
    for other in ("mean average precision", "weighted kappa", "pinball_0", "pinball", "top_1", "f_beta_0"):
        with pytest.raises(MetricError):
            metrics.get(other)
    with pytest.raises(MetricError) as caught:
        metrics.get("acuracy")
    assert "'accuracy'?" in str(caught.value)
    assert "spearman" in str(caught.value)
    with pytest.raises(KeyError):
        metrics.get("")


def test_every_task_has_a_default_that_serves_it() -> None:
    for task in ("binary", "multiclass", "multilabel", "regression"):
        assert task in metrics.get(metrics.default_for(task)).tasks
    with pytest.raises(MetricError, match="unknown"):
        metrics.default_for("unknown")


def test_better_follows_the_direction() -> None:
    assert metrics.better(metrics.get("auc"), 0.8, 0.7)
    assert metrics.better("rmse", 0.7, 0.8)
    assert not metrics.better("rmse", 0.7, 0.7)
    assert metrics.sign("auc") == 1
    assert metrics.sign("rmse") == -1


def test_decode_makes_what_a_metric_wants() -> None:
    assert metrics.decode(PAIR2, "label", "binary").tolist() == [0, 1, 0, 0]
    assert metrics.decode(PAIR2, "label", "binary", {"threshold": 0.2}).tolist() == [0, 1, 1, 1]
    assert metrics.decode(P3, "label", "multiclass").tolist() == [0, 1, 2, 2]
    # expectations .7, 1, 1.7, 1.1
    assert metrics.decode(P3, "label", "multiclass", {"rule": "expectation"}).tolist() == [1, 1, 2, 1]
    assert metrics.decode(PT, "label", "multilabel", {"threshold": 0.45}).tolist() == [[1, 1], [0, 1], [1, 1]]
    assert metrics.decode(P3, "probability", "multiclass") is P3
    assert metrics.decode(np.array([[-1.0], [2.0]]), "value", "regression", {"minimum": 0.0}).tolist() == [
        [0],
        [2],
    ]
    with pytest.raises(MetricError, match="regression"):
        metrics.decode(V, "label", "regression")


def test_every_setting_of_every_grid_can_be_decoded_and_scored() -> None:
    for name in NAMES:
        metric = metrics.get(name)
        for task in metric.tasks:
            truth, raw, _ = _random(task)
            grid = metrics.decode_grid(metric, task)
            default = metrics.decode(raw, metric.wants, task)
            assert (metrics.decode(raw, metric.wants, task, grid[0]) == default).all()
            for params in grid:
                assert np.isfinite(metric.function(truth, metrics.decode(raw, metric.wants, task, params)))


def test_grids_fit_the_metric() -> None:
    assert len(metrics.decode_grid("f1", "binary")) > 15
    assert len(metrics.decode_grid("accuracy", "binary")) == 1
    assert metrics.decode_grid("auc", "binary") == [{}]
    assert metrics.decode_grid("qwk", "multiclass", [1, 2, 3])[1] == {"rule": "expectation"}
    assert len(metrics.decode_grid("qwk", "multiclass", ["cat", "dog", "eel"])) == 1


def _flips(n: int, right: float, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    return truth, np.where(rng.random(n) < right, truth, 1 - truth)


@pytest.mark.parametrize("n", [2_000, 60_000])
def test_standard_error_of_accuracy_is_the_analytic_one(n: int) -> None:
    metric, (truth, called) = metrics.get("accuracy"), _flips(n, 0.8, 1)
    samples = resample.bootstrap(metric, truth, [called], np.arange(n), draws=1000)
    error = resample.standard_error(samples[0], n, resample.drawn_units(metric, n))
    assert samples.shape == (1, 1000)
    assert error == pytest.approx(np.sqrt(0.8 * 0.2 / n), rel=0.15)
    assert samples.mean() == pytest.approx(metric.function(truth, called), abs=3 * error)


def test_generic_bootstrap_agrees_with_the_fast_one() -> None:
    n, units = 3_000, np.repeat(np.arange(1_000), 3)
    truth, called = _flips(n, 0.8, 2)
    fast = metrics.get("accuracy")
    slow = Metric("slow", "maximize", "label", fast.tasks, fast.function)
    errors = [
        resample.standard_error(resample.bootstrap(m, truth, [called], units, seed=s)[0], 1_000, 1_000)
        for m, s in ((fast, 0), (slow, 1))
    ]
    assert errors[0] == pytest.approx(errors[1], rel=0.3)


def test_pairing_shrinks_the_error_of_a_difference() -> None:
    n = 4_000
    truth, one = _flips(n, 0.8, 3)
    other = np.where(np.arange(n) % 50 == 0, 1 - one, one)  # differs on one row in fifty
    for name in ("accuracy", "f1_macro"):
        samples = resample.bootstrap(metrics.get(name), truth, [one, other], np.arange(n))
        single = resample.standard_error(samples, n, n)
        paired = resample.standard_error(samples[1] - samples[0], n, n)
        assert single.shape == (2,)
        assert paired < 0.5 * np.hypot(*single)


def test_rows_that_err_together_make_the_error_larger() -> None:
    n, size = 4_000, 20
    units = np.repeat(np.arange(n // size), size)
    truth, _ = _flips(n, 1.0, 4)
    wrong = np.random.default_rng(4).random(n // size) < 0.2  # whole units are wrong
    called = np.where(wrong[units], 1 - truth, truth)
    metric = metrics.get("accuracy")
    alone = resample.standard_error(resample.bootstrap(metric, truth, [called], np.arange(n)), n, n)[0]
    together = resample.standard_error(
        resample.bootstrap(metric, truth, [called], units), n // size, n // size
    )[0]
    assert together == pytest.approx(alone * np.sqrt(size), rel=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_bootstrap_of_every_metric_and_task_lies_around_the_score(name: str) -> None:
    metric = metrics.get(name)
    for task in metric.tasks:
        truth, raw, _ = _random(task)
        prediction = metrics.decode(raw, metric.wants, task)
        units = np.random.default_rng(0).permutation(len(truth)) // 2 * 10 + 5  # any codes, in any order
        samples = resample.bootstrap(metric, truth, [prediction, prediction], units, draws=60)
        assert samples.shape == (2, 60)
        assert np.isfinite(samples).all()
        assert (samples[0] == samples[1]).all()
        assert abs(samples[0].mean() - metric.function(truth, prediction)) < 2.5 * samples[0].std() + 1e-12
        assert (samples == resample.bootstrap(metric, truth, [prediction, prediction], units, draws=60)).all()


def test_fewer_units_a_draw_are_corrected_for() -> None:
    n = 8_000
    truth, called = _flips(n, 0.7, 5)
    for name in ("accuracy", "f1"):
        metric = metrics.get(name)
        m = resample.drawn_units(metric, n, 500)
        assert m == 500
        full = resample.bootstrap(metric, truth, [called], np.arange(n))
        few = resample.bootstrap(metric, truth, [called], np.arange(n), max_units=500)
        errors = resample.standard_error(full[0], n, n), resample.standard_error(few[0], n, m)
        assert errors[0] == pytest.approx(errors[1], rel=0.35)
    assert resample.drawn_units(metrics.get("auc"), 30_000) == 10_000
    assert resample.drawn_units(metrics.get("rmse"), 30_000) == 20_000


def test_undefined_draws_are_left_out() -> None:
    auc, rng = metrics.get("auc"), np.random.default_rng(0)
    truth = np.array([1] + [0] * 9)
    p = rng.random(10)
    samples = resample.bootstrap(auc, truth, [np.c_[1 - p, p]], np.arange(10))  # a third lack the positive
    assert samples.shape[0] == 1
    assert 50 < samples.shape[1] <= 100
    assert np.isfinite(samples).all()
    with pytest.raises(MetricUndefined, match="nearly every"):
        resample.bootstrap(auc, np.zeros(10, int), [np.c_[1 - p, p]], np.arange(10))


def test_a_rare_column_does_not_empty_the_bootstrap() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((500, 6)) < 0.3).astype(int)
    truth[:, :5] = 0
    truth[np.arange(5), np.arange(5)] = 1  # five columns have one positive each
    samples = resample.bootstrap(metrics.get("mean_auc"), truth, [rng.random((500, 6))], np.arange(500))
    assert samples.shape == (1, 100)


def _effort(call: Callable[[], object]) -> tuple[int, int]:
    """Returns a call's executed lines of Python and its peak of allocated bytes, equal on every machine."""
    lines, before = 0, sys.gettrace()

    def count(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    tracemalloc.start()
    sys.settrace(count)
    try:
        call()
    finally:
        sys.settrace(before)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return lines, peak


def _counting(function: Any, sizes: list[int]) -> Any:
    """A metric's function that notes the number of rows of each call."""

    def call(truth: Any, prediction: Any) -> Any:
        sizes.append(len(truth))
        return function(truth, prediction)

    return call


def test_bootstrap_of_a_mean_computes_each_loss_once_and_draws_few_units(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accuracy, n = metrics.get("accuracy"), 300_000
    losses: list[int] = []
    scores: list[int] = []
    drawn: list[int] = []
    metric = replace(
        accuracy, row_loss=_counting(accuracy.row_loss, losses), function=_counting(accuracy.function, scores)
    )
    truth, called = _flips(n, 0.8, 6)

    class Generator(np.random.Generator):
        def integers(self, *args: Any, **options: Any) -> Any:
            found = super().integers(*args, **options)
            drawn.append(np.size(found))
            return found

    with monkeypatch.context() as patch:
        patch.setattr(np.random, "default_rng", lambda seed: Generator(np.random.PCG64(seed)))
        resample.bootstrap(metric, truth, [called, truth], np.arange(n))
    assert losses == [n, n], "once for each prediction, not for each draw"
    assert scores == []
    assert sum(drawn) == 200 * 20_000


def test_bootstrap_of_other_metrics_scores_each_draw_once() -> None:
    auc, n = metrics.get("auc"), 12_000
    truth, _ = _flips(n, 0.8, 6)
    p = np.random.default_rng(0).random(n)
    scores: list[int] = []
    assert auc.row_loss is None
    counted = {"function": _counting(auc.function, scores), "columns": _counting(auc.columns, scores)}
    metric = replace(auc, **counted)
    resample.bootstrap(metric, truth, [np.c_[1 - p, p]] * 2, np.arange(n))
    assert scores == [10_000] * 2 * 100, "of at most 10,000 units"


@pytest.mark.parametrize(("name", "rows"), [("accuracy", 30_000), ("auc", 2_000)])
def test_bootstrap_has_no_python_loop_over_rows_and_linear_memory(name: str, rows: int) -> None:
    def work(n: int) -> None:
        truth, called = _flips(n, 0.8, 6)
        p = np.random.default_rng(0).random(n)
        prediction = called if name == "accuracy" else np.c_[1 - p, p]
        resample.bootstrap(metrics.get(name), truth, [prediction] * 2, np.arange(n))

    work(100)  # for imports and caches
    lines, peak = _effort(lambda: work(rows))
    more_lines, higher_peak = _effort(lambda: work(4 * rows))
    assert more_lines < 1.1 * lines
    assert lines < 80_000
    assert higher_peak < 5 * peak, "16 times as much if pairs of rows were compared at once"
