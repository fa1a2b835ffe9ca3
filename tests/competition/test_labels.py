"""Task, submission layout, classes and metric follow from labels and description."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cobra_jupyter.competition import CompetitionError, load, read
from cobra_jupyter.competition.labels import sorted_classes
from tests.competition.folders import EVALUATION, competition, put, rows, same_frames


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
def test_output_columns_are_matched_to_their_classes(
    tmp_path: Path, prefix: str, values: list[object]
) -> None:
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


def test_an_output_without_rows_in_train_has_no_class_and_a_note(tmp_path: Path) -> None:
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


def test_a_class_and_a_missing_value_may_both_look_missing(tmp_path: Path) -> None:
    """The sample shows that None is a class; NA is none, as it says of nothing."""
    folder = competition(tmp_path, target="kind")
    train = rows(60)[["id", "width", "kind"]].replace({"kind": {"a": "None"}})
    train.loc[5, "kind"] = "NA"
    put(folder, "train.csv", train)
    put(folder, "sample_submission.csv", pd.DataFrame({"id": rows(20, 1)["id"], "kind": "None"}))
    c = read(folder)
    assert c.classes == ("None", "b", "c")
    assert len(load(c).train) == 59
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


def test_a_columnwise_metric_of_one_column_becomes_the_plain_one(tmp_path: Path) -> None:
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
    assert any("--set positive=cat" in question for question in c.questions)
    assert [(each.about, each.taken) for each in c.assumed] == [("positive", "dog")]
    assert read(folder, {"positive": "cat"}).classes == ("dog", "cat")


def test_booleans_keep_their_type(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width"]]
    train["y"] = rows(60)["y"] == 1
    put(folder, "train.csv", train)
    c = read(folder)
    assert c.classes == (False, True)
    assert load(c).train["y"].dtype == bool


def test_f1_of_several_classes_raises_a_question(tmp_path: Path) -> None:
    c = read(competition(tmp_path, target="kind", metric="F1 score"))
    assert c.metric == "f1_macro"
    assert any(question.startswith("metric:") for question in c.questions)


def test_an_unknown_metric_is_quoted_in_a_question(tmp_path: Path) -> None:
    c = read(competition(tmp_path, target="kind", metric="the word error rate"))
    assert [(each.about, each.taken) for each in c.assumed] == [("metric", "log_loss")]
    assert (c.metric, c.direction, c.obstacles) == ("log_loss", "minimize", ())
    question = next(question for question in c.questions if question.startswith("metric:"))
    assert "word error rate" in question
    assert "--set metric=" in question
    assert "%%metric" in question


def test_free_text_labels_are_an_unknown_task(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="kind", metric="the edit distance")
    train = rows(60)[["id", "width"]]
    train["kind"] = [f"q{i} w{i}" for i in range(60)]
    put(folder, "train.csv", train)
    c = read(folder)
    assert (c.task, c.kind) == ("unknown", "other")
    assert any(question.startswith("task:") for question in c.questions)
    same_frames(c)


@pytest.mark.parametrize(
    ("values", "metric", "task"),
    [
        ([0.5, 1.0, 1.5, 2.0], "the quadratic weighted kappa", "multiclass"),
        ([0.5, 1.0, 1.5, 2.0], "accuracy", "multiclass"),
        ([1, 2, 3, 5], "the quadratic weighted kappa", "multiclass"),
        ([0.5, 1.0, 1.5, 2.0], "the RMSE", "regression"),
        ([1, 2, 3, 5], "the mean absolute error", "regression"),
        ([i / 7 for i in range(60)], "a secret recipe", "regression"),
    ],
)
def test_few_distinct_numbers_with_a_metric_of_labels_are_classes(
    tmp_path: Path, values: list[float], metric: str, task: str
) -> None:
    folder = competition(tmp_path, target="size", metric=metric)
    train = rows(60)[["id", "width"]]
    train["size"] = [values[i % len(values)] for i in range(60)]
    put(folder, "train.csv", train)
    c = read(folder)
    assert c.task == task
    assert c.classes == (tuple(values) if task == "multiclass" else ())


def test_a_metric_with_words_not_understood_is_a_question_and_assumed(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="the mean absolute error, averaged per shop")
    c = read(folder)
    (assumption,) = c.assumed
    assert (assumption.about, assumption.taken) == ("metric", "mae")
    assert "averaged per shop" in assumption.reason
    assert any("averaged per shop" in question and "--set metric=" in question for question in c.questions)
    assert read(folder, {"metric": "mae"}).assumed == ()


def test_logs_of_labels_with_zeros_are_logs_of_one_more(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="the RMSE of the logs")
    train = rows(60)[["id", "width"]]
    train["size"] = range(1, 61)
    put(folder, "train.csv", train)
    assert read(folder).metric == "log_rmse"
    train["size"] = range(60)
    put(folder, "train.csv", train)
    c = read(folder)
    assert (c.metric, c.assumed[0].taken) == ("rmsle", "rmsle")


def test_weights_are_found_named_or_set_and_else_a_question(tmp_path: Path) -> None:
    folder = competition(
        tmp_path, target="size", metric="the weighted MAE; column `importance` has the weights"
    )
    train = rows(60)[["id", "width", "size"]]
    put(folder, "train.csv", train.assign(importance=2.5))
    c = read(folder)
    assert (c.metric, c.weights, c.questions) == ("mae", "importance", ())
    put(folder, "train.csv", train.assign(weight=2.5))
    assert read(folder).weights == "weight"
    put(folder, "train.csv", train.assign(other=2.5))
    c = read(folder)
    assert (c.metric, c.weights) == ("mae", None)
    assert c.assumed[0].about == "metric"
    assert any("weights" in question for question in c.questions)
    assert read(folder, {"weights": "other"}).weights == "other"
    put(folder, "train.csv", train.assign(other=-1))
    with pytest.raises(CompetitionError, match="numbers of 0 and more"):
        read(folder, {"weights": "other"})
    with pytest.raises(CompetitionError, match="no such column"):
        read(folder, {"weights": "nothing"})
    put(folder, "train.csv", train.assign(other=1))
    with pytest.raises(CompetitionError, match="spearman takes no weights"):
        read(folder, {"weights": "other", "metric": "spearman"})


def test_groups_and_weights_may_come_from_another_table(tmp_path: Path) -> None:
    folder = competition(tmp_path, target="size", metric="the MAE")
    train = rows(60)[["id", "width", "size"]]
    put(folder, "train.csv", train)
    side = pd.DataFrame({"id": train["id"], "owner": [i // 3 for i in range(60)], "w": 0.5}).iloc[::-1]
    put(folder, "owners.csv", side)
    c = read(folder, {"groups": "owners.csv:owner", "weights": "owners.csv:w"})
    assert (c.groups, c.weights, sorted(c.columns)) == ("owner", "w", ["width"])
    assert load(c).train["owner"].tolist() == [i // 3 for i in range(60)]
    same_frames(c)
    put(folder, "owners.csv", side.iloc[:50])
    with pytest.raises(CompetitionError, match="10 rows of train have no owner"):
        read(folder, {"groups": "owners.csv:owner"})
    put(folder, "owners.csv", pd.concat([side, side]))
    with pytest.raises(CompetitionError, match="several rows with one id"):
        read(folder, {"groups": "owners.csv:owner"})
    for wrong, words in (("no.csv:owner", "no table no.csv"), ("owners.csv:name", "no column name")):
        with pytest.raises(CompetitionError, match=words):
            read(folder, {"weights": wrong})


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        (["10", "2", "1"], ("1", "2", "10")),
        (["10.5", "-3", "007"], ("-3", "007", "10.5")),
        (["10", "2", "b"], ("10", "2", "b")),
        ([10, 2, 1], (1, 2, 10)),
        (["nan", "2", "10"], ("10", "2", "nan")),
    ],
)
def test_classes_that_are_written_numbers_are_in_the_order_of_these(
    values: list[object], ordered: tuple[object, ...]
) -> None:
    assert sorted_classes(pd.Series(values * 3, dtype=object)) == ordered


@pytest.mark.parametrize(
    ("metric", "asked"), [("F1 score", True), ("F2 score", True), ("accuracy", False), ("macro F1", False)]
)
def test_the_positive_class_matters_to_a_metric_of_one_class(
    tmp_path: Path, metric: str, asked: bool
) -> None:
    folder = competition(tmp_path, target="kind", metric=metric)
    train = rows(60)[["id", "width"]]
    train["kind"] = ["left", "right", "right"] * 20
    put(folder, "train.csv", train)
    c = read(folder)
    assert c.task == "binary"
    assert any(question.startswith("positive:") for question in c.questions) == asked
