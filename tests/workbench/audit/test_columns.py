"""The audit finds columns that reveal the target, measures their effect, and accepts fair ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench import audit
from tests.workbench.audit.tables import audited, grave, only, tables


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("frozen", [None, {}])
def test_clean_tables_cause_no_warning(task: str, frozen: dict[str, str] | None) -> None:
    found = audited(*tables(task), task, frozen)
    assert grave(found) == []
    assert audit.leaking_columns(found) == ()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_copy_of_the_target_is_a_leak_and_has_scores_with_and_without_it(task: str) -> None:
    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        copy = frame["y"].map({"low": 7, "mid": 3, "high": 5}) if task == "multiclass" else 2.0 * frame["y"]
        return frame.assign(copy=copy)

    found = audited(*tables(task, edit=plant), task, {})
    leak = only(found, "implausible power")
    assert (leak.severity, leak.columns, leak.protocol) == ("leak", ("copy",), {"leave_out": ["copy"]})
    assert leak.scores is not None
    gain = leak.scores["with"] - leak.scores["without"]
    assert (gain if task == "binary" else -gain) > 0.05
    assert f"fitted to; a quick model scores {leak.scores['with']:.5g} with it" in leak.evidence
    assert audit.leaking_columns(found) == ("copy",)


@pytest.mark.parametrize(("noise", "correlation"), [(0.3, 0.958), (0.08, 0.997)])
def test_a_strong_fair_signal_is_no_leak(noise: float, correlation: float) -> None:
    rng = np.random.default_rng(1)

    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        y = frame["y"]
        return frame.assign(strong=y + noise * y.std() * rng.normal(size=len(y)))

    train, test = tables("regression", edit=plant)
    assert train["strong"].corr(train["y"]) == pytest.approx(correlation, abs=0.003)
    assert audit.leaking_columns(audited(train, test, "regression", {})) == ()


def test_a_flag_right_in_nine_of_ten_rows_is_no_leak() -> None:
    rng = np.random.default_rng(1)

    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(asleep=np.where(rng.random(len(frame)) < 0.9, frame["y"], 1 - frame["y"]))

    assert grave(audited(*tables(edit=plant))) == []


def test_an_informative_column_that_is_empty_in_test_is_a_leak() -> None:
    train, test = tables()
    rng = np.random.default_rng(2)
    named = (train["y"] == 1) & (rng.random(len(train)) < 0.4)
    train["giver"] = np.where(named, "someone", "N/A")
    test["giver"] = "N/A"
    train["comment"] = rng.choice(["x", "y", "z"], len(train))
    test["comment"] = None
    leak, note = [f for f in audited(train, test) if f.check == "unavailable in test"]
    assert (leak.severity, leak.columns) == ("leak", ("giver",))
    assert leak.scores is not None
    assert leak.scores["with"] > leak.scores["without"] + 0.02
    assert (note.severity, note.columns) == ("note", ("comment",))


def test_an_informative_column_that_only_train_has_is_a_leak() -> None:
    train, test = tables()
    rng = np.random.default_rng(3)
    train["votes"] = train["y"] * 2 + rng.normal(size=len(train))
    train["shard"] = rng.integers(5, size=len(train))
    found = audited(train, test, frozen={})
    assert audit.leaking_columns(found) == ("votes",)
    assert [f.columns for f in found if f.check == "unavailable in test"] == [("votes",), ("shard",)]


def test_a_rare_flag_that_a_small_test_table_lacks_by_chance_is_no_finding() -> None:
    train, test = tables()
    train["rare"] = (np.arange(len(train)) % 50 == 0).astype(int)
    test = test.iloc[:60].assign(rare=0)
    assert [f for f in audited(train, test) if "rare" in f.columns] == []


def test_a_value_that_only_one_class_has_is_a_finding_if_test_has_it_too() -> None:
    rng = np.random.default_rng(4)

    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        named = (frame["y"] == 1) & (rng.random(len(frame)) < 0.3)
        return frame.assign(giver=np.where(named, rng.choice(["ann", "bob"], len(frame)), "N/A"))

    found = audited(*tables(edit=plant))
    leak = only(found, "presence tells")
    assert (leak.severity, leak.columns) == ("leak", ("giver",))
    assert leak.scores is not None
    assert leak.scores["metric"] == "roc_auc"
    assert leak.scores["with"] > leak.scores["without"]
    assert audit.leaking_columns(found) == ("giver",)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_an_id_that_ranks_the_target_is_a_leak(task: str) -> None:
    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        places = frame["y"].rank(method="first").astype(int)
        return frame.assign(id=[f"row-{place:05d}" for place in places])

    found = audited(*tables(task, edit=plant), task)
    leak = only(found, "id carries the target")
    assert (leak.severity, leak.columns, leak.protocol) == ("leak", ("id",), {"leave_out": ["id"]})
    assert leak.scores is not None
    assert "row order" not in {f.check for f in found}


def test_rows_sorted_by_the_target_are_a_finding() -> None:
    train, test = tables()
    found = audited(train.sort_values("y").reset_index(drop=True), test)
    assert only(found, "row order").severity == "warning"


def test_constant_columns_and_unseen_categories_are_findings() -> None:
    train, test = tables()
    train["same"] = test["same"] = 3
    rng = np.random.default_rng(5)
    train["city"], test["city"] = rng.choice(list("abcde"), len(train)), rng.choice(list("efghi"), len(test))
    found = audited(train, test)
    assert only(found, "constant columns").columns == ("same",)
    assert only(found, "unseen categories").protocol == {"groups": "city"}


def test_an_audit_without_time_names_the_skipped_checks() -> None:
    found = audited(*tables(), seconds=0.0)
    assert "adversarial validation" in only(found, "not checked").evidence


def test_without_labels_the_remaining_checks_still_run() -> None:
    train, test = tables()
    train["same"] = test["same"] = 3
    found = audited(train, test, task="binary", frozen=None)
    assert found
    unlabelled = audited(train.assign(y="b a c"), test, task="binary")  # no class of that name: no truth
    assert {f.check for f in unlabelled} >= {"constant columns"}
