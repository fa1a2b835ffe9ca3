"""Folder layouts, file formats and the roles of tables."""

from __future__ import annotations

import bz2
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import load, read
from tests.competition.folders import competition, put, rows, same_frames


@pytest.mark.parametrize("below", ["", "public", "prepared/public", "some-id", "some-id/prepared/public"])
def test_the_public_folder_is_found_from_its_parents(tmp_path: Path, below: str) -> None:
    competition(tmp_path / "top" / below)
    c = read(tmp_path / "top")
    assert c.folder == (tmp_path / "top" / below).resolve()
    assert c.name == ("some-id" if "some-id" in below else "top")
    same_frames(c)


@pytest.mark.parametrize(
    "name",
    [
        "sample_submission.csv",
        "sampleSubmission.csv",
        "SampleSubmission.csv",
        "sample_submission_null.csv",
        "gender_submission.csv",
        "random_submission.csv",
        "sample_submission.csv.zip",
        "sampleSubmission.csv.gz",
        "sample_submission_stage_1.csv",
        "sample_sub.csv",
    ],
)
def test_common_names_of_sample_submissions_are_recognized(tmp_path: Path, name: str) -> None:
    competition(tmp_path, sample=name)
    c = read(tmp_path)
    assert (c.sample.path, c.outputs, c.id) == (name, ("y",), "id")
    same_frames(c)


