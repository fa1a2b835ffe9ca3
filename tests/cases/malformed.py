"""csv files as other tools write them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.cases.right import Right, case, classes_of, grade, inputs, price, put, rows


def lines(public: Path, name: str, first: str, others: list[str]) -> None:
    (public / name).write_text("\n".join([first, *others]) + "\n", encoding="utf-8")


@case
def rows_end_with_a_comma(public: Path) -> Right:
    """Every row of both tables ends with a comma, the header does not. Keys count up."""
    train, test = rows(21)
    train["key"], test["key"] = range(len(train)), range(len(train), len(train) + len(test))
    for name, frame in (("train.csv", inputs(train, "price")), ("test.csv", inputs(test))):
        header, *others = put(public, name, frame).splitlines()
        lines(public, name, header, [f"{line}," for line in others])
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, said="rows end with empty fields")


@case
def some_rows_end_with_commas(public: Path) -> Right:
    """Only some rows of train end with empty fields."""
    train, test = rows(22)
    header, *others = put(public, "train.csv", inputs(train, "price")).splitlines()
    lines(public, "train.csv", header, [f"{line},," if i % 7 == 3 else line for i, line in enumerate(others)])
    put(public, "test.csv", inputs(test))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test)


@case
def rows_begin_with_a_name(public: Path) -> Right:
    """The first column holds row names and has no place in the header, as R writes it."""
    train, test = rows(23)
    for name, frame in (("train.csv", inputs(train, "price")), ("test.csv", inputs(test))):
        text = put(public, name, frame.drop(columns="key").assign(key=frame["key"]))
        header, *others = text.splitlines()
        lines(public, name, header, [f'"r{i}",{line}' for i, line in enumerate(others)])
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, features=("Unnamed: 0", *("length", "mass", "colour", "rooms")))


@case
def blanks_after_commas(public: Path) -> Right:
    """A blank follows each comma in test and train, header included; the sample has none."""
    train, test = rows(24)
    for name, frame in (("train.csv", inputs(train, "grade")), ("test.csv", inputs(test))):
        text = put(public, name, frame)
        (public / name).write_text(text.replace(",", ", "), encoding="utf-8")
    put(public, "sample_submission.csv", test[["key"]].assign(grade="low"))
    return grade(public, train, test, ["low", "mid", "high"])


@case
def blanks_around_names(public: Path) -> Right:
    """Column names have blanks around them, in the sample too; its header leaves as it came."""
    train, test = rows(25)
    put(public, "train.csv", inputs(train, "price").rename(columns=lambda name: f"{name} "))
    put(public, "test.csv", inputs(test).rename(columns={"mass": " mass", "rooms": "rooms "}))
    put(public, "sample_submission.csv", test[["key"]].assign(**{"price ": 0.0}))
    right = price(public, train, test)
    return price(public, train, test, answers=right.answers.rename(columns={"price": "price "}))


@case
def semicolons_and_decimal_commas(public: Path) -> Right:
    """A byte order mark, semicolons, decimal commas and points between thousands."""
    train, test = rows(26)
    train["price"], test["price"] = train["price"] * 100, test["price"] * 100
    for name, frame in (("train.csv", inputs(train, "price")), ("test.csv", inputs(test))):
        written = frame.copy()
        for column in ("length", "mass", "price"):
            if column in written:
                written[column] = [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in written[column]]
        written.to_csv(public_of(public) / name, index=False, sep=";", encoding="utf-8-sig")
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test, bound=400.0, said="decimal comma")


@case
def commas_between_thousands(public: Path) -> Right:
    """Numbers of thousands and more are quoted and have commas."""
    train, test = rows(27)
    for frame in (train, test):
        frame["length"] = (frame["length"].abs() * 1000).round()
    for name, frame in (("train.csv", inputs(train, "price")), ("test.csv", inputs(test))):
        put(public, name, frame.assign(length=[f"{value:,.0f}" for value in frame["length"]]))
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    return price(public, train, test)


@case
def a_line_that_names_the_separator(public: Path) -> Right:
    """A spreadsheet wrote sep=; as the first line; a name in the header has a comma."""
    train, test = rows(28)
    names = {"mass": "mass, kg"}
    for name, frame in (("train.csv", inputs(train, "price")), ("test.csv", inputs(test))):
        text = put(public, name, frame.rename(columns=names), sep=";")
        (public / name).write_text(f"sep=;\n{text}", encoding="utf-8")
    put(public, "sample_submission.csv", test[["key"]].assign(price=0.0))
    own = {"train": train.rename(columns=names), "test": test.rename(columns=names)}
    return price(public, train, test, **own, features=("length", "mass, kg", "colour", "rooms"))


def public_of(public: Path) -> Path:
    public.mkdir(parents=True, exist_ok=True)
    return public


@case
def a_header_with_semicolons_alone(public: Path) -> Right:
    """Semicolons separate; a name and a class in quotes have commas."""
    train, test = rows(29)
    classes_of(train, test, ["little, or none", "some", "much"])
    names = {"length": "length, m"}
    put(public, "train.csv", inputs(train, "grade").rename(columns=names), sep=";")
    put(public, "test.csv", inputs(test).rename(columns=names), sep=";")
    put(public, "sample_submission.csv", pd.DataFrame({"key": test["key"], "grade": "some"}))
    own = {"train": train.rename(columns=names), "test": test.rename(columns=names)}
    features = ("length, m", "mass", "colour", "rooms")
    return grade(public, train, test, ["little, or none", "some", "much"], **own, features=features)
