from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.brains.playbook.recipes import RECIPES as ALL
from cobra_jupyter.brains.playbook.recipes import Recipe, shared_source

RECIPES = [recipe for recipe in ALL if "tabular" in recipe.kinds]

TASKS = ["binary", "multiclass", "multilabel", "regression", "regressions"]
KINDS = {
    "unit": "id", "length_1": "number", "length_2": "number", "empty": "number", "same": "number",
    "huge": "number", "bought": "number", "sold": "number", "flag": "flag", "letters": "flag",
    "colour": "category", "zip": "category", "day": "date", "cabin": "compound", "name": "text",
}  # fmt: skip
TARGETS = {task: ["y", "z"] if task in ("multilabel", "regressions") else ["y"] for task in TASKS}
CLASSES: dict[str, list[Any]] = {"binary": [False, True], "multiclass": ["a", "b", "c"]}


def module(name: str, source: str) -> ModuleType:
    made = ModuleType(name)
    sys.modules[name] = made  # pickle looks classes up there
    exec(compile(source, name, "exec"), made.__dict__)
    return made


RECIPE_MODULES = {recipe.name: module(f"recipe_{recipe.name}", recipe.source) for recipe in RECIPES}
RECIPE_MODULES["trees"].TREES = 15  # type: ignore[attr-defined]  # as many as a test needs
SHARED_MODULES = {
    name: module(f"shared_{name}", shared_source(name)) for name in ("columns", "relations", "files")
}


def table(n: int, first: int, seed: int, new: bool = False) -> pd.DataFrame:
    """Rows of every kind of column, with gaps and oddities; `new` has categories that training rows lack."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "unit": [f"{i // 2:04d}_{i % 2:02d}" for i in range(n)],
            "length_1": rng.normal(5, 1, n),
            "length_2": rng.normal(6, 2, n),
            "empty": np.full(n, np.nan),
            "same": 1,
            "huge": rng.normal(size=n),
            "bought": rng.poisson(1, n) * 10.0,
            "sold": rng.poisson(0.6, n) * 3.0,
            "flag": rng.random(n) < 0.5,
            "letters": rng.choice(["M", "F"], n),
            "colour": rng.choice(["red", "green", "blue"], n),
            "zip": rng.integers(1, 40, n).astype(float),
            "day": pd.date_range("2021-01-01", periods=n).strftime("%Y-%m-%d"),
            "cabin": [f"{'ABC'[i % 3]}/{i}/{'PS'[i % 2]}" for i in rng.integers(0, 90, n)],
            "name": [f"Ann {'Smith' if i % 3 else 'Jones'}" for i in range(n)],
        },
        index=range(first, first + n),
    )
    rows["huge"] = rows["huge"].mask(rng.random(n) < 0.1, np.inf).mask(rng.random(n) < 0.1, -np.inf)
    rows["flag"] = rows["flag"].astype(object)
    for name in ("length_1", "flag", "colour", "zip", "day", "cabin", "name"):
        rows.loc[rng.random(n) < 0.15, name] = None
    if new:
        rows.loc[rows.index[:5], ["colour", "cabin"]] = ["violet", "Z/7/Q/extra"]
    return rows


def labelled(rows: pd.DataFrame, task: str) -> pd.DataFrame:
    score = rows["length_2"] + (rows["colour"] == "red") + rows["bought"] / 10
    rows = rows.copy()
    if task == "binary":
        rows["y"] = score > score.median()
    elif task == "multiclass":
        rows["y"] = pd.qcut(score, 3, labels=["a", "b", "c"]).astype(object)
    elif task == "multilabel":
        rows["y"], rows["z"] = (score > score.median()).astype(int), (rows["sold"] > 0).astype(int)
    else:
        rows["y"], rows["z"] = np.exp(score / 4), score
    return rows


def context(task: str, train: pd.DataFrame, data: Path, **config: Any) -> Any:
    def inner() -> tuple[np.ndarray, np.ndarray]:
        held = np.arange(len(train)) % 5 == 0
        return np.flatnonzero(~held), np.flatnonzero(held)

    return SimpleNamespace(
        config=config,
        targets=TARGETS[task],
        id="unit",
        task="regression" if task == "regressions" else task,
        classes=CLASSES.get(task, []),
        columns=KINDS,
        tables={"train.csv": {}, "test.csv": {}},
        metric="rmsle" if "regression" in task else "log_loss",
        direction="minimize",
        seed=3,
        n_jobs=1,
        weights=None,
        device="cpu",
        seconds_left=100.0,
        data=data,
        out=data,
        inner=inner,
        side="train",
        table=lambda side: table(120, 0, 1) if side == "train" else table(40, 500, 2, new=True),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A competition folder: both tables, and a file of typed points for some rows."""
    root = tmp_path_factory.mktemp("competition")
    rng = np.random.default_rng(0)
    for side, n, seed, first in (("train", 120, 1, 0), ("test", 40, 2, 500)):
        rows = table(n, first, seed, new=side == "test")
        rows.to_csv(root / f"{side}.csv", index=False)
        for unit in rows["unit"].iloc[1:30]:
            (root / side / unit).mkdir(parents=True)
            atoms = [
                f"atom {x:.3f} {y:.3f} {z:.3f} {'AB'[k % 2]}"
                for k, (x, y, z) in enumerate(rng.random((6, 3)) * 4)
            ]
            box = ["lattice_vector 4 0 0", "lattice_vector 0 4 0", "lattice_vector 0 0 4"]
            (root / side / unit / "points.xyz").write_text("\n".join(["# made up 1 2 3", *box, *atoms]))
    return root


