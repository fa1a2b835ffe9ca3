"""Ids and classes that a careless reading changes: words like NA, leading zeros, true, dates, 1.0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.cases.right import Right, case, classes_of, describe, grade, inputs, price, put, rows


def classes(public: Path, seed: int, names: list[str], first: str | None = None, **facts: object) -> Right:
    """A class task in csv files with classes of these names; the sample shows one of them."""
    train, test = rows(seed)
    classes_of(train, test, names)
    put(public, "train.csv", inputs(train, "grade"))
    put(public, "test.csv", inputs(test))
    put(public, "sample_submission.csv", pd.DataFrame({"key": test["key"], "grade": first or names[0]}))
    return grade(public, train, test, names, **facts)


@case
def class_null(public: Path) -> Right:
    """A class is called null, and the sample shows it."""
    return classes(public, 11, ["null", "some", "many"])


@case
def class_na_unseen_in_sample(public: Path) -> Right:
    """A class of words is called NA, and nothing but the other classes says so."""
    return classes(public, 12, ["NA", "slow", "fast"], first="fast", said="NA of grade is a class")


@case
def class_none_as_a_column(public: Path) -> Right:
    """The submission has a column of probabilities for each class; one class is called None."""
    train, test = rows(13)
    names = ["None", "slow", "fast"]
    classes_of(train, test, names)
    put(public, "train.csv", inputs(train, "grade"))
    put(public, "test.csv", inputs(test))
    put(public, "sample_submission.csv", test[["key"]].assign(grade_None=0.3, grade_slow=0.3, grade_fast=0.4))
    describe(public, "Classes.\n\n## Evaluation\n\nSubmissions are evaluated on multi-class log loss.\n")
    answers = pd.DataFrame({"key": test["key"].astype(str)})
    for name in names:
        answers[f"grade_{name}"] = (test["grade"] == name).astype(int).astype(str)
    right = grade(public, train, test, names)
    describe(public, "Classes.\n\n## Evaluation\n\nSubmissions are evaluated on multi-class log loss.\n")
    return Right(**{**vars(right), "answers": answers, "score": "rmse", "bound": 0.35})


@case
def class_with_zeros(public: Path) -> Right:
    """Classes are codes of three digits with leading zeros."""
    return classes(public, 14, ["007", "010", "100"])


@case
def class_true(public: Path) -> Right:
    """Two classes, true and false, in lower case."""
    return classes(public, 15, ["false", "true"])


@case
def class_of_dates(public: Path) -> Right:
    """The classes are days."""
    return classes(public, 16, ["2020-01-01", "2020-04-01", "2020-10-01"])


@case
def class_with_a_point(public: Path) -> Right:
    """The classes are written 1.0, 2.0 and 3.0 everywhere."""
    return classes(public, 17, ["1.0", "2.0", "3.0"])


@case
def class_of_booleans(public: Path) -> Right:
    """The parquet table has a boolean label, the sample writes true."""
    train, test = rows(18)
    classes_of(train, test, ["false", "true"])
    public.mkdir(parents=True, exist_ok=True)
    inputs(train, "grade").assign(grade=train["grade"] == "true").to_parquet(public / "train.parquet")
    inputs(test).to_parquet(public / "test.parquet")
    put(public, "sample_submission.csv", pd.DataFrame({"key": test["key"], "grade": "true"}))
    return grade(public, train, test, ["false", "true"])


@case
def id_called_na(public: Path) -> Right:
    """Ids are country codes; that of Namibia is NA."""
    train, test = rows(19)
    letters = np.array(list("ABCDEFGHIJKLMNOP"))
    codes = [a + b for a in letters for b in letters]
    codes.remove("NA")
    train["key"], test["key"] = codes[: len(train)], ["NA", *codes[len(train) : len(train) + len(test) - 1]]
    put(public, "train.csv", inputs(train, "price"))
    put(public, "test.csv", inputs(test[::-1]))
    put(public, "sample_submission.csv", pd.DataFrame({"key": test["key"], "price": 0.0}))
    return price(public, train, test)
