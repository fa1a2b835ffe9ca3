"""Bad input: what is refused (exit 2, one message, no traceback), and what a run accepts and how."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.brains.playbook.recipes import RECIPES, shared_source
from cobra_jupyter.cli import main as cli
from cobra_jupyter.records.ledger import read
from tests.conftest import Bench, end_playbook_after, make_competition, without_processes
from tests.inprocess.pool import InProcessPool

Change = Callable[[Path], Any]
SOURCES = {recipe.name: recipe.source for recipe in RECIPES}


def edit(name: str, change: Callable[[pd.DataFrame], pd.DataFrame], **options: Any) -> Change:
    """Writes a table of the folder anew."""
    return lambda folder: change(pd.read_csv(folder / name)).to_csv(folder / name, index=False, **options)


def remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def put(name: str, content: bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(content)


def cut(pack: Callable[[Path], bytes], suffix: str) -> Change:
    """Puts half of an archive in place of train.csv."""

    def change(folder: Path) -> None:
        packed = pack(folder / "train.csv")
        (folder / "train.csv").unlink()
        (folder / f"train.csv{suffix}").write_bytes(packed[: len(packed) // 2])

    return change


def zipped(path: Path) -> bytes:
    with zipfile.ZipFile(path.with_suffix(".part"), "w") as archive:
        archive.write(path, path.name)
    return path.with_suffix(".part").rename(path.with_suffix(".old")).read_bytes()


def link_out(folder: Path) -> None:
    (folder / "train.csv").rename(folder.parent / "train.csv")
    (folder / "train.csv").symlink_to(folder.parent / "train.csv")


GARBAGE = np.random.default_rng(0).bytes(5000)
REFUSED: dict[str, tuple[Change, list[str], list[str]]] = {
    "no description": (remove("description.md"), [], ["no description.md", "--set metric="]),
    "a description without words": (
        put("description.md", b" \n"), [], ["description.md is empty", "--set metric="],
    ),
    "no sample submission": (
        remove("sample_submission.csv"), [], ["no sample submission", "add sample_submission.csv"],
    ),
    "no train table": (remove("train.csv"), [], ["no training data", "add train.csv"]),
    "an empty csv": (put("train.csv", b""), [], ["train.csv", "empty", "put a complete file there"]),
    "a csv without rows": (edit("train.csv", lambda f: f.head(0)), [], ["train.csv", "no rows"]),
    "garbage": (put("train.csv", GARBAGE), [], ["train.csv", "binary data", "put a csv file there"]),
    "a web page": (
        put("test.csv", b"<!DOCTYPE html><html>Sign in"), [],
        ["test.csv", "web page", "fetch the file again"],
    ),
    "a delimiter beyond recognition": (
        edit("train.csv", lambda f: f, sep="~"), [], ["train.csv", "'~'", "save it with commas"],
    ),
    "a truncated zip": (
        cut(zipped, ".zip"), [], ["train.csv.zip", "not a readable zip", "fetch the file again"],
    ),
    "a truncated gzip": (
        cut(lambda path: gzip.compress(path.read_bytes()), ".gz"), [],
        ["train.csv.gz", "cut off", "fetch it again"],
    ),
    "a link out of the folder": (link_out, [], ["train.csv", "leads out", "put the file itself there"]),
    "duplicate ids": (
        edit("test.csv", lambda f: pd.concat([f, f.head(2)])), [],
        ["test.csv", "2 rows with the id of an earlier row", "keep one"],
    ),
    "other ids": (
        edit("test.csv", lambda f: f.assign(id=f["id"] + "!")), [],
        ["sample_submission.csv and test.csv", "differ", "same rows"],
    ),
    "one class": (
        edit("train.csv", lambda f: f.assign(y=1)), [],
        ["train.csv", "y", "one value only (1)", "--set target="],
    ),
    "a constant target": (
        edit("train.csv", lambda f: f.assign(y=0.25)), ["--set", "metric=rmse"],
        ["train.csv", "one value only (0.25)"],
    ),
    "one row": (
        edit("train.csv", lambda f: f.head(1)), [], ["train.csv", "one labelled row", "put more there"],
    ),
    "unknown sample columns": (
        edit("sample_submission.csv", lambda f: f.rename(columns={"y": "what"}).assign(why=0)), [],
        ["sample_submission.csv", "what, why", "train.csv", "--set target="],
    ),
    "an unknown setting": (lambda folder: None, ["--set", "metrik=rmse"], ["metrik", "did you mean metric"]),
    "an unknown value": (
        lambda folder: None, ["--set", "metric=roc_auk"], ["metric=roc_auk", "did you mean roc_auc"],
    ),
    "a setting that does not fit": (
        lambda folder: None, ["--set", "groups=y"], ["groups=y", "to be predicted"],
    ),
}  # fmt: skip


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The message of a command that is refused with exit code 2."""
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as left:  # argparse
        code = int(left.code or 0)
    stdout, stderr = capsys.readouterr()
    assert code == 2, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    return stderr


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_that_cannot_be_worked_on_is_refused(
    case: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    in_process: None,
) -> None:
    change, options, parts = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    folder = make_competition(tmp_path / "competition", rows=40)
    change(folder)
    before = listing(folder)
    message = refusal(capsys, "run", folder, "--budget", "30s", "--out", "run", *options)
    assert message.startswith("cobra: ")
    assert message.count("\n") == 1, "one line"
    for part in parts:
        assert part in message
    assert listing(folder) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"competition", "run"}
    if (tmp_path / "run" / "run.json").exists():  # what is left says how it ended
        assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"


