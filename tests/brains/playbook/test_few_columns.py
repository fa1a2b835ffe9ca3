"""Tables of few columns: recipes find products of them, and learn each target from the rows that have it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.brains.playbook.recipes.parts.expansion import products, ways
from cobra_jupyter.brains.playbook.recipes.parts.sampling import share_of_columns
from tests.brains.playbook.test_recipes import RECIPE_MODULES, RECIPES

ROWS = 360
TARGETS = ["force", "work"]


def samples() -> pd.DataFrame:
    """Two targets of four numbers, both with a product."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({name: rng.normal(size=2 * ROWS) for name in ("mass", "speed", "heat", "size")})
    frame["force"] = 2 * frame["mass"] * frame["speed"] + frame["heat"] + rng.normal(0, 0.3, len(frame))
    frame["work"] = 50 + 5 * frame["heat"] * frame["size"] + rng.normal(0, 1.0, len(frame))
    return frame


def context(config: dict[str, Any], frame: pd.DataFrame, task: str = "regression") -> Any:
    columns = frame.drop(columns=TARGETS).add_prefix("number: ")
    halves = np.arange(ROWS) % 5 > 0, np.arange(ROWS) % 5 == 0
    return SimpleNamespace(
        config=config, targets=TARGETS, task=task, classes=[], metric="rmse", seed=0, n_jobs=1, weights=None,
        seconds_left=100.0, shared=lambda name: columns, save=lambda model: None,
        inner=lambda share=0.2: tuple(map(np.flatnonzero, halves)),
    )  # fmt: skip


@pytest.mark.parametrize(("name", "most"), [("linear", 0.3), ("boosting", 0.65), ("trees", 0.8)])
def test_each_target_is_learnt_from_the_rows_that_have_it(name: str, most: float) -> None:
    """The error is that share of the spread, on new rows. Without products it is 0.9 to 1."""
    frame = samples()
    train, test = frame[:ROWS].copy(), frame[ROWS:]
    for i, target in enumerate(TARGETS):
        train.loc[np.arange(ROWS) % 2 == i, target] = np.nan
    recipe = next(recipe for recipe in RECIPES if recipe.name == name)
    ctx = context(recipe.start(["columns"]), frame)
    code = RECIPE_MODULES[name]
    told = code.predict(code.fit(train, ctx), test.drop(columns=TARGETS), ctx)
    errors = np.sqrt(((told - test[TARGETS].to_numpy()) ** 2).mean(axis=0))
    assert (errors / test[TARGETS].std().to_numpy() < most).all()


def test_a_tree_sees_four_columns_at_least() -> None:
    assert share_of_columns(0.4, 3) == share_of_columns(0.4, 4) == 1.0
    assert share_of_columns(0.4, 8) == 0.5
    assert share_of_columns(0.4, 100) == 0.4


@pytest.mark.parametrize(
    ("rows", "columns", "interactions", "multiplied"),
    [(100, 4, "pairs", True), (99, 4, "pairs", False), (100, 4, "sums", False), (10_000, 13, "pairs", False)],
)
def test_columns_are_multiplied_where_rows_are_enough(
    rows: int, columns: int, interactions: str, multiplied: bool
) -> None:
    plain, _ = ways(rows, columns, context({"numbers": "splines", "interactions": interactions}, samples()))
    X = np.random.default_rng(0).normal(size=(200, columns))
    for step in plain:
        X = step.fit_transform(X)
    assert X.shape[1] == columns + multiplied * products(columns)


def test_an_ablation_tries_no_factor_that_has_no_columns_to_work_on() -> None:
    by_name = {recipe.name: recipe for recipe in RECIPES}
    numbers = ["number: mass", "number: speed"]
    tried = {name: by_name[name].factors_with(["columns"], "binary", numbers) for name in by_name}
    assert not {"categories", "interactions"} & set(tried["boosting"])
    assert "interactions" in tried["linear"], "it has products of its own"
    more = [*numbers, "category: colour", "sums: length_*"]
    assert {"categories", "interactions"} <= set(
        by_name["boosting"].factors_with(["columns"], "binary", more)
    )
    assert {"categories", "interactions"} <= set(by_name["boosting"].factors_with(["columns"], "binary"))
