"""How what is submitted was trained: refits on all rows where folds look ahead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench.ensemble import training
from cobra_jupyter.workbench.search import refits
from tests.conftest import Bench, FakeCall
from tests.workbench.sources import body

DAYS = 120
LAST = body(  # knows only the level of the latest day that it was trained on
    fit='return float(train.loc[train["day"] == train["day"].max(), ctx.targets[0]].mean())',
    predict="return np.full(len(rows), model)",
)
NOISY = LAST.replace("np.full(len(rows), model)", "np.full(len(rows), model + ctx.seed)")


@pytest.fixture
def growing(tmp_path: Path) -> Path:
    """A series that grows by 1 a day; test is the 20 days after train."""
    public = tmp_path / "competition" / "public"
    public.mkdir(parents=True)
    days = pd.date_range("2023-01-01", periods=DAYS + 20).strftime("%Y-%m-%d")
    rows = [(day, shop, float(n)) for n, day in enumerate(days) for shop in "abcde"]
    frame = pd.DataFrame(rows, columns=["day", "shop", "y"])
    frame.insert(0, "id", np.arange(len(frame)))
    train, test = frame[: DAYS * 5], frame[DAYS * 5 :]
    train.to_csv(public / "train.csv", index=False)
    test.drop(columns="y").to_csv(public / "test.csv", index=False)
    test[["id"]].assign(y=0.0).to_csv(public / "sample_submission.csv", index=False)
    (public / "description.md").write_text(
        "# Overview\n\n## Evaluation\n\nSubmissions are evaluated on rmse.\n"
    )
    return public


def submitted(bench: Bench) -> Any:
    return pd.read_csv(bench.run / "submission.csv")["y"].unique()


def test_under_a_split_by_time_all_rows_train_the_submission(
    light_benches: Callable[..., Bench], growing: Path
) -> None:
    bench = light_benches(growing).ready()
    assert bench.harness.scope.protocol.split == "time"
    bench.candidate("last", LAST)
    record = bench.submit(bench.trial("last")["id"])
    assert submitted(bench).tolist() == [DAYS - 1.0], "the level of the last day of train, not of a fold's"
    assert "all rows train" in record["training"]
    (member,) = record["members"]
    assert [(fit["fold"], fit["rows"]) for fit in member["fits"]] == [(-1, DAYS * 5)], "seeds change nothing"
    models = bench.solution()["members"][0]["models"]
    assert [(model["repeat"], model["fold"]) for model in models] == [(0, -1)]


def test_seeds_that_differ_are_averaged(light_benches: Callable[..., Bench], growing: Path) -> None:
    bench = light_benches(growing).ready()
    bench.candidate("noisy", NOISY)
    record = bench.submit(bench.trial("noisy", seed=7)["id"])
    seeds = [fit["seed"] for fit in record["members"][0]["fits"]]
    assert len(set(seeds)) == len(seeds) > 1
    assert submitted(bench).tolist() == [pytest.approx(DAYS - 1 + np.mean(seeds))]


def test_a_refit_that_fails_leaves_the_latest_fold_to_predict(
    light_benches: Callable[..., Bench], growing: Path
) -> None:
    bench = light_benches(growing).ready()
    bench.candidate(
        "picky", LAST.replace("return float", f"assert len(train) < {DAYS * 5}\n    return float")
    )
    record = bench.submit(bench.trial("picky")["id"])
    assert submitted(bench).tolist() == [DAYS - 21.0]
    assert "refit on all rows failed" in record["training"]


def test_a_restored_run_submits_the_same_without_fitting(
    light_benches: Callable[..., Bench], growing: Path
) -> None:
    from cobra_jupyter.workbench.harness.restore import restore

    bench = light_benches(growing).ready()
    bench.candidate("noisy", NOISY)
    trial = bench.trial("noisy")
    bench.submit(trial["id"])
    solution = bench.solution()
    again = Bench(bench.run, growing, type(bench.harness.pool))
    restore(again.harness, bench.lines, FakeCall())
    assert {**again.solution(), "overhead": 0.0} == {**solution, "overhead": 0.0}  # seconds of reading
    made = again.harness.scope.finalists.submission(trial["id"], FakeCall().cancelled)
    assert made.equals(pd.read_csv(bench.run / "submission.csv"))
    again.close()


def test_independent_rows_keep_the_mean_of_the_folds(light_benches: Callable[..., Bench]) -> None:
    bench = light_benches(task="regression").ready(repeats=1)
    bench.candidate("seeds", body(predict="return np.full(len(rows), ctx.seed - 2.0)"))
    record = bench.submit(bench.trial("seeds")["id"])  # the labels' mean is about 0
    assert submitted(bench).tolist() == [0.0]
    assert all("fits" not in member for member in record["members"])


def fake(cost: float) -> Any:
    fits = tuple(SimpleNamespace(rows=80, seconds=cost / 5) for _ in range(5))
    return SimpleNamespace(id="t1", cost=cost, fits=fits)


def test_a_bag_that_can_neither_be_stored_nor_trained_again_gives_way_to_a_refit() -> None:
    members = [(fake(50.0), 1.0)]
    assert training.choose(members, 100, False, seconds=100.0, stored=True).refits == 0
    assert training.choose(members, 100, False, seconds=1000.0, stored=False).refits == 0
    refit = training.choose(members, 100, False, seconds=100.0, stored=False)
    assert refit.refits >= 1
    assert "not stored" in refit.why


def test_what_averaging_gains_is_measured_on_repeats(light_benches: Callable[..., Bench]) -> None:
    bench = light_benches(task="regression").ready(repeats=2)
    noise = "np.random.default_rng(ctx.seed).normal(size=len(rows))"
    bench.candidate("rough", body(predict=f"return rows['a'].to_numpy() * 2 + {noise}"))
    record = bench.submit(bench.trial("rough", repeats=2)["id"])
    assert "the mean over repeats gains +0." in record["training"]


PAIRS = body(  # knows a row only by the other one of its pair
    fit='return train.groupby("pair")[ctx.targets[0]].mean()',
    predict="return model.reindex(rows['pair']).fillna(0).to_numpy()",
)


def paired(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(pair=np.arange(len(frame)) % (len(frame) // 2))


def alike(frame: pd.DataFrame) -> pd.DataFrame:
    """Both rows of a pair have the same label."""
    frame = paired(frame)
    return frame.assign(y=frame["pair"].map(lambda pair: np.sin(pair) * 3)) if "y" in frame else frame


def test_where_every_row_counts_a_refit_is_measured_to_be_better_and_predicts(
    light_benches: Callable[..., Bench],
) -> None:
    bench = light_benches(task="regression", change=alike).ready(split="kfold", repeats=1)
    bench.candidate("pairs", PAIRS)
    record = bench.submit(bench.trial("pairs")["id"])
    assert "on the 40 rows of one fold a refit gains +" in record["training"]
    (member,) = record["members"]
    assert [fit["fold"] for fit in member["fits"]] == [-1]
    assert not list(bench.run.glob("trials/*without*")), "what was fitted to measure it is gone"


def test_where_averaging_helps_the_mean_of_the_folds_stays(light_benches: Callable[..., Bench]) -> None:
    bench = light_benches(task="regression").ready(repeats=1)
    noise = "np.random.default_rng(ctx.seed).normal(size=len(rows))"
    bench.candidate("rough", body(predict=f"return rows['a'].to_numpy() * 2 + {noise}"))
    record = bench.submit(bench.trial("rough")["id"])
    assert "on the 40 rows of one fold a refit gains -" in record["training"]
    assert all("fits" not in member for member in record["members"])


def test_why_it_was_not_measured_stands_in_the_record(
    light_benches: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = light_benches(task="regression").ready(folds=2, repeats=1)
    bench.candidate("zero", body(predict="return np.zeros(len(rows))"))
    record = bench.submit(bench.trial("zero")["id"])
    assert "not measured, as it takes a full-size trial with three folds or more" in record["training"]
    bench.protocol(folds=3, repeats=1)
    monkeypatch.setattr(refits, "MOST_SECONDS", 0.0)
    record = bench.submit(bench.trial("zero")["id"])
    assert "s of worker time, and 0 s may be used (t002)" in record["training"]
