"""A fold sees the labels of its training rows and no others, whatever its candidate reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Bench, make_competition, table, write
from tests.workbench.sources import LINEAR, body

SEEK = body(
    fit="""
known = {}
for path in sorted(ctx.data.rglob("*")):
    if path.suffix in (".csv", ".tsv", ".jsonl") and "sample" not in path.name:
        if path.suffix == ".jsonl":
            frame = pd.read_json(path, lines=True)
        else:
            frame = pd.read_csv(path, sep="\\t" if path.suffix == ".tsv" else ",")
        if ctx.targets[0] in frame:
            known.update(zip(frame[ctx.id], frame[ctx.targets[0]]))
assert set(known) == set(train[ctx.id]), (len(known), len(train))
assert all(known[i] == y for i, y in zip(train[ctx.id], train[ctx.targets[0]]))
return known
""",
    predict="""
assert not set(ctx.targets) & set(rows.columns)
return np.array([model.get(i, 0.5) for i in rows[ctx.id]], float)
""",
)


@pytest.mark.parametrize("path", ["train.csv", "train.tsv", "train.jsonl", "tables/train.csv"])
def test_a_candidate_that_reads_the_data_folder_finds_training_labels_only(
    benches: Callable[..., Bench], path: str
) -> None:
    bench = benches(noise=True, train_path=path, metric="roc auc").ready(repeats=1)
    bench.candidate("seek", SEEK)
    trial = bench.trial("seek")
    assert trial["failure"] is None
    assert trial["score"] == 0.5
    assert trial["warnings"] == ["every row has the same prediction"]


def test_the_original_folder_stays_unchanged(benches: Callable[..., Bench], tmp_path: Path) -> None:
    """Even if the labels are in a separate table and the features in a linked folder."""
    public = make_competition(tmp_path, noise=True)
    train = table("binary", 200, 0, noise=True)
    (public / "train.csv").unlink()
    write(train.drop(columns=["y"]), public / "parts" / "train.csv")
    write(train[["id", "y"]], public / "train_labels.csv")
    (public / "parts" / "more.txt").write_text("words")
    before = {path: path.read_bytes() for path in public.rglob("*") if path.is_file()}
    bench = benches(public).ready(repeats=1)
    assert bench.harness._competition is not None
    assert bench.harness._competition.labels is not None
    bench.candidate(
        "seek",
        SEEK.replace("return known", "return (ctx.data / 'parts/more.txt').read_text()").replace(
            "model.get(i, 0.5)", "len(model) / 10"
        ),
    )
    trial = bench.trial("seek", folds=0)
    assert trial["failure"] is None, trial["failure"]
    assert {path: path.read_bytes() for path in public.rglob("*") if path.is_file()} == before


@pytest.fixture(scope="module")
def noisy(benches: Callable[..., Bench], tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Noise labels, a `private` folder next to the public one, and a trial's views and models."""
    folder = tmp_path_factory.mktemp("competition")
    public = make_competition(folder, noise=True, metric="roc auc")
    for private in (folder / "private", public / "private"):
        private.mkdir()
        (private / "test.csv").write_text("id,y\n")
    bench = benches(public).ready(repeats=1)
    bench.candidate("linear", LINEAR)
    assert bench.trial("linear")["score"] == pytest.approx(0.5, abs=0.12)
    return bench


FORBIDDEN = {
    "the label file": "{public}/train.csv",
    "answers beside the folder": "{public}/../private/test.csv",
    "answers in the folder": "{public}/private/test.csv",
    "another fold's view": "{run}/views/p1/train-0-1.frame",
    "the same through a link": "link",
    "the list of views": "{run}/views",
    "another fold's model": "{run}/trials/*/model.pkl",
}
READ = """
import glob, os
path = {path!r}
if path == "link":
    os.symlink({run!r} + "/views/p1/train-0-1.frame", ctx.out / "link")
    path = str(ctx.out / "link")
if path.endswith("views"):
    os.listdir(path)
elif path.endswith("model.pkl"):
    folders = [path for path in os.listdir({run!r} + "/trials")]
else:
    open(path, "rb").read()
return None
"""


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_candidate_cannot_open_data_outside_its_fold(noisy: Bench, what: str) -> None:
    folders = {"public": str(noisy.public), "run": str(noisy.run)}
    read = READ.format(path=FORBIDDEN[what].format(**folders), **folders)
    noisy.candidate("reader", body(read))
    failure = noisy.trial("reader", folds=0)["failure"]
    assert failure["kind"] == "error"
    assert failure["message"].startswith("PermissionError:")
    assert "fold's view" in failure["message"]
    assert failure["place"].startswith("reader_v")
    assert " in fit: " in failure["place"]


