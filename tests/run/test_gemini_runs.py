"""Whole runs led by Gemini: the command, the real SDK over HTTP, a server that follows a script and fails as
told.

The session without faults is a command in a process of its own; the others run in this process."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import psutil
import pytest

from cobra_jupyter.brains.faults import Patience
from cobra_jupyter.cli import main as cli
from cobra_jupyter.cli.progress import Progress
from cobra_jupyter.notebook.normalise import normalised
from cobra_jupyter.records.ledger import Record, read
from tests.conftest import make_competition, without_processes
from tests.fakes.gemini import KEY, FakeGemini
from tests.fakes.script import Reply, Script, fault, parse
from tests.schemas import errors_of_ledger

LADDER = Path(__file__).parents[1] / "fakes" / "ladder.md"
SESSION = Path(__file__).parents[1] / "fakes" / "session.md"
SHORTENED = 0.001
COBRA = [sys.executable, "-m", "cobra_jupyter.cli"]


@dataclasses.dataclass
class Run:
    """One life of a command. `seen`: command lines and environments of it and all it started, as /proc had
    them."""

    code: int
    out: Path
    stdout: str
    stderr: str
    pid: int
    seen: dict[int, bytes]

    @property
    def records(self) -> list[Record]:
        return list(read(self.out / "ledger.jsonl"))

    def kind(self, kind: str) -> list[dict[str, Any]]:
        return [record.data for record in self.records if record.kind == kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_competition(tmp_path_factory.mktemp("competition"), "regression", rows=100, test_rows=30)


def cobra(home: Path, url: str, *words: object, key: str = KEY, budget: str = "120s") -> Run:
    environment = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_DATA_DIR": str(home / "jupyter"),
        "GEMINI_API_KEY": key,
        "GOOGLE_GEMINI_BASE_URL": url,
        "NO_PROXY": "127.0.0.1",
    }
    command = [*COBRA, *map(str, words), "--budget", budget, "--out", str(home / "out"), "--json"]
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen: dict[int, bytes] = {}
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(process.pid, seen, over))
    watcher.start()
    try:
        stdout, stderr = process.communicate(timeout=800)
    finally:
        process.kill()
        over.set()
        watcher.join()
    return Run(process.returncode, home / "out", stdout, stderr, process.pid, seen)


def inside(
    home: Path,
    url: str,
    *words: object,
    key: str = KEY,
    budget: str = "240s",
    enough: Callable[[Record], bool] | None = None,
) -> Run:
    """The same in this process, with kernel, harness and work in it too; after a record that is `enough`,
    Ctrl-C. The pauses between attempts are a thousandth of the real ones."""
    stdout, stderr = io.StringIO(), io.StringIO()
    variables = {
        "HOME": str(home),
        "JUPYTER_DATA_DIR": str(home / "jupyter"),
        "GEMINI_API_KEY": key,
        "GOOGLE_GEMINI_BASE_URL": url,
        "NO_PROXY": "127.0.0.1",
    }

    def record(progress: Progress, record: Record, budget: Any) -> None:
        if enough and enough(record):
            os.kill(os.getpid(), signal.SIGINT)

    before = Patience.before
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        without_processes(patch)
        patch.setattr(Patience, "before", lambda *args: SHORTENED * before(*args))
        if enough:
            patch.setattr(Progress, "record", record)
        for name, value in variables.items():
            patch.setenv(name, value)
        code = cli.main([*map(str, words), "--budget", budget, "--out", str(home / "out"), "--json"])
    return Run(code, home / "out", stdout.getvalue(), stderr.getvalue(), os.getpid(), {})


def watch(pid: int, seen: dict[int, bytes], over: threading.Event) -> None:
    """Look at what others may see of a process and of all it starts, every 50 ms, once it has started
    anew."""
    while not over.wait(0.05):
        for number in [pid, *children(pid)]:
            words = readable(number, "cmdline")
            if number == pid and b"COBRA_PIPE" not in readable(pid, "environ"):
                continue  # the moment before it started anew
            seen[number] = seen.get(number, b"") + words + readable(number, "environ")


def children(pid: int) -> Iterator[int]:
    try:
        yield from (child.pid for child in psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return


def readable(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def session(faults: dict[int, str] | None = None) -> Script:
    """The session, with faults before the lead's replies of these numbers (from 1)."""
    return Script(with_faults(parse(SESSION.read_text()), {"lead": faults or {}}))


