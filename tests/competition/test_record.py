"""The record, its card and its notes; wide tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import Assumption, card, kinds, read
from cobra_jupyter.competition.findings import Findings
from tests.competition.folders import competition, put, rows


def test_all_columns_of_a_wide_table_are_features(tmp_path: Path) -> None:
    """Takes long: the table is wide on purpose."""
    folder = competition(tmp_path)
    random = np.random.default_rng(0)
    for name, count in (("train", 60), ("test", 20)):
        wide = pd.DataFrame(random.normal(size=(count, 3000)).round(2)).add_prefix("f")
        known = rows(count, seed=int(count == 20))[["id", "y"] if name == "train" else ["id"]]
        put(folder, f"{name}.csv", pd.concat([known, wide], axis=1))
    c = read(folder)
    assert len(c.columns) == 3000


def test_the_record_is_frozen_and_the_card_complete(tmp_path: Path) -> None:
    c = read(competition(tmp_path))
    with pytest.raises(dataclasses.FrozenInstanceError):
        c.name = "x"  # type: ignore[misc]
    shown = card(c)
    assert (shown["train_rows"], shown["test_rows"], shown["train_columns"]) == (60, 20, 5)
    assert shown["target_distribution"]["y"]["counts"] == {"0": 30, "1": 30}
    assert shown["tables"]["train"] == 'pd.read_csv(DATA / "train.csv")'


def test_an_assumption_is_kept_once_and_is_no_open_question() -> None:
    found = Findings({})
    for _ in range(2):
        found.assume("id", "rows are in order", "no column has the same values", "id=COLUMN")
    assert found.assumed == [
        Assumption("id", "rows are in order", "no column has the same values", "id=COLUMN")
    ]
    assert found.questions == []


def test_the_hint_for_a_key_in_parts_works_in_cells_and_on_the_command_line() -> None:
    found = Findings({})
    found.evidence["id"] = "known"
    kinds._parts_of_key(pd.Series([f"{i // 2:04d}_{i % 2:02d}" for i in range(100)]), "passenger", found)
    assert "groups=passenger[0] keeps them in one fold" in found.evidence["id"]
    assert "--set" not in found.evidence["id"]
