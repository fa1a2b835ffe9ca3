"""Row keys that differ between the tables in name, form or order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.cases.right import Right, case, inputs, price, put, rows


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=5).reset_index(drop=True)


@case
def key_in_capitals(public: Path) -> Right:
    """The sample says KEY, the tables say key; the test rows stand in another order."""
    train, test = rows(1)
    put(public, "train.csv", inputs(train, "price"))
    put(public, "test.csv", inputs(shuffled(test)))
    put(public, "sample_submission.csv", pd.DataFrame({"KEY": test["key"], "price": 0.0}))
    return price(public, train, test, "KEY")


@case
def key_with_another_name(public: Path) -> Right:
    """The test rows call the key ticket, and count themselves in a column that is named like a key."""
    train, test = rows(2)
    mixed = shuffled(inputs(test)).rename(columns={"key": "ticket"})
    put(public, "train.csv", inputs(train, "price").rename(columns={"key": "ticket"}))
    put(public, "test.csv", mixed.assign(row_id=range(len(mixed))))
    put(public, "sample_submission.csv", pd.DataFrame({"Id": test["key"], "price": 0.0}))
    own = {"train": train.rename(columns={"key": "ticket"}), "test": test.rename(columns={"key": "ticket"})}
    return price(public, train, test, "Id", **own, said="ticket of test.csv holds the values of Id")


@case
def key_as_a_float(public: Path) -> Right:
    """The sample's ids went through a float (1043.0); they leave as they came."""
    train, test = rows(3)
    put(public, "train.csv", inputs(train, "price"))
    put(public, "test.csv", inputs(shuffled(test)))
    sample = pd.DataFrame({"key": test["key"].astype(float), "price": 0.0})
    put(public, "sample_submission.csv", sample)
    right = price(public, train, test)
    return price(public, train, test, answers=right.answers.assign(key=sample["key"].astype(str)))


@case
def key_padded_in_the_sample(public: Path) -> Right:
    """The sample pads the key with zeros, the tables do not."""
    train, test = rows(4)
    put(public, "train.csv", inputs(train, "price"))
    put(public, "test.csv", inputs(shuffled(test)))
    padded = test["key"].astype(str).str.zfill(7)
    put(public, "sample_submission.csv", pd.DataFrame({"key": padded, "price": 0}))
    right = price(public, train, test)
    return price(public, train, test, answers=right.answers.assign(key=padded))


@case
def key_without_a_name(public: Path) -> Right:
    """Another tool wrote the row numbers of its table as a first column without a name."""
    train, test = rows(5)
    put(public, "train.csv", inputs(train, "price").rename(columns={"key": ""}))
    put(public, "test.csv", inputs(shuffled(test)).rename(columns={"key": ""}))
    put(public, "sample_submission.csv", pd.DataFrame({"": test["key"], "price": 0.0}))
    named = {"train": train.rename(columns={"key": "Unnamed: 0"})}
    named["test"] = test.rename(columns={"key": "Unnamed: 0"})
    return price(public, train, test, "", **named)


@case
def key_of_two_columns(public: Path) -> Right:
    """Shop and week together are the key; the test rows have other order of rows and columns."""
    train, test = rows(6)
    for frame in (train, test):
        frame["shop"] = [f"S{i % 12}" for i in range(len(frame))]
        frame["week"] = np.arange(len(frame)) // 12
    names = ["week", "shop", "length", "mass", "colour", "rooms"]
    put(public, "train.csv", train[[*names, "price"]])
    put(public, "test.csv", shuffled(test)[names])
    put(public, "sample_submission.csv", test[["shop", "week"]].assign(price=0.0))
    answers = test[["shop", "week", "price"]].astype(str)
    features = ("week", "shop", "length", "mass", "colour", "rooms")
    keyless = {"train": train.drop(columns="key"), "test": test.drop(columns="key")}
    return price(public, train, test, **keyless, answers=answers, features=features)


@case
def key_made_of_three_columns(public: Path) -> Right:
    """The sample joins year, region and number to one key; no table has it."""
    train, test = rows(7)
    for frame in (train, test):
        frame["year"] = 2000 + np.arange(len(frame)) % 5
        frame["region"] = np.array(["north", "south"])[np.arange(len(frame)) // 5 % 2]
        frame["number"] = np.arange(len(frame)) // 10
    names = ["number", "year", "region", "length", "mass", "colour", "rooms"]
    put(public, "train.csv", train[[*names, "price"]])
    put(public, "test.csv", shuffled(test)[names])
    made = test["region"] + "-" + test["year"].astype(str) + "-" + test["number"].astype(str)
    put(public, "sample_submission.csv", pd.DataFrame({"id": made, "price": 0.0}))
    answers = pd.DataFrame({"id": made, "price": test["price"].astype(str)})
    keyless = {"train": train.drop(columns="key"), "test": test.drop(columns="key")}
    return price(public, train, test, **keyless, answers=answers, features=tuple(names))


@case
def key_of_dates(public: Path) -> Right:
    """The key is a day: a timestamp in the parquet tables, a text in the sample."""
    train, test = rows(8)
    days = pd.date_range("2019-03-01", periods=len(train) + len(test)).to_series(index=range(240))
    train["key"] = days[: len(train)].to_numpy()
    test["key"] = days[len(train) :].sample(frac=1, random_state=2).to_numpy()
    public.mkdir(parents=True, exist_ok=True)
    inputs(train, "price").to_parquet(public / "train.parquet")
    inputs(test.sort_values("key")).to_parquet(public / "test.parquet")
    written = test["key"].dt.strftime("%Y-%m-%d")
    put(public, "sample_submission.csv", pd.DataFrame({"key": written, "price": 0.0}))
    right = price(public, train, test)
    return price(public, train, test, answers=right.answers.assign(key=written))
