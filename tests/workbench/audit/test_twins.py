"""Duplicate rows and texts are found; they matter if test rows have no such twins."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.workbench.audit.tables import audited, grave, only, table, tables

WORDS = np.array([f"w{chr(97 + n % 26)}{chr(97 + n // 26)}ord" for n in range(300)])


def doubled(frame: pd.DataFrame, noise: float = 0.0) -> pd.DataFrame:
    """Repeats every third row with a new id."""
    again = frame.iloc[::3].copy()
    again["id"] = again["id"] + "x"
    for name in "abcde":
        again[name] += noise * np.random.default_rng(0).normal(size=len(again))
    return pd.concat([frame, again]).sample(frac=1, random_state=0).reset_index(drop=True)


def test_twins_only_in_train_should_stay_in_one_fold() -> None:
    train, test = tables()
    found = only(audited(doubled(train), test, frozen={"split": "stratified"}), "duplicate rows")
    assert (found.severity, found.protocol) == ("warning", {"groups": "duplicates"})
    assert "folds tear 80% of the pairs apart" in found.evidence or "folds tear 7" in found.evidence


def test_twins_in_one_fold_or_equally_common_in_test_are_only_a_note() -> None:
    train, test = tables()
    assert grave(audited(doubled(train), test, frozen={"groups": "duplicates"})) == []
    both = doubled(table(1500))
    cut = 1300
    assert grave(audited(both.iloc[:cut].reset_index(drop=True), both.iloc[cut:].drop(columns="y"))) == []


def test_near_duplicates_only_in_train_are_a_warning() -> None:
    train, test = tables()
    found = only(audited(doubled(train, noise=1e-4), test, frozen={}), "near-duplicate rows")
    assert found.severity == "warning"
    assert "labels of twins agree in 100%" in found.evidence


def test_a_column_that_names_the_source_of_twins_is_proposed() -> None:
    train, test = tables()
    train["source"] = np.arange(len(train)) % 400
    test["source"] = np.arange(len(test)) % 400
    found = only(audited(doubled(train, noise=1e-4), test), "near-duplicate rows")
    assert found.protocol == {"groups": "source"}


def texts(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 25)) for _ in range(count)]


def test_near_duplicate_texts_are_found_and_others_are_not() -> None:
    train, test = tables()
    train["text"], test["text"] = texts(len(train), 0), texts(len(test), 1)
    assert "near-duplicate texts" not in {f.check for f in audited(train, test)}
    again = train.iloc[::4].assign(text=lambda f: f["text"].str.upper() + "!", a=0.0, b=1.0)
    found = only(audited(pd.concat([train, again], ignore_index=True), test), "near-duplicate texts")
    assert (found.severity, found.columns) == ("warning", ("text",))
