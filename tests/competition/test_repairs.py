"""Columns that are written for people, or in two ways: what is repaired, and what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cobra_jupyter.competition import CompetitionError, load, read, units
from tests.competition.folders import competition, put, rows, same_frames


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (["1 kg", "2.5 kg", "-3 kg"], "kg"),
        (["10%", "7.5 %", "0 %"], "%"),
        (["$1,250.00", "$3", "$.5"], "$"),
        (["20 °C", "21.5 °C", "-3 °C"], "°C"),
        ([f"{i}ms" for i in range(25)], "ms"),
        (["12,5 %", "7,25 %", "1.250 %"], "%"),
        (["1,250 kg", "2,500 kg", "3,000 kg"], ""),
        (["1 kg", "2 kg", "500 g"], ""),
        (["1st", "2nd", "3rd"], ""),
        (["A1", "A2", "A3"], ""),
        ([f"{i}A" for i in range(25)], ""),
        (["12km", "13km", "14km"], ""),
        (["1", "2", "3"], ""),
        (["1 kg", "2 kg"], ""),
        (["10 kg", "unknown", "20 kg", "30 kg"], "kg"),
        (["10 kg", "some", "20 kg", "30 kg"], ""),
        (["1.2.3 kg", "4.5.6 kg", "7.8.9 kg"], ""),
    ],
)
def test_a_unit_is_one_that_all_numbers_of_a_column_have(values: list[str], unit: str) -> None:
    assert units.common(pd.Series(values)) == unit


@pytest.mark.parametrize(
    ("values", "commas"),
    [
        (["12,5 %", "7,25 %", "1.250 %"], True),
        (["$1,250.00", "$3", "$.5"], False),
        (["1 %", "2 %", "3 %"], False),
    ],
)
def test_the_decimal_mark_of_numbers_with_a_unit_is_found(values: list[str], commas: bool) -> None:
    assert units.has_commas(pd.Series(values)) == commas


def changed(tmp_path: Path, train: pd.DataFrame, test: pd.DataFrame, **options: str) -> Path:
    folder = competition(tmp_path, **options)
    put(folder, "train.csv", train)
    put(folder, "test.csv", test)
    return folder


def test_features_with_a_unit_are_numbers_and_mixed_units_stay_text(tmp_path: Path) -> None:
    train, test = (rows(count, seed)[["id", "width", "count", "y"]] for count, seed in ((60, 0), (20, 1)))
    for frame in (train, test):
        frame["mass"] = [f"{i % 9} kg" if i % 2 else f"{i} g" for i in range(len(frame))]
        frame["width"] = frame["width"].map("{:.3f} cm".format)
    c = read(changed(tmp_path, train, test.drop(columns="y")))
    assert c.columns["width"] == "number"
    assert c.columns["mass"] != "number"
    assert any("numbers with a unit, used as numbers: width (cm)" in note for note in c.notes)
    same_frames(c)


def test_a_column_that_two_names_of_test_may_mean_is_not_renamed(tmp_path: Path) -> None:
    train = rows(60)[["id", "width", "count", "y"]]
    test = rows(20, 1)[["id", "count"]].assign(Width=1.0, WIDTH=2.0)
    c = read(changed(tmp_path, train, test))
    assert set(c.columns) == {"count"}
    assert any("lack are not used as features: width" in note for note in c.notes)


def test_blanks_stay_where_no_value_stands_without_them(tmp_path: Path) -> None:
    train, test = (rows(count, seed)[["id", "width", "colour", "y"]] for count, seed in ((60, 0), (20, 1)))
    for frame in (train, test):
        frame["lead"] = " " + frame["colour"]
        frame.loc[frame.index % 5 == 0, "colour"] += " "
    c = read(changed(tmp_path, train, test.drop(columns="y")))
    loaded = load(c).train
    assert set(loaded["colour"]) == set(rows(60)["colour"])
    assert set(loaded["lead"]) == {f" {colour}" for colour in rows(60)["colour"]}
    same_frames(c)


@pytest.mark.parametrize(
    ("theirs", "read_as"), [(str.upper, "in lower case"), (lambda text: f"{text} ", "without blanks")]
)
def test_categories_of_test_in_another_form_are_those_of_train(
    theirs: Callable[[str], str], read_as: str, tmp_path: Path
) -> None:
    train, test = (rows(count, seed)[["id", "width", "colour", "y"]] for count, seed in ((60, 0), (20, 1)))
    test["colour"] = test["colour"].map(theirs)
    c = read(changed(tmp_path, train, test.drop(columns="y")))
    data = load(c)
    assert set(data.test["colour"]) <= set(data.train["colour"]) == set(train["colour"])
    assert any(f"values of colour are read {read_as}" in note for note in c.notes)
    same_frames(c)


def test_other_categories_of_test_stay_other_ones(tmp_path: Path) -> None:
    train, test = (rows(count, seed)[["id", "width", "colour", "y"]] for count, seed in ((60, 0), (20, 1)))
    test["colour"] = "Dark" + test["colour"]
    c = read(changed(tmp_path, train, test.drop(columns="y")))
    assert set(load(c).test["colour"]) == set(test["colour"])


def test_classes_with_a_unit_stay_as_they_are_written(tmp_path: Path) -> None:
    train = rows(60)[["id", "width"]]
    train["kind"] = ["5 kg", "10 kg", "20 kg"] * 20
    folder = changed(tmp_path, train, rows(20, 1)[["id", "width"]], target="kind", metric="accuracy")
    put(folder, "sample_submission.csv", rows(20, 1)[["id"]].assign(kind="10 kg"))
    assert set(read(folder).classes) == {"5 kg", "10 kg", "20 kg"}


def test_columns_of_other_names_are_a_key_only_in_one_way(tmp_path: Path) -> None:
    """Rows and columns of a board have the same numbers: nothing tells which is which."""
    test = pd.DataFrame([(i, j) for i in range(4) for j in range(5)], columns=["row", "place"])
    train = pd.concat([test.assign(width=i, y=test["row"] % 2) for i in range(3)], ignore_index=True)
    folder = changed(tmp_path, train, test.assign(width=1))
    asked = test.set_axis(["Up", "Along"], axis=1)
    put(folder, "sample_submission.csv", asked.assign(y=0))
    assert read(folder).id_columns == (("Up", "row"), ("Along", "place"))
    square = test[test["place"] < 4]
    put(folder, "test.csv", square.assign(width=1))
    put(folder, "sample_submission.csv", asked[asked["Along"] < 4].assign(y=0))
    with pytest.raises(CompetitionError, match="Up, Along may be row, place or place, row of"):
        read(folder)


@pytest.mark.parametrize(
    ("theirs", "kind", "assumed"),
    [
        ("{:.3f} cm", "number", ""),
        ("{:.3f}", "number", ""),
        ("{:.3f} mm", "category", "train.csv has numbers in cm, the other table numbers in mm"),
        ("about {:.3f}", "category", "train.csv has numbers in cm, the other table words too"),
    ],
)
def test_a_unit_must_be_that_of_the_other_table(theirs: str, kind: str, assumed: str, tmp_path: Path) -> None:
    train, test = (rows(count, seed)[["id", "width", "y"]] for count, seed in ((60, 0), (20, 1)))
    train["width"] = (train["width"] % 1).map("{:.1f} cm".format)
    test["width"] = (test["width"] % 1).map(theirs.format)
    c = read(changed(tmp_path, train, test.drop(columns="y")))
    assert c.columns["width"] == kind
    assert [each.reason for each in c.assumed if each.about == "units"] == ([assumed] if assumed else [])
    same_frames(c)


def test_the_key_of_labels_may_be_written_otherwise(tmp_path: Path) -> None:
    train = rows(60)[["id", "width", "count", "y"]]
    folder = changed(tmp_path, train.drop(columns="y"), rows(20, 1)[["id", "width", "count"]])
    put(folder, "train_labels.csv", train[["id", "y"]].rename(columns={"id": "ID"})[::-1])
    c = read(folder)
    assert list(load(c).train["y"]) == list(train["y"])
    assert "train_labels.csv: ID is id of the other tables" in c.notes
    same_frames(c)


def test_classes_that_differ_only_in_case_are_different_and_assumed_so(tmp_path: Path) -> None:
    train = rows(60)[["id", "width"]]
    train["kind"] = ["yes", "no", "Yes"] * 20
    folder = changed(tmp_path, train, rows(20, 1)[["id", "width"]], target="kind", metric="accuracy")
    c = read(folder)
    assert set(c.classes) == {"yes", "no", "Yes"}
    assert [each.taken for each in c.assumed if each.about == "classes"] == [
        "Yes and yes are different classes"
    ]
