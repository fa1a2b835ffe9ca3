"""How a blend finds its weights and its rule, what it drops, and what may replace a submission."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cobra_jupyter.competition.metrics.ranking import auc
from cobra_jupyter.workbench.ensemble import mixing
from cobra_jupyter.workbench.ensemble.weights import Search
from cobra_jupyter.workbench.scoring.scorer import OutOfFold
from tests.conftest import Bench
from tests.workbench.sources import body

REPEATS, FOLDS, ROWS = 3, 4, 24


def fake(seed: int, owners: list[Any]) -> Any:
    raw = np.random.default_rng(seed).normal(size=(REPEATS, ROWS, 1))
    return SimpleNamespace(id=f"t{seed}", cost=1.0, oof=OutOfFold(tuple(raw), tuple(owners)))


def test_the_label_of_a_row_never_weighs_what_predicts_it() -> None:
    """In another repeat the row is in another fold; it must be left out there too."""
    rng = np.random.default_rng(0)
    owners = [rng.permutation(ROWS) % FOLDS for _ in range(REPEATS)]
    trials = [fake(seed, owners) for seed in range(3)]

    def nested(truth: Any) -> OutOfFold:
        def loss(t: Any, p: Any) -> float:
            return float(np.mean((t - p) ** 2))

        scorer: Any = SimpleNamespace(truth=truth, protocol=SimpleNamespace(task="regression"))
        return Search(scorer, trials, 99.0, REPEATS, mixing.MEAN, loss).nested()

    truth = rng.normal(size=(ROWS, 1))
    plain, moved = nested(truth), 0
    for row in range(ROWS):
        other = truth.copy()
        other[row] += 5.0
        changed = nested(other)
        for r in range(REPEATS):
            assert changed.raw[r][row] == plain.raw[r][row]
            moved += int((changed.raw[r] != plain.raw[r]).sum())
    assert moved, "the labels of other rows do weigh"


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_logits_average_to_probabilities(task: str) -> None:
    rng = np.random.default_rng(1)
    raws = [rng.dirichlet(np.ones(3 - (task == "binary")), 50) for _ in range(2)]
    made = mixing.mixed([0.5, 0.5], raws, task, mixing.LOGIT)
    assert ((made > 0) & (made < 1)).all()
    if task != "multilabel":
        assert made.sum(axis=1) == pytest.approx(np.ones(50))
    same = mixing.mixed([0.3, 0.7], [raws[0], raws[0]], task, mixing.LOGIT)
    assert same == pytest.approx(raws[0], abs=1e-9)


def test_ranks_suit_only_metrics_of_order() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 80)
    raw = rng.dirichlet([1, 1], 80)
    by_order = mixing.rules("binary", lambda p: -auc(truth, p[:, 1]), raw)
    by_value = mixing.rules("binary", lambda p: float(np.mean((truth - p[:, 1]) ** 2)), raw)
    assert mixing.RANK in by_order
    assert mixing.RANK not in by_value
    assert mixing.rules("regression", lambda p: float(np.mean(p)), rng.normal(size=(80, 1))) == [mixing.MEAN]


def scaled(column: str, scale: float) -> str:
    """A candidate that ranks by one column, in a scale of its own."""
    return body(predict=f"p = 1 / (1 + np.exp(-rows['{column}'].to_numpy()))\nreturn 0.4 + {scale} * p")


def both(frame: Any) -> Any:
    if "y" in frame:
        noise = np.random.default_rng(3).normal(size=len(frame))
        frame["y"] = (frame["a"] + frame["b"] + noise > 0).astype(int)
    return frame


@pytest.fixture(scope="module")
def bench(light_benches: Callable[..., Bench]) -> Bench:
    bench = light_benches(rows=400, metric="roc auc", change=both).ready(repeats=1)
    bench.candidate("narrow", scaled("a", 1e-5))
    bench.candidate("wide", scaled("b", 0.5))
    bench.candidate("poor", body(predict="return np.full(len(rows), 0.5)"))
    return bench


def test_members_of_unlike_scale_are_averaged_by_rank(bench: Bench) -> None:
    narrow, wide = bench.trial("narrow"), bench.trial("wide")
    blend = bench.blend([narrow["id"], wide["id"]])
    assert blend["rule"] == "rank"
    assert blend["score"] > max(narrow["score"], wide["score"]) + 0.05
    bench.submit(blend["id"])
    assert bench.solution()["rule"] == "rank"


def test_the_rule_of_a_blend_stands_in_its_solution(bench: Bench) -> None:
    from cobra_jupyter.notebook import solution

    blend = bench.blend([bench.trial("narrow")["id"], bench.trial("wide")["id"]])
    bench.submit(blend["id"])
    cells = [cell["source"] for cell in solution.build(bench.solution())["cells"]]
    (cell,) = [cell for cell in cells if "def spread(" in cell]
    rng = np.random.default_rng(5)
    raws, members = [rng.dirichlet([1, 1], 30) for _ in range(2)], [{"weight": 0.25}, {"weight": 0.75}]
    jobs = [(member, 0, 0) for member in members]
    import pandas as pd

    names: dict[str, Any] = {
        "np": np, "pd": pd, "jobs": jobs, "raws": raws, "MEMBERS": members, "TASK": "binary",
    }  # fmt: skip
    exec(cell, names)
    assert np.array_equal(names["blend"], mixing.mixed([0.25, 0.75], raws, "binary", mixing.RANK))


def test_what_a_blend_drops_it_names_with_the_reason(bench: Bench) -> None:
    ids = [bench.trial(name)["id"] for name in ("narrow", "wide", "poor")]
    (dropped,) = bench.blend(ids)["dropped"]
    assert dropped["trial"] == ids[2]
    assert "weight is 0" in dropped["why"]
    few = bench.blend(ids, seconds=1e-9)
    assert len(few["members"]) == 1
    assert {each["trial"] for each in few["dropped"]} == set(ids) - {few["members"][0]["trial"]}
    assert all("may be used" in each["why"] for each in few["dropped"])


def test_a_blend_that_affords_no_other_is_the_best_of_those_asked_for(bench: Bench) -> None:
    trials = [bench.trial(name) for name in ("poor", "narrow", "wide")]
    best = max(trials, key=lambda trial: trial["score"])
    blend = bench.blend([trial["id"] for trial in trials], seconds=1e-9)
    assert blend["members"][0]["trial"] == best["id"]
    assert blend["score"] == best["score"]


def test_what_is_clearly_worse_replaces_no_submission_unless_forced(bench: Bench) -> None:
    poor, blend = bench.trial("poor"), bench.blend([bench.trial("narrow")["id"], bench.trial("wide")["id"]])
    bench.submit(blend["id"])
    with pytest.raises(ValueError, match=r"clearly worse .*force=True") as refused:
        bench.submit(poor["id"])
    assert bench.solution()["what"] == blend["id"]
    assert f"cobra.submit('{poor['id']}', force=True)" in str(refused.value)
    assert bench.submit(poor["id"], force=True)["what"] == poor["id"]
    assert bench.submit(blend["id"])["what"] == blend["id"], "a better one needs no force"