def with_faults(replies: Sequence[Reply], faults: Mapping[str, Mapping[int, str]]) -> list[Reply]:
    """Replies, with faults before those of a role that have these numbers (from 1)."""
    told, numbers = [], Counter[str]()
    for reply in replies:
        numbers[reply.role] += 1
        words = faults.get(reply.role, {}).get(numbers[reply.role], "")
        met = tuple(fault(part) for part in words.split(", ") if part)
        told.append(dataclasses.replace(reply, faults=met))
    return told


def names(faults: Iterable[str]) -> set[str]:
    return {part.split()[0] for words in faults for part in words.split(", ")}


def traces(run: Run, key: str) -> list[str]:
    """Where a key is: in files of the run and of its home, in what was printed, in processes' words and
    environments."""
    files = [path for path in run.out.parent.rglob("*") if path.is_file()]
    found = [str(path) for path in files if key.encode() in path.read_bytes()]
    found += ["printed"] if key in run.stdout + run.stderr else []
    return found + [f"process {pid}" for pid, words in run.seen.items() if key.encode() in words]


def submitted(run: Run) -> bool:
    """A valid submission, proven."""
    return run.code == 0 and json.loads(run.stdout)["proof"] in ("identical", "equal")


# ---- a session without faults


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, FakeGemini]:
    home = tmp_path_factory.mktemp("whole")
    with FakeGemini(session(), pace=0.002) as fake:
        words = ("run", folder, "--brain", "gemini", "--keep-thoughts", "--record", home / "replies.jsonl")
        return cobra(home, fake.url, *words), fake


def test_a_scripted_session_ends_with_a_proven_submission(whole: tuple[Run, FakeGemini]) -> None:
    """Takes long: a whole run as a command, with processes of its own."""
    run, fake = whole
    assert submitted(run), run.stderr
    assert "Traceback" not in run.stderr
    assert "brain: gemini-3.1-pro-preview (asked for)" in run.stderr
    assert [(reply["role"], reply["brain"]) for reply in run.kind("reply")][5:7] == [
        ("lead", "gemini-3.1-pro-preview"),
        ("debugger", "gemini-3-flash-preview"),
    ]
    assert run.kind("finish") == [{"agent": "lead", "why": "the session is over"}]
    assert json.loads((run.out / "run.json").read_text())["brain"] == "gemini"
    assert fake.requests[0].path.endswith(":countTokens")


def test_tokens_cost_and_thoughts_of_every_reply_are_recorded_and_thoughts_are_in_no_cell(
    whole: tuple[Run, FakeGemini],
) -> None:
    run, fake = whole
    used = [reply["usage"] for reply in run.kind("reply")]
    assert [usage["input"] for usage in used] == [request.tokens for request in fake.asked]
    assert all(usage["cost"] > 0 for usage in used)
    assert sum(usage["cached"] for usage in used) > 0
    assert run.kind("reply")[0]["thoughts"] == "First I have to know the columns."
    assert "First I have to know" not in (run.out / "agent.ipynb").read_text()


def test_the_key_is_nowhere(whole: tuple[Run, FakeGemini]) -> None:
    """In no file of the run, of its home or of the replies, not in what was printed, in no process's words or
    environment."""
    run, fake = whole
    assert fake.asked[0].headers["x-goog-api-key"] == KEY
    subprocess.run([*COBRA, "export", run.out, "--to", "html"], check=True, capture_output=True)
    subprocess.run([*COBRA, "export", run.out, "--to", "py"], check=True, capture_output=True)
    files = {path.name for path in run.out.parent.rglob("*")}
    assert {"agent.ipynb", "ledger.jsonl", "run.json", "report.html", "agent.html", "agent.py"} <= files
    assert len((run.out.parent / "replies.jsonl").read_text().splitlines()) > len(run.kind("reply"))
    if sys.platform == "linux":
        words = b" ".join(run.seen.values())
        assert all(name in words for name in (b"cobra_jupyter.cli", b"ipykernel_launcher", b"workbench"))
        assert run.pid in run.seen
    assert traces(run, KEY) == []


def test_the_notebook_has_what_the_model_wrote(whole: tuple[Run, FakeGemini]) -> None:
    sources = [cell.source for cell in nbformat.read(whole[0].out / "agent.ipynb", as_version=4).cells]
    assert "cobra.protocol(folds=3)" in sources
    assert any(source.startswith("## Repair: a name") for source in sources)


# ---- every phase, every rung


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, FakeGemini]:
    home = tmp_path_factory.mktemp("climbed")
    public = make_competition(home, "regression", rows=120, test_rows=30, change=with_sites)
    replies = parse(LADDER.read_text().replace("FOLDER", str(public)))
    with FakeGemini(Script(replies)) as fake:
        return inside(home, fake.url, "run", public, "--brain", "gemini", budget="2400s"), fake


