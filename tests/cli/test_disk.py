"""The disk fills up during a run: one clear message, no torn file; the run goes on after space is freed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from cobra_jupyter.cli import main as cli
from cobra_jupyter.records.ledger import Record, read
from cobra_jupyter.run import verify
from tests.fakes import lives
from tests.fakes.recorded import RecordedRun
from tests.inprocess import MACHINERY

MOUNT = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run([*MOUNT, str(place)], capture_output=True).returncode:
        pytest.skip("a tmpfs can be mounted by root only")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(disk: Path, mode: str) -> None:
    """Waits until nothing is open there any more."""
    for _ in range(100):
        if not subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], capture_output=True).returncode:
            return
        time.sleep(0.2)
    raise TimeoutError(f"{disk} stays busy")


def said_clearly(code: object, said: str) -> None:
    assert code == cli.BAD_INPUT, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("cobra: ")
    assert "cobra resume" in last
    assert "Traceback" not in said


def whole_so_far(out: Path) -> list[Record]:
    """What is on a disk that was full is whole. → its records"""
    before = list(read(out / "ledger.jsonl"))
    assert before[-1].kind != "proof"
    nbformat.validate(nbformat.read(out / "agent.ipynb", as_version=4))
    return before


def went_on(out: Path, before: list[Record]) -> None:
    assert [r.hash for r in read(out / "ledger.jsonl")][: len(before)] == [r.hash for r in before]
    assert json.loads((out / "run.json").read_text())["state"] == "finished"
    checks = asyncio.run(verify.verify(out, machinery=MACHINERY))
    assert [str(check) for check in checks if check.holds is False] == []


def goes_on_here(folder: Path, out: Path, before: list[Record], capsys: Capture) -> None:
    capsys.readouterr()
    lives.main(folder, out, None, None, MACHINERY)
    assert capsys.readouterr().out.strip() == "identical"
    went_on(out, before)


def test_a_run_whose_disk_is_full_stops_clearly_and_goes_on_after_room_is_made(
    disk: Path, recorded: RecordedRun, capsys: Capture
) -> None:
    out = disk / "run"
    with pytest.raises(SystemExit) as ended:
        lives.main(recorded.competition, out, "trial:2:full", None, MACHINERY)
    said_clearly(ended.value.code, capsys.readouterr().err)
    before = whole_so_far(out)
    (disk / "ballast").unlink()
    goes_on_here(recorded.competition, out, before, capsys)


@pytest.mark.full
def test_a_run_with_processes_of_its_own_whose_disk_is_full(disk: Path, recorded: RecordedRun) -> None:
    out = disk / "run"
    ended = lives.live(recorded.competition, out, "trial:2:full")
    said_clearly(ended.returncode, ended.stderr)
    before = whole_so_far(out)
    (disk / "ballast").unlink()
    again = lives.live(recorded.competition, out)
    assert again.stdout.strip() == "identical", again.stderr
    went_on(out, before)


def test_a_disk_that_became_read_only_is_said_and_nothing_is_lost(
    disk: Path, recorded: RecordedRun, capsys: Capture
) -> None:
    out = recorded.at("trial:2", disk / "run")
    before = list(read(out / "ledger.jsonl"))
    remount(disk, "ro")
    code = cli.main(["resume", str(out)])
    said_clearly(code, capsys.readouterr().err)
    remount(disk, "rw")
    goes_on_here(recorded.competition, out, before, capsys)
