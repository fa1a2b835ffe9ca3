"""The grader of benchmarks/cases.py is strict: other ids, columns, classes or bad scores are wrong."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import cases
from tests.cases import CASES

CLASSES, NUMBERS = "class_with_zeros", "key_as_a_float"


def grade(name: str, folder: Path, change: object = None) -> tuple[str, bool]:
    right = CASES[name](folder)
    made = right.answers.copy()
    if callable(change):
        made = change(made)
    made.to_csv(folder / "submission.csv", index=False)
    return cases.graded(right, folder / "submission.csv")


@pytest.mark.parametrize("name", CASES)
def test_the_answers_themselves_are_right(name: str, tmp_path: Path) -> None:
    assert grade(name, tmp_path)[1]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (NUMBERS, lambda made: made.assign(key=made["key"].str.removesuffix(".0")), "other ids"),
        (NUMBERS, lambda made: pd.concat([made, made.head(1)]), "other ids"),
        (NUMBERS, lambda made: made.rename(columns={"price": "Price"}), "columns"),
        (NUMBERS, lambda made: made.assign(price="0.0"), "rmse"),
        (NUMBERS, lambda made: made.assign(price="high"), "no number"),
        (CLASSES, lambda made: made.assign(grade=made["grade"].astype(int)), "exact 0.3"),
    ],
)
def test_what_is_wrong_is_told(name: str, change: object, said: str, tmp_path: Path) -> None:
    got, right = grade(name, tmp_path, change)
    assert not right
    assert got.startswith(said)


def test_rows_may_stand_in_any_order(tmp_path: Path) -> None:
    assert grade(NUMBERS, tmp_path, lambda made: made[::-1])[1]


def test_the_table_names_what_is_wrong() -> None:
    rows = [cases.Row("a", "exact ≥ 0.75", "exact 0.2", False, 0)]
    assert cases.table(rows).splitlines()[-1] == "| a | exact ≥ 0.75 | exact 0.2 | NO | 0 |"