def test_a_refusal_is_told_as_json_and_the_mended_command_may_use_the_same_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], in_process: None
) -> None:
    folder = make_competition(tmp_path / "competition", rows=40)
    command = ["run", str(folder), "--budget", "30s", "--out", str(tmp_path / "run"), "--json"]

    def reason(*more: str) -> str:
        assert cli.main([*command, *more]) == 2
        told = json.loads(capsys.readouterr().out)
        assert (told["submission"], told["exit"]) == (None, 2)
        return str(told["reason"])

    assert "did you mean roc_auc" in reason("--set", "metric=roc_auk")
    assert "groups=nowhere" in reason("--set", "groups=nowhere"), "the folder of the first run is no obstacle"
    (tmp_path / "run" / "notes.txt").write_text("mine")
    assert "is not empty" in reason("--set", "groups=nowhere")
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["run", "nowhere"], ["nowhere: no such folder", "give the competition's folder"]),
        (
            ["run", "made", "--out", "file/run"],
            ["file/run", "cannot be written", "give another folder with --out"],
        ),
        (["run", "made", "--out", "file"], ["file", "cannot be written", "--out"]),
        (["run", "made", "--budget", "5s"], ["--budget 5s", "too small", "30s is the least"]),
        (["run", "made", "--budget", "0"], ["--budget 0", "too small"]),
        (["run", "made", "--budget", "soon"], ["--budget soon", "90s, 10m"]),
        (["run", "made", "--seed", "-1"], ["usage", "--seed", "whole number"]),
        (["run", "made", "--frobnicate"], ["usage", "--frobnicate"]),
        (["run"], ["usage", "FOLDER"]),
        (["run", "made", "--set", "metric"], ["--set metric", "--set key=value"]),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(
    words: list[str],
    parts: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    in_process: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_competition(tmp_path / "made", rows=40)
    (tmp_path / "file").write_text("mine")
    message = refusal(capsys, *words)
    for part in parts:
        assert part in message
    assert {path.name for path in tmp_path.iterdir()} == {"made", "file"}, "nothing is left behind"
    assert (tmp_path / "file").read_text() == "mine"


ORDINARY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.mark.skipif(bool(ORDINARY) and not shutil.which("setpriv"), reason="root may read everything")
@pytest.mark.parametrize(
    ("closed", "parts"),
    [
        ("competition/public/train.csv", ["train.csv", "make it readable"]),
        ("runs", ["runs/run cannot be written", "give another folder with --out"]),
    ],
)
def test_what_may_not_be_read_or_written_is_refused(closed: str, parts: list[str], tmp_path: Path) -> None:
    folder = make_competition(tmp_path / "competition", rows=40)
    (tmp_path / "runs").mkdir()
    (tmp_path / closed).chmod(0 if closed.endswith("csv") else 0o555)
    words = [
        sys.executable,
        "-m",
        "cobra_jupyter.cli",
        "run",
        str(folder),
        "--budget",
        "30s",
        "--brain",
        "playbook",
    ]
    done = subprocess.run(
        [*ORDINARY, *words, "--out", str(tmp_path / "runs" / "run")],
        capture_output=True,
        text=True,
        timeout=100,
    )
    (tmp_path / closed).chmod(0o755)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


# --- goes on, and says what it did ----------------------------------------------------------------


def each(change: Callable[[pd.DataFrame, str], pd.DataFrame], **options: Any) -> Change:
    """Changes all three tables: `change(frame, name)`."""

    def all_three(folder: Path) -> None:
        for name in ("train.csv", "test.csv", "sample_submission.csv"):
            edit(name, lambda frame, name=name: change(frame, name), **options)(folder)  # type: ignore[misc]

    return all_three


def features(**columns: Callable[[int], Any]) -> Change:
    """Sets columns of train and test: name → values for so many rows."""

    def change(frame: pd.DataFrame, name: str) -> pd.DataFrame:
        made = {} if name.startswith("sample") else {c: f(len(frame)) for c, f in columns.items()}
        return frame.assign(**made)

    return each(change)


def every(step: int, odd: Any, other: Any = np.nan) -> Callable[[int], list[Any]]:
    """Values of which each `step`-th is odd."""
    return lambda n: [odd if i % step == 0 else (i % 7 / 2 if other is np.nan else other) for i in range(n)]


def umlauts(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.replace({"green": "grün", "red": "à la crème"})


def odd_ids(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.assign(id="Zoë 雪 " + frame["id"].str.replace("_", " / "))


def texts(n: int) -> list[str]:
    """Every sixth is empty, another sixth blank."""
    words = ["boat", "on", "the", "river", "bank", "full", "of", "money", "forest", "green"]
    full = [" ".join(np.random.default_rng(i).choice(words, 12)) for i in range(n)]
    return ["" if i % 6 == 0 else "  " if i % 6 == 3 else text for i, text in enumerate(full)]


def odd_dates(n: int) -> list[str]:
    ways = ("%d.%m.%Y", "%Y/%m/%d", "%d %b %Y", "%B %d, %Y")
    return [day.strftime(ways[i % 4]) for i, day in enumerate(pd.date_range("2021-01-01", periods=n))]


def wide(columns: int) -> Change:
    """So many columns of noise more."""

    def change(frame: pd.DataFrame, name: str) -> pd.DataFrame:
        numbers = np.random.default_rng(len(frame)).normal(size=(len(frame), columns)).round(2)
        more = pd.DataFrame(numbers).add_prefix("f")
        return frame if name.startswith("sample") else pd.concat([frame, more], axis=1)

    return each(change)


def gaps(odd: Any, step: int = 9) -> Change:
    """Odd values among the labels."""
    return edit(
        "train.csv", lambda f: f.assign(y=f["y"].astype(object).mask(np.arange(len(f)) % step == 0, odd))
    )


def lone_classes(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    if name.startswith("sample"):
        return frame[["id"]].assign(y="low")
    return frame.assign(y=["solo", "only", *frame["y"].iloc[2:]]) if name == "train.csv" else frame


GOES_ON: dict[str, tuple[str, dict[str, Any], Change, str]] = {  # task, options, change, what is said of it
    "another encoding": ("binary", {}, each(umlauts, encoding="cp1252"), "train.csv: read as cp1252"),
    "utf-16": ("binary", {}, each(umlauts, encoding="utf-16"), "train.csv: read as utf-16"),
    "semicolons and decimal commas": ("regression", {}, each(umlauts, sep=";", decimal=","), "decimal comma"),
    "targets missing": ("binary", {}, gaps(np.nan), "train.csv: 7 rows without a label: dropped"),
    "targets infinite": ("regression", {}, gaps(np.inf), "train.csv: 7 rows with an infinite label: dropped"),
    "words among numeric targets": ("regression", {}, gaps("?"), "train.csv: 7 rows with no number in y (?)"),
    "mixed types": (
        "binary", {}, features(a=every(4, "many"), b=every(3, True, other="x")),
        "a mixes numbers and text, e.g. many",
    ),
    "some 1,000 columns": ("binary", {}, wide(999), "1,002 feature columns"),
    "5,000 columns": ("binary", {}, wide(5000), "5,003 feature columns"),
    "classes with one example": (
        "multiclass", {"metric": "accuracy"}, each(lone_classes),
        "have one row only, so no fold both learns and judges",
    ),
    "categories unseen in train": (
        "binary", {}, each(lambda f, name: f.assign(colour=name) if "colour" in f else f),
        "values that train lacks",
    ),
    "empty texts": ("binary", {}, features(text=texts), "train.csv: empty texts in text (20 of 60)"),
    "nothing but empty columns": (
        "binary", {}, features(a=every(1, None), b=every(1, None), colour=every(1, None)), "constant columns",
    ),
    "ids with spaces and unicode": ("binary", {}, each(odd_ids), "spaces or letters beyond ASCII"),
    "test larger than train": (
        "binary", {"rows": 30, "test_rows": 900}, lambda folder: None, "more rows to predict (900)",
    ),
    "targets on wild scales": (
        "regression", {}, edit("train.csv", lambda f: f.assign(y=np.exp(9 * f["y"]))), "powers of ten",
    ),
    "targets far from zero": ("regression", {}, edit("train.csv", lambda f: f.assign(y=f["y"] + 1e12)), ""),
    "infinite values": (
        "binary", {}, features(b=every(5, np.inf), c=every(1, -np.inf)), "infinite values in b, c",
    ),
    "dates in odd formats": ("binary", {}, features(day=odd_dates), "day writes dates in several ways"),
    "two rows": ("regression", {"rows": 2}, lambda folder: None, "more rows to predict"),
    "a huge cell": ("binary", {}, features(colour=every(30, "x" * 3_000_000, other="a")), ""),
    "formulas": (
        "binary", {}, each(lambda f, name: f.assign(id="=cmd|' /C calc'!" + f["id"])),
        "do not open submission.csv in a spreadsheet",
    ),
}  # fmt: skip


def said(bench: Bench) -> str:
    """All that a person sees of the competition before anything is trained."""
    card = next(data for kind, data in bench.records if kind == "card")
    return json.dumps([card, bench.audit()], ensure_ascii=False)


LONG = {"some 1,000 columns", "5,000 columns"}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.full) if case in LONG else case for case in GOES_ON]
)
def test_odd_input_is_gone_on_with_and_spoken_of(
    case: str, tmp_path: Path, benches: Callable[..., Bench]
) -> None:
    task, options, change, note = GOES_ON[case]
    folder = make_competition(tmp_path, task=task, **{"rows": 60, **options})
    change(folder)
    bench = benches(folder, make_pool=InProcessPool)
    bench.open()
    bench.protocol(folds=2, repeats=1)
    assert note in said(bench)
    large = case.endswith("000 columns")
    for name in ("columns",) if large else ("columns", "relations"):
        bench.shared(name, shared_source(name))
    for name in ("trees",) if large else ("linear", "boosting"):
        bench.candidate(name, SOURCES[name])
        trial = bench.trial(name, {} if large else {"more": "relations"})
        assert trial["status"] == "ok", trial["failure"]
        assert np.isfinite(trial["score"])
    bench.blend()
    bench.submit()
    with (folder / "sample_submission.csv").open("rb") as file:
        encoding = "utf-16" if file.read(2) == b"\xff\xfe" else "utf-8"
    sample = pd.read_csv(folder / "sample_submission.csv", encoding=encoding, sep=None, engine="python")
    made = pd.read_csv(bench.run / "submission.csv")
    assert list(made.columns) == list(sample.columns)
    assert list(made["id"]) == list(sample["id"])
    assert made.notna().all(axis=None)


def test_labels_far_from_zero_and_mixed_columns_are_still_learnt_from(
    tmp_path: Path, benches: Callable[..., Bench]
) -> None:
    """Going on is not enough: what can be learnt in spite of the oddity has to be."""
    far = make_competition(tmp_path / "far", task="regression", rows=120)
    edit("train.csv", lambda f: f.assign(y=f["y"] * 1e-30 + 1e-20))(far)
    mixed = make_competition(tmp_path / "mixed", task="regression", rows=120)
    each(
        lambda f, name: (
            f.assign(a=f["a"].astype(object).mask(np.arange(len(f)) % 9 == 0, "many")) if "a" in f else f
        )
    )(mixed)
    for folder, worst in ((far, 1.7e-30), (mixed, 1.9)):
        bench = benches(folder, make_pool=InProcessPool)
        bench.ready(folds=3, repeats=1)
        bench.shared("columns", shared_source("columns"))
        bench.candidate("boosting", SOURCES["boosting"])
        assert bench.trial("boosting")["score"] < worst, "the labels' SD is 2.2"


def test_links_inside_the_folder_lead_no_fold_out_of_it(
    tmp_path: Path, benches: Callable[..., Bench]
) -> None:
    folder = make_competition(tmp_path, rows=60)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "files" / "deep").mkdir(parents=True)
    (folder / "files" / "kept.txt").write_text("kept")
    (folder / "files" / "deep" / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "files" / "home").symlink_to(tmp_path)
    bench = benches(folder)
    bench.ready(folds=3, repeats=1)
    assert "files/deep/out.txt: a link that leads out of the folder, not followed" in said(bench)
    found = (
        "import pandas as pd\ndef make(rows, ctx):\n"
        "    names = sorted(path.name for path in ctx.data.rglob('*')) + [\n"
        "        path.name for folder in ctx.data.iterdir()"
        " if folder.is_dir() for path in folder.rglob('*')]\n"
        "    return pd.DataFrame({name: 1.0 for name in names}, index=rows.index)\n"
    )
    names = bench.shared("names", found)["columns"]
    assert "kept.txt" in names
    assert not {"out.txt", "home", "secret.txt"} & set(names)


