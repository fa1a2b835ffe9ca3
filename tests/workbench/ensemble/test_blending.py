"""Blends, the choice among them, and the vault."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench.ensemble.blending import greedy
from tests.conftest import Bench
from tests.workbench.sources import LINEAR, body

ONE = LINEAR.replace('"use": ["both", "b", "a"]', '"use": ["a", "b"]')


def slower(source: str, seconds: float) -> str:
    fit = "def fit(train, ctx):"
    return source.replace(fit, f"{fit}\n    import time; time.sleep({seconds})")


def two_features(frame: pd.DataFrame) -> pd.DataFrame:
    """A target that needs both features."""
    if "y" in frame:
        frame["y"] = frame["a"] + frame["b"] + 0.1 * np.random.default_rng(0).normal(size=len(frame))
    return frame


@pytest.fixture(scope="module")
def bench(benches: Callable[..., Bench]) -> Bench:
    bench = benches(task="regression", rows=400, change=two_features).ready(repeats=2)
    bench.candidate("one", ONE)
    return bench


def test_members_that_complement_each_other_beat_each_alone(bench: Bench) -> None:
    a, b = bench.trial("one", repeats=2), bench.trial("one", {"use": "b"}, repeats=2)
    blend = bench.blend([a["id"], b["id"]])
    assert blend["score"] < min(a["score"], b["score"])
    assert blend["over_best"]["gain"] > 2 * blend["over_best"]["se"]
    assert sum(member["weight"] for member in blend["members"]) == pytest.approx(1)
    assert {member["trial"] for member in blend["members"]} == {a["id"], b["id"]}
    assert blend["cost"] == pytest.approx(a["cost"] + b["cost"], abs=0.01)
    assert blend["best_single"] in (a["id"], b["id"])
    assert blend["considered"] == 2


def test_the_nested_score_is_hardly_better_than_the_one_in_sample(benches: Callable[..., Bench]) -> None:
    """On noise every gain of a blend is luck, which nested folds do not share."""
    bench = benches(task="binary", rows=300, noise=True).ready(repeats=1)
    lucky = body(
        predict="return np.clip(0.5 + 0.1 * np.random.default_rng([ctx.config['n'], len(rows)])"
        ".normal(size=len(rows)), 0.05, 0.95)",
        head="FACTORS = {'n': [0]}",
    )
    bench.candidate("lucky", lucky)
    for n in range(6):
        bench.trial("lucky", {"n": n})
    blend = bench.blend()
    assert blend["score"] >= blend["in_sample"] - 1e-9


def test_the_cost_of_members_is_limited(bench: Bench) -> None:
    bench.candidate("dear", slower(ONE, 0.5))
    cheap, dear = bench.trial("one"), bench.trial("dear", {"use": "b"})
    assert len(bench.blend([cheap["id"], dear["id"]])["members"]) == 2
    within = bench.blend([cheap["id"], dear["id"]], seconds=(cheap["cost"] + 0.5) / 2)
    assert [member["trial"] for member in within["members"]] == [cheap["id"]]


def test_greedy_weights_are_those_of_least_loss() -> None:
    truth = np.array([[0.0], [1.0], [2.0]])
    raws = [truth + 1, truth - 1, truth + 5]

    def loss(t: np.ndarray, raw: np.ndarray) -> float:
        return float(np.mean((t - raw) ** 2))

    assert greedy(loss, truth, raws, [1, 1, 1], 10).tolist() == [0.5, 0.5, 0]
    assert greedy(loss, truth, raws, [1, 1, 1], 1.5).tolist() == [1, 0, 0]
    assert greedy(loss, truth, raws, [3, 2, 1], 0.5).tolist() == [0, 0, 1], "the cheapest where none fits"
    assert greedy(loss, truth, raws[:1], [9], 0.5).tolist() == [1]


def test_only_full_size_trials_are_blended_and_chosen_but_any_is_submitted(bench: Bench) -> None:
    full = bench.trial("one")
    part = bench.trial("one", folds=[0, 1])
    with pytest.raises(ValueError, match=f"{part['id']}: not a finished full-size trial; full-size are: t"):
        bench.blend([part["id"]])
    assert bench.submit(part["id"])["what"] == part["id"]
    assert part["id"] not in {entry["id"] for entry in bench.select()["table"]}
    with pytest.raises(ValueError, match=f"t999: not a blend and not a finished trial.*{full['id']}"):
        bench.submit("t999")


def test_a_tie_goes_to_the_cheaper(benches: Callable[..., Bench]) -> None:
    bench = benches(task="regression").ready(repeats=1)
    with pytest.raises(ValueError, match="no trial has finished"):
        bench.select()
    bench.candidate("cheap", LINEAR)
    bench.candidate("dear", slower(LINEAR, 1.5).replace("rcond=None)[0]", "rcond=None)[0] + 1e-9"))
    bench.candidate("poor", LINEAR.replace("@ model\n", "@ model * 0\n"))
    dear, cheap, poor = bench.trial("dear"), bench.trial("cheap"), bench.trial("poor")
    chosen = bench.select()
    assert chosen["chosen"] == cheap["id"]
    assert chosen["runner_up"] == dear["id"]
    table = {row["id"]: row for row in chosen["table"]}
    assert table[dear["id"]]["tie"]
    assert not table[poor["id"]]["tie"]
    assert chosen["table"][-1]["id"] == poor["id"]
    assert chosen["vault"] is None


def test_the_better_is_chosen_and_what_came_after_counts(bench: Bench) -> None:
    a = bench.trial("one", repeats=2)
    first = bench.select()["chosen"]
    bench.candidate("linear", LINEAR)
    best = bench.trial("linear", repeats=2)
    assert bench.submit()["what"] == best["id"] != first
    assert "has the best score" in bench.select()["why"]
    assert a["id"] != best["id"]


def memory(bench: Bench) -> str:
    """A candidate whose source knows the labels of every row that folds show, and of no other."""
    harness = bench.harness
    seen = harness._data.train.drop(index=harness.scope.scorer.folds.vault)
    known = dict(zip(seen["id"], seen["y"].tolist(), strict=True))
    told = """