def with_sites(frame: pd.DataFrame) -> pd.DataFrame:
    """Twelve sites with a level of their own in train, other ones in test."""
    rng = np.random.default_rng(len(frame))
    labelled = "y" in frame
    codes = rng.integers(0, 12, len(frame)) + (0 if labelled else 50)
    frame = frame.assign(site=[f"s{code}" for code in codes])
    return frame.assign(y=frame["y"] + 3 * np.sin(codes)) if labelled else frame


def test_a_scripted_session_climbs_every_rung_and_ends_with_a_proven_submission(
    climbed: tuple[Run, FakeGemini],
) -> None:
    """Takes long: a whole run of four agents."""
    run, _ = climbed
    assert submitted(run), run.stderr
    assert run.kind("finish")[-1] == {"agent": "lead", "why": "every rung was climbed"}
    failed = [e for e in run.kind("execution") if e["status"] != "ok"]
    assert failed == []
    begun = [rung["rung"] for rung in run.kind("rung") if rung["state"] == "begun"]
    assert begun == ["audit", "audit", "scout", "fusion"]
    ended = [rung for rung in run.kind("rung") if rung["state"] == "ended"]
    assert len(ended) == 4
    assert all(rung["tokens"] > 0 and rung["cost"] > 0 and rung["seconds"] > 0 for rung in ended[:3])
    assert all(rung["gain"] is not None for rung in ended)
    assert [brief["agent"] for brief in run.kind("brief")] == ["auditor-1", "auditor-2", "scout-1", "judge-1"]
    assert [p["split"] for p in run.kind("protocol")] == ["kfold", "group"]
    assert {job["state"] for job in run.kind("job")} == {"running", "done"}
    assert run.kind("submission")[-1]["protocol"] == 2


def test_each_agent_is_asked_in_its_own_words_and_has_a_notebook(climbed: tuple[Run, FakeGemini]) -> None:
    run, fake = climbed
    assert {request.role for request in fake.asked} == {"lead", "auditor", "scout", "judge"}
    assert {path.name for path in (run.out / "agents").glob("*.ipynb")} == {
        "auditor-1.ipynb",
        "auditor-2.ipynb",
        "scout-1.ipynb",
        "judge-1.ipynb",
    }
    scout = next("".join(request.texts) for request in fake.asked if request.role == "scout")
    assert "def fit(train, ctx):\n    return Ridge" not in scout
    lead = ["".join(request.texts) for request in fake.asked if request.role == "lead"]
    assert any("auditor-1 is back (d01): The folds cut through sites" in text for text in lead)
    assert any("Fuse the two best lines" in text for text in lead)
    assert any("Job j01 has ended: done" in text for text in lead)


def test_every_line_of_a_run_with_several_agents_matches_its_schema(climbed: tuple[Run, FakeGemini]) -> None:
    run, _ = climbed
    assert errors_of_ledger(run.out / "ledger.jsonl") == []


