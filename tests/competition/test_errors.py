"""Folders that cannot be used raise an error that names the file and says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import load, read
from tests.competition.folders import competition, put, refused, rows, same_frames


def test_a_missing_folder_or_sample_or_several_competitions_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere", "no such folder")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "not a folder")
    refused(tmp_path, "no sample submission", "file")
    competition(tmp_path / "one")
    competition(tmp_path / "two")
    refused(tmp_path, "several", "one, two")


def test_the_folder_of_answers_is_refused(tmp_path: Path) -> None:
    competition(tmp_path / "prepared" / "public")
    competition(tmp_path / "prepared" / "private")
    refused(tmp_path / "prepared" / "private", "answers", "public")
    assert read(tmp_path).folder.name == "public"


def test_sample_columns_that_train_lacks_are_refused(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    put(folder, "train.csv", rows(60))
    put(folder, "sample_submission.csv", pd.DataFrame({"id": rows(20, 1)["id"], "what": 0}))
    refused(folder, "sample_submission.csv", "what", "--set target")


@pytest.mark.parametrize("name", ["train.csv", "test.csv", "sample_submission.csv"])
def test_an_empty_or_broken_table_is_refused(tmp_path: Path, name: str) -> None:
    folder = competition(tmp_path)
    whole = (folder / name).read_text()
    (folder / name).write_text("")
    refused(folder, name, "empty")
    (folder / name).write_text(whole.splitlines()[0] + "\n")
    refused(folder, name, "no rows")
    (folder / name).write_text(whole + 'a,"b,c,d,e,f,g,h\n,,,,,,,,,,,,,\n')
    refused(folder, name)


def test_a_broken_zip_or_json_file_is_refused(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    (folder / "train.csv").rename(folder / "train.csv.zip")
    refused(folder, "train.csv.zip", "zip")
    (folder / "train.csv.zip").unlink()
    (folder / "train.json").write_text('[{"id": 1,')
    refused(folder, "train.json")


def test_repeated_missing_or_different_ids_are_refused(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    test = rows(20, 1)[["id", "width", "colour", "count"]]
    put(folder, "test.csv", pd.concat([test, test.head(2)]))
    refused(folder, "test.csv", "2 rows with the id of an earlier row", "r1_0x")
    put(folder, "test.csv", test.head(19))
    refused(folder, "sample_submission.csv", "test.csv", "differ", "1 only in the sample", "r1_19x")
    test.loc[3, "id"] = "other"
    put(folder, "test.csv", test)
    refused(folder, "differ")
    test.loc[3, "id"] = np.nan
    put(folder, "test.csv", test)
    refused(folder, "test.csv", "1 row without id")


def test_repeated_ids_in_the_sample_are_refused(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    sample = pd.DataFrame({"id": rows(20, 1)["id"], "y": 0})
    put(folder, "sample_submission.csv", pd.concat([sample, sample.head(1)]))
    refused(folder, "sample_submission.csv", "1 row with the id of an earlier row")
    (folder / "test.csv").unlink()
    refused(folder, "sample_submission.csv", "1 row with the id of an earlier row")


def test_missing_train_a_constant_label_or_one_row_are_refused(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width", "y"]]
    put(folder, "train.csv", train.assign(y=1))
    refused(folder, "train.csv", "y", "one value only (1)", "one class")
    put(folder, "train.csv", train.head(1))
    refused(folder, "train.csv", "one labelled row")
    put(folder, "train.csv", train.assign(y=np.nan))
    refused(folder, "train.csv", "no row has a usable label")
    (folder / "train.csv").unlink()
    refused(folder, "no training data", "test.csv")


def test_a_folder_without_description_and_metric_is_refused(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    (folder / "description.md").unlink()
    refused(folder, "description.md", "--set metric=")
    c = read(folder, {"metric": "accuracy"})
    assert (c.description, c.metric) == ("", "accuracy")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04" + bytes(200), ["zip archive or a spreadsheet"]),
        (b"\x1f\x8b" + bytes(200), ["gzip", ".csv.gz"]),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", ["Git LFS", "git lfs pull"]),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), ["binary data"]),
        (b"<html><body>Please sign in</body></html>", ["web page"]),
        (b"id;width\ta\n" * 3 + b'"open', ["a quote opened near line 4 is never closed"]),
        (b"id^width^y\n" + b"1^2^3\n" * 30, ["'^'", "save it with commas"]),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, words: list[str]
) -> None:
    folder = competition(tmp_path)
    (folder / "train.csv").write_bytes(content)
    refused(folder, "train.csv", *words)


def test_columns_with_the_same_name_are_noted_or_refused(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    whole = (folder / "train.csv").read_text()
    (folder / "train.csv").write_text(whole.replace("width", "colour", 1))
    assert any("several columns are named colour" in note for note in read(folder).notes)
    (folder / "train.csv").write_text(whole.replace("width", "y", 1))
    refused(folder, "train.csv", "several columns are named y", "rename")
    (folder / "train.csv").write_text(whole.replace("width", "width.1", 1).replace("count", "width", 1))
    assert not any("several columns" in note for note in read(folder).notes), "the file itself says width.1"
    put(folder, "sample_submission.csv", pd.DataFrame([["r1_0x", 0, 0]], columns=["id", "y", "y"]))
    refused(folder, "sample_submission.csv", "several columns are named y")


def test_test_rows_without_features_are_refused(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    put(folder, "test.csv", rows(20, 1)[["id"]])
    refused(folder, "test.csv", "none of the columns of train.csv", "width")
    (folder / "test.csv").unlink()
    refused(folder, "there is no test.csv", "width", "add test.csv")


def test_text_labels_of_a_regression_are_refused_or_treated_as_missing(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="RMSE")
    train = rows(60)[["id", "width", "colour", "size"]]
    put(folder, "train.csv", train.assign(size=train["colour"]))
    refused(folder, "train.csv", "rmse needs numbers", "60 rows of 60", "--set target=", "--set metric=")
    train["size"] = train["size"].astype(object).mask(np.arange(60) % 20 == 0, "n.k.")
    put(folder, "train.csv", train)
    c = read(folder)
    assert c.task == "regression"
    assert any("3 rows with no number in size (n.k.): taken as missing" in note for note in c.notes)
    assert len(load(c).train) == 57
    same_frames(c)


def test_labels_too_large_or_small_to_be_squared_are_refused(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="RMSE")
    for factor, words in ((1e200, "too large"), (1e-200, "too small")):
        put(
            folder,
            "train.csv",
            rows(60)[["id", "width", "size"]].assign(size=lambda f, by=factor: f["size"] * by),
        )
        refused(folder, "train.csv", "size", words, "power of ten")
