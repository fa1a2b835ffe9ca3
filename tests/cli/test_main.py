"""The command, as a person runs it: a process of its own, real files, exit codes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cobra_jupyter.cli import demo, parser
from cobra_jupyter.cli import main as cli
from cobra_jupyter.cli.main import USER_ERRORS
from cobra_jupyter.competition.record import SETTINGS
from cobra_jupyter.records.ledger import verify
from tests.patience import PATIENCE

HEAVY = (
    "numpy",
    "pandas",
    "sklearn",
    "jupyter_client",
    "zmq",
    "nbformat",
    "nbconvert",
    "jinja2",
    "google.genai",
)
COBRA = [sys.executable, "-m", "cobra_jupyter.cli"]
KEYS = {
    "run", "competition", "metric", "direction", "protocol", "cv", "cv_se", "submission", "suspect",
    "notebook", "solution", "report", "proof", "seconds", "budget", "written_by", "ended", "assumed",
}  # fmt: skip


def environment(home: Path) -> Mapping[str, str]:
    return {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_DATA_DIR": str(home / "jupyter"),
        "GEMINI_API_KEY": "sk-not-to-be-seen",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",  # nobody is there: the playbook leads
    }


def cobra(home: Path, *words: object, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COBRA, *map(str, words)],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def here(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[int, str, str]:
    """The same in this process. → exit code, standard output, standard error"""
    for name, value in environment(home).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(home)
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as left:  # argparse
        code = int(left.code or 0)
    return code, *capsys.readouterr()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def finished(home: Path) -> tuple[dict[str, Any], str, float]:
    """One demo run: the printed object, standard error, seconds by our clock."""
    begun = time.monotonic()
    done = cobra(home, "demo", "--competition", "demo-diabetes", "--budget", "100s", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr, time.monotonic() - begun


def test_the_demo_ends_in_time_with_a_proven_submission_and_is_graded_afterwards(
    finished: tuple[dict[str, Any], str, float],
) -> None:
    """Takes long: a real demo, which uses the whole of its budget."""
    result, progress, seconds = finished
    assert KEYS | {"graded"} == set(result)
    assert result["proof"] == "identical"
    assert seconds <= 101
    assert result["cv"] == pytest.approx(result["graded"]["score"], abs=4 * result["cv_se"])
    assert result["cv"] < 62, "worse than a plain ridge"
    assert "best CV" in progress
    assert "left" in progress


def test_every_file_a_run_promises_is_there_and_sound(finished: tuple[dict[str, Any], str, float]) -> None:
    result = finished[0]
    run = Path(result["run"])
    for name in (
        "submission.csv",
        "agent.ipynb",
        "solution.ipynb",
        "report.html",
        "ledger.jsonl",
        "run.json",
        "studies.db",
    ):
        assert (Path(finished[0]["notebook"]).parent / name).exists(), name
    folder = Path(result["notebook"]).parent
    known = json.loads((folder / "run.json").read_text())
    verify(folder / "ledger.jsonl", known["head"], known["length"])
    for name in ("agent.ipynb", "solution.ipynb"):
        nbformat.validate(nbformat.read(folder / name, as_version=4))
    assert run.name == known["run"]


def test_secrets_of_the_environment_are_in_no_file(finished: tuple[dict[str, Any], str, float]) -> None:
    folder = Path(finished[0]["notebook"]).parent
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"sk-not-to-be-seen" not in path.read_bytes(), path


def test_status_and_export_find_the_latest_run(
    home: Path,
    finished: tuple[dict[str, Any], str, float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = cobra(home, "status")
    assert status.returncode == 0
    assert "finished" in status.stdout
    assert "proof identical" in status.stdout
    for kind, mark in (("html", "<html"), ("py", "cobra.protocol()"), ("ipynb", '"nbformat": 4')):
        code, stdout, stderr = here(home, monkeypatch, capsys, "export", "latest", "--to", kind)
        assert code == 0, stderr
        assert mark in Path(home, stdout.strip()).read_text()


def test_an_interrupt_exits_130_with_the_submission_in_place_and_leaves_no_process(
    home: Path, tmp_path: Path
) -> None:
    """Takes long: a real run up to its first submission."""
    (folder,) = [path for path in demo.write(tmp_path / "demo") if "diabetes" in str(path)]
    out = tmp_path / "run"
    words = [*COBRA, "run", str(folder), "--budget", "120s", "--out", str(out), "--json"]
    process = subprocess.Popen(
        words, cwd=tmp_path, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 110
    while not (out / "submission.csv").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, stderr
    assert json.loads(stdout)["submission"]
    import psutil

    left = [p.pid for p in psutil.process_iter() if str(out) in " ".join(_words(p))]
    assert left == []


def _words(process: Any) -> list[str]:
    import psutil

    try:
        return [str(word) for word in process.cmdline()]
    except psutil.Error:
        return []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "nowhere"], "nowhere: no such folder"),
        (["run", "empty"], "empty"),
        (["run", "empty", "--budget", "soon"], "write a duration like 90s"),
        (["run", "empty", "--budget", "3s"], "too small"),
        (["run", "empty", "--set", "metric"], "--set key=value"),
        (["run", "made", "--kernel", "nonesuch"], "nonesuch"),
        (["run", "made", "--set", "metric=bogosity"], "bogosity"),
        (["run", "made", "--set", "target=nothing"], "nothing"),
        (["run", "made", "--out", "full"], "not empty"),
        (["run", "made", "--out", "file/run"], "cannot be written"),
        (["run", "made", "--brain", "oracle"], "oracle"),
        (["run", "made", "--frobnicate"], "frobnicate"),
        (["run", "made", "--weights", "empty"], "empty: no pretrained weights there"),
        (["resume", "nowhere"], "no run there"),
        (["verify", "nowhere"], "no run there"),
        (["demo", "--competition", "demo-nothing"], "demo-tumours"),
        (["status", "nowhere"], "no run there"),
        (["export", "nowhere"], "no run there"),
    ],
)
def test_bad_input_is_exit_2_with_one_clear_message(
    tmp_path: Path,
    words: list[str],
    message: str,
    in_process: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("a file")
    if "made" in words:
        (folder,) = [path for path in demo.write(tmp_path / "demos") if "diabetes" in str(path)]
        (tmp_path / "made").symlink_to(folder)
    code, stdout, stderr = here(tmp_path, monkeypatch, capsys, *words)
    assert code == 2, stderr
    assert message in stderr
    assert "Traceback" not in stderr
    assert stdout == ""
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_a_process_that_refuses_bad_input_ends_with_exit_code_2(tmp_path: Path) -> None:
    done = cobra(tmp_path, "run", "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cobra: nowhere: no such folder")
    assert "Traceback" not in done.stderr


def test_a_refusal_loads_no_heavy_library(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom cobra_jupyter.cli.main import main\ncode = main(['status', '/nowhere'])\n"
        f"print(code, [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment(tmp_path), timeout=120
    )
    assert done.stdout.strip() == "2 []"
    assert done.stderr.startswith("cobra: /nowhere: no run there")


def test_every_error_that_a_person_can_mend_is_one() -> None:
    for module, name in USER_ERRORS.items():
        assert issubclass(getattr(importlib.import_module(module), name), Exception)


def test_help_and_errors_name_every_setting() -> None:
    assert parser.SETTINGS.split(", ") == list(SETTINGS)


def test_help_teaches_with_examples_and_exit_codes(tmp_path: Path) -> None:
    done = cobra(tmp_path, "--help")
    assert done.returncode == 0
    for words in ("cobra demo", "--budget 10m", "exit codes", "130 interrupted"):
        assert words in done.stdout
