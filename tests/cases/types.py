"""Parquet tables with columns of types that csv files do not have."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pandas as pd

from tests.cases.right import Right, case, classes_of, grade, inputs, price, put, rows


def tables(public: Path, train: pd.DataFrame, test: pd.DataFrame) -> None:
    public.mkdir(parents=True, exist_ok=True)
    train.to_parquet(public / "train.parquet")
    test.to_parquet(public / "test.parquet")


@case
def durations_and_decimals(public: Path) -> Right:
    """The strongest features are a duration and a decimal; seconds and amounts are their values."""
    train, test = rows(41)
    made = [
        frame.assign(
            length=pd.to_timedelta(frame["length"].mul(60).round(), unit="s"),
            mass=[Decimal(f"{value:.2f}") for value in frame["mass"]],
        )
        for frame in (train, test)
    ]
    tables(public, inputs(made[0], "price"), inputs(made[1]))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    own = [frame.assign(length=frame["length"].mul(60).round()) for frame in (train, test)]
    return price(public, train, test, train=own[0], test=own[1], said="used as seconds")


@case
def nullable_and_arrow_types(public: Path) -> Right:
    """Nullable whole numbers with gaps, Arrow strings and floats, nullable booleans."""
    train, test = rows(42)
    made = []
    for frame in (train, test):
        frame["warm"] = frame["colour"] == "red"
        typed = frame.astype(
            {"rooms": "Int16", "colour": "string[pyarrow]", "length": "double[pyarrow]", "warm": "boolean"}
        )
        typed.loc[typed.index % 9 == 4, "rooms"] = pd.NA
        frame["rooms"] = frame["rooms"].astype(float).mask(frame.index % 9 == 4)
        made.append(typed)
    tables(public, inputs(made[0], "warm", "price"), inputs(made[1], "warm"))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, bound=7.0, features=("warm", "length", "mass", "colour", "rooms"))


@case
def categories_with_unused_levels(public: Path) -> Right:
    """A class and a feature are categories of which some levels have no row; the key is the index."""
    train, test = rows(43)
    classes_of(train, test, ["calm", "wild"])
    made = []
    for frame in (train, test):
        typed = frame.assign(colour=pd.Categorical(frame["colour"], ["pink", "teal", "red", "blue"]))
        made.append(typed.assign(grade=pd.Categorical(frame["grade"], ["never", "wild", "calm"])))
    tables(public, inputs(made[0], "grade").set_index("key"), inputs(made[1]).set_index("key"))
    put(public, "sample_submission.csv", test[["key"]].assign(grade="calm"))
    return grade(public, train, test, ["calm", "wild"])


@case
def time_zones(public: Path) -> Right:
    """A feature is a time with a zone, another one a period; the label a nullable whole number."""
    train, test = rows(44)
    made = []
    for frame in (train, test):
        frame["price"] = frame["price"].round()
        hours = pd.to_timedelta(frame["rooms"] * 7 + frame.index % 3, unit="h")
        frame["when"] = pd.Timestamp("2022-05-01", tz="Asia/Tokyo") + hours
        made.append(frame.astype({"price": "Int64"}))
    tables(public, inputs(made[0], "when", "price"), inputs(made[1], "when"))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0))
    return price(public, train, test, bound=4.5, features=("when", "length", "mass", "colour", "rooms"))
