"""What a right reading of a folder finds, and helpers that write one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TRAIN, TEST = 180, 60


@dataclass(frozen=True)
class Right:
    """`train` and `test` hold ids, labels and features with their right values, `test` in the sample's order.

    `answers` is the best submission, as text. A submission is right if its score is at least as good as
    `bound`: "exact" is the share of equal labels, "rmse" the mean RMSE of the columns."""

    train: pd.DataFrame
    test: pd.DataFrame
    answers: pd.DataFrame
    targets: tuple[str, ...]
    features: tuple[str, ...]
    score: str
    bound: float
    classes: tuple[str, ...] = ()
    said: str = ""
    """What card or report must say of it."""


CASES: dict[str, Callable[[Path], Right]] = {}


def case(write: Callable[[Path], Right]) -> Callable[[Path], Right]:
    """Registers a function that writes a folder."""
    CASES[write.__name__] = write
    return write


def rows(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and test rows: a key, the features length, mass, colour and rooms, the labels price and grade.

    Both labels follow from the features with little noise."""
    random = np.random.default_rng(seed)
    count = TRAIN + TEST
    frame = pd.DataFrame(
        {
            "key": random.permutation(np.arange(1000, 1000 + count)),
            "length": random.normal(20, 6, count).round(2),
            "mass": random.uniform(1, 9, count).round(2),
            "colour": random.choice(["red", "blue", "teal"], count),
            "rooms": random.integers(1, 7, count),
        }
    )
    value = 2 * frame["length"] + 3 * frame["rooms"] + 8 * (frame["colour"] == "red")
    frame["price"] = (value + random.normal(0, 1, count)).round(2)
    frame["grade"] = np.array(["low", "mid", "high"])[np.digitize(value, np.quantile(value, [0.33, 0.66]))]
    return frame[:TRAIN].reset_index(drop=True), frame[TRAIN:].reset_index(drop=True)


FEATURES = ("length", "mass", "colour", "rooms")
PRICE = "Predict the price.\n\n## Evaluation\n\nSubmissions are scored by the root mean squared error.\n"
GRADE = "Predict the class.\n\n## Evaluation\n\nSubmissions are evaluated on classification accuracy.\n"
PRICE_BOUND, GRADE_BOUND = 4.0, 0.75


def describe(public: Path, text: str) -> None:
    public.mkdir(parents=True, exist_ok=True)
    (public / "description.md").write_text(f"# A small task\n\n{text}", encoding="utf-8")


def put(public: Path, name: str, frame: pd.DataFrame, **options: Any) -> str:
    """Writes a csv file. Returns its text."""
    public.mkdir(parents=True, exist_ok=True)
    text = frame.to_csv(index=False, **options)
    (public / name).write_text(text, encoding="utf-8")
    return str(text)


def price(
    public: Path, train: pd.DataFrame, test: pd.DataFrame, sample_id: str = "key", /, **facts: Any
) -> Right:
    """Writes the description of a price task. Returns what is right, for test rows in the sample's order."""
    describe(public, PRICE)
    answers = pd.DataFrame({sample_id: test["key"].astype(str), "price": test["price"].astype(str)})
    known = {"answers": answers, "targets": ("price",), "features": FEATURES, "score": "rmse"}
    return Right(**{"train": train, "test": test, **known, "bound": PRICE_BOUND, **facts})


def grade(
    public: Path, train: pd.DataFrame, test: pd.DataFrame, classes: Sequence[str], /, **facts: Any
) -> Right:
    """Writes the description of a class task. Returns what is right."""
    describe(public, GRADE)
    answers = pd.DataFrame({"key": test["key"].astype(str), "grade": test["grade"].astype(str)})
    known = {"answers": answers, "targets": ("grade",), "features": FEATURES, "score": "exact"}
    return Right(
        **{"train": train, "test": test, **known, "bound": GRADE_BOUND, "classes": tuple(classes), **facts}
    )


def classes_of(train: pd.DataFrame, test: pd.DataFrame, names: Sequence[str]) -> None:
    """Calls the grades low, mid and high by other names, in both tables."""
    called = dict(zip(("low", "mid", "high"), names, strict=False))
    for frame in (train, test):
        frame["grade"] = frame["grade"].map(called) if len(names) > 2 else _two(frame["grade"], names)


def _two(grades: pd.Series, names: Sequence[str]) -> pd.Series:
    return pd.Series(np.where(grades == "high", names[1], names[0]), grades.index)


def inputs(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The key, other columns and the features of a table."""
    return frame[["key", *columns, *FEATURES]]