def test_tables_may_be_tsv_json_jsonl_parquet_or_packed(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    train = rows(60).drop(columns=["kind", "size"])
    writers = {
        "train.tsv": lambda path: train.to_csv(path, sep="\t", index=False),
        "train.json": lambda path: train.to_json(path, orient="records"),
        "train.jsonl": lambda path: train.to_json(path, orient="records", lines=True),
        "train.parquet": lambda path: train.to_parquet(path, index=False),
        "train.csv.zip": lambda path: train.to_csv(path, index=False),
        "train.csv.bz2": lambda path: path.write_bytes(bz2.compress(train.to_csv(index=False).encode())),
        "train.csv": lambda path: train.to_csv(path, sep=";", index=False),
    }
    for name, writer in writers.items():
        folder = competition(tmp_path / name.replace(".", "_"))
        (folder / "train.csv").unlink()
        writer(folder / name)
        c = read(folder)
        assert c.train is not None
        assert c.train.path == name
        assert list(load(c).train["width"]) == list(train["width"])
        same_frames(c)


def test_a_zip_may_contain_a_table_and_other_files(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    with zipfile.ZipFile(folder / "train.zip", "w") as archive:
        archive.write(folder / "train.csv", "data/train.csv")
        archive.writestr("__MACOSX/._train.csv", "x")
    (folder / "train.csv").unlink()
    c = read(folder)
    assert c.train is not None
    assert (c.train.path, c.train.member) == ("train.zip", "data/train.csv")
    same_frames(c)


def test_images_in_a_folder_or_an_archive_make_kind_image(tmp_path: Path) -> None:
    for packed in (False, True):
        folder = competition(tmp_path / str(packed), metric="area under the ROC curve")
        (folder / "test.csv").unlink()
        put(folder, "train.csv", rows(60)[["id", "y"]])
        for side, count, seed in (("train", 60, 0), ("test", 20, 1)):
            for key in rows(count, seed)["id"]:
                path = folder / side / f"{key}.jpg"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(b"\xff\xd8")
            if packed:
                shutil.make_archive(str(folder / side), "zip", folder, side)
                shutil.rmtree(folder / side)
        c = read(folder)
        assert (c.kind, c.layout, c.test, c.columns) == ("image", "probability", None, {})
        pattern = "train.zip:train/<id>.jpg" if packed else "train/<id>.jpg"
        assert pattern in {group.pattern: group.count for group in c.files}
        same_frames(c)


def test_files_in_one_folder_per_id_form_one_group(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    for key in rows(60)["id"]:
        path = folder / "train" / key / "geometry.xyz"
        path.parent.mkdir(parents=True)
        path.write_text("abc")
    c = read(folder)
    group = next(group for group in c.files if "geometry" in group.pattern)
    assert (group.pattern, group.count, group.bytes) == ("train/<id>/geometry.xyz", 60, 180)
    assert c.kind == "tabular"


def test_labels_in_a_separate_table_are_joined(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(60)
    put(folder, "train.csv", train[["id", "width", "colour", "count"]])
    put(folder, "train_labels.csv", train[["id", "y"]].sample(frac=1, random_state=0))
    c = read(folder)
    assert c.train is not None
    assert c.labels is not None
    assert (c.train.path, c.labels.path, c.label_sources) == (
        "train.csv",
        "train_labels.csv",
        ("train_labels.csv",),
    )
    assert list(load(c).train["y"]) == list(train["y"])
    same_frames(c)


def test_a_table_of_only_labels_is_the_train_table(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    (folder / "test.csv").unlink()
    (folder / "train.csv").unlink()
    put(folder, "labels.csv", rows(60)[["id", "y"]])
    c = read(folder)
    assert c.train is not None
    assert (c.train.path, c.kind) == ("labels.csv", "other")
    same_frames(c)


def test_labels_in_file_names_raise_a_question(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    for name in ("train.csv", "test.csv"):
        (folder / name).unlink()
    (folder / "train").mkdir()
    for i in range(10):
        (folder / "train" / f"cat.{i}.jpg").write_bytes(b"x")
    c = read(folder)
    assert (c.train, c.task, c.targets) == (None, "unknown", ())
    assert any(question.startswith("target:") for question in c.questions)
    same_frames(c)


def test_a_key_made_of_two_columns_is_found(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="kind")
    for name, count in (("train.csv", 60), ("test.csv", 20)):
        frame = rows(count)[["width", "kind"]]
        frame.insert(0, "sentence", np.arange(count) // 4)
        frame.insert(1, "token", np.arange(count) % 4)
        put(folder, name, frame if count == 60 else frame.drop(columns="kind"))
    put(
        folder,
        "sample_submission.csv",
        pd.DataFrame({"id": [f"{i // 4}_{i % 4}" for i in range(20)], "kind": "a"}),
    )
    c = read(folder)
    assert (c.id, c.id_parts, c.id_separator) == ("id", ("sentence", "token"), "_")
    same_frames(c)


def test_a_sample_without_key_is_matched_by_position(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train, test = rows(60), rows(20, 1)
    test["colour"] = "red"
    test["width"] = 0.5
    put(folder, "train.csv", train[["y", "colour", "width"]])
    put(folder, "test.csv", test[["colour", "width"]])
    put(folder, "sample_submission.csv", pd.DataFrame({"y": np.nan, "colour": "red", "width": [0.5] * 20}))
    c = read(folder)
    assert (c.id, c.outputs, c.targets, set(c.columns)) == ("", ("y",), ("y",), {"colour", "width"})
    same_frames(c)


def test_tables_without_the_key_get_it_by_position(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    put(folder, "train.csv", rows(60)[["width", "count", "y"]])
    put(folder, "test.csv", rows(20, 1)[["width", "count"]])
    put(folder, "sample_submission.csv", pd.DataFrame({"ImageId": range(1, 21), "y": 0}))
    c = read(folder)
    assert c.id == "ImageId"
    assert list(load(c).test["ImageId"]) == list(range(1, 21))
    assert [(a.about, a.taken) for a in c.assumed] == [
        ("id", "the rows of test.csv are in the order of sample_submission.csv")
    ]
    same_frames(c)


def test_test_rows_follow_the_sample_submission(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    test = rows(20, 1).sample(frac=1, random_state=3)
    put(folder, "test.csv", test[["id", "width", "colour", "count"]])
    c = read(folder)
    assert list(load(c).test["id"]) == list(rows(20, 1)["id"])
    same_frames(c)