@pytest.mark.full
def test_a_run_with_several_agents_is_verified_and_replayed(
    climbed: tuple[Run, FakeGemini], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = climbed
    assert cli.main(["verify", str(run.out)]) == 0
    asked = next(record.data for record in run.records if record.kind == "run")
    replay = [
        asked["folder"],
        "--brain",
        "replay",
        "--replay",
        str(run.out),
        "--out",
        str(tmp_path / "again"),
    ]
    without_processes(monkeypatch)
    assert cli.main(["run", *replay]) == 0
    assert (tmp_path / "again" / "submission.csv").read_bytes() == (run.out / "submission.csv").read_bytes()
    for path in ("agent.ipynb", "agents/scout-1.ipynb", "agents/auditor-1.ipynb", "agents/judge-1.ipynb"):
        one, two = (nbformat.read(out / path, as_version=4) for out in (run.out, tmp_path / "again"))
        assert normalised(one, run.out) == normalised(two, tmp_path / "again")


# ---- the same with faults


ERRORS = {
    1: "503, 500",
    2: "429 retry-after=0.3",
    3: "cut, garbage",
    4: "empty",
    5: "SAFETY, error",
    6: "504, blocked",
    7: "502, OTHER",
}
STREAMS = {
    "lead": {
        1: "slow seconds=1",
        2: "reset",
        3: "torn after=4, MAX_TOKENS",
        4: "RECITATION",
        5: "MALFORMED_RESPONSE",
        9: "garbage",
        12: "cut, SAFETY",
        14: "503",
        17: "empty",
    },
    "auditor": {1: "503, SAFETY", 3: "torn", 4: "stall after=1"},
    "scout": {1: "cut", 2: "garbage after=4, MAX_TOKENS", 4: "429 retry-after=0.3"},
    "judge": {1: "reset, MALFORMED_RESPONSE"},
}


def test_a_session_with_faults_in_every_turn_ends_with_a_proven_submission(
    folder: Path, tmp_path: Path
) -> None:
    with FakeGemini(session(ERRORS)) as fake:
        run = inside(tmp_path, fake.url, "run", folder, "--brain", "gemini")
    assert submitted(run), run.stderr
    assert {reply["brain"].partition("-")[0] for reply in run.kind("reply")} == {"gemini"}
    assert run.kind("finish") == [{"agent": "lead", "why": "the session is over"}]
    assert {request.fault for request in fake.asked} - {""} == names(ERRORS.values())
    clean = (run.out / "agent.ipynb").read_text()
    assert clean.count("%%candidate ridge") == 1


@pytest.mark.full
def test_a_session_with_faults_in_replies_of_every_role_climbs_every_rung_and_ends_with_a_proven_submission(
    tmp_path: Path,
) -> None:
    """Takes long: a whole session of four agents, with each fault in each role."""
    public = make_competition(tmp_path, "regression", rows=120, test_rows=30, change=with_sites)
    replies = parse(LADDER.read_text().replace("FOLDER", str(public)))
    with FakeGemini(Script(with_faults(replies, STREAMS))) as fake:
        run = inside(tmp_path, fake.url, "run", public, "--brain", "gemini", budget="2400s")
    assert submitted(run), run.stderr
    assert run.kind("finish")[-1] == {"agent": "lead", "why": "every rung was climbed"}
    rungs = [(rung["rung"], rung["state"]) for rung in run.kind("rung")]
    assert [rung for rung, state in rungs if state == "begun"] == ["audit", "audit", "scout", "fusion"]
    assert [rung for rung, state in rungs if state == "ended"] == ["audit", "audit", "scout", "fusion"]
    assert {reply["brain"].partition("-")[0] for reply in run.kind("reply")} == {"gemini"}
    for role, faults in STREAMS.items():
        met = {request.fault for request in fake.asked if request.role == role} - {""}
        assert met == names(faults.values()), role
    assert [brief["agent"] for brief in run.kind("brief")] == ["auditor-1", "auditor-2", "scout-1", "judge-1"]
    assert traces(run, KEY) == []


@pytest.mark.full
def test_a_provider_that_stays_away_leaves_the_run_to_the_playbook_and_the_notebook_says_so(
    folder: Path, tmp_path: Path
) -> None:
    kinds: list[str] = []

    def the_playbook_works(record: Record) -> bool:
        kinds.append(record.kind)
        return record.kind == "ablation" and kinds.count("decision") >= 2

    with FakeGemini(session()).fail("503", first=5, last=None) as fake:
        run = inside(tmp_path, fake.url, "run", folder, "--brain", "gemini", enough=the_playbook_works)
    assert run.code == 130, run.stderr
    # IPython prints a line of its own if the interrupt meets it as it formats an error
    assert json.loads(run.stdout[run.stdout.index("{") :])["submission"]
    assert [decision["what"] for decision in run.kind("decision")][:2] == [
        "gemini-3.1-pro-preview is gone; gemini-3-flash-preview goes on",
        "gemini-3-flash-preview is gone; playbook goes on",
    ]
    assert "The model is overloaded" in (run.out / "agent.ipynb").read_text()


# ---- before any work


@pytest.mark.parametrize(
    ("words", "key", "cure"),
    [
        ((), "AIza-another-key-0123456789", "GEMINI_API_KEY"),
        (("--model", "gemini-9"), KEY, "there is no model gemini-9"),
        (("--fast-model", "gemini-9-flash"), KEY, "there is no model gemini-9-flash"),
        (("--max-cost", "1", "--model", "gemini-9"), KEY, "the price of gemini-9 is not known"),
    ],
    ids=["key", "model", "fast model", "price"],
)
def test_a_wrong_key_or_model_is_refused_before_any_work(
    folder: Path, tmp_path: Path, words: tuple[str, ...], key: str, cure: str
) -> None:
    command = inside if words else cobra  # the wrong key is looked for in a real process
    with FakeGemini() as fake:
        run = command(tmp_path, fake.url, "run", folder, "--brain", "gemini", *words, key=key)
    assert run.code == 2
    assert cure in run.stderr
    assert traces(run, key) == []
    assert run.seen or words or sys.platform != "linux"
    assert len(re.findall("cobra:", run.stderr)) == 1
    assert not run.out.exists()
    assert fake.asked == []
