"""Columns to predict and training rows that are easy to overlook."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from tests.cases.right import FEATURES, Right, case, describe, inputs, price, put, rows

TWO = "Predict both.\n\n## Evaluation\n\nSubmissions are scored by the mean column-wise RMSE (MCRMSE).\n"


def two_labels(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and test rows with a second label, weight."""
    train, test = rows(seed)
    for frame in (train, test):
        frame["weight"] = (3 * frame["mass"] + (frame["colour"] == "teal") * 4).round(2)
    return train, test


def both(public: Path, train: pd.DataFrame, test: pd.DataFrame, said: str = "", **facts: object) -> Right:
    describe(public, TWO)
    answers = test[["key", "price", "weight"]].astype(str)
    known = {"targets": ("price", "weight"), "features": FEATURES, "score": "rmse", "bound": 3.0}
    return Right(**{"train": train, "test": test, "answers": answers, **known, "said": said, **facts})


@case
def label_empty_in_test(public: Path) -> Right:
    """The test rows have both label columns, empty."""
    train, test = two_labels(31)
    put(public, "train.csv", inputs(train, "price", "weight"))
    put(public, "test.csv", inputs(test).assign(price="", weight=""))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0, weight=0.0))
    return both(public, train, test)


@case
def label_of_one_value_in_test(public: Path) -> Right:
    """The test rows have one label column, with -1 everywhere; the sample has 0."""
    train, test = two_labels(32)
    put(public, "train.csv", inputs(train, "price", "weight"))
    put(public, "test.csv", inputs(test).assign(weight=-1))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0, weight=0.0))
    return both(public, train, test, said="weight: to predict too")


@case
def label_written_in_another_way(public: Path) -> Right:
    """The sample calls the labels Price and WEIGHT, and has a column that counts its rows."""
    train, test = two_labels(33)
    put(public, "train.csv", inputs(train, "price", "weight"))
    put(public, "test.csv", inputs(test))
    sample = test[["key"]].assign(Price=0.0, WEIGHT=0.0)
    sample.insert(0, "index", range(len(sample)))
    put(public, "sample_submission.csv", sample)
    answers = test[["key", "price", "weight"]].astype(str).set_axis(["key", "Price", "WEIGHT"], axis=1)
    answers.insert(1, "index", [str(i) for i in range(len(answers))])
    return both(public, train, test, answers=answers)


@case
def labels_partly_missing(public: Path) -> Right:
    """Nearly every training row has only one of the two labels."""
    train, test = two_labels(34)
    random = np.random.default_rng(34).random(len(train))
    train.loc[random < 0.5, "price"] = np.nan
    train.loc[random > 0.6, "weight"] = np.nan
    put(public, "train.csv", inputs(train, "price", "weight"))
    put(public, "test.csv", inputs(test))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0, weight=0.0))
    return both(public, train, test, said="rows count for the labels that they have")


@case
def labels_in_long_form(public: Path) -> Right:
    """A table of labels has a row per unit and label; features stand in another."""
    train, test = two_labels(35)
    put(public, "train.csv", inputs(train))
    long = train.melt("key", ["price", "weight"], "what", "amount").sample(frac=1, random_state=1)
    put(public, "train_labels.csv", long)
    put(public, "test.csv", inputs(test))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0, weight=0.0))
    return both(public, train, test, said="a row per key and what")


@case
def rows_in_long_form(public: Path) -> Right:
    """The training table repeats each unit's features for each label."""
    train, test = two_labels(36)
    long = train.melt(["key", *FEATURES], ["price", "weight"], "what", "amount")
    put(public, "train.csv", long)
    put(public, "test.csv", inputs(test))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0, weight=0.0))
    return both(public, train, test, said="a row per key and what")


@case
def months_in_an_archive(public: Path) -> Right:
    """The training rows lie in three tables of one archive, with columns in different orders."""
    train, test = rows(37)
    names = ["key", *FEATURES, "price"]
    public.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(public / "train.zip", "w") as archive:
        for i, month in enumerate(("april", "may", "june")):
            own = train[60 * i : 60 * i + 60][names if i else names[::-1]]
            archive.writestr(f"train_{i}_{month}.csv", own.to_csv(index=False))
    put(public, "test.csv", inputs(test))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, said="3 tables of equal columns")


@case
def parts_beside_a_copy(public: Path) -> Right:
    """Two parts of the training rows, and a third table that only repeats rows of the first."""
    train, test = rows(38)
    put(public, "train.csv", inputs(train, "price")[:100])
    put(public, "train_extra.csv", inputs(train, "price")[100:])
    put(public, "train_small.csv", inputs(train, "price")[:20])
    put(public, "test.csv", inputs(test))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, said="train_small.csv: its rows stand in train.csv too")