# --- start to end ---------------------------------------------------------------------------------


def everything_odd(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    frame = odd_ids(umlauts(frame, name), name)
    if name.startswith("sample"):
        return frame[["id"]].assign(y="low")
    frame["day"] = odd_dates(len(frame))
    frame["b"] = frame["b"].mask(np.arange(len(frame)) % 5 == 0, np.inf)
    if name == "train.csv":
        frame["y"] = frame["y"].mask(np.arange(len(frame)) % 11 == 0)
        frame.loc[3, "y"] = "solo"
    return frame


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """A run on a folder with many oddities, without LightGBM: the folder, the run's folder, the output."""
    home = tmp_path_factory.mktemp("odd")
    folder = make_competition(home / "odd", task="multiclass", metric="accuracy", rows=150)
    each(everything_odd, encoding="utf-16")(folder)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        without_processes(patch)
        patch.setitem(sys.modules, "lightgbm", None)
        patch.setenv("HOME", str(home))
        end_playbook_after(patch, "submission", "ablation")
        code = cli.main(["run", str(folder), "--budget", "150s", "--out", str(home / "run"), "--json"])
    assert code == 0
    return folder, home / "run", json.loads(printed.getvalue())


def test_a_run_on_odd_input_ends_with_a_proven_submission(odd_run: tuple[Path, Path, dict[str, Any]]) -> None:
    """Takes long: a whole run."""
    folder, run, result = odd_run
    assert result["proof"] == "identical"
    sample = pd.read_csv(folder / "sample_submission.csv", encoding="utf-16")
    made = pd.read_csv(run / "submission.csv")
    assert list(made["id"]) == list(sample["id"])
    assert set(made["y"]) <= {"low", "mid", "high", "solo"}
    assert result["cv"] > 0.5


def test_the_playbook_goes_through_its_phases(odd_run: tuple[Path, Path, dict[str, Any]]) -> None:
    records = list(read(odd_run[1] / "ledger.jsonl"))
    kinds = [record.kind for record in records]
    phases = ("card", "protocol", "candidate", "trial", "submission", "ablation", "selection", "proof")
    order = [kinds.index(phase) for phase in phases]
    assert order == sorted(order)
    ablation = next(record.data for record in records if record.kind == "ablation")
    assert len(ablation["effects"]) >= 10
    verdicts = {effect["verdict"] for effect in ablation["effects"]}
    assert verdicts <= {"better", "worse", "unclear", "not tried"}


def test_a_run_on_odd_input_says_what_it_did(odd_run: tuple[Path, Path, dict[str, Any]]) -> None:
    _, run, _ = odd_run
    shown = "".join(
        "".join(output.get("data", {}).get("text/plain", ""))
        for cell in nbformat.read(run / "agent.ipynb", as_version=4).cells
        for output in cell.get("outputs", ())
    )
    card = next(record.data for record in read(run / "ledger.jsonl") if record.kind == "card")
    for note in (
        "train.csv: read as utf-16",
        "14 rows without a label: dropped",
        "solo of y has one row only",
        "spaces or letters beyond ASCII",
        "infinite values in b",
        "day writes dates in several ways",
        "lightgbm is not installed",
    ):
        assert any(note in said for said in card["notes"]), note
        assert note in shown, note
    statuses = [record.data["status"] for record in read(run / "ledger.jsonl") if record.kind == "execution"]
    assert set(statuses) == {"ok"}
