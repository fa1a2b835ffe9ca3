"""Oddities that are repaired or accepted, each with a note."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import load, read
from tests.competition.folders import competition, put, rows, same_frames


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width", "colour", "y"]]
    train["colour"] = [
        "grün" if i % 2 else ("\x81" if encoding == "latin-1" else "à la crème") for i in range(60)
    ]
    (folder / "train.csv").write_bytes(train.to_csv(index=False).encode(encoding))
    c = read(folder)
    assert list(load(c).train["colour"]) == list(train["colour"])
    assert list(load(c).train.columns) == list(train.columns)
    assert bool([note for note in c.notes if encoding in note]) == (encoding not in ("utf-8", "utf-8-sig"))
    same_frames(c)


def test_an_encoding_that_shows_only_at_the_end_is_read(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = pd.concat([rows(60)[["id", "width", "colour", "y"]]] * 300, ignore_index=True)
    train.loc[len(train) - 1, "colour"] = "grün"
    (folder / "train.csv").write_bytes(train.to_csv(index=False).encode("cp1252"))
    c = read(folder)
    assert load(c).train["colour"].iloc[-1] == "grün"
    same_frames(c)


def test_rows_without_a_label_are_dropped_and_counted(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width", "y"]]
    train.loc[[2, 5, 7], "y"] = np.nan
    put(folder, "train.csv", train)
    c = read(folder)
    assert any("3 rows without a label" in note for note in c.notes)
    assert (len(load(c).train), c.classes) == (57, (0, 1))
    same_frames(c)


def test_integer_classes_with_gaps_stay_integers(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width", "y"]].astype({"y": float})
    train.loc[5, "y"] = np.nan
    put(folder, "train.csv", train)
    c = read(folder)
    assert c.classes == (0, 1)
    assert load(c).train["y"].dtype.kind == "i"
    same_frames(c)


def test_rows_with_infinite_labels_are_dropped(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="RMSE")
    train = rows(60)[["id", "width", "size"]]
    train.loc[[3, 4], "size"] = [np.inf, -np.inf]
    train.loc[5, "size"] = np.nan
    put(folder, "train.csv", train)
    c = read(folder)
    assert any("2 rows with an infinite label: dropped" in note for note in c.notes)
    assert len(load(c).train) == 57
    same_frames(c)


def test_decimal_commas_are_read_as_numbers(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    for name in ("train.csv", "test.csv"):
        put(folder, name, pd.read_csv(folder / name), sep=";", decimal=",")
    c = read(folder)
    assert any("decimal comma" in note for note in c.notes)
    assert load(c).train["width"].dtype.kind == "f"
    same_frames(c)


@pytest.mark.parametrize(("shift", "same"), [(0.0, "all values"), (1.0, "the id")])
def test_rows_with_repeated_ids_are_assumed_to_be_observations_of_a_unit(
    shift: float, same: str, tmp_path: Path
) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width", "y"]]
    again = train.head(3).assign(width=lambda frame: frame["width"] + shift)
    put(folder, "train.csv", pd.concat([train, again]))
    (assumed,) = read(folder).assumed
    assert (assumed.about, assumed.option) == ("id", "groups=id")
    assert assumed.reason == f"3 rows with {same} of an earlier row"
    assert len(load(read(folder, {"groups": "id"})).train) == 63


def test_mixed_types_of_a_long_column_are_text(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    filler = pd.DataFrame(0, index=range(9000), columns=[f"f{i}" for i in range(300)])
    known = pd.concat([rows(60)[["id", "width", "count", "y"]]] * 150, ignore_index=True)
    known["count"] = known["count"].astype(object)
    known.loc[len(known) - 1, "count"] = "many"
    put(folder, "train.csv", pd.concat([known, filler], axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.DtypeWarning)
        c = read(folder)
        same_frames(c)
    assert any("mixed types" in note for note in c.notes)
    assert {type(value) for value in load(c).train["count"]} == {str}


def test_numbers_with_some_text_among_them_are_noted(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width", "count", "y"]]
    train["count"] = train["count"].astype(object)
    train.loc[0, "count"] = "many"
    put(folder, "train.csv", train)
    assert any("count mixes numbers and text, e.g. many" in note for note in read(folder).notes)


def test_more_test_rows_than_train_rows_are_noted(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    put(folder, "train.csv", rows(10)[["id", "width", "y"]])
    assert any("more rows to predict" in note for note in read(folder).notes)


def test_ids_with_spaces_unicode_or_zeros_stay_unchanged(tmp_path: Path) -> None:
    for name, make in {"odd": "é {} ü", "zeros": "{:05d}"}.items():
        folder = competition(tmp_path / name)
        train, test = rows(60)[["id", "width", "y"]], rows(20, 1)[["id", "width"]]
        train["id"] = [make.format(i) for i in range(60)]
        test["id"] = [make.format(i) for i in range(70_000, 70_020)]  # only train's keys begin with 0
        put(folder, "train.csv", train)
        put(folder, "test.csv", test)
        put(folder, "sample_submission.csv", pd.DataFrame({"id": test["id"], "y": 0}))
        c = read(folder)
        data = load(c)
        assert list(data.train["id"]) == list(train["id"])
        assert list(data.test["id"]) == list(test["id"]) == list(data.sample["id"])
        same_frames(c)


def test_ids_that_are_text_in_one_table_are_read_as_text_everywhere(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train, test = rows(60)[["id", "width", "y"]], rows(20, 1)[["id", "width"]]
    train["id"] = [f"a{i}" for i in range(60)]
    test["id"] = range(20)
    put(folder, "train.csv", train)
    put(folder, "test.csv", test)
    put(folder, "sample_submission.csv", pd.DataFrame({"id": range(20), "y": 0}))
    c = read(folder)
    assert load(c).test["id"].iloc[3] == "3"
    same_frames(c)


def test_columns_that_only_train_has_are_no_features(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    put(folder, "train.csv", rows(60).drop(columns=["kind"]))
    c = read(folder)
    assert "size" not in c.columns
    assert any("size" in note for note in c.notes)


def test_json_with_lists_as_values(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    for name, count in (("train", 60), ("test", 20)):
        frame = rows(count, seed=int(count == 20))[["id", "width", "y"]]
        frame["words"] = [["one", "two"][: i % 3] for i in range(count)]
        (folder / f"{name}.csv").unlink()
        (frame if name == "train" else frame.drop(columns="y")).to_json(
            folder / f"{name}.json", orient="records"
        )
    c = read(folder)
    assert c.columns["words"] in ("text", "category", "compound")
    same_frames(c)
