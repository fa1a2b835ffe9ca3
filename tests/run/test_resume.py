"""A run that ended early goes on where its record ends, and comes to what it would have come to.

Each moment of the recorded run is taken up again in this process, from the folder as a kill would have left
it. Real kills are in test_kills.py."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.brains.base import Brain
from cobra_jupyter.cli import main as cli
from cobra_jupyter.records.ledger import Ledger, Record
from cobra_jupyter.run import folders, verify
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import BadInput, Result, Runner
from tests.fakes.lives import BUDGET, CELLS, MOMENTS, script
from tests.fakes.recorded import RecordedRun
from tests.fakes.scripted import Scripted
from tests.inprocess import MACHINERY
from tests.run.ends import of, same_end


def resume(options: Options, brain: Brain | None = None) -> Result:
    runner = Runner(options, brain or script(), resume=True, machinery=MACHINERY)
    return asyncio.run(runner.run())


def tear_last_line(out: Path) -> None:
    """Tear the last line, as if the runner was killed while writing it."""
    with (out / "ledger.jsonl").open("ab") as file:
        file.write(b'{"seq":')


BEFORE_A_RELEASE = {
    "state",
    "card",
    "clock",
    "trial",
    "trial:4",
    "shared",
    "reply:9",
    "finish",
    "file",
    "candidate",
    "cell:4",
    "ablation",
}


@pytest.mark.parametrize(
    "moment",
    [pytest.param(m, marks=pytest.mark.full) if m in BEFORE_A_RELEASE else m for m in MOMENTS],
)
def test_a_run_that_ended_at_any_moment_comes_to_the_same_end(
    moment: str, recorded: RecordedRun, tmp_path: Path
) -> None:
    out = recorded.at(moment, tmp_path / "killed")
    before = (out / "ledger.jsonl").read_bytes()
    tear_last_line(out)
    resume(folders.options_of(folders.load(str(out)), None))
    same_end(out, recorded.whole)
    assert (out / "ledger.jsonl").read_bytes().startswith(before)
    resumed = [state for state in of(out, "state") if state["state"] == "resumed"]
    assert "torn last line of 7 bytes" in resumed[0]["why"]


def test_a_finished_run_goes_on_with_more_time(recorded: RecordedRun, tmp_path: Path) -> None:
    out = recorded.copy(tmp_path / "whole")
    more = [
        *CELLS,
        "cobra.finish('done')",
        'cobra.scale("ridge", {"bend": True}, seed=3)\ncobra.blend()\ncobra.submit()',
    ]
    resume(folders.options_of(folders.load(str(out)), 2 * BUDGET), Scripted(more))
    known = [trial["id"] for trial in of(recorded.whole, "trial")]
    assert [trial["id"] for trial in of(out, "trial")][: len(known)] == known
    assert "bend=True" in of(out, "trial")[-1]["label"]
    checks = asyncio.run(verify.verify(out, machinery=MACHINERY))
    assert [check for check in checks if check.holds is False] == []


def test_an_interrupted_run_goes_on(recorded: RecordedRun, tmp_path: Path) -> None:
    out, runner = tmp_path / "run", None

    def on_record(record: Record, budget: Budget) -> None:
        if record.kind == "job" and runner is not None:
            runner.interrupted.set()

    options = Options(recorded.competition, out, "scripted", BUDGET, 0, None, {}, time.time())
    runner = Runner(options, script(), on_record, machinery=MACHINERY)
    asyncio.run(runner.run())
    assert json.loads((out / "run.json").read_text())["state"] == "stopped"
    resume(folders.options_of(folders.load(str(out)), None))
    same_end(out, recorded.whole)


# ---- what is refused


@pytest.fixture
def stopped(recorded: RecordedRun, tmp_path: Path) -> Path:
    return recorded.at("candidate", tmp_path / "killed")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(words) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("cobra: ")
    assert said.count("\n") == 1
    return said


def test_a_run_whose_brain_the_command_does_not_know_is_refused_with_those_it_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {
        "run": "r",
        "started": 0.0,
        "budget": 90.0,
        "seed": 0,
        "brain": "scripted",
        "folder": str(tmp_path),
        "kernel": None,
        "settings": {},
        "weights": [],
    }
    (tmp_path / "ledger.jsonl").write_text(json.dumps({"data": asked}) + "\n")
    said = refused(capsys, "resume", str(tmp_path))
    assert "no brain 'scripted' here; there are auto, playbook, gemini, transformers, replay" in said


def test_status_shows_a_died_run_and_how_to_resume_it(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", str(stopped)]) == 0
    said = capsys.readouterr().out
    assert "died" in said
    assert f"cobra resume {stopped}" in said


def test_a_finished_run_is_not_resumed_without_more_time(
    recorded: RecordedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is over: nothing to resume" in refused(capsys, "resume", str(recorded.whole))


def test_a_running_run_is_not_resumed(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    recorded: RecordedRun, stopped: Path, tmp_path: Path
) -> None:
    public = Path(shutil.copytree(recorded.competition, tmp_path / "copy"))
    lines = (public / "train.csv").read_text().splitlines(keepends=True)
    (public / "train.csv").write_text("".join(lines[:-5]))
    options = folders.options_of(folders.load(str(stopped)), None)
    with pytest.raises(BadInput, match=r"train\.csv of the competition: not what was read"):
        resume(replace(options, folder=public))
