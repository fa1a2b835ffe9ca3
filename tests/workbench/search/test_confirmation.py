"""What "confirmed" means, and the size of the data on which effects are measured."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import null_effects
from cobra_jupyter.workbench.protocol.keys import key_codes
from cobra_jupyter.workbench.search.confirmation import SeedNoise, confirmed, uncertainty
from cobra_jupyter.workbench.search.fidelity import affordable, trial_seconds
from tests.conftest import Bench
from tests.workbench.sources import body


@pytest.mark.parametrize("noise", null_effects.SETTINGS)
def test_few_ablations_of_null_effects_confirm_any(noise: str) -> None:
    found = null_effects.rates(60, *null_effects.SETTINGS[noise])
    assert found["after"] <= 0.1 < found["before"]
    assert found["real after"] > 0.9, "what is real is still seen"


def test_the_noise_of_seeds_is_pooled_over_trials() -> None:
    noise = SeedNoise().with_twins([1.0, 3.0]).with_twins([5.0, 5.0, 8.0]).with_twins([4.0])
    assert (noise.squares, noise.freedom) == (8.0, 3)
    assert noise.of_difference == pytest.approx(np.sqrt(2 * 8 / 3))
    assert SeedNoise().of_difference is None


def test_few_twins_and_many_comparisons_ask_for_more() -> None:
    few, many = (uncertainty(0.0, SeedNoise(freedom * 1.0, freedom)) for freedom in (2, 40))
    assert few.se == many.se == pytest.approx(np.sqrt(2))
    gain = 6.0
    assert confirmed(gain, many.se, many.freedom, 20)
    assert not confirmed(gain, few.se, few.freedom, 20)
    assert confirmed(gain, few.se, 40, 20)
    assert not confirmed(gain, few.se, 40, 20_000)
    assert uncertainty(0.5, SeedNoise(0.0, 5)).freedom is None, "seeds change nothing"
    assert not confirmed(0.0, 0.0, None, 1)


# ---- the size


def trial(fit: float, predict: float) -> Any:
    fits = (SimpleNamespace(predict_seconds=predict),)
    return SimpleNamespace(alone=fit + predict, fits=fits)


def test_held_out_prediction_counts_at_every_size() -> None:
    slow_to_predict = trial(fit=0.1, predict=4.0)
    assert trial_seconds(slow_to_predict, 0.1, 1.0) == pytest.approx(0.1 * 10**1.1 + 4.0)
    assert trial_seconds(slow_to_predict, 0.1, 0.02) > 4.0


def size(keyed: bool, left: float, rows: int = 100_000) -> list[Any]:
    return affordable(
        trial(0.5, 0.0), 0.1, 5, trials=10, slots=1, left=left, longest=60.0, keyed=keyed, rows=rows
    )


def test_where_keys_repeat_all_rows_of_one_fold_come_before_fewer_rows() -> None:
    assert size(keyed=False, left=100.0)[0] < 1
    assert size(keyed=True, left=100.0) == [1.0, [4]]
    assert size(keyed=True, left=1000.0) == size(keyed=False, left=1000.0) == [1.0, [0, 1, 2, 3, 4]]


def test_an_ablation_keeps_rows_enough_to_tell_something_though_not_all_levels_can_be_tried() -> None:
    assert size(keyed=False, left=1.0) == [0.02, [4]]
    assert size(keyed=False, left=1.0, rows=1_000) == [0.2, [4]]
    assert size(keyed=False, left=1.0, rows=150) == [1.0, [4]]


def visits(frame: pd.DataFrame) -> pd.DataFrame:
    """Shoppers with about eight visits each; the same ones in train and test."""
    return frame.assign(shopper=[f"s{i}" for i in np.random.default_rng(8).integers(0, 100, len(frame))])


def test_a_key_is_a_column_whose_values_repeat_in_few_rows_each() -> None:
    frame = visits(pd.DataFrame({"id": np.arange(800), "colour": ["red", "blue"] * 400, "a": np.ones(800)}))
    kinds = {"colour": "category", "a": "number", "shopper": "category"}
    codes = key_codes(frame, kinds, "id")
    assert codes is not None
    assert np.array_equal(codes, pd.factorize(frame["shopper"])[0])
    assert key_codes(frame.drop(columns="shopper"), kinds, "id") is None


def test_a_small_trial_has_whole_keys_and_is_judged_on_rows_of_these(
    light_benches: Callable[..., Bench],
) -> None:
    bench = light_benches(task="regression", rows=800, change=visits).ready(repeats=1)
    views = bench.harness.scope.views
    folds = bench.harness.scope.scorer.folds
    assert views.keys is not None
    training, key = folds.training(0, 1), (0, 1)
    positions = views.positions(key, 0.1, 0)
    assert positions is not None
    chosen = training[np.load(positions)]
    inside = np.isin(views.keys[training], views.keys[chosen])
    assert inside.sum() == len(chosen), "all training rows of each chosen key"
    assert 0.05 < len(chosen) / len(training) < 0.2
    known = views.known(key, 0.1, 0)
    assert set(views.keys[known]) <= set(views.keys[chosen])
    assert 0 < len(known) < len(folds.held_out(*key))
    assert np.array_equal(views.known(key, 1.0, 0), folds.held_out(*key))


MEANS = body(
    head="FACTORS = {'use': ['all', 'shopper']}",
    fit="return train.groupby('shopper')['y'].mean(), train['y'].mean()",
    predict="means, whole = model\n"
    "known = rows['shopper'].map(means).fillna(whole).to_numpy()\n"
    "return known if ctx.config['use'] == 'shopper' else np.full(len(rows), whole)",
)


def test_a_factor_that_lives_on_density_is_seen_on_a_tenth_of_the_rows(
    light_benches: Callable[..., Bench],
) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = visits(frame)
        if "y" in frame:
            levels = np.random.default_rng(5).normal(size=100)
            noise = np.random.default_rng(6).normal(size=len(frame))
            frame["y"] = levels[frame["shopper"].str[1:].astype(int)] + noise
        return frame

    bench = light_benches(task="regression", rows=2_000, change=change).ready(repeats=1)
    bench.candidate("means", MEANS)
    (effect,) = bench.ablate("means", fraction=0.1, seconds=60)["effects"]
    assert effect["verdict"] == "better"
    assert effect["gain"] > 0.15


def test_times_beside_a_background_job_are_marked_and_forecast_nothing() -> None:
    from cobra_jupyter.workbench.search import scaling

    def fit(rows: int, seconds: float, beside: bool) -> Any:
        return SimpleNamespace(
            rows=rows, status="ok", seconds=seconds, fit_seconds=seconds, predict_seconds=0.0, rss_mb=1.0,
            base_mb=1.0, fit_mb=1.0, predict_mb=0.0,
            beside=beside,
        )  # fmt: skip

    def probe(*fits: Any) -> float:
        spec = SimpleNamespace(candidate=SimpleNamespace(key="c_v1"), config={})
        trials: Any = [SimpleNamespace(fits=fits, spec=spec)]
        return scaling.predict(trials, 4_000, 5, 1, 1_000.0).fit_seconds

    quiet = [fit(1_000, 1.0, False), fit(4_000, 4.0, False)]
    assert probe(*quiet, fit(4_000, 40.0, True)) == probe(*quiet)
    assert probe(fit(4_000, 40.0, True)) == 40.0, "better than nothing"
