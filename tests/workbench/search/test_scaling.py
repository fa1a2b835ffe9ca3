"""What a full-size trial would cost follows from small fits; one that does not fit is made smaller."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cobra_jupyter.workbench.errors import TooExpensive
from cobra_jupyter.workbench.harness.resources import threads
from cobra_jupyter.workbench.search import scaling
from cobra_jupyter.workbench.search.fits import Fit
from cobra_jupyter.workbench.search.scaling import FRACTIONS, Size, affordable, predict
from tests.conftest import Bench
from tests.workbench.sources import LINEAR

CANDIDATE = SimpleNamespace(key="big_v1")
ROWS = 800_000


def fit(rows: int, seconds: float, mb: float) -> Fit:
    """A fit of a large table: prediction of the held-out rows costs the same, however few rows it learned."""
    return Fit(
        "d",
        0,
        4,
        "ok",
        "",
        0,
        rows=rows,
        seconds=seconds + 9.0,
        fit_seconds=seconds,
        predict_seconds=8.0,
        base_mb=150.0,
        fit_mb=mb,
        predict_mb=900.0,
        rss_mb=1_050.0,
    )


def probe(*fits: Fit, memory: float = 18_000, folds: int = 5, slots: int = 1) -> Any:
    trials: Any = [SimpleNamespace(fits=fits, spec=SimpleNamespace(candidate=CANDIDATE, config={}))]
    return predict(trials, ROWS, folds, slots, memory)


SMALL = (fit(8_000, 0.8, 25.0), fit(40_000, 4.0, 60.0))


def test_prediction_does_not_grow_with_the_training_rows() -> None:
    found = probe(*SMALL)
    assert found.fit_seconds == pytest.approx(80.0)
    assert found.predict_seconds == 8.0
    assert found.trial_seconds == pytest.approx(5 * (80 + 8 + 1))


def test_memory_is_what_the_process_held_plus_what_its_fit_added() -> None:
    found = probe(*SMALL)
    assert found.rss_mb == pytest.approx(150 + 60 + 35 / 32_000 * 760_000, rel=0.01)
    assert found.fits_memory
    assert not probe(*SMALL, memory=800).fits_memory


def test_noise_of_a_small_peak_is_not_extrapolated() -> None:
    found = probe(fit(1_000, 0.5, 0.1), fit(4_000, 0.6, 9.0))
    assert found.rss_mb == 1_050.0


@pytest.mark.parametrize(
    ("left", "folds", "fraction"),
    [(600, 5, 1.0), (400, 3, 1.0), (115, 1, 1.0), (100, 1, 0.7), (21, 1, 0.1)],
)
def test_folds_are_left_out_first_and_rows_last(left: float, folds: int, fraction: float) -> None:
    size = affordable(probe(*SMALL), 5, 1, 1, left)
    assert (size.folds, size.fraction) == (tuple(range(5 - folds, 5)), fraction)
    assert (size.why == "") is (folds == 5)
    assert 1.2 * size.seconds <= left


def test_what_does_not_fit_the_memory_runs_on_fewer_rows() -> None:
    greedy = (fit(8_000, 0.8, 25.0), fit(40_000, 4.0, 125.0))  # 2,500 MiB on all rows
    size = affordable(probe(*greedy, memory=1_100), 5, 1, 1, 10_000)
    assert (size.folds, size.fraction) == ((4,), 0.35)
    assert "MiB" in size.why


def test_repeats_are_left_out_before_folds() -> None:
    size = affordable(probe(*SMALL, folds=20), 5, 4, 1, 1_500)
    assert (size.repeats, size.folds, size.fraction) == (1, (0, 1, 2, 3, 4), 1.0)


def test_what_does_not_even_fit_on_few_rows_is_refused() -> None:
    with pytest.raises(TooExpensive, match=f"{FRACTIONS[-1]:.1%} of the rows"):
        affordable(probe(*SMALL), 5, 1, 1, 5)


@pytest.mark.parametrize(
    ("cores", "fits", "rows", "source", "expected"),
    [
        (36, 5, 800_000, "n_jobs", 7),
        (2, 5, 800_000, "n_jobs", 1),
        (8, 1, 800_000, "n_jobs", 8),
        (36, 5, 12_000, "n_jobs", 2),  # few rows: more threads would wait for each other
        (36, 5, 800_000, "Ridge()", 1),  # its code cannot use more
    ],
)
def test_threads_fill_the_cores(cores: int, fits: int, rows: int, source: str, expected: int) -> None:
    assert threads(cores, fits, rows, source) == expected


def test_a_trial_that_does_not_fit_at_full_size_runs_smaller_and_can_be_submitted(
    light_benches: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = light_benches(task="regression").ready(repeats=1)
    bench.candidate("linear", LINEAR)
    full = bench.trial("linear")
    smaller = Size(1, (4,), 0.5, 1.0, "it would take too long; so it ran on 1 of 5 folds and 50% of the rows")
    monkeypatch.setattr(scaling, "affordable", lambda *_: smaller)
    trial = bench.scale("linear", seed=7)
    assert (trial["folds"], trial["fraction"], trial["full"]) == ([4], 0.5, False)
    assert trial["reduced"] == smaller.why
    table = {entry["id"]: entry for entry in bench.select()["table"]}
    assert set(table) == {trial["id"], full["id"]}
    compared = table[full["id"]]["score"]
    assert compared == pytest.approx(full["fold_scores"][4]), "on the fold that both predicted"
    assert bench.submit(trial["id"])["what"] == trial["id"]


def test_without_a_full_size_trial_every_trial_stands_for_selection(
    light_benches: Callable[..., Bench],
) -> None:
    bench = light_benches(task="regression").ready(repeats=1)
    bench.candidate("linear", LINEAR)
    small = bench.trial("linear", folds=[4], fraction=0.5)
    assert bench.submit()["what"] == small["id"]
    full = bench.trial("linear")
    assert bench.submit()["what"] == full["id"], "then full-size trials do"
