"""Numbers and words that are written for people: units, percent, days as in Europe, stray blanks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.cases.right import FEATURES, Right, case, classes_of, grade, inputs, price, put, rows


def written(frame: pd.DataFrame, **units: str) -> pd.DataFrame:
    """The table with a unit behind the numbers of some columns."""
    made = frame.copy()
    for name, unit in units.items():
        if name in made:
            made[name] = [f"{value}{unit}" for value in made[name]]
    return made


@case
def percentages(public: Path) -> Right:
    """Two features are percentages: 12.5 % and 40%."""
    train, test = rows(61)
    for name, frame in (("train.csv", inputs(train, "price")), ("test.csv", inputs(test))):
        put(public, name, written(frame, length=" %", mass="%"))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, said="numbers with a unit")


@case
def percentages_with_decimal_commas(public: Path) -> Right:
    """Semicolons, and percentages like 12,5 % in a table whose other numbers have points."""
    train, test = rows(65)
    for name, frame in (("train.csv", inputs(train, "price")), ("test.csv", inputs(test))):
        made = frame.assign(length=[f"{value:.2f} %".replace(".", ",") for value in frame["length"]])
        put(public, name, made, sep=";")
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0), sep=";")
    return price(public, train, test, said="numbers with a unit")


@case
def colours_in_capitals_in_test(public: Path) -> Right:
    """Train writes red, test RED."""
    train, test = rows(66)
    put(public, "train.csv", inputs(train, "price"))
    put(public, "test.csv", inputs(test.assign(colour=test["colour"].str.upper())))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, said="in lower case")


@case
def units_in_the_target(public: Path) -> Right:
    """The price and the mass have units; some prices are missing."""
    train, test = rows(62)
    known = train["price"].notna() & (train.index % 12 != 5)
    own = written(inputs(train, "price"), price=" EUR", mass=" kg").assign(
        price=lambda frame: frame["price"].where(known, "")
    )
    put(public, "train.csv", own)
    put(public, "test.csv", written(inputs(test), mass=" kg"))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, train=train[known].reset_index(drop=True), said="numbers with a unit")


@case
def days_as_in_europe(public: Path) -> Right:
    """Semicolons, decimal commas and days like 31.12.2019, on which the price depends."""
    train, test = rows(63)
    public.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate((train, test)):
        days = np.random.default_rng(number).integers(0, 700, len(frame))
        when = pd.Timestamp("2018-01-05") + pd.to_timedelta(days, unit="D")
        frame["price"] = (frame["price"] + days / 10).round(2)
        frame["day"] = when.strftime("%d.%m.%Y")
    for name, frame in (("train.csv", inputs(train, "day", "price")), ("test.csv", inputs(test, "day"))):
        frame.to_csv(public / name, index=False, sep=";", decimal=",")
    test[["key"]].assign(price=0.5).to_csv(
        public / "sample_submission.csv", index=False, sep=";", decimal=","
    )
    return price(public, train, test, features=("day", *FEATURES), bound=8.0, said="decimal comma")


@case
def classes_with_stray_blanks(public: Path) -> Right:
    """Some rows have a blank behind the class; the sample shows the classes without."""
    train, test = rows(64)
    classes_of(train, test, ["none at all", "some", "much"])
    blank = np.where(train.index % 7 == 3, " ", "")
    put(public, "train.csv", inputs(train, "grade").assign(grade=train["grade"] + blank))
    put(public, "test.csv", inputs(test))
    sample = pd.DataFrame({"key": test["key"], "grade": np.array(["some", "much"])[test.index % 2]})
    put(public, "sample_submission.csv", sample)
    return grade(public, train, test, ["none at all", "some", "much"], said="without blanks around")