@pytest.fixture(scope="module")
def made(folder: Path) -> dict[str, pd.DataFrame]:
    """Shared artefacts of both sides."""
    artefacts = {}
    for name, code in SHARED_MODULES.items():
        sides = []
        for side, n, seed, first in (("train", 120, 1, 0), ("test", 40, 2, 500)):
            ctx = context("binary", pd.DataFrame(), folder)
            ctx.side = side
            sides.append(code.make(table(n, first, seed, new=side == "test"), ctx))
        artefacts[name] = pd.concat(sides)
        assert list(sides[0]) == list(sides[1]), (
            f"{name}: train and test have the same columns in the same order"
        )
    return artefacts


def run(
    recipe: Recipe, task: str, folder: Path, made: dict[str, pd.DataFrame], rows: int = 120, **config: Any
) -> Any:
    train = labelled(table(120, 0, 1), task).iloc[:rows]
    test = table(40, 500, 2, new=True)
    defaults = {name: levels[0] for name, levels in recipe.factors.items()}
    ctx = context(task, train, folder, **(defaults | config))
    ctx.shared = made.__getitem__
    code = RECIPE_MODULES[recipe.name]
    model = code.fit(train, ctx)
    return code, model, test, ctx, code.predict(model, test, ctx)


def check(raw: np.ndarray, task: str) -> None:
    width = {"binary": 2, "multiclass": 3, "multilabel": 2, "regression": 1, "regressions": 2}[task]
    assert raw.shape == (40, width)
    assert np.isfinite(raw).all()
    if task in ("binary", "multiclass"):
        np.testing.assert_allclose(raw.sum(axis=1), 1.0)
    if not task.startswith("regr"):
        assert raw.min() >= 0
        assert raw.max() <= 1
    else:
        assert raw.min() >= 0, "labels were never negative"


both = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
SUITED = [(recipe, task) for recipe in RECIPES for task in TASKS if task.removesuffix("s") in recipe.tasks]
each_task = pytest.mark.parametrize(("recipe", "task"), SUITED, ids=lambda v: str(getattr(v, "name", v)))


@each_task
def test_predictions_are_sound_repeatable_and_survive_pickling(recipe, task, folder, made):
    code, model, test, ctx, raw = run(recipe, task, folder, made)
    check(raw, task)
    again = run(recipe, task, folder, made)[-1]
    assert raw.tobytes() == again.tobytes()
    copy = pickle.loads(pickle.dumps(model))
    assert code.predict(copy, test, ctx).tobytes() == raw.tobytes()


LEVELS = [(r, f, level) for r in RECIPES for f, levels in r.factors.items() for level in levels[1:]]


@pytest.mark.parametrize(("recipe", "factor", "level"), LEVELS, ids=lambda v: str(getattr(v, "name", v)))
def test_every_level_of_every_factor_runs(recipe, factor, level, folder, made):
    task = "regression" if factor in recipe.numbers_only or "multiclass" not in recipe.tasks else "multiclass"
    check(run(recipe, task, folder, made, **{factor: level})[-1], task)


