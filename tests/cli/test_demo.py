from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import cobra_jupyter
from cobra_jupyter.cli import demo
from cobra_jupyter.competition import load, load_code, read

EXPECTED = {
    "demo-digits": ("multiclass", "class_probabilities", "log_loss", "minimize"),
    "demo-tumours": ("binary", "probability", "roc_auc", "maximize"),
    "demo-diabetes": ("regression", "values", "rmse", "minimize"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("demo")
    assert [path.name for path in demo.write(place)] == list(EXPECTED)
    return place


@pytest.mark.parametrize("id", EXPECTED)
def test_a_demo_is_read_without_questions(folder: Path, id: str) -> None:
    c = read(folder / id)
    assert (c.task, c.layout, c.metric, c.direction) == EXPECTED[id]
    assert (c.name, c.kind, c.questions, c.notes) == (id, "tabular", (), ())
    assert "category" in c.columns.values()
    assert any(c.summary["train_missing"].values())
    names: dict[str, object] = {"DATA": c.folder}
    exec(load_code(c), names)
    pd.testing.assert_frame_equal(load(c).train, names["train"])


@pytest.mark.parametrize("id", EXPECTED)
def test_answers_lie_apart_and_public_files_hold_none(folder: Path, id: str) -> None:
    c = read(folder / id)
    answers = pd.read_csv(folder / id / "prepared" / "private" / "test.csv")
    data = load(c)
    assert c.targets[0] in answers
    assert c.targets[0] not in data.test
    assert set(answers[c.id]) == set(data.test[c.id])
    assert not set(answers[c.id]) & set(data.train[c.id])


def test_the_same_files_every_time(folder: Path, tmp_path: Path) -> None:
    demo.write(tmp_path)
    for path in sorted(tmp_path.rglob("*.*")):
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes()


@pytest.mark.parametrize(
    ("id", "score"), [("demo-digits", 2.302585), ("demo-tumours", 0.5), ("demo-diabetes", 78.27)]
)
def test_the_sample_submission_is_valid_and_scores_poorly(folder: Path, id: str, score: float) -> None:
    result = demo.grade(folder, id, read(folder / id).folder / "sample_submission.csv")
    assert result["competition"] == id
    assert result["metric"] == EXPECTED[id][2]
    assert result["score"] == pytest.approx(score, abs=0.01)


def test_the_truth_scores_best_in_any_order(folder: Path, tmp_path: Path) -> None:
    c = read(folder / "demo-digits")
    answers = pd.read_csv(folder / "demo-digits" / "prepared" / "private" / "test.csv")
    truth = answers.sample(frac=1, random_state=0)
    perfect = pd.DataFrame({c.id: truth[c.id]})
    for output, value in zip(c.outputs, c.output_classes, strict=True):
        perfect[output] = (truth["digit"] == value).astype(float)
    perfect.to_csv(tmp_path / "perfect.csv", index=False)
    assert demo.grade(folder, "demo-digits", tmp_path / "perfect.csv")["score"] < 1e-9


def test_a_submission_that_is_not_valid_is_refused(folder: Path, tmp_path: Path) -> None:
    sample = pd.read_csv(read(folder / "demo-tumours").folder / "sample_submission.csv")
    wrong = {
        "columns": sample.rename(columns={"malignant": "x"}),
        "each once": pd.concat([sample, sample.head(1)]),
        "sample_id": sample.head(5),
        "finite": sample.assign(malignant=float("nan")),
        "numbers": sample.assign(malignant="yes"),
    }
    for words, frame in wrong.items():
        frame.to_csv(tmp_path / "wrong.csv", index=False)
        with pytest.raises(demo.DemoError, match=words):
            demo.grade(folder, "demo-tumours", tmp_path / "wrong.csv")
    with pytest.raises(demo.DemoError, match="no such demo"):
        demo.grade(folder, "other", tmp_path / "wrong.csv")
    with pytest.raises(demo.DemoError, match="write the demos first"):
        demo.grade(tmp_path, "demo-tumours", tmp_path / "wrong.csv")


def test_what_runs_in_the_kernel_never_imports_the_demo() -> None:
    root = Path(cobra_jupyter.__file__).parent
    for part in ("competition", "workbench", "agent", "brains", "kernel", "notebook"):
        for path in (root / part).rglob("*.py"):
            assert not re.search(r"import demo|\.demo\b", path.read_text(encoding="utf-8")), path
