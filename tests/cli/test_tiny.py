"""The smallest folders: each ends with a valid submission, or is refused with the true reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cobra_jupyter.cli import main as cli

FULL = pytest.mark.full
TEST = {"id": [8, 9], "a": [1, 2]}
RMSE, ACCURACY = "the root mean squared error", "classification accuracy"


def folder(place: Path, train: dict[str, Any], test: dict[str, Any], metric: str, first: Any) -> Path:
    place.mkdir()
    pd.DataFrame(train).to_csv(place / "train.csv", index=False)
    pd.DataFrame(test).to_csv(place / "test.csv", index=False)
    pd.DataFrame({"id": test["id"], "y": first}).to_csv(place / "sample_submission.csv", index=False)
    text = f"# Tiny\n\n## Evaluation\n\nSubmissions are scored by {metric}.\n"
    (place / "description.md").write_text(text)
    return place


def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], *data: Any) -> tuple[int, dict[str, Any]]:
    """The exit code and the object of a run on such a folder."""
    place = folder(tmp_path / "tiny", *data)
    command = ["run", str(place), "--out", str(tmp_path / "run"), "--brain", "playbook"]
    code = cli.main([*command, "--budget", "30s", "--json"])
    return code, json.loads(capsys.readouterr().out.strip().splitlines()[-1])


@pytest.mark.parametrize(
    ("train", "test", "metric", "values"),
    [
        pytest.param(
            {"id": [1, 2], "a": [1, 3], "y": [2.0, 5.0]}, TEST, RMSE, None, marks=FULL, id="two rows"
        ),
        pytest.param(
            {"id": [1, 2], "a": [1, 3], "y": ["x", "z"]}, TEST, ACCURACY, {"x", "z"}, marks=FULL, id="classes"
        ),
        pytest.param({"id": [1, 2, 3], "y": [2, 3, 4]}, {"id": [8, 9]}, RMSE, None, id="no features"),
        pytest.param(
            {"id": [1, 1, 2, 2], "a": [1, 3, 1, 2], "y": [2, 5, 3, 4]},
            TEST,
            RMSE,
            None,
            marks=FULL,
            id="two units",
        ),
    ],
)
def test_a_tiny_folder_gets_a_valid_submission(
    train: dict[str, Any],
    test: dict[str, Any],
    metric: str,
    values: set[str] | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    in_process: None,
) -> None:
    """Takes long: whole runs, which use their budget."""
    code, result = told(tmp_path, capsys, train, test, metric, "x" if values else 0)
    assert code == 0
    made = pd.read_csv(tmp_path / "run" / "submission.csv")
    assert list(made["id"]) == test["id"]
    if values:
        assert set(made["y"]) <= values
    else:
        assert made["y"].between(min(train["y"]) - 1, max(train["y"]) + 1).all()
    if "a" not in train:
        assert "no trial was submitted" in "; ".join(result["suspect"])
    if len(set(train["id"])) < len(train["id"]):
        (assumed,) = result["assumed"]
        assert "2 rows with the id of an earlier row" in str(assumed)


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        ({"id": [1], "a": [1], "y": [2]}, "only one labelled row"),
        ({"id": [1, 1], "a": [1, 3], "y": [2, 5]}, "all 2 rows have the same id"),
        ({"id": [1, 2], "a": [1, 3], "y": [2, 2]}, "one value only (2)"),
        ({"id": [1, 2], "a": [1, 3], "b": [2, 2]}, "one value only (2)"),
        ({"id": [1, 2], "a": [1, 3]}, "its column y is neither in train.csv"),
        ({"id": [1, 2], "b": [1, 3], "y": [2, 5]}, "none of the columns of train.csv to predict from"),
    ],
)
def test_a_tiny_folder_of_which_nothing_can_be_learnt_is_refused_with_the_reason(
    train: dict[str, Any], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], in_process: None
) -> None:
    code, result = told(tmp_path, capsys, train, TEST, RMSE, 0)
    assert code == 2
    assert reason in result["reason"]
