"""What a refusal proposes leads on: each cure is followed here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import CompetitionError, load, read
from tests.competition.folders import competition, put, refused, rows, same_frames

TEST = rows(20, 1)


def sample(folder: Path, **columns: object) -> None:
    put(folder, "sample_submission.csv", pd.DataFrame({"id": TEST["id"], **columns}))


def test_a_column_that_exists_nowhere_is_named_and_the_label_can_be_given(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    put(folder, "train.csv", rows(60))
    sample(folder, what=0)
    refused(folder, "sample_submission.csv", "its column what is neither in train.csv", "--set target=")
    c = read(folder, {"target": "y"})
    assert (c.outputs, c.targets, c.task) == (("what",), ("y",), "binary")
    same_frames(c)


def test_several_such_columns_need_as_many_labels(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="RMSE")
    put(folder, "train.csv", rows(60).rename(columns={"count": "amount"}))
    put(folder, "test.csv", TEST[["id", "width", "colour"]])
    sample(folder, what=0, why=0)
    refused(folder, "its columns what, why are neither", "--set target=")
    with pytest.raises(CompetitionError, match=r"asks for 2 columns .*--set target=A,B"):
        read(folder, {"target": "size"})
    c = read(folder, {"target": "size,amount"})
    assert (c.outputs, c.targets, c.assumed) == (("what", "why"), ("size", "amount"), ())


def test_a_column_that_nothing_fills_is_said_to_stay(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    sample(folder, y=0, comment="none")
    refused(folder, "its column comment is neither", "--set target=")
    c = read(folder, {"target": "y"})
    assert (c.outputs, c.targets) == (("y",), ("y",))
    assert [a.taken for a in c.assumed] == ["comment of the submission stays as the sample has it"]


@pytest.mark.parametrize(
    ("change", "settings", "words", "cure"),
    [
        (lambda f: f.assign(y=1), {}, "one value only", {"target": "count", "metric": "rmse"}),
        (lambda f: f.assign(y=np.nan), {}, "no row has a usable label", {"target": "count", "metric": "mae"}),
        (lambda f: f.assign(y=f["colour"]), {"metric": "rmse"}, "needs numbers", {"metric": "accuracy"}),
        (lambda f: f, {"split": "time"}, "no column of dates", {"split": "time", "time": "count"}),
        (lambda f: f, {"metric": "rmsle", "task": "binary"}, "does not fit", {"metric": "rmsle"}),
    ],
)
def test_the_option_that_a_message_proposes_works(
    change: object, settings: dict[str, str], words: str, cure: dict[str, str], tmp_path: Path
) -> None:
    folder = competition(tmp_path)
    assert callable(change)
    put(folder, "train.csv", change(rows(60)[["id", "width", "colour", "count", "y"]]))
    with pytest.raises(CompetitionError, match=words):
        read(folder, settings)
    assert len(load(read(folder, cure)).train) == 60


def test_rows_that_all_have_one_id_are_refused_and_ids_of_their_own_work(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(2)[["id", "width", "y"]]
    put(folder, "train.csv", train.assign(id="same"))
    refused(folder, "train.csv", "all 2 rows have the same id", "give each row its own")
    put(folder, "train.csv", train)
    assert len(load(read(folder)).train) == 2


def test_a_column_given_as_key_is_matched_by_its_values(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    mixed = TEST[["id", "width"]].rename(columns={"id": "code"}).sample(frac=1, random_state=0)
    put(folder, "test.csv", mixed.assign(id=range(20)))
    sample(folder, y=0)
    for settings in ({}, {"id": "id"}, {"id": "code"}):
        c = read(folder, settings)
        assert (c.sample_id, c.id) == ("id", "code")
        assert list(load(c).test["code"]) == list(TEST["id"])
        assert list(load(c).test["width"]) == list(TEST["width"])
