"""A run that was killed goes on where its record ends, and comes to what it would have come to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.cli import main as cli
from cobra_jupyter.records.ledger import Ledger, Record, read, verify
from cobra_jupyter.run import folders
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.conftest import make_competition
from tests.fakes.lives import BUDGET, CELLS, live, script
from tests.fakes.scripted import Scripted

PHASES = [
    "state", "card", "protocol", "candidate", "trial", "trial:4", "ablation", "job", "shared", "reply:9", "blend",
    "submission", "finish", "proof", "file",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_competition(tmp_path_factory.mktemp("competition"), "regression", rows=240, test_rows=60)


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody disturbed."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    done = live(folder, out)
    assert done.stdout.strip() == "identical", done.stderr
    return out


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def of(out: Path, kind: str) -> list[dict[str, Any]]:
    return [record.data for record in read(out / "ledger.jsonl") if record.kind == kind]


def shown(out: Path) -> list[tuple[str, str, list[str]]]:
    """The notebook without what differs from run to run: ids, times, the run's own name."""
    notebook = nbformat.read(out / "agent.ipynb", as_version=4)
    return [(c.cell_type, c.source, [o.output_type for o in c.get("outputs", ())]) for c in notebook.cells]


def same_end(out: Path, whole: Path) -> None:
    """What must hold of a run that was killed and resumed."""
    assert sha256(out / "submission.csv") == sha256(whole / "submission.csv")
    assert of(out, "proof")[-1]["outcome"] == "identical"
    ran = {
        json.dumps([t["candidate"], t["config"], t["repeats"], t["folds"], t["fraction"], t["seed"]])
        for t in of(out, "trial")
    }
    assert len(ran) == len(of(out, "trial")) == len(of(whole, "trial"))  # none was run again
    assert shown(out) == shown(whole)
    submitting = next(e for e in of(out, "execution") if e["turn"] == len(CELLS))
    assert "x is 42 first is t001" in submitting["output"]
    run = json.loads((out / "run.json").read_text())
    assert run["state"] == "finished"
    verify(out / "ledger.jsonl", run["head"], run["length"])


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_killed_in_any_phase_comes_to_the_same_end(
    phase: str, folder: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    assert live(folder, out, phase).returncode == -signal.SIGKILL
    with (out / "ledger.jsonl").open("ab") as file:  # and the line it was about to write was torn
        file.write(b'{"seq":')
    again = live(folder, out)
    assert again.returncode == 0, again.stderr
    same_end(out, whole)
    resumed = [s for s in of(out, "state") if s["state"] == "resumed"]
    assert "torn last line of 7 bytes" in resumed[0]["why"]


def test_a_run_may_be_killed_again_and_again(folder: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    for death in ("cell:4", "trial:2", "blend"):
        assert live(folder, out, death).returncode == -signal.SIGKILL
    assert live(folder, out).returncode == 0
    same_end(out, whole)
    used = [s["used"] for s in of(out, "state") if s["state"] == "resumed"]
    assert used == sorted(used)
    assert used[0] > 0


def processes(words: str) -> list[psutil.Process]:
    """This process's descendants with these words in their command line."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if words in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def harness() -> psutil.Process:
    return next(p for p in processes("-m cobra_jupyter.workbench") if "-c" not in p.cmdline())


def kernel() -> psutil.Process:
    return processes("ipykernel_launcher")[0]


@pytest.mark.parametrize(("victim", "moment"), [
    (harness, "protocol:1"), (harness, "candidate:1"), (harness, "trial:3"), (harness, "ablation:1"), (harness, "job:1"),
    (harness, "shared:1"), (harness, "blend:1"), (harness, "submission:1"), (harness, "finish:1"),
    (kernel, "cell:4"), (kernel, "trial:3"), (kernel, "ablation:1"), (kernel, "job:1"), (kernel, "blend:1"),
    (kernel, "submission:1"),
])  # fmt: skip
def test_a_harness_or_kernel_that_is_killed_comes_back_as_it_was(
    victim: Callable[[], psutil.Process], moment: str, folder: Path, whole: Path, tmp_path: Path
) -> None:
    kind, _, nth = moment.partition(":")
    seen: list[str] = []

    def on_record(record: Record, budget: Budget) -> None:
        seen.append(record.kind)
        if record.kind == kind and seen.count(kind) == int(nth) and "kernel" not in seen:
            victim().kill()

    out = tmp_path / "run"
    options = Options(folder, out, "scripted", BUDGET, 0, None, {}, time.time())
    result = asyncio.run(Runner(options, Scripted(CELLS), on_record).run())
    assert "kernel" in seen
    assert result.proof.outcome == "identical"
    assert sha256(out / "submission.csv") == sha256(whole / "submission.csv")
    assert "x is 42" in next(e for e in of(out, "execution") if e["turn"] == len(CELLS))["output"]


@pytest.mark.parametrize("turn", [4, 5, 7], ids=["trial", "ablation", "job"])
def test_a_worker_that_is_killed_is_replaced(turn: int, folder: Path, tmp_path: Path, whole: Path) -> None:
    slow = CELLS[2].replace("sleep(0.08)", "sleep(0.4)")
    cells = [*CELLS[:2], slow, *CELLS[3:]]
    killed: list[int] = []

    def on_record(record: Record, budget: Budget) -> None:
        if record.kind == "cell" and record.data["turn"] == turn:
            asyncio.get_running_loop().call_later(0.5, kill)

    def kill() -> None:
        busy = [
            p
            for p in processes("")
            if p.is_running() and p.cpu_times() and out_of(p).startswith(str(out / "trials"))
        ]
        if not busy:
            asyncio.get_running_loop().call_later(0.05, kill)
            return
        busy[0].kill()
        killed.append(busy[0].pid)

    out = tmp_path / "run"
    options = Options(folder, out, "scripted", BUDGET, 0, None, {}, time.time())
    result = asyncio.run(Runner(options, Scripted(cells), on_record).run())
    assert killed
    assert result.proof.outcome == "identical"
    assert all(trial["status"] == "ok" for trial in of(out, "trial"))
    assert sha256(out / "submission.csv") == sha256(whole / "submission.csv")


def out_of(process: psutil.Process) -> str:
    """The folder a process works in; "" where it is gone."""
    try:
        return str(process.cwd())
    except psutil.Error:
        return ""


# ---- at the door


@pytest.fixture
def stopped(folder: Path, tmp_path: Path) -> Path:
    out = tmp_path / "killed"
    assert live(folder, out, "candidate").returncode == -signal.SIGKILL
    return out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(words) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("cobra: ")
    assert said.count("\n") == 1
    return said


def test_a_run_whose_brain_the_command_does_not_know_is_refused_with_those_it_knows(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {
        "run": "r", "started": 0.0, "budget": 90.0, "seed": 0, "brain": "scripted", "folder": str(folder),
        "kernel": None, "settings": {}, "weights": [],
    }  # fmt: skip
    (tmp_path / "ledger.jsonl").write_text(json.dumps({"data": asked}) + "\n")
    said = refused(capsys, "resume", str(tmp_path))
    assert "no brain 'scripted' here; there are auto, playbook, gemini, transformers, replay" in said


def test_status_tells_of_a_run_that_died_and_how_to_go_on(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", str(stopped)]) == 0
    said = capsys.readouterr().out
    assert "died" in said
    assert f"cobra resume {stopped}" in said


def test_a_run_that_is_over_is_not_resumed_without_more_time(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is over: nothing to resume" in refused(capsys, "resume", str(whole))


def test_a_run_that_is_over_goes_on_with_more_time(folder: Path, whole: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "whole"))
    options = replace(folders.options_of(folders.load(str(out)), 2 * BUDGET), out=out)
    more = Scripted(
        [
            *CELLS,
            "cobra.finish('done')",
            'cobra.scale("ridge", {"bend": True}, seed=3)\ncobra.blend()\ncobra.submit()',
        ]
    )
    result = asyncio.run(Runner(options, more, resume=True).run())
    assert result.proof.outcome == "identical"
    known = [trial["id"] for trial in of(whole, "trial")]
    assert [trial["id"] for trial in of(out, "trial")][: len(known)] == known
    assert "bend=True" in of(out, "trial")[-1]["label"]
    assert cli.main(["verify", str(out)]) == cli.OK


def test_an_interrupted_run_goes_on(folder: Path, whole: Path, tmp_path: Path) -> None:
    out, runner = tmp_path / "run", None

    def on_record(record: Record, budget: Budget) -> None:
        if record.kind == "job" and runner is not None:
            runner.interrupted.set()

    options = Options(folder, out, "scripted", BUDGET, 0, None, {}, time.time())
    runner = Runner(options, script(), on_record)
    asyncio.run(runner.run())
    assert json.loads((out / "run.json").read_text())["state"] == "stopped"
    again = live(folder, out)
    assert again.returncode == 0, again.stderr
    same_end(out, whole)


def test_a_living_run_is_not_resumed(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(stopped / "ledger.jsonl")
    assert "is running" in refused(capsys, "resume", str(stopped))
    ledger.close()


def test_a_broken_record_is_not_resumed(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = stopped / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"budget":2400', '"budget":2401'))
    assert "the chain is broken" in refused(capsys, "resume", str(stopped))


def test_no_run_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no run there" in refused(capsys, "resume", str(tmp_path))


def test_a_competition_that_changed_meanwhile_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = tmp_path / "copy"
    shutil.copytree(folder, public)
    out = tmp_path / "run"
    live(public, out, "candidate")
    lines = (public / "train.csv").read_text().splitlines(keepends=True)
    (public / "train.csv").write_text("".join(lines[:-5]))
    assert "train.csv of the competition: not what was read" in refused(capsys, "resume", str(out))
