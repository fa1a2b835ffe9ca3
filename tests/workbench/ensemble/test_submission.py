"""Every layout of a submission, written and checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench.ensemble import submission
from cobra_jupyter.workbench.ensemble.submission import SubmissionError
from tests.conftest import Bench, table
from tests.workbench.sources import LINEAR

IDS = table("binary", 40, 1)["id"]


def submitted(bench: Bench, **protocol: Any) -> pd.DataFrame:
    """Fit, submit, and read what was written."""
    bench.ready(repeats=1, **protocol)
    bench.candidate("linear", LINEAR)
    trial = bench.trial("linear")
    assert trial["failure"] is None, trial["failure"]
    record = bench.submit()
    made = pd.read_csv(bench.run / "submission.csv")
    assert list(made["id"]) == list(IDS)
    assert record["rows"] == 40
    assert bench.records[-1] == ("submission", record)
    assert not list(bench.run.glob("*.part"))
    return made


def a_of(made: pd.DataFrame) -> Any:
    return table("binary", 40, 1).set_index("id").loc[made["id"], "a"].to_numpy()


def test_numbers_are_written_as_they_are(benches: Callable[..., Bench]) -> None:
    made = submitted(benches(task="regression"))
    assert list(made.columns) == ["id", "y"]
    assert np.corrcoef(made["y"], a_of(made))[0, 1] > 0.95


def test_a_probability_is_that_of_the_positive_class(benches: Callable[..., Bench]) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(y=np.where(frame["y"] == 1, "yes", "no")) if "y" in frame else frame

    bench = benches(change=change)
    made = submitted(bench)
    assert bench.harness._competition.layout == "probability"
    assert bench.harness._competition.classes == ("no", "yes")
    assert made["y"].between(0, 1).all()
    assert np.corrcoef(made["y"], a_of(made))[0, 1] > 0.8


def test_a_column_per_class_may_be_prefixed_and_unseen(benches: Callable[..., Bench]) -> None:
    columns = ["kind_mid", "kind_none", "kind_low", "kind_high"]
    sample = pd.DataFrame({"id": IDS} | dict.fromkeys(columns, 0.25))
    bench = benches(task="multiclass", sample=sample)
    made = submitted(bench)
    assert bench.harness._competition.layout == "class_probabilities"
    assert list(made.columns) == ["id", *columns]
    assert (made["kind_none"] == 0).all()
    assert made[columns].sum(axis=1).to_numpy() == pytest.approx(np.ones(40))
    top = made.loc[a_of(made) > 1, columns].mean()
    assert top.idxmax() == "kind_high"


def test_a_class_called_none_is_not_one_never_seen() -> None:
    competition = SimpleNamespace(classes=("None", "a"), output_classes=(None, "None", "a"))
    assert submission.class_places(competition) == [-1, 0, 1]


LABELS: dict[str, Any] = {
    "text": (lambda y: np.where(y == 1, "good", "bad"), "good"),
    "numbers": (lambda y: np.where(y == 1, 7, 3), 3),
    "flags": (lambda y: y == 1, True),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_are_written_in_their_own_form(benches: Callable[..., Bench], kind: str) -> None:
    change_labels, given = LABELS[kind]

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(y=change_labels(frame["y"])) if "y" in frame else frame

    bench = benches(change=change, metric="accuracy", sample=pd.DataFrame({"id": IDS, "y": given}))
    made = submitted(bench)
    assert bench.harness._competition.layout == "label"
    labels = bench.harness._data.train["y"]
    assert set(made["y"]) == set(labels)
    assert made["y"].dtype.kind == labels.dtype.kind
    high, low = made.loc[a_of(made) > 1, "y"], made.loc[a_of(made) < -1, "y"]
    assert set(high) != set(low)


def test_several_flags_are_probabilities_or_flags_as_the_metric_wants(benches: Callable[..., Bench]) -> None:
    made = submitted(benches(task="multilabel"))
    assert made["t1"].between(0, 1).all()
    assert made["t1"].nunique() > 2
    made = submitted(benches(task="multilabel", metric="micro f1"), metric="f1_micro")
    assert set(made["t1"]) | set(made["t2"]) == {0, 1}
    assert made["t1"].dtype.kind == "i"


def good() -> tuple[pd.DataFrame, pd.DataFrame]:
    sample = pd.DataFrame({"id": [3, 1, 2], "y": [0.0, 0.0, 0.0]})
    return sample.assign(y=[0.1, 0.2, 0.3]), sample


def test_a_submission_that_breaks_a_rule_is_refused() -> None:
    made, sample = good()
    submission.check(made, sample, ("y",))
    broken = {
        "columns": made.assign(z=1),
        "rows": made.iloc[:2],
        "ids": made.assign(id=[3, 1, 9]),
        "missing": made.assign(y=[0.1, None, 0.2]),
        "finite": made.assign(y=[0.1, np.inf, 0.2]),
    }
    for rule, frame in broken.items():
        with pytest.raises(SubmissionError, match=f"^{rule}: "):
            submission.check(frame, sample, ("y",))
    with pytest.raises(SubmissionError, match="order"):
        submission.check(made.iloc[::-1], sample, ("y",))


def test_a_submission_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    made, _ = good()
    path = tmp_path / "below" / "submission.csv"
    first = submission.write(made, path)
    before = path.read_bytes()

    class Broken(pd.DataFrame):
        def to_csv(self, target: Any, **options: Any) -> None:
            Path(target).write_text("id,")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        submission.write(Broken(made), path)
    assert path.read_bytes() == before
    assert submission.write(made, path).sha256 == first.sha256
    assert first.rows == 3


def test_the_solution_says_all_that_is_needed(benches: Callable[..., Bench]) -> None:
    bench = benches()
    submitted(bench)
    solution = bench.solution()
    assert solution["members"][0]["source"] == LINEAR
    assert {m["path"] for m in solution["members"][0]["models"]} <= {
        str(path.relative_to(bench.run)) for path in bench.run.glob("trials/*/model.pkl")
    }
    names: dict[str, Any] = {"DATA": bench.public, "ID": "id", "np": np, "pd": pd}
    exec(solution["load"] + "\n" + solution["protocol_code"], names)
    assert len(names["folds"][0]) == 5
