from __future__ import annotations

import bz2
import dataclasses
import json
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import Competition, CompetitionError, card, kinds, load, load_code, read
from cobra_jupyter.competition.findings import Findings
from tests.competition.folders import EVALUATION, competition, put, rows


def same_frames(c: Competition) -> None:
    """`load` and the code of `load_code` give equal frames, numbered as promised."""
    data = load(c)
    names: dict[str, object] = {"DATA": c.folder}
    exec(load_code(c), names)
    for name in ("train", "test", "sample"):
        pd.testing.assert_frame_equal(getattr(data, name), names[name])
    n, m = len(data.train), len(data.test)
    assert list(data.train.index) == list(range(n))
    assert list(data.test.index) == list(range(n, n + m))
    assert len(data.sample) == m
    if c.id:
        assert list(data.test[c.id]) == list(data.sample[c.id])
    json.dumps(card(c), allow_nan=False)


# --- layouts of the folder ------------------------------------------------------------------------


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
        "sample_submission.csv", "sampleSubmission.csv", "SampleSubmission.csv", "sample_submission_null.csv",
        "gender_submission.csv", "random_submission.csv", "sample_submission.csv.zip",
        "sampleSubmission.csv.gz",
        "sample_submission_stage_1.csv", "sample_sub.csv",
    ],
)  # fmt: skip
def test_every_name_of_a_sample_submission_is_known(tmp_path: Path, name: str) -> None:
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


def test_a_zip_may_hold_a_table_beside_other_things(tmp_path: Path) -> None:
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


