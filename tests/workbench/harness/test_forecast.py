"""What a submission and its proof cost is said before the work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cobra_jupyter.workbench.display import pages, rendering
from cobra_jupyter.workbench.ensemble import training
from cobra_jupyter.workbench.ensemble.training import Training
from tests.conftest import Bench, FakeCall
from tests.workbench.sources import LINEAR


@pytest.fixture
def bench(light_benches: Callable[..., Bench]) -> Bench:
    bench = light_benches(settings={"budget": 3600.0, "started": time.time()}).ready(folds=4, repeats=1)
    bench.candidate("linear", LINEAR)
    return bench


def test_a_submission_says_its_cost_and_the_reserve_before_it_is_made(bench: Bench) -> None:
    bench.trial("linear")
    call = FakeCall()
    known = bench.status()["submit"]
    made = bench.submit("t001", on=call)
    (said,) = [news["said"] for news in call.news]
    assert said.startswith("submission of t001: about ")
    assert made["forecast"]["what"] == known["what"] == "t001"
    assert made["forecast"]["reserve"] == pytest.approx(known["reserve"], abs=1)
    assert bench.status()["reserve"] == pytest.approx(made["forecast"]["reserve"], abs=3)
    assert f"expected cost of {said.removeprefix('submission of ')}" in pages.text("submission", made)


def test_without_a_trial_there_is_nothing_to_submit(bench: Bench) -> None:
    assert bench.status()["submit"] is None


def test_the_forecast_is_of_the_work_that_is_planned(bench: Bench) -> None:
    bench.trial("linear")
    (trial,) = bench.harness.scope.trials.finished()
    fits = tuple(replace(fit, seconds=10.0, predict_seconds=1.0, rows=150) for fit in trial.fits)
    members = [(replace(trial, fits=fits), 1.0)]

    def cost(refits: int, stored: bool) -> tuple[float, float]:
        return training.forecast(members, Training(refits, ""), 150, [2.0], lambda trial: stored)

    assert cost(0, True) == (4 * 2.0, 40.0)
    assert cost(0, False) == (4 * 2.0 + 40.0, 40.0), "models that are not stored are trained again"
    assert cost(3, True) == pytest.approx((3 * 10.0 + 3 * 2.0, 30.0))


def test_a_full_size_trial_is_preceded_by_the_cost_of_its_proof(bench: Bench) -> None:
    def told(**options: Any) -> list[str]:
        call = FakeCall()
        bench.trial("linear", on=call, **options)
        return [news["said"] for news in call.news if "said" in news]

    assert told(folds=[0], fraction=0.5) == []
    (said,) = told()
    assert said.startswith("linear_v1: a proof trains it again for about ")
    bench.candidate("new", LINEAR)
    call = FakeCall()
    bench.trial("new", on=call)
    assert call.news[0]["said"] == "new_v1: no earlier trial tells what it and its proof will cost"
    call = FakeCall()
    bench.scale("linear", {"use": "a"}, on=call)
    assert "a proof trains it again" in call.news[0]["said"]


def test_what_was_said_stays_until_the_result_replaces_it() -> None:
    shown: list[str] = []
    live = rendering.Live(lambda content, **place: shown.append(content["text/plain"]))
    live.progress({"said": "a proof takes 3 s"})
    live.progress({"what": "linear", "done": 1, "total": 4})
    assert shown == ["a proof takes 3 s", "a proof takes 3 s; linear: 1 of 4 fits done"]
