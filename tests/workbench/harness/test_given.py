"""Groups and weights given as a Series: by the key or the order of rows, the same after a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter import competition as competitions
from cobra_jupyter.workbench.harness.restore import restore
from tests.conftest import Bench, FakeCall, make_competition
from tests.inprocess.pool import InProcessPool


@pytest.fixture
def bench(light_benches: Callable[..., Bench]) -> Bench:
    bench = light_benches(task="regression", rows=60)
    bench.open()
    return bench


def sent(bench: Bench, series: pd.Series) -> dict[str, Any]:
    """The Series as the client leaves it beside the socket."""
    text = series.rename("value").rename_axis("index").reset_index().to_csv(index=False).encode()
    digest = hashlib.sha256(text).hexdigest()
    bench.run.mkdir(exist_ok=True)
    (bench.run / f"{digest}.csv").write_bytes(text)
    return {"series": digest, "name": str(series.name)}


def frozen(bench: Bench, **series: pd.Series) -> dict[str, Any]:
    given = {name: sent(bench, each) for name, each in series.items()}
    found: dict[str, Any] = bench.protocol(folds=3, repeats=1, beside=bench.run, **given)
    return found


def owners(ids: pd.Series) -> pd.Series:
    """Ten owners, by the id."""
    return pd.Series([f"o{number % 10}" for number in range(len(ids))], index=ids, name="owner")


def whole(bench: Bench, of: pd.Series) -> bool:
    """Whether all rows of an owner are in one fold."""
    train, splits = bench.harness._opened()[1].train, bench.harness.scope.scorer.folds.splits[0]
    folds = np.zeros(len(train))
    for number, (_, held_out) in enumerate(splits):
        folds[held_out] = number
    return bool((pd.Series(folds).groupby(of.loc[train["id"]].to_numpy()).nunique() == 1).all())


def test_rows_of_a_group_stay_together_whatever_the_order_of_the_series(bench: Bench) -> None:
    ids = bench.harness._opened()[1].train["id"]
    groups = owners(ids)
    protocol = frozen(bench, groups=groups.sample(frac=1, random_state=0))
    assert (protocol["split"], protocol["groups"]) == ("group", "group_owner")
    assert whole(bench, groups)


def test_without_the_key_the_order_of_rows_counts(bench: Bench) -> None:
    groups = owners(bench.harness._opened()[1].train["id"])
    frozen(bench, groups=groups.reset_index(drop=True))
    assert whole(bench, groups)


def test_weights_reach_the_score(bench: Bench) -> None:
    train = bench.harness._opened()[1].train
    weights = pd.Series(np.linspace(0.1, 2.0, len(train)), index=train["id"], name="w")
    protocol = frozen(bench, weights=weights)
    assert protocol["weights"] == "weight_w"
    assert bench.harness.scope.scorer.weights == pytest.approx(weights.to_numpy())


def test_a_protocol_of_a_series_is_the_same_in_a_restored_run_and_in_plain_code(bench: Bench) -> None:
    groups = owners(bench.harness._opened()[1].train["id"])
    digest = frozen(bench, groups=groups)["digest"]
    for path in bench.run.glob("*.csv"):
        path.unlink()  # only the run's own copy stays
    again = Bench(bench.run, bench.public, InProcessPool)
    restore(again.harness, bench.lines, FakeCall())
    assert again.harness.scope.protocol.digest == digest
    opened, data = again.harness._opened()
    space: dict[str, Any] = {"DATA": bench.public}
    exec(competitions.load_code(opened), space)
    pd.testing.assert_frame_equal(space["train"], data.train)
    again.close()


def test_a_stored_series_that_was_changed_is_refused(bench: Bench) -> None:
    frozen(bench, groups=owners(bench.harness._opened()[1].train["id"]))
    (path,) = (bench.run / "series").iterdir()
    path.write_text(path.read_text().replace(",1\n", ",2\n", 1))
    with pytest.raises(ValueError, match=r"series/groups_\w+\.csv was changed"):
        bench.open(options={"metric": "mae", **bench.harness._options})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.iloc[1:], "neither id"),
        (lambda s: pd.concat([s, s.iloc[:1]]), "twice in its index"),
        (lambda s: s.where(s != "o3"), "has no value for id"),
    ],
)
def test_a_series_that_does_not_cover_the_rows_is_refused(
    change: Callable[[pd.Series], pd.Series], words: str, bench: Bench
) -> None:
    with pytest.raises(ValueError, match=words):
        frozen(bench, groups=change(owners(bench.harness._opened()[1].train["id"])))


def test_an_index_that_may_be_key_or_order_is_refused_and_the_advice_works(
    light_benches: Callable[..., Bench], tmp_path: Path
) -> None:
    def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
        start = 0 if len(frame) == 60 else 1000
        return frame.assign(id=np.random.default_rng(1).permutation(len(frame)) + start)

    public = make_competition(tmp_path, "regression", rows=60, change=shuffled)
    test = pd.read_csv(public / "test.csv")
    pd.DataFrame({"id": test["id"], "y": 0}).to_csv(public / "sample_submission.csv", index=False)
    bench = light_benches(public=public)
    bench.open()
    train = bench.harness._opened()[1].train
    groups = owners(train["id"]).reset_index(drop=True)
    with pytest.raises(ValueError, match=r"set_axis\(train\['id'\]\)"):
        frozen(bench, groups=groups)
    frozen(bench, groups=groups.set_axis(train["id"]))
    assert whole(bench, owners(train["id"]))
