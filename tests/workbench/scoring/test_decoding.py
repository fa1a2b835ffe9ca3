"""Decoding learned from out-of-fold rows: what it gains, that it is exact, and that it is honest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from cobra_jupyter.workbench.protocol.protocol import Folds
from cobra_jupyter.workbench.scoring import cuts, metrics, multipliers
from cobra_jupyter.workbench.scoring.decoding import Decoder, Labelled
from cobra_jupyter.workbench.scoring.scorer import OutOfFold, Scorer

COMMON = np.array([0.7, 0.12, 0.1, 0.08])  # class shares


def rare_classes(n: int, seed: int) -> tuple[Any, Any]:
    """Calibrated probabilities of a common and three rare classes, and truth drawn from them."""
    rng = np.random.default_rng(seed)
    raw = np.exp(np.log(COMMON) + 1.2 * rng.normal(size=(n, 4)))
    raw /= raw.sum(axis=1, keepdims=True)
    return (raw.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1), raw


def ordered_classes(n: int, seed: int) -> tuple[Any, Any]:
    """Calibrated probabilities of five ordered classes of unequal size."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(n, 1))
    edges = np.array([-0.6, 0.5, 1.1, 1.8])
    below = 1 / (1 + np.exp(-(edges - centre) / 0.5))
    raw = np.diff(np.hstack([np.zeros((n, 1)), below, np.ones((n, 1))]), axis=1)
    return (raw.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1), raw


def scorer_of(name: str, task: str, truth: Any, raw: Any) -> tuple[Scorer, OutOfFold]:
    n = len(truth)
    owner = np.arange(n) % 5
    splits = tuple((np.flatnonzero(owner != k), np.flatnonzero(owner == k)) for k in range(5))
    protocol: Any = SimpleNamespace(task=task, folds=5)
    folds = Folds((splits,), np.arange(n), np.arange(0))
    scorer = Scorer(protocol, folds, truth, metrics.get(name), list(range(raw.shape[1])))
    return scorer, OutOfFold((raw,), (owner,))


@pytest.mark.parametrize(
    ("name", "gain"), [("balanced_accuracy", 0.08), ("f1_macro", 0.02), ("balanced_log_loss", 0.15)]
)
def test_labels_of_rare_classes_are_corrected_for_class_shares(name: str, gain: float) -> None:
    truth, raw = rare_classes(1_500, 0)
    scorer, oof = scorer_of(name, "multiclass", truth, raw)
    metric = scorer.metric
    plain = metric.function(truth, metrics.decode(raw, metric.wants, "multiclass"))
    score = scorer.score(oof, with_se=False)
    assert scorer.sign * (score.value - plain) > gain
    fresh, unseen = rare_classes(20_000, 1)
    on_new = metric.function(fresh, metrics.decode(unseen, metric.wants, "multiclass", score.params))
    before = metric.function(fresh, metrics.decode(unseen, metric.wants, "multiclass"))
    assert scorer.sign * (on_new - before) > gain
    assert score.value == pytest.approx(on_new, abs=0.05), "the cross-fitted score is honest"


def test_cuts_of_ordered_classes_raise_quadratic_kappa_on_new_rows() -> None:
    truth, raw = ordered_classes(1_500, 0)
    scorer, oof = scorer_of("quadratic_weighted_kappa", "multiclass", truth, raw)
    score = scorer.score(oof, with_se=False)
    fresh, unseen = ordered_classes(20_000, 1)
    gained = sk.cohen_kappa_score(
        fresh, metrics.decode(unseen, "label", "multiclass", score.params), weights="quadratic"
    ) - sk.cohen_kappa_score(fresh, unseen.argmax(axis=1), weights="quadratic")
    assert score.params["rule"] == "cuts"
    assert gained > 0.01


def test_tuned_labels_of_noise_score_like_chance() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(10):
        truth, raw = rng.choice(4, 200, p=COMMON), rng.dirichlet(np.ones(4), 200)
        scorer, oof = scorer_of("balanced_accuracy", "multiclass", truth, raw)
        found.append(scorer.score(oof, with_se=False).value)
    assert np.mean(found) == pytest.approx(1 / 4, abs=0.04)


