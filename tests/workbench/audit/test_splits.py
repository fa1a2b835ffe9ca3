"""Groups that random folds separate, test rows that are later, and tables that differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench.audit import splits
from cobra_jupyter.workbench.protocol import protocol
from cobra_jupyter.workbench.protocol.protocol import Folds
from tests.workbench.audit.tables import audited, grave, known, only, table, tables

GROUPS = 150


def grouped(test_shares: bool, task: str = "binary") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of customers. Each customer has its own means of five numbers, and mostly one label."""
    rng = np.random.default_rng(0)
    whole = table(1800, task)
    customer = (
        rng.integers(GROUPS, size=len(whole)) if test_shares else np.arange(len(whole)) * GROUPS // len(whole)
    )
    for name in "abcde":
        whole[name] = rng.normal(size=GROUPS)[customer] + 0.1 * whole[name]
    whole["customer"] = [f"c{n * 7919 % 10_007}" for n in customer]
    habit = rng.normal(size=GROUPS)[customer] + 0.3 * rng.normal(size=len(whole))
    whole["y"] = (habit > 0).astype(int) if task == "binary" else habit
    cut = 1200
    return whole.iloc[:cut].reset_index(drop=True), whole.iloc[cut:].drop(columns="y").reset_index(drop=True)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_groups_that_folds_separate_are_a_leak(task: str) -> None:
    split = "stratified" if task == "binary" else "kfold"
    leak = only(audited(*grouped(False, task), task, {"split": split}), "groups across folds")
    assert (leak.severity, leak.protocol, leak.columns) == ("leak", {"groups": "customer"}, ("customer",))


def test_groups_kept_whole_are_no_finding() -> None:
    found = audited(*grouped(False), frozen={"groups": "customer"})
    assert "groups across folds" not in {f.check for f in found}


def test_groups_that_test_rows_share_are_a_fair_category() -> None:
    assert grave(audited(*grouped(True), frozen={"split": "stratified"})) == []


def test_groups_are_found_in_the_first_part_of_a_compound() -> None:
    train, test = grouped(False)
    for frame in (train, test):
        frame["visit"] = frame["customer"] + "_" + (np.arange(len(frame)) % 9).astype(str)
        del frame["customer"]
    leak = only(audited(train, test, frozen={"split": "stratified"}), "groups across folds")
    assert leak.protocol == {"groups": "visit[0]"}


def dated(drifting: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of 600 days, test after train. The target follows a random walk or is random."""
    rng = np.random.default_rng(1)
    whole = table(1800, "regression")
    days = np.arange(len(whole)) // 3
    whole["when"] = (pd.Timestamp("2020-01-01") + pd.to_timedelta(days, "D")).strftime("%Y-%m-%d")
    if drifting:
        whole["y"] += 3 * np.cumsum(rng.normal(size=600))[days] / 5
    order = rng.permutation(1200)
    return (
        whole.iloc[order].reset_index(drop=True),
        whole.iloc[1200:].drop(columns="y").reset_index(drop=True),
    )


def test_random_folds_are_a_leak_if_the_target_drifts() -> None:
    leak = only(audited(*dated(True), "regression", {"split": "kfold"}), "time")
    assert (leak.severity, leak.protocol) == ("leak", {"split": "time", "time": "when"})


def test_later_test_rows_are_a_warning_if_nothing_drifts() -> None:
    assert only(audited(*dated(False), "regression", {"split": "kfold"}), "time").severity == "warning"


def test_folds_ordered_by_time_are_no_finding() -> None:
    found = audited(*dated(True), "regression", {})
    assert "time" not in {f.check for f in found}


def test_adversarial_validation_names_the_shifted_column() -> None:
    train, test = tables()
    test["c"] += 2
    found = only(audited(train, test), "adversarial validation")
    assert found.severity == "warning"
    assert found.columns[0] == "c"
    assert "AUC 0.9" in found.evidence


def test_units_on_both_sides_of_a_fold_are_a_defect() -> None:
    train, test = grouped(False)
    competition = known(train, test, "binary")
    frozen, made = protocol.freeze(competition, train, test, number=1, seed=0, groups="customer")
    assert list(splits.torn_units(frozen, made)) == []
    (training, held_out), *others = made.splits[0]
    torn = Folds((((np.append(training, held_out[:1]), held_out), *others),), made.units, made.vault)
    (finding,) = splits.torn_units(frozen, torn)
    assert finding.severity == "leak"
