"""Folders that are easy to read wrongly are read rightly: ids, labels, features, written classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import card, load, load_code, read
from tests.cases import CASES

RAW = {"dtype": str, "keep_default_na": False}


def equal(found: pd.Series, right: pd.Series) -> bool:
    """Whether a column has the right values: numbers as numbers, all else as text; gaps at the same rows."""
    if list(found.isna()) != list(right.isna()):
        return False
    found, right = found.dropna(), right.dropna()
    if pd.api.types.is_numeric_dtype(right.dtype) and not pd.api.types.is_bool_dtype(right.dtype):
        numbers = pd.api.types.is_numeric_dtype(found.dtype)
        return numbers and bool(np.allclose(found.to_numpy(float), right.to_numpy(float)))
    return list(found.astype(str)) == list(right.astype(str))


@pytest.mark.parametrize("name", CASES)
def test_a_folder_is_read_rightly(name: str, tmp_path: Path) -> None:
    right = CASES[name](tmp_path)
    c = read(tmp_path)
    data = load(c)
    assert set(c.targets) == set(right.targets)
    assert set(c.columns) == set(right.features)
    assert tuple(map(str, c.classes)) == tuple(sorted(right.classes))
    assert (c.questions, c.obstacles) == ((), ())
    assert len(data.train) == len(right.train)
    known = [column for column in right.train.columns if column in data.train.columns]
    assert {*right.targets, *(f for f in right.features if f != "Unnamed: 0")} <= set(known)
    ordered = data.train
    if c.id in right.train.columns:
        ordered = data.train.set_index(data.train[c.id].astype(str)).loc[right.train[c.id].astype(str)]
    if c.id in known:
        assert list(ordered[c.id].astype(str)) == list(right.train[c.id].astype(str))
        known.remove(c.id)
    for column in known:
        assert equal(ordered[column].reset_index(drop=True), right.train[column]), column
    for column in (column for column in right.features if column in right.test.columns):
        assert equal(data.test[column].reset_index(drop=True), right.test[column]), column
    told = json.dumps(card(c), ensure_ascii=False, allow_nan=False)
    assert right.said in told


@pytest.mark.parametrize("name", CASES)
def test_ids_and_classes_leave_as_they_came(name: str, tmp_path: Path) -> None:
    """The sample, with right labels in its columns to fill, is written as the answers are."""
    right = CASES[name](tmp_path / "public")
    c = read(tmp_path / "public")
    made = load(c).sample
    for output in c.outputs:
        values = right.answers[output]
        classes = {str(value): value for value in c.classes}
        made[output] = values.map(classes) if c.layout == "label" else values
    made.to_csv(tmp_path / "made.csv", index=False)
    assert (tmp_path / "made.csv").read_text().splitlines()[0] == ",".join(
        f'"{column}"' if "," in column else column for column in made.columns
    )
    written = pd.read_csv(tmp_path / "made.csv", header=None, skiprows=1, **RAW)
    written.columns = made.columns
    pd.testing.assert_frame_equal(
        written[sorted(written.columns)].astype(object),
        right.answers[sorted(right.answers.columns)].astype(object),
        check_dtype=False,
    )


@pytest.mark.parametrize("name", CASES)
def test_the_code_shown_loads_the_same_frames(name: str, tmp_path: Path) -> None:
    CASES[name](tmp_path)
    c = read(tmp_path)
    data, names = load(c), {"DATA": c.folder}
    exec(load_code(c), names)  # type: ignore[arg-type]
    for frame in ("train", "test", "sample"):
        pd.testing.assert_frame_equal(getattr(data, frame), names[frame])  # type: ignore[arg-type]