@pytest.mark.parametrize("name", ["f1", "f_beta_2", "balanced_accuracy", "matthews_corrcoef", "cohen_kappa"])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_threshold_is_the_best_of_all(name: str, weighted: bool) -> None:
    rng = np.random.default_rng(3)
    truth = (rng.random(80) < 0.3).astype(int)
    p = np.clip(0.3 * truth + 0.7 * rng.random(80), 0, 1).round(2)
    weights = rng.integers(1, 5, 80).astype(float) if weighted else None
    metric = metrics.get(name)
    better = Decoder(metric, "binary")._better
    chosen = cuts.threshold(better, truth, p, weights)
    scores = [
        metric.function(truth, (p > t).astype(int), *([] if weights is None else [weights]))
        for t in [*np.unique(p), -1.0]
    ]
    reached = metric.function(truth, (p > chosen).astype(int), *([] if weights is None else [weights]))
    assert reached == pytest.approx(max(scores))


def test_tuned_weights_and_cuts_are_no_worse_than_where_they_start() -> None:
    truth, raw = rare_classes(400, 5)
    for name in ("f1_macro", "balanced_accuracy", "matthews_corrcoef", "cohen_kappa"):
        metric = metrics.get(name)
        better = Decoder(metric, "multiclass", range(4))._better
        reached = metric.function(truth, (raw * multipliers.tuned(better, truth, raw)).argmax(axis=1))
        for power in (0.0, 0.5, 1.0):
            start = raw * multipliers.balancing(truth, 4, power)
            assert reached >= metric.function(truth, start.argmax(axis=1)) - 1e-12
    truth, raw = ordered_classes(400, 5)
    metric = metrics.get("quadratic_weighted_kappa")
    better = Decoder(metric, "multiclass", range(5))._better
    tuned = {"rule": "cuts", "cuts": cuts.tuned(better, truth, raw)}
    matched = {"rule": "cuts", "cuts": cuts.matched(truth, raw)}
    scores = [metric.function(truth, metrics.decode(raw, "label", "multiclass", p)) for p in (tuned, matched)]
    assert scores[0] > scores[1] - 0.01


def test_matched_cuts_call_each_class_as_often_as_it_occurs() -> None:
    truth, raw = ordered_classes(2_000, 0)
    called = metrics.decode(raw, "label", "multiclass", {"rule": "cuts", "cuts": cuts.matched(truth, raw)})
    assert np.bincount(called, minlength=5) == pytest.approx(np.bincount(truth, minlength=5), abs=2)


def test_balancing_weights_are_the_inverse_class_shares() -> None:
    assert multipliers.balancing(np.array([0, 0, 0, 1]), 2, 1.0) == pytest.approx([0.5, 1.5])
    weighted = multipliers.balancing(np.array([0, 0, 0, 1]), 2, 1.0, np.array([1.0, 1, 1, 3]))
    assert weighted == pytest.approx([1.0, 1.0])


def test_a_balanced_loss_is_decoded_by_the_class_shares() -> None:
    p = np.array([[0.9, 0.1], [0.5, 0.5]])
    made = metrics.decode(p, "probability", "binary", {"weights": [0.2, 1.8]})
    assert made == pytest.approx(np.array([[0.5, 0.5], [0.1, 0.9]]))


def test_predictions_are_shifted_to_the_quantile() -> None:
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(1_000, 1))
    truth = mean + rng.normal(size=mean.shape)
    params = Decoder(metrics.get("pinball_0.9"), "regression").choose(
        Labelled(truth, mean, np.arange(1_000) % 5)
    )
    assert params["shift"] == pytest.approx([1.28], abs=0.15)
    assert metrics.decode(mean, "value", "regression", params) == pytest.approx(mean + params["shift"][0])


@pytest.mark.parametrize(
    ("name", "task", "params"),
    [
        ("accuracy", "binary", {"threshold": 0.5}),
        ("accuracy", "multiclass", {"rule": "argmax"}),
        ("roc_auc", "binary", {}),
        ("rmsle", "regression", {"minimum": 0.0}),
    ],
)
def test_what_needs_no_choice_gets_none(name: str, task: str, params: dict[str, Any]) -> None:
    decoder = Decoder(metrics.get(name), task, [0, 1, 2])
    truth = np.zeros((4, 1)) if task == "regression" else np.array([0, 1, 0, 1])
    assert decoder.fixed
    assert decoder.choose(Labelled(truth, np.full((4, 3), 1 / 3), np.arange(4))) == params


def test_classes_that_are_no_numbers_have_no_cuts() -> None:
    truth, raw = ordered_classes(600, 0)
    decoder = Decoder(metrics.get("qwk"), "multiclass", ["mild", "bad", "worse", "dire", "dead"])
    assert "cuts" not in decoder.choose(Labelled(truth, raw, np.arange(600) % 5))