return np.array([0.02 + 0.96 * known[i] if i in known else (0.9 if n % 2 else 0.1)
                 for n, i in enumerate(rows["id"])])
"""
    return body(predict=f"known = {known!r}{told}")


def test_the_vault_vetoes_what_learned_the_folds_by_heart(benches: Callable[..., Bench]) -> None:
    bench = benches(rows=1_500).ready(repeats=1, vault=True)
    bench.candidate("linear", LINEAR)
    honest = bench.trial("linear")
    bench.candidate("memory", memory(bench))
    cheat = bench.trial("memory")
    assert cheat["score"] < 0.1 * honest["score"]
    chosen = bench.select()
    assert chosen["vetoed"]
    assert (chosen["chosen"], chosen["runner_up"]) == (honest["id"], cheat["id"])
    assert "vetoed; audit the split" in chosen["vault"]
    assert bench.submit()["what"] == honest["id"]


def test_the_vault_does_not_choose(benches: Callable[..., Bench]) -> None:
    bench = benches(rows=600).ready(repeats=1, vault=True)
    bench.candidate("linear", LINEAR)
    for use in ("both", "a"):
        bench.trial("linear", {"use": use})
    chosen = bench.select()
    assert not chosen["vetoed"]
    assert "vault of 30 rows" in chosen["vault"]


def test_a_new_protocol_compares_nothing_with_the_old(bench: Bench) -> None:
    bench.submit(bench.trial("one")["id"])
    before = bench.solution()
    bench.protocol(folds=4, repeats=1)
    with pytest.raises(ValueError, match="no trial has finished"):
        bench.blend()
    assert bench.effects()["effects"] == []
    assert bench.solution() == before, "what was submitted can still be proven"