def test_files_of_folders_per_id_are_one_line_of_the_listing(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    for key in rows(60)["id"]:
        path = folder / "train" / key / "geometry.xyz"
        path.parent.mkdir(parents=True)
        path.write_text("abc")
    c = read(folder)
    group = next(group for group in c.files if "geometry" in group.pattern)
    assert (group.pattern, group.count, group.bytes) == ("train/<id>/geometry.xyz", 60, 180)
    assert c.kind == "tabular"


def test_labels_in_a_table_apart_are_joined(tmp_path: Path) -> None:
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


def test_labels_alone_are_the_train_table(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    (folder / "test.csv").unlink()
    (folder / "train.csv").unlink()
    put(folder, "labels.csv", rows(60)[["id", "y"]])
    c = read(folder)
    assert c.train is not None
    assert (c.train.path, c.kind) == ("labels.csv", "other")
    same_frames(c)


def test_labels_in_file_names_leave_a_question(tmp_path: Path) -> None:
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
    assert any("order" in note for note in c.notes)
    same_frames(c)


def test_test_rows_follow_the_sample_submission(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    test = rows(20, 1).sample(frac=1, random_state=3)
    put(folder, "test.csv", test[["id", "width", "colour", "count"]])
    c = read(folder)
    assert list(load(c).test["id"]) == list(rows(20, 1)["id"])
    same_frames(c)


# --- task, layout, metric -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "metric", "task", "layout", "classes"),
    [
        ("y", "accuracy", "binary", "label", (0, 1)),
        ("y", "area under the ROC curve", "binary", "probability", (0, 1)),
        ("kind", "macro F1", "multiclass", "label", ("a", "b", "c")),
        ("size", "root mean squared error", "regression", "values", ()),
        ("count", "mean absolute error", "regression", "values", ()),
        ("y", "RMSE", "regression", "values", ()),
    ],
)
def test_task_and_layout_follow_from_labels_and_metric(
    tmp_path: Path, target: str, metric: str, task: str, layout: str, classes: tuple[object, ...]
) -> None:
    folder = competition(tmp_path, target=target, metric=metric)
    put(folder, "test.csv", rows(20, 1)[["id", "width", "colour"]])
    c = read(folder)
    assert (c.task, c.layout, c.classes, c.questions) == (task, layout, classes, ())
    assert set(c.evidence) >= {
        "id",
        "target",
        "task",
        "layout",
        "metric",
        "direction",
        "kind",
        "label_sources",
    }


@pytest.mark.parametrize(
    ("prefix", "values"), [("", ["a", "b", "c"]), ("kind_", ["a", "b", "c"]), ("c", list(range(12)))]
)
def test_a_column_per_class_is_tied_to_its_class(tmp_path: Path, prefix: str, values: list[object]) -> None:
    folder = competition(tmp_path, target="kind", metric="multi-class log loss")
    train = rows(60)[["id", "width"]]
    train["kind"] = [values[i % len(values)] for i in range(60)]
    put(folder, "train.csv", train)
    outputs = {f"{prefix}{value}": 1 / len(values) for value in reversed(values)}
    put(folder, "sample_submission.csv", pd.DataFrame({"id": rows(20, 1)["id"], **outputs}))
    c = read(folder)
    assert (c.targets, c.task, c.layout) == (("kind",), "multiclass", "class_probabilities")
    assert c.classes == tuple(values)
    assert c.output_classes == tuple(reversed(values))
    same_frames(c)


def test_a_class_never_seen_in_train_has_no_class_and_a_note(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="kind", metric="log loss")
    put(
        folder,
        "sample_submission.csv",
        pd.DataFrame({"id": rows(20, 1)["id"], **dict.fromkeys("abcd", 0.25)}),
    )
    c = read(folder)
    assert (c.classes, c.output_classes) == (("a", "b", "c"), ("a", "b", "c", None))
    assert any("never occur" in note for note in c.notes)


def test_a_class_called_none_is_a_class(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="kind", metric="log loss")
    train = rows(60)[["id", "width", "kind"]].replace({"kind": {"a": "None"}})
    put(folder, "train.csv", train)
    put(
        folder,
        "sample_submission.csv",
        pd.DataFrame({"id": rows(20, 1)["id"], **dict.fromkeys(["None", "b", "c"], 0.3)}),
    )
    c = read(folder)
    assert c.classes == ("None", "b", "c")
    assert len(load(c).train) == 60
    same_frames(c)


def test_several_label_columns(tmp_path: Path) -> None:
    folder = competition(tmp_path, metric="mean column-wise AUC")
    train = rows(60)
    train["z"] = 1 - train["y"]
    put(folder, "train.csv", train[["id", "width", "y", "z"]])
    put(folder, "sample_submission.csv", pd.DataFrame({"id": rows(20, 1)["id"], "y": 0.5, "z": 0.5}))
    c = read(folder)
    assert (c.task, c.targets, c.layout, c.metric) == (
        "multilabel",
        ("y", "z"),
        "values",
        "mean_columnwise_roc_auc",
    )
    (folder / "description.md").write_text(EVALUATION.format("log loss"))
    assert read(folder).metric == "multi_column_log_loss"
    train["z"] = train["size"]
    put(folder, "train.csv", train[["id", "width", "y", "z"]])
    (folder / "description.md").write_text(EVALUATION.format("RMSE"))
    c = read(folder)
    assert (c.task, c.metric) == ("regression", "mean_columnwise_rmse")


def test_a_columnwise_metric_of_one_column_is_the_plain_one(tmp_path: Path) -> None:
    c = read(competition(tmp_path, target="size", metric="MCRMSE"))
    assert c.metric == "rmse"


def test_the_positive_class_is_last(tmp_path: Path) -> None:
    folder = competition(tmp_path, metric="area under the ROC curve")
    for words, positive in ((("yes", "no"), "yes"), (("false", "true"), "true")):
        train = rows(60)[["id", "width"]]
        train["y"] = [words[i % 2] for i in range(60)]
        put(folder, "train.csv", train)
        c = read(folder)
        assert str(c.classes[1]).lower() == positive
    train["y"] = ["y" if i % 2 else "z" for i in range(60)]
    put(folder, "train.csv", train)
    assert read(folder).classes == ("z", "y")
    train["y"] = ["cat" if i % 2 else "dog" for i in range(60)]
    put(folder, "train.csv", train)
    c = read(folder)
    assert c.classes == ("cat", "dog")
    assert any("positive" in note for note in c.notes)


def test_booleans_keep_their_type(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width"]]
    train["y"] = rows(60)["y"] == 1
    put(folder, "train.csv", train)
    c = read(folder)
    assert c.classes == (False, True)
    assert load(c).train["y"].dtype == bool


def test_f1_of_several_classes_is_asked_about(tmp_path: Path) -> None:
    c = read(competition(tmp_path, target="kind", metric="F1 score"))
    assert c.metric == "f1_macro"
    assert any(question.startswith("metric:") for question in c.questions)


def test_an_unknown_metric_is_quoted_in_a_question(tmp_path: Path) -> None:
    c = read(competition(tmp_path, target="kind", metric="the word error rate"))
    assert (c.metric, c.direction) == (None, None)
    question = next(question for question in c.questions if question.startswith("metric:"))
    assert "word error rate" in question
    assert "--set metric=" in question
    assert "%%metric" in question


def test_free_text_labels_are_no_task_known_here(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="kind", metric="Kendall tau")
    train = rows(60)[["id", "width"]]
    train["kind"] = [f"q{i} w{i}" for i in range(60)]
    put(folder, "train.csv", train)
    c = read(folder)
    assert (c.task, c.kind) == ("unknown", "other")
    assert any(question.startswith("task:") for question in c.questions)
    same_frames(c)


# --- settings -------------------------------------------------------------------------------------


def test_settings_win(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    settings = {
        "id": "id", "target": "y", "metric": "roc_auc", "direction": "maximize", "split": "group",
        "groups": "id[0]", "kind": "text", "task": "binary",
    }  # fmt: skip
    c = read(folder, settings)
    assert (c.metric, c.direction, c.split, c.groups) == ("roc_auc", "maximize", "group", "id[0]")
    assert (c.time, c.kind, c.task, c.layout) == (None, "text", "binary", "probability")
    assert c.evidence["metric"] == "set by option"
    assert read(folder, {"split": "time", "time": "count"}).time == "count"


def test_targets_set_by_option_may_be_several(tmp_path: Path) -> None:
    folder = competition(tmp_path, metric="RMSE")
    put(folder, "train.csv", rows(60).drop(columns="kind"))
    put(folder, "sample_submission.csv", pd.DataFrame({"id": rows(20, 1)["id"], "first": 0, "second": 0}))
    c = read(folder, {"target": "y,size"})
    assert (c.targets, c.outputs, c.task) == (("y", "size"), ("first", "second"), "regression")
    same_frames(c)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metrik": "x"}, ["metrik", "did you mean metric", "known"]),
        ({"metric": "acuracy"}, ["acuracy", "did you mean accuracy", "%%metric"]),
        ({"direction": "up"}, ["direction=up", "maximize"]),
        ({"task": "guess"}, ["task=guess", "multiclass"]),
        ({"kind": "video"}, ["kind=video", "tabular"]),
        ({"split": "halves"}, ["split=halves", "stratified"]),
        ({"target": "nothing"}, ["target=nothing", "train.csv", "width"]),
        ({"target": "y,nothing"}, ["nothing", "train.csv"]),
        ({"id": "key"}, ["id=key", "sample_submission.csv"]),
        ({"groups": "widht"}, ["groups=widht", "did you mean width"]),
        ({"time": "when"}, ["time=when", "width"]),
        ({"metric": ""}, ["metric=", "empty"]),
        ({"metric": "AUC"}, ["metric=AUC", "did you mean roc_auc"]),
        (
            {"task": "regression", "target": "colour"},
            ["train.csv", "colour", "needs numbers", "--set target"],
        ),
        ({"task": "regression", "metric": "f1"}, ["metric=f1", "does not fit", "regression"]),
        ({"metric": "rmsle", "target": "width"}, ["train.csv", "rmsle", "0 and more", "width"]),
        ({"direction": "minimize"}, ["direction=minimize", "accuracy", "leave out"]),
        ({"target": "id"}, ["target=id", "row key"]),
        ({"groups": "y"}, ["groups=y", "to be predicted"]),
        ({"time": "y"}, ["time=y", "to be predicted"]),
        ({"split": "time"}, ["split=time", "no column of dates", "--set time="]),
        ({"split": "kfold", "time": "count"}, ["split=kfold", "time=count", "leave one out"]),
        ({"task": "binary", "target": "colour"}, ["task=binary", "3 values"]),
    ],
)
def test_a_wrong_setting_is_one_clear_error(
    tmp_path: Path, settings: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(CompetitionError) as caught:
        read(competition(tmp_path), settings)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


# --- errors ---------------------------------------------------------------------------------------


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(CompetitionError) as caught:
        read(folder)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_folder_no_sample_or_several_competitions(tmp_path: Path) -> None:
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


def test_columns_of_the_sample_that_train_does_not_know(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    put(folder, "train.csv", rows(60))
    put(folder, "sample_submission.csv", pd.DataFrame({"id": rows(20, 1)["id"], "what": 0}))
    refused(folder, "sample_submission.csv", "what", "--set target")


@pytest.mark.parametrize("name", ["train.csv", "test.csv", "sample_submission.csv"])
def test_an_empty_or_broken_table(tmp_path: Path, name: str) -> None:
    folder = competition(tmp_path)
    whole = (folder / name).read_text()
    (folder / name).write_text("")
    refused(folder, name, "empty")
    (folder / name).write_text(whole.splitlines()[0] + "\n")
    refused(folder, name, "no rows")
    (folder / name).write_text(whole + 'a,"b,c,d,e,f,g,h\n,,,,,,,,,,,,,\n')
    refused(folder, name)


def test_a_broken_zip_or_json(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    (folder / "train.csv").rename(folder / "train.csv.zip")
    refused(folder, "train.csv.zip", "zip")
    (folder / "train.csv.zip").unlink()
    (folder / "train.json").write_text('[{"id": 1,')
    refused(folder, "train.json")


def test_ids_that_repeat_lack_or_differ(tmp_path: Path) -> None:
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


def test_ids_that_repeat_in_the_sample(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    sample = pd.DataFrame({"id": rows(20, 1)["id"], "y": 0})
    put(folder, "sample_submission.csv", pd.concat([sample, sample.head(1)]))
    refused(folder, "sample_submission.csv", "1 row with the id of an earlier row")
    (folder / "test.csv").unlink()
    refused(folder, "sample_submission.csv", "1 row with the id of an earlier row")


def test_no_train_a_constant_label_or_one_row(tmp_path: Path) -> None:
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


def test_no_description_and_no_metric(tmp_path: Path) -> None:
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
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, words: list[str]) -> None:
    folder = competition(tmp_path)
    (folder / "train.csv").write_bytes(content)
    refused(folder, "train.csv", *words)


def test_columns_of_the_same_name(tmp_path: Path) -> None:
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


def test_rows_to_predict_need_something_to_be_predicted_from(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    put(folder, "test.csv", rows(20, 1)[["id"]])
    refused(folder, "test.csv", "none of the columns of train.csv", "width")
    (folder / "test.csv").unlink()
    refused(folder, "there is no test.csv", "width", "add test.csv")


def test_labels_that_are_no_numbers_where_numbers_are_needed(tmp_path: Path) -> None:
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


def test_labels_too_large_or_small_to_be_squared(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="RMSE")
    for factor, words in ((1e200, "too large"), (1e-200, "too small")):
        put(
            folder,
            "train.csv",
            rows(60)[["id", "width", "size"]].assign(size=lambda f, by=factor: f["size"] * by),
        )
        refused(folder, "train.csv", "size", words, "power of ten")


# --- goes on with a note --------------------------------------------------------------------------


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


def test_an_encoding_that_shows_late_is_read(tmp_path: Path) -> None:
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


def test_classes_read_as_fractions_are_whole_again(tmp_path: Path) -> None:
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


def test_ids_that_repeat_in_train_are_noted(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width", "y"]]
    put(folder, "train.csv", pd.concat([train, train.head(3)]))
    assert any("3 rows with the id of an earlier row" in note for note in read(folder).notes)


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


def test_more_to_predict_than_to_learn_from(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    put(folder, "train.csv", rows(10)[["id", "width", "y"]])
    assert any("more rows to predict" in note for note in read(folder).notes)


def test_ids_with_spaces_unicode_or_zeros_stay_as_they_are(tmp_path: Path) -> None:
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


def test_ids_that_are_numbers_in_one_table_and_text_in_another(tmp_path: Path) -> None:
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


# --- hostile folders ------------------------------------------------------------------------------


def test_links_that_leave_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = competition(tmp_path / "c")
    outside = tmp_path / "outside"
    outside.mkdir()
    put(outside, "train_extra.csv", rows(5))
    (folder / "train_more.csv").symlink_to(outside / "train_extra.csv")
    (folder / "images").symlink_to(outside)
    c = read(folder)
    assert not any("more" in group.pattern or "images" in group.pattern for group in c.files)
    assert sum("link" in note for note in c.notes) == 2
    (folder / "train.csv").rename(outside / "train.csv")
    (folder / "train.csv").symlink_to(outside / "train.csv")
    with pytest.raises(CompetitionError):
        read(folder)


def test_a_sample_or_description_that_leads_out_is_not_read(tmp_path: Path) -> None:
    folder = competition(tmp_path / "c")
    for name in ("description.md", "sample_submission.csv"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
        refused(folder, name, "link leads out", "put the file itself there")
        (folder / name).unlink()
        (tmp_path / name).rename(folder / name)


def test_archives_with_names_that_lead_out_are_passed_over(tmp_path: Path) -> None:
    folder = competition(tmp_path / "c")
    with zipfile.ZipFile(folder / "extra.zip", "w") as archive:
        for name in ("../evil.csv", "/etc/evil.csv", "good.csv"):
            archive.writestr(name, "id,x\n1,2\n")
    c = read(folder)
    assert not any("evil" in group.pattern for group in c.files)
    assert any("extra.zip" in note and "passed over" in note for note in c.notes)
    assert not (tmp_path / "evil.csv").exists()


def test_pickles_are_listed_and_never_read(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    (folder / "train.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    c = read(folder)
    assert c.train is not None
    assert c.train.path == "train.csv"


def test_an_archive_that_is_broken_is_a_note(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    (folder / "images.zip").write_bytes(b"PK\3\4 broken")
    assert any("images.zip" in note for note in read(folder).notes)


# --- size -----------------------------------------------------------------------------------------


def test_a_wide_table_is_read_quickly(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    random = np.random.default_rng(0)
    for name, count in (("train", 60), ("test", 20)):
        wide = pd.DataFrame(random.normal(size=(count, 3000)).round(2)).add_prefix("f")
        known = rows(count, seed=int(count == 20))[["id", "y"] if name == "train" else ["id"]]
        put(folder, f"{name}.csv", pd.concat([known, wide], axis=1))
    c = read(folder)
    assert len(c.columns) == 3000


def test_the_record_is_frozen_and_the_card_complete(tmp_path: Path) -> None:
    c = read(competition(tmp_path))
    with pytest.raises(dataclasses.FrozenInstanceError):
        c.name = "x"  # type: ignore[misc]
    shown = card(c)
    assert (shown["train_rows"], shown["test_rows"], shown["train_columns"]) == (60, 20, 5)
    assert shown["target_distribution"]["y"]["counts"] == {"0": 30, "1": 30}
    assert shown["tables"]["train"] == 'pd.read_csv(DATA / "train.csv")'


def test_a_key_in_parts_is_said_as_cells_and_the_command_line_both_take_it() -> None:
    found = Findings({})
    found.evidence["id"] = "told"
    kinds._parts_of_key(pd.Series([f"{i // 2:04d}_{i % 2:02d}" for i in range(100)]), "passenger", found)
    assert "groups=passenger[0] keeps them in one fold" in found.evidence["id"]
    assert "--set" not in found.evidence["id"]
