"""A disk that takes no more in mid-run: one clear message, nothing torn, and the run goes on after room is made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from cobra_jupyter.cli import main as cli
from cobra_jupyter.records.ledger import Record, read
from tests.conftest import make_competition
from tests.fakes.lives import live

MOUNT = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run([*MOUNT, str(place)], capture_output=True).returncode:
        pytest.skip("a tmpfs can be mounted by root only")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def cobra(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cobra_jupyter.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


def remount(disk: Path, mode: str) -> None:
    """Waits until what the killed run left behind is gone."""
    for _ in range(100):
        if not subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], capture_output=True).returncode:
            return
        time.sleep(0.2)
    raise TimeoutError(f"{disk} stays busy")


def said_clearly(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == cli.BAD_INPUT, ended.stderr
    said = ended.stderr.strip().splitlines()[-1]
    assert said.startswith("cobra: ")
    assert "cobra resume" in said
    assert "Traceback" not in ended.stderr


def goes_on(folder: Path, out: Path, before: list[Record]) -> None:
    again = live(folder, out)
    assert again.stdout.strip() == "identical", again.stderr
    assert [r.hash for r in read(out / "ledger.jsonl")][: len(before)] == [r.hash for r in before]
    assert json.loads((out / "run.json").read_text())["state"] == "finished"
    verified = cobra("verify", str(out))
    assert verified.returncode == cli.OK, verified.stdout


def test_a_run_whose_disk_is_full_stops_clearly_and_goes_on_after_room_is_made(
    disk: Path, tmp_path: Path
) -> None:
    folder = make_competition(tmp_path / "competition", "regression", rows=240, test_rows=60)
    out = disk / "run"
    said_clearly(live(folder, out, "trial:2:full"))
    before = list(read(out / "ledger.jsonl"))
    assert before[-1].kind != "proof"
    nbformat.validate(nbformat.read(out / "agent.ipynb", as_version=4))
    (disk / "ballast").unlink()
    goes_on(folder, out, before)


def test_a_disk_that_became_read_only_is_said_and_nothing_is_lost(disk: Path, tmp_path: Path) -> None:
    folder = make_competition(tmp_path / "competition", "regression", rows=240, test_rows=60)
    out = disk / "run"
    live(folder, out, "trial:2")
    before = list(read(out / "ledger.jsonl"))
    remount(disk, "ro")
    said_clearly(cobra("resume", str(out)))
    remount(disk, "rw")
    goes_on(folder, out, before)
