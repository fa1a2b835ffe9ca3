"""Audits of several targets of which rows have only some: only known labels count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench.audit import columns, permutation, quick, splits, twins
from tests.workbench.audit.tables import audited, grave, only, tables

TARGETS = ("y", "w", "z")


def measured(frame: pd.DataFrame) -> pd.DataFrame:
    """Adds two more targets; each row has one of the three."""
    rng = np.random.default_rng(3)
    frame = frame.assign(w=frame["c"] + rng.normal(size=len(frame)), z=frame["d"] - frame["e"])
    frame["z"] += rng.normal(size=len(frame))
    for i, name in enumerate(TARGETS):
        frame.loc[np.arange(len(frame)) % 3 != i, name] = np.nan
    return frame


def test_a_clean_table_whose_rows_have_one_of_three_targets_causes_no_warning() -> None:
    train, test = tables("regression", 700, edit=measured)
    test = test.drop(columns=["w", "z"])
    assert grave(audited(train, test, "regression", {}, targets=TARGETS)) == []


def test_a_copy_of_the_last_target_is_a_leak_though_two_thirds_of_the_rows_lack_it() -> None:
    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        frame = measured(frame)
        return frame.assign(copy=frame["z"].fillna(frame["a"]) * 3 + 1)

    train, test = tables("regression", 700, edit=plant)
    test = test.drop(columns=["w", "z"])
    leak = only(audited(train, test, "regression", {}, targets=TARGETS), "implausible power")
    assert (leak.severity, leak.columns) == ("leak", ("copy",))


def test_power_is_that_of_the_rows_with_a_label() -> None:
    rng = np.random.default_rng(0)
    label = rng.normal(size=300)
    block, truth = label.reshape(-1, 1), np.where(np.arange(300) % 2, label, np.nan).reshape(-1, 1)
    assert columns.power(block, truth, "regression").copies


def test_the_mean_of_a_row_is_that_of_its_known_values() -> None:
    found = quick._mean_known(np.array([[1.0, np.nan], [2.0, 4.0], [np.nan, np.nan]]))
    np.testing.assert_array_equal(found, [1.0, 3.0, np.nan])


def test_groups_agree_by_the_labels_that_their_rows_have() -> None:
    codes = np.repeat(np.arange(50), 4)
    label = np.random.default_rng(0).normal(size=50)[codes]
    gaps = np.where(np.arange(200) % 2, label, np.nan).reshape(-1, 1)
    assert splits._agreement(gaps, codes, "regression") == pytest.approx(1.0, abs=0.05)


def test_twins_agree_by_the_labels_that_both_have() -> None:
    gaps = np.array([[0.0, np.nan], [5.0, np.nan], [np.nan, np.nan], [0.0, 0.0]])
    assert twins._like(gaps, 0.1) == pytest.approx(2 / 3)


def test_predictions_correlate_with_the_labels_that_are_known() -> None:
    labels = np.array([[1.0], [np.nan], [2.0], [3.0], [np.nan]])
    raw = np.array([[10.0], [-99.0], [20.0], [30.0], [99.0]])
    assert permutation.correlation(raw, labels) == pytest.approx(1.0)


def test_labels_with_gaps_are_mirrored_and_the_gaps_stay() -> None:
    class Numbers:
        task = "regression"

    labels = pd.DataFrame({"y": [1.0, np.nan, 2.0, 5.0], "w": [np.nan, 4.0, 3.0, np.nan]})
    _, mirrored = permutation._turns(labels, Numbers())
    np.testing.assert_array_equal(mirrored["y"], [5.0, np.nan, 2.0, 1.0])
    np.testing.assert_array_equal(mirrored["w"], [np.nan, 3.0, 4.0, np.nan])