@each_task
def test_one_label_or_few_rows_do_not_crash(recipe, task, folder, made):
    check(run(recipe, task, folder, made, rows=4)[-1], task)
    train = labelled(table(120, 0, 1), task)
    first = train["y"].iloc[0]
    ctx = context(
        task, train[train["y"] == first], folder, **{f: levels[0] for f, levels in recipe.factors.items()}
    )
    ctx.shared = made.__getitem__
    code = RECIPE_MODULES[recipe.name]
    model = code.fit(train[train["y"] == first], ctx)
    check(code.predict(model, table(40, 500, 2, new=True), ctx), task)


@pytest.mark.parametrize(
    "recipe", [r for r in RECIPES if "regression" in r.tasks], ids=lambda recipe: recipe.name
)
def test_each_target_is_fitted_on_the_rows_that_have_it(recipe, folder, made):
    """With labels missing, a target's prediction is that of a fit on its own rows alone."""
    train = labelled(table(120, 0, 1), "regressions")
    train.loc[train.index % 3 != 0, "y"] = np.nan
    train.loc[train.index % 3 == 0, "z"] = np.nan
    test, code = table(40, 500, 2, new=True), RECIPE_MODULES[recipe.name]

    def predicted(task: str, rows: pd.DataFrame, targets: list[str]) -> np.ndarray:
        defaults = {name: levels[0] for name, levels in recipe.factors.items()}
        ctx = context(task, rows, folder, **defaults)
        ctx.targets, ctx.shared = targets, made.__getitem__
        held = np.flatnonzero(rows.index % 5 == 0)  # the same rows, whatever the table holds
        ctx.inner = lambda share=0.2: (np.setdiff1d(np.arange(len(rows)), held), held)
        model = pickle.loads(pickle.dumps(code.fit(rows, ctx)))
        return code.predict(model, test, ctx)

    both = predicted("regressions", train, ["y", "z"])
    assert both.shape == (40, 2)
    for column, target in enumerate(["y", "z"]):
        own = train[train[target].notna()].drop(columns=["z" if target == "y" else "y"])
        alone = predicted("regression", own, [target])
        np.testing.assert_array_equal(both[:, [column]], alone)


@pytest.mark.parametrize(
    "recipe", [r for r in RECIPES if "binary" in r.tasks], ids=lambda recipe: recipe.name
)
def test_the_label_is_learnt(recipe, folder, made):
    """Labels follow from the columns, so that training rows are told far better than by chance."""
    code, model, _, ctx, _ = run(recipe, "binary", folder, made)
    train = labelled(table(120, 0, 1), "binary")
    told = code.predict(model, train.drop(columns="y"), ctx)[:, 1] > 0.5
    assert (told == train["y"]).mean() > 0.75


def test_without_lightgbm_boosting_still_works(folder, made, monkeypatch):
    monkeypatch.setattr(RECIPE_MODULES["boosting"], "lightgbm", None)
    for task in TASKS:
        check(run(RECIPES[0], task, folder, made)[-1], task)


@both
def test_factors_are_noted_and_restricted_to_what_is_made(recipe):
    assert list(recipe.notes) == list(recipe.factors)
    assert "more" not in recipe.factors_with(["columns"], "binary")
    joined = recipe.factors_with(["columns", "files"], "regression").get("more")
    assert joined == (["none", "files"] if "files" in recipe.shared else None)
    assert recipe.start(["columns", "files"]).get("more") in (
        "files" if "files" in recipe.shared else "none",
        None,
    )
    assert recipe.when({"kind": "tabular", "task": recipe.tasks[0], "rows": 100})
    assert not recipe.when({"kind": "image", "task": "binary"})


def test_points_in_files_become_distances(made):
    files = made["files"]
    assert files.iloc[0].isna().all() or files.iloc[0]["atom A lines"] == 0
    assert files["volume"].iloc[1] == pytest.approx(64.0)
    assert (files["atom A lines"].iloc[1:30] == 3).all()


def test_groups_are_counted_over_train_and_test(made):
    assert made["relations"]["unit prefix size"].max() == 4  # two of train and two of test share a prefix


def test_columns_say_what_they_are(made):
    columns = made["columns"]
    assert {"category: cabin part 0", "number: cabin part 1", "number: flag", "category: letters"} <= set(
        columns
    )
    assert "number: day month" in columns
    assert {"sums: length *", "sums: length * max", "pairs: length_1 - length_2"} <= set(columns)
    assert not np.isinf(columns.to_numpy()).any()
