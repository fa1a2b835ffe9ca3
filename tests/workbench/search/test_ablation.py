"""Factors tested on small data, and what a full run costs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from cobra_jupyter.workbench.errors import TooExpensive
from cobra_jupyter.workbench.search.scaling import extrapolate
from tests.conftest import Bench, FakeCall
from tests.workbench.sources import LINEAR, body

FACTORS = """
FACTORS = {"use": ["a", "b", "both"], "idle": [1, 2], "gap": [0, 1], "shift": [1.0, 0.0],
           "broken": [False, True]}
NOTES = {"use": "which features"}
"""
PLANTED = FACTORS + LINEAR.split("\n", 3)[3].split('NOTES = {"use": "which features"}')[1].replace(
    "return raw if", "raw = raw + ctx.config['shift']\n    return raw if"
)
PLANTED = "import numpy as np\n" + PLANTED


@pytest.fixture(scope="module")
def bench(benches: Callable[..., Bench]) -> Bench:
    bench = benches(task="regression", rows=400).ready()
    bench.candidate("planted", PLANTED)
    return bench


def by_level(table: dict[str, Any]) -> dict[tuple[str, Any], dict[str, Any]]:
    return {(effect["factor"], effect["level"]): effect for effect in table["effects"]}


@pytest.fixture(scope="module")
def ablated(bench: Bench) -> dict[str, Any]:
    call = FakeCall()
    table: dict[str, Any] = bench.ablate("planted", seconds=60, on=call)
    assert any("ablation" in news for news in call.news)
    return table


def test_a_strong_effect_is_found_with_its_sign(ablated: dict[str, Any]) -> None:
    found = by_level(ablated)
    worse, better = found["use", "b"], found["shift", 0.0]
    assert (worse["verdict"], worse["confirmed"]) == ("worse", True)
    assert worse["gain"] < 0
    assert (better["verdict"], better["confirmed"]) == ("better", True)
    assert better["gain"] > 2 * better["se"] > 0
    assert worse["baseline"] == "a"


def test_a_factor_that_does_nothing_is_unclear(ablated: dict[str, Any]) -> None:
    for key in (("idle", 2), ("gap", 1)):
        effect = by_level(ablated)[key]
        assert (effect["verdict"], effect["confirmed"], effect["gain"]) == ("unclear", False, 0.0)


def test_a_level_that_fails_is_said_with_its_reason(ablated: dict[str, Any]) -> None:
    effect = by_level(ablated)["broken", True]
    assert effect["verdict"] == "failed"
    assert "this level cannot work" in effect["note"]
    assert effect["gain"] is None


def test_the_best_combination_and_its_gain_are_told(ablated: dict[str, Any], bench: Bench) -> None:
    assert ablated["best"]["shift"] == 0.0
    assert ablated["best"]["use"] != "b"
    assert ablated["best_gain"] >= by_level(ablated)["shift", 0.0]["gain"] - 1e-9
    assert list(ablated["importance"])[:2] in (["use", "shift"], ["shift", "use"])
    assert sum(ablated["importance"].values()) == pytest.approx(1)
    assert ablated["fidelity"] == "all rows, 5 folds"
    assert ablated["comparisons"] >= 6
    assert ("ablation", ablated) in bench.records


def test_effects_lists_the_strongest_first(ablated: dict[str, Any], bench: Bench) -> None:
    effects = bench.effects()
    gains = [e["gain"] for e in effects["effects"] if e["gain"] is not None]
    assert gains == sorted(gains, reverse=True)
    assert effects["best"][0]["config"] == ablated["best"]


def test_winners_are_tried_together(bench: Bench) -> None:
    table = bench.ablate(
        "planted", config={"use": "b"}, factors={"use": ["b", "a"], "shift": [1.0, 0.0]}, seconds=30
    )
    (combination,) = table["combinations"]
    assert combination["change"] == {"use": "a", "shift": 0.0}
    singles = [effect["gain"] for effect in table["effects"]]
    assert combination["gain"] > max(singles)
    assert table["best"]["use"] == "a"
    assert table["best_gain"] == pytest.approx(combination["gain"])


def test_factors_may_be_named_and_must_exist(bench: Bench) -> None:
    table = bench.ablate("planted", ["idle"], seconds=20)
    assert [(e["factor"], e["level"]) for e in table["effects"]] == [("idle", 2)]
    with pytest.raises(ValueError, match="nothing: not a factor of planted_v1; its factors are use"):
        bench.ablate("planted", ["nothing"])
    for odd in ({"folds": [7]}, {"fraction": 3.0}):
        with pytest.raises(ValueError, match=r"folds are numbered|fraction is a share"):
            bench.ablate("planted", **odd)


def test_survivors_run_again_on_more_rows(bench: Bench) -> None:
    table = bench.ablate("planted", ["use", "shift", "idle"], fraction=0.3, folds=[3, 4], seconds=60)
    assert table["fraction"] == 0.3
    rungs = {combination["rung"] for combination in table["combinations"]}
    assert {1, 2} <= rungs
    last = next(t for t in bench.harness.scope.trials.finished() if t.id == table["best_trial"])
    assert last.spec.fraction == 1.0
    assert table["best_gain"] > 0, "the gain is told at the size of the effects"


def test_a_baseline_that_fails_is_an_error(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match=r"the baseline of planted_v1 failed: .*cannot work"):
        bench.ablate("planted", ["use"], config={"broken": True}, seconds=20)


SLOW = body(
    "time.sleep(len(train) * ctx.config['pause']); return None",
    head="FACTORS = {'pause': [0.001, 0.0011, 0.0012], 'other': [0, 1, 2]}",
)


def test_the_time_limit_is_kept_and_what_was_not_tried_is_said(bench: Bench) -> None:
    bench.candidate("slower", SLOW.replace("len(train) *", "2 * len(train) *"))
    begun = time.monotonic()
    table = bench.ablate("slower", fraction=1.0, folds=[0, 1], seconds=2.4)
    assert time.monotonic() - begun < 4
    untried = [e for e in table["effects"] if e["verdict"] == "not tried"]
    assert untried
    assert all("no time left" in e["note"] for e in untried)
    with pytest.raises(RuntimeError, match="not done within"):
        bench.ablate("slower", config={"pause": 0.003}, fraction=1.0, seconds=1)


def test_an_expensive_candidate_is_tried_on_less_data(bench: Bench) -> None:
    bench.candidate("slow", SLOW)
    table = bench.ablate("slow", {"other": [0, 1]}, config={"pause": 0.0012, "other": 0}, seconds=6)
    assert table["fraction"] < 1 or table["folds"] < 5
    assert table["seconds"] < 8
    assert by_level(table)["other", 1]["verdict"] == "unclear"


def test_an_ablation_can_be_cancelled(bench: Bench) -> None:
    bench.candidate("slow", SLOW)
    call = FakeCall()
    threading.Timer(0.5, call.cancelled.set).start()
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="not done"):
        bench.ablate("slow", config={"other": 7}, fraction=1.0, seconds=60, on=call)
    assert time.monotonic() - begun < 3


def test_more_comparisons_in_the_run_take_a_confirmation_back(bench: Bench) -> None:
    before = bench.harness.scope.ablations
    bench.harness.scope.ablations = []
    try:
        table = bench.ablate("planted", {"idle": [1, 2], "shift": [1.0, 0.9]}, fraction=1.0, seconds=60)
        weak = by_level(table)["shift", 0.9]
        (known,) = bench.harness.scope.ablations
        (effect,) = [each for each in known.effects if each.factor == "shift"]
        assert weak["confirmed"] == effect.still_confirmed(table["comparisons"])
        assert not effect.still_confirmed(10**300)
    finally:
        bench.harness.scope.ablations = before


# ---- what a full run costs


def test_a_power_law_with_a_constant_part_is_seen_through() -> None:
    sizes = (1_000.0, 4_000.0)
    for law in (lambda n: 0.1 + 1e-4 * n, lambda n: 1e-7 * n**1.5, lambda n: 2e-4 * n, lambda n: 0.3):
        value, _ = extrapolate([(n, law(n)) for n in sizes], 100_000, 0.5, 2.0)
        assert value >= 0.9 * law(100_000)
    value, _ = extrapolate([(n, 0.1 + 1e-4 * n) for n in sizes], 100_000, 0.5, 2.0)
    assert value == pytest.approx(10.1, rel=0.05)
    assert extrapolate([(500, 2.0)], 500, 0.5, 2.0)[0] == 2.0


def test_a_probe_predicts_the_full_run(benches: Callable[..., Bench]) -> None:
    bench = benches(rows=10_000, task="regression").ready()
    bench.candidate("sleeper", body("time.sleep(len(train) * 1e-4)", "return np.zeros(len(rows))"))
    probe = bench.probe("sleeper")
    assert [m["rows"] for m in probe["measured"]] == [1_000, 4_000]
    assert 0.5 < probe["fit_seconds"] / 0.85 < 2
    begun = time.monotonic()
    trial = bench.scale("sleeper")
    assert 0.5 < probe["trial_seconds"] / (time.monotonic() - begun) < 2
    assert trial["full"]
    assert probe["fits_memory"]
    assert "probe" in bench.kinds()


def test_a_candidate_that_fails_on_few_rows_is_refused_before_the_full_trial(bench: Bench) -> None:
    bench.candidate("broken", body("raise ValueError('no')"))
    with pytest.raises(TooExpensive, match=r"broken_v1 failed on \d+% of the rows: ValueError: no"):
        bench.scale("broken")


def test_nothing_starts_when_only_the_reserve_is_left(benches: Callable[..., Bench]) -> None:
    bench = benches(settings={"started": time.time() - 90, "budget": 100.0}).ready()
    bench.candidate("constant", body())
    assert bench.status()["reserve"] == 3.0, "nothing is submitted, so there is nothing to prove"
    bench.harness.resources.to_prove = 1.0
    status = bench.status()
    assert status["seconds_left"] < status["reserve"]
    for start in (bench.trial, bench.scale, bench.probe, bench.ablate):
        with pytest.raises(TooExpensive, match=r"left"):
            start("constant")
    with pytest.raises(TooExpensive):
        bench.shared("x", "def make(rows, ctx): return rows[['a']]")
    assert "trial" not in bench.kinds()
    json.dumps(status, allow_nan=False)
