"""Weights of rows reach every model: a row that weighs as good as nothing is as good as absent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cobra_jupyter.brains.playbook.recipes.parts.calibration import learn_maps, loss, probabilities
from cobra_jupyter.brains.playbook.recipes.parts.penalised import choose, fit_weights
from cobra_jupyter.brains.playbook.recipes.parts.stacking import fit_linear, linear_scores
from cobra_jupyter.brains.playbook.recipes.parts.votes import learn_votes, memberships, vote
from tests.brains.playbook.test_recipes import RECIPE_MODULES, RECIPES

ROWS = 240
WEIGHTS = np.where(np.arange(ROWS) % 3 == 0, 2.998, 0.001)  # a third of the rows counts
LIGHT = WEIGHTS < 1
X = np.random.default_rng(0).normal(size=(ROWS, 3))
SIGN = np.where(LIGHT, -1, 1) * np.sign(X[:, 0])  # the light rows say the opposite, and are more
LABELS = {"regression": SIGN.astype(float), "binary": (SIGN > 0).astype(int)}


def context(task: str, config: dict[str, Any], weights: Any = WEIGHTS) -> Any:
    columns = pd.DataFrame(X, columns=["number: a", "number: b", "number: c"])
    sides = np.flatnonzero(np.arange(ROWS) % 5 > 0), np.flatnonzero(np.arange(ROWS) % 5 == 0)
    return SimpleNamespace(
        config=config, targets=["y"], task=task, classes=[0, 1] if task == "binary" else [], metric="rmse",
        seed=0, n_jobs=1, weights=weights, seconds_left=100.0, shared=lambda name: columns,
        save=lambda model: None, inner=lambda share=0.2: sides,
    )  # fmt: skip


def agreement(scores: Any) -> float:
    """How many rows are predicted as the heavy rows say."""
    return float((np.sign(np.ravel(scores)) == np.sign(X[:, 0])).mean())


@pytest.mark.parametrize("task", LABELS)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_follows_the_rows_that_weigh(recipe: Any, task: str) -> None:
    train = pd.DataFrame({"a": X[:, 0], "y": LABELS[task]})
    if "text" in recipe.name or task not in recipe.tasks:
        pytest.skip("it needs texts")
    code, told = RECIPE_MODULES[recipe.name], []
    for weights in (WEIGHTS, None):
        ctx = context(task, recipe.start(["columns"]), weights)
        raw = np.asarray(code.predict(code.fit(train, ctx), train.drop(columns="y"), ctx), float)
        told.append(agreement(raw if task == "regression" else raw[:, 1] - 0.5))
    assert told[0] > 0.8
    assert told[1] < 0.5


@pytest.mark.parametrize("weighting", ["tfidf", "naive_bayes"])
@pytest.mark.parametrize("task", LABELS)
def test_linear_models_of_n_grams_do(task: str, weighting: str) -> None:
    ctx = context(task, {"weighting": weighting, "class_weights": "none", "strength": "chosen"})
    table = sparse.csr_matrix(np.hstack([np.maximum(X, 0), np.maximum(-X, 0)]))
    y = LABELS[task].astype(float)
    model = fit_weights(table, 6, y, 0.1, WEIGHTS, ctx)
    assert agreement(table @ model[0] + model[1]) > 0.8
    stacked = fit_linear(table, y, WEIGHTS, ctx)
    middle = 0 if task == "binary" else float(np.average(y, weights=WEIGHTS))
    assert agreement(linear_scores(table, stacked) - middle) > 0.9
    penalty, maps = choose(table, 6, y[:, None], ctx)
    assert penalty > 0
    if task == "binary":
        scores = np.sign(X[:, :1])
        assert agreement(probabilities(scores, maps, ctx) - 0.5) > 0.9


def test_votes_count_rows_by_weight() -> None:
    ctx = context("binary", {"smoothing": 0.1, "model": "multinomial"})
    table = sparse.csr_matrix(np.hstack([np.maximum(X, 0), np.maximum(-X, 0)]))
    (members,) = memberships(LABELS["binary"][:, None], ctx)
    assert members.sum() == pytest.approx(WEIGHTS.sum(), rel=1e-5)
    assert agreement(vote(table, learn_votes(table, members, ctx))) > 0.8


def test_calibration_and_its_loss_count_rows_by_weight() -> None:
    ctx, y = context("binary", {}), LABELS["binary"][:, None].astype(float)
    scores = X[:, :1]
    maps = learn_maps(scores, y, WEIGHTS, ctx)
    assert agreement(probabilities(scores, maps, ctx) - 0.5) > 0.9
    assert loss(scores, maps, y, WEIGHTS, ctx) < 0.3 < loss(scores, maps, y, None, ctx)
    numbers = context("regression", {})
    assert loss(scores, [], scores + LIGHT[:, None], WEIGHTS, numbers) < 0.01
    assert loss(scores, [], scores + LIGHT[:, None], None, numbers) == pytest.approx(LIGHT.mean())


def test_fine_tuning_counts_rows_by_weight() -> None:
    torch = pytest.importorskip("torch")
    from cobra_jupyter.brains.playbook.recipes.parts.fine_tuning import loss_of

    outputs, y = torch.tensor([[1.0], [5.0]]), torch.tensor([[0.0], [0.0]])
    assert float(loss_of(outputs, y, "regression", torch.tensor([3.0, 1.0]))) == 7.0
    two = torch.tensor([[10.0, -10.0], [10.0, -10.0]])
    codes = torch.tensor([[0.0], [1.0]])
    assert float(loss_of(two, codes, "binary", torch.tensor([1.0, 0.0]))) < 1e-3
    assert float(loss_of(two, codes, "binary", torch.tensor([1.0, 1.0]))) == pytest.approx(10.0)
