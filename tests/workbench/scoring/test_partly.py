"""Metrics of several columns count each label where it is known."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from cobra_jupyter.workbench.scoring import metrics, partly, resample

NAN = np.nan
TRUTH = np.array([[1.0, NAN], [2.0, 10.0], [NAN, 20.0], [4.0, NAN]])
GIVEN = np.array([[2.0, 99.0], [2.0, 13.0], [77.0, 16.0], [1.0, 5.0]])


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("mean_columnwise_rmse", (np.sqrt((1 + 0 + 9) / 3) + np.sqrt((9 + 16) / 2)) / 2),
        ("rmse", np.sqrt((1 + 0 + 9 + 9 + 16) / 5)),
        ("mae", (1 + 0 + 3 + 3 + 4) / 5),
    ],
)
def test_losses_are_means_over_the_known_labels(name: str, score: float) -> None:
    metric = partly.of(metrics.get(name), TRUTH)
    assert metric.function(TRUTH, GIVEN) == pytest.approx(score)


def test_a_metric_without_losses_is_the_mean_of_its_columns() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((80, 2)) < 0.5).astype(float)
    given = 0.4 * truth + 0.6 * rng.random((80, 2))
    truth[::3, 0] = NAN
    known = ~np.isnan(truth[:, 0])
    expected = np.mean(
        [sk.roc_auc_score(truth[known, 0], given[known, 0]), sk.roc_auc_score(truth[:, 1], given[:, 1])]
    )
    metric = partly.of(metrics.get("mean_columnwise_roc_auc"), truth)
    assert metric.function(truth, given) == pytest.approx(expected)


def test_without_gaps_the_metric_stays_itself() -> None:
    metric = metrics.get("rmse")
    assert partly.of(metric, np.nan_to_num(TRUTH)) is metric
    assert partly.of(metric, np.array([0, 1])) is metric


def test_a_metric_of_labels_with_gaps_passes_its_test() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(60, 2))
    truth[::2, 0] = NAN
    for name in ("mean_columnwise_rmse", "rmse", "r2"):
        found = metrics.sanity(partly.of(metrics.get(name), truth), truth, "regression", (), 0)
        assert found["holds"], found["reason"]


def test_the_bootstrap_agrees_with_one_that_draws_and_scores() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(300, 2))
    truth[rng.random(300) < 0.5, 0] = NAN
    given = np.nan_to_num(truth) + rng.normal(size=(300, 2))
    metric = partly.of(metrics.get("mean_columnwise_rmse"), truth)
    fast = resample.bootstrap(metric, truth, [given], np.arange(300), draws=400)
    drawn = [rng.integers(300, size=300) for _ in range(400)]
    slow = [metric.function(truth[rows], given[rows]) for rows in drawn]
    assert fast.std() == pytest.approx(np.std(slow), rel=0.2)
    assert fast.mean() == pytest.approx(metric.function(truth, given), rel=0.02)
