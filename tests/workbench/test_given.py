"""Groups and weights may be a pandas Series: it becomes a table that is joined on the row key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import load, read
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.workbench.client import Cobra
from cobra_jupyter.workbench.given import as_setting
from tests.competition.folders import competition, put, rows, same_frames
from tests.conftest import Bench


def test_what_is_no_series_stays() -> None:
    assert as_setting("groups", "owner", Path("nowhere")) == "owner"
    assert as_setting("groups", None, Path("nowhere")) is None


def test_cells_may_give_a_series_to_open_and_to_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(Cobra):
        def _connect(self, folder: Any) -> Any:
            return None

        def _call(self, call: str, /, **args: Any) -> Any:
            return args

    monkeypatch.chdir(tmp_path)
    series = pd.Series([0.5, 2.0], index=["a", "b"])
    weights = Asked().open(weights=series, metric="mae")["options"]
    assert weights["metric"] == "mae"
    path, _, column = weights["weights"].rpartition(":")
    assert (Path(path).parent, column) == (tmp_path / "given", "weights")
    assert pd.read_csv(path)["weights"].tolist() == [0.5, 2.0]
    assert Asked().protocol(groups=series)["groups"].endswith(":groups")


def test_a_series_is_joined_by_its_index_in_any_order_and_the_code_does_the_same(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="the MAE")
    train = rows(60)[["id", "width", "size"]]
    put(folder, "train.csv", train)
    owners = pd.Series([f"o{n // 3}" for n in range(60)], index=train["id"]).iloc[::-1]
    weights = pd.Series(np.arange(60) / 10 + 1, index=train["id"]).sample(frac=1, random_state=0)
    asked = {name: as_setting(name, value, tmp_path) for name, value in
             (("groups", owners), ("weights", weights))}  # fmt: skip
    c = read(folder, asked)
    assert (c.groups, c.weights, sorted(c.columns)) == ("groups", "weights", ["width"])
    assert load(c).train["groups"].tolist() == [f"o{n // 3}" for n in range(60)]
    assert load(c).train["weights"].tolist() == pytest.approx(np.arange(60) / 10 + 1)
    same_frames(c)


def test_ids_with_leading_zeros_are_found(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="the MAE")
    train = rows(60)[["id", "width", "size"]].assign(id=[f"{n:04d}" for n in range(60)])
    put(folder, "train.csv", train)
    owners = pd.Series(np.arange(60) % 7, index=train["id"])
    c = read(folder, {"groups": as_setting("groups", owners, tmp_path)})
    known = load(c).train
    assert known["groups"].tolist() == list(np.arange(60) % 7)
    same_frames(c)


def test_a_series_by_position_is_refused_and_the_cure_works(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="the MAE")
    train = rows(60)[["id", "width", "size"]].assign(id=[f"r{n}" for n in range(60)])
    put(folder, "train.csv", train)
    groups = pd.Series(np.arange(60) // 3)
    with pytest.raises(CompetitionError, match="no value for 60 of 60 rows of train") as refused:
        read(folder, {"groups": as_setting("groups", groups, tmp_path)})
    cure = str(refused.value).rpartition("the key, ")[2]
    mended = eval(cure, {"groups": groups, "train": pd.read_csv(folder / "train.csv")})
    assert read(folder, {"groups": as_setting("groups", mended, tmp_path)}).groups == "groups"


def test_a_protocol_keeps_the_groups_of_a_series_whole(
    light_benches: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = light_benches(task="regression")
    bench.open()
    ids = bench.harness._data.train["id"]
    groups = pd.Series(np.arange(len(ids)) // 10, index=ids).iloc[::-1]
    frozen = bench.protocol(groups=as_setting("groups", groups, tmp_path), repeats=1)
    assert (frozen["split"], frozen["groups"]) == ("group", "groups")
    folds = bench.harness.scope.scorer.folds
    of_fold = [set(np.arange(len(ids))[folds.held_out(0, k)] // 10) for k in range(frozen["folds"])]
    assert sum(map(len, of_fold)) == len(set.union(*of_fold)) == 20
