"""Folders as people and their tools hand them over: keys, columns and files that differ between tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.cases.right import FEATURES, Right, case, describe, inputs, price, put, rows

AUC = "Predict who leaves.\n\n## Evaluation\n\nSubmissions are scored by the area under the ROC curve.\n"
MANY = "Predict the tags.\n\n## Evaluation\n\nSubmissions are scored by the mean column-wise ROC AUC.\n"


def mixed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=7).reset_index(drop=True)


@case
def key_of_two_columns_with_other_names(public: Path) -> Right:
    """The sample says Store and Wk, the tables branch and week; their rows stand in another order."""
    train, test = rows(51)
    for frame in (train, test):
        frame["branch"] = "B" + (np.arange(len(frame)) % 12).astype(str)
        frame["week"] = np.arange(len(frame)) // 12
    names = ["branch", "week", *FEATURES]
    put(public, "train.csv", train[[*names, "price"]])
    put(public, "test.csv", mixed(test)[names])
    asked = test[["branch", "week"]].set_axis(["Store", "Wk"], axis=1)
    put(public, "sample_submission.csv", asked.assign(price=0.0))
    answers = asked.assign(price=test["price"]).astype(str)
    keyless = {"train": train.drop(columns="key"), "test": test.drop(columns="key")}
    said = "branch and week together"
    return price(public, train, test, **keyless, answers=answers, features=tuple(names), said=said)


@case
def key_of_dates_written_otherwise(public: Path) -> Right:
    """The tables write days as 31.12.2019, the sample as 2019-12-31; rows stand in another order."""
    train, test = rows(52)
    days = pd.date_range("2018-02-01", periods=len(train) + len(test)).to_series(index=range(240))
    mixed_days = days.sample(frac=1, random_state=3).to_numpy()
    train["key"], test["key"] = mixed_days[: len(train)], mixed_days[len(train) :]
    written = [frame.assign(key=frame["key"].dt.strftime("%d.%m.%Y")) for frame in (train, test)]
    put(public, "train.csv", inputs(written[0], "price"))
    put(public, "test.csv", inputs(mixed(written[1])))
    asked = test["key"].dt.strftime("%Y-%m-%d")
    put(public, "sample_submission.csv", pd.DataFrame({"key": asked, "price": 0.0}))
    answers = pd.DataFrame({"key": asked, "price": test["price"].astype(str)})
    own = {"train": train.assign(key=train["key"].dt.strftime("%Y-%m-%d")), "test": test.assign(key=asked)}
    return price(public, train, test, **own, answers=answers, said="key is written as in")


@case
def output_with_another_name(public: Path) -> Right:
    """The sample has ids in another order, and calls the price prediction."""
    train, test = rows(53)
    put(public, "train.csv", inputs(train, "price"))
    put(public, "test.csv", inputs(mixed(test)))
    put(public, "sample_submission.csv", test[["key"]].assign(prediction=0.0))
    answers = test[["key", "price"]].astype(str).set_axis(["key", "prediction"], axis=1)
    return price(public, train, test, answers=answers, said="prediction of sample_submission.csv is price")


@case
def columns_in_capitals_in_test(public: Path) -> Right:
    """The test rows write the names of features in capitals, with a blank or another mark."""
    train, test = rows(54)
    train, test = (frame.rename(columns={"mass": "mass_kg"}) for frame in (train, test))
    names = ["key", "length", "mass_kg", "colour", "rooms"]
    put(public, "train.csv", train[[*names, "price"]])
    capitals = {"length": "Length", "mass_kg": "Mass kg", "rooms": "ROOMS"}
    put(public, "test.csv", mixed(test)[names].rename(columns=capitals))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, features=tuple(names[1:]), said="ROOMS is rooms of train.csv")


@case
def test_without_ids(public: Path) -> Right:
    """The sample counts the test rows in a column index; no table has a key."""
    train, test = rows(55)
    put(public, "train.csv", train[[*FEATURES, "price"]])
    put(public, "test.csv", test[list(FEATURES)])
    put(public, "sample_submission.csv", pd.DataFrame({"index": range(len(test)), "price": 0.0}))
    answers = pd.DataFrame({"index": np.arange(len(test)).astype(str), "price": test["price"].astype(str)})
    keyless = {"train": train.drop(columns="key"), "test": test.drop(columns="key")}
    return price(public, train, test, **keyless, answers=answers, said="in the order of")


@case
def fewer_rows_asked_than_given(public: Path) -> Right:
    """The sample asks for half of the test rows, in another order."""
    train, test = rows(56)
    put(public, "train.csv", inputs(train, "price"))
    put(public, "test.csv", inputs(test))
    asked = mixed(test)[:30]
    put(public, "sample_submission.csv", asked[["key"]].assign(price=0.0))
    return price(public, train, asked, said="30 rows that sample_submission.csv does not ask for")


@case
def packed_files(public: Path) -> Right:
    """Every table is packed by gzip, the sample too."""
    train, test = rows(57)
    public.mkdir(parents=True, exist_ok=True)
    inputs(train, "price").to_csv(public / "train.csv.gz", index=False)
    inputs(mixed(test)).to_csv(public / "test.csv.gz", index=False)
    test[["key"]].assign(price=0.0).to_csv(public / "sample_submission.csv.gz", index=False)
    return price(public, train, test)


@case
def categories_in_parquet_and_csv(public: Path) -> Right:
    """Train is parquet with categories and small types, test is csv."""
    train, test = rows(58)
    public.mkdir(parents=True, exist_ok=True)
    typed = train.assign(
        colour=pd.Categorical(train["colour"], ["teal", "blue", "red", "pink"]),
        rooms=pd.Categorical(train["rooms"], ordered=True),
        length=train["length"].astype("float32"),
    )
    inputs(typed, "price").to_parquet(public / "train.parquet")
    put(public, "test.csv", inputs(mixed(test)))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test)


@case
def yes_and_no_with_probabilities_asked(public: Path) -> Right:
    """The label is yes or no; the sample has probabilities of a column that is named after neither."""
    train, test = rows(59)
    for frame in (train, test):
        frame["left"] = np.where(frame["grade"] == "high", "yes", "no")
    put(public, "train.csv", inputs(train, "left"))
    put(public, "test.csv", inputs(mixed(test)))
    put(public, "sample_submission.csv", test[["key"]].assign(left=0.5))
    describe(public, AUC)
    answers = pd.DataFrame(
        {"key": test["key"].astype(str), "left": (test["left"] == "yes").map({True: "1", False: "0"})}
    )
    known = {"targets": ("left",), "features": FEATURES, "classes": ("no", "yes")}
    return Right(
        train=train, test=test, answers=answers, **known, score="rmse", bound=0.35, said="it says yes"
    )  # type: ignore[arg-type]


@case
def tags_in_long_form(public: Path) -> Right:
    """A table has a row for each tag that a unit has; the sample a column for each tag."""
    train, test = rows(60)
    for frame in (train, test):
        frame["warm"] = (frame["colour"] == "red").astype(int)
        frame["big"] = (frame["length"] > 20).astype(int)
        frame["dear"] = (frame["grade"] == "high").astype(int)
    tags = ["warm", "big", "dear"]
    put(public, "train.csv", inputs(train))
    long = train.melt("key", tags, "tag", "has")
    put(public, "train_labels.csv", mixed(long[long["has"] == 1][["key", "tag"]]))
    put(public, "test.csv", inputs(test))
    put(public, "sample_submission.csv", test[["key"]].assign(**dict.fromkeys(tags, 0.5)))
    describe(public, MANY)
    known = {"targets": tuple(tags), "features": FEATURES, "said": "a row per key and tag"}
    answers = test[["key", *tags]].astype(str)
    return Right(train=train, test=test, answers=answers, **known, score="rmse", bound=0.35)  # type: ignore[arg-type]