def test_a_model_of_another_fold_cannot_be_opened_by_name(noisy: Bench) -> None:
    model = next(path for path in (noisy.run / "trials").glob("*/model.pkl"))
    noisy.candidate("thief", body(f"return open({str(model)!r}, 'rb').read()"))
    assert "PermissionError" in noisy.trial("thief", folds=0)["failure"]["message"]


def test_the_data_folder_contains_everything_else(noisy: Bench) -> None:
    noisy.candidate(
        "lister",
        body("""
found = sorted(os.listdir(ctx.data))
assert found == ["description.md", "sample_submission.csv", "test.csv", "train.csv"], found
assert len(pd.read_csv(ctx.data / "test.csv")) == 40
"""),
    )
    assert noisy.trial("lister")["failure"] is None


def test_a_fit_can_write_and_read_its_own_folder(noisy: Bench) -> None:
    noisy.candidate(
        "writer",
        body(
            "(ctx.out / 'a.txt').write_text('x'); open('b.txt', 'w').write('y')\n"
            "return (ctx.out / 'b.txt').read_text()"
        ),
    )
    assert noisy.trial("writer")["failure"] is None


def test_the_labels_of_a_custom_metric_are_out_of_reach_of_candidates(noisy: Bench) -> None:
    source = """
DIRECTION = "maximize"
WANTS = "probability"


def metric(truth, prediction):
    return float(((prediction[:, 1] > 0.5) == truth).mean())
"""
    noisy.metric("own", source)
    scores = noisy.run / "views" / "scores"
    noisy.protocol(metric="own", repeats=1)
    assert list(scores.iterdir())
    assert not list(scores.rglob("arrays.npz"))
    assert not list((noisy.run / "trials").rglob("arrays.npz"))
    noisy.protocol(metric="roc_auc", repeats=1)


def test_a_trial_keeps_its_view_when_the_protocol_changes(noisy: Bench) -> None:
    noisy.candidate("late", body("time.sleep(0.6); return len(pd.read_csv(ctx.data / 'train.csv'))"))
    job = noisy.trial("late", folds=0, background=True)
    noisy.protocol(folds=3, repeats=1)
    (done,) = noisy.wait([job["id"]])["jobs"]
    assert done["state"] == "done", done
    trial = json.loads((noisy.run / "trials" / done["result"] / "trial.json").read_text())
    assert trial["fits"][0]["rows"] == 160


def test_inner_keeps_units_whole(benches: Callable[..., Bench]) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame["who"] = np.arange(len(frame)) // 4 + 500 * ("y" not in frame)
        return frame

    bench = benches(change=change).ready(groups="who", repeats=1)
    bench.candidate(
        "inner",
        body("""
a, b = ctx.inner()
assert len(a) + len(b) == len(train)
assert 0.1 < len(b) / len(train) < 0.3
assert not set(train.who.iloc[a]) & set(train.who.iloc[b])
"""),
    )
    assert bench.trial("inner")["failure"] is None
    assert bench.trial("inner", fraction=0.5)["failure"] is None


def test_inner_validates_on_the_latest_rows_of_a_time_protocol(benches: Callable[..., Bench]) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame["tick"] = np.random.default_rng(0).permutation(len(frame))
        return frame

    bench = benches(change=change).ready(time="tick")
    inner = "a, b = ctx.inner()\nassert train.tick.iloc[a].max() < train.tick.iloc[b].min()\nreturn None"
    bench.candidate("inner", body(inner))
    assert bench.trial("inner")["failure"] is None
    late = "assert train.tick.min() > 60\n" + inner
    bench.candidate("late", body(late))
    small = bench.trial("late", fraction=0.4, folds=4)
    assert small["failure"] is None
