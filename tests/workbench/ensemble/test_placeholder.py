"""From the first seconds on there is a valid submission, which no model was needed for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter import competition as competitions
from tests.conftest import Bench
from tests.workbench.sources import LINEAR


def read(bench: Bench) -> pd.DataFrame:
    return pd.read_csv(bench.run / "submission.csv")


def labels(bench: Bench) -> pd.Series:
    return pd.read_csv(bench.public / "train.csv")["y"]


def records(bench: Bench) -> list[dict[str, Any]]:
    return [data for kind, data in bench.records if kind == "placeholder"]


def test_it_stands_before_the_tables_are_read(
    light_benches: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = light_benches(task="regression")
    found: list[pd.DataFrame] = []

    def reading(*_: Any) -> Any:
        found.append(read(bench))
        raise competitions.CompetitionError("stop here")

    monkeypatch.setattr(competitions, "read", reading)
    with pytest.raises(competitions.CompetitionError):
        bench.open()
    pd.testing.assert_frame_equal(found[0], pd.read_csv(bench.public / "sample_submission.csv"))


@pytest.mark.parametrize(("metric", "centre"), [("rmse", "mean"), ("mae", "median")])
def test_numbers_get_the_constant_that_their_metric_likes_best(
    light_benches: Callable[..., Bench], metric: str, centre: str
) -> None:
    bench = light_benches(task="regression")
    bench.open(options={"metric": metric})
    best = getattr(labels(bench), centre)()
    assert read(bench)["y"].to_numpy() == pytest.approx(np.full(40, best))
    assert records(bench)[-1]["rows"] == 40


def test_classes_get_their_shares(light_benches: Callable[..., Bench]) -> None:
    bench = light_benches(task="binary")
    bench.open()
    assert read(bench)["y"].to_numpy() == pytest.approx(np.full(40, (labels(bench) == 1).mean()))


def test_a_trial_takes_its_place_for_good(light_benches: Callable[..., Bench]) -> None:
    bench = light_benches(task="regression")
    bench.ready(repeats=1)
    bench.candidate("linear", LINEAR)
    bench.submit(bench.trial("linear")["id"])
    submitted = read(bench)
    assert submitted["y"].nunique() > 1
    bench.open(options={"metric": "mae"})
    pd.testing.assert_frame_equal(read(bench), submitted)
