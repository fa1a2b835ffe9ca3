"""The harness as a process of its own, over its socket: what a kernel may do, and what it may not."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from sklearn.metrics import roc_auc_score

import cobra_jupyter
from cobra_jupyter.workbench import rpc
from cobra_jupyter.workbench.client import Cobra, CobraError
from cobra_jupyter.workbench.harness_process import start_process
from cobra_jupyter.workbench.rpc import Call, CallError, ConnectionLost, Peer
from tests.conftest import make_competition
from tests.patience import PATIENCE
from tests.workbench.sources import LINEAR, body

PACKAGE = Path(cobra_jupyter.__file__).parents[1]
TOKEN = "a token that only the runner has"


class Runner:
    """A harness process, the runner's connection to it with the record it keeps, and kernels' connections."""

    def __init__(self, place: Path, **facts: Any) -> None:
        self.private = Path(tempfile.mkdtemp(prefix="cobra-"))
        self.folder = place / "run"
        self.folder.mkdir(parents=True)
        self.path = self.private / "s"
        self.public = make_competition(place / "competition")
        self.facts = {
            "socket": str(self.path),
            "folder": str(self.folder),
            "competition": str(self.public),
            "token": TOKEN,
            "slots": 2,
            "memory_bytes": 2 * 2**30,
            "started": time.time(),
            "budget": None,
            **facts,
        }
        self.process = start_process(self.facts, PACKAGE, place / "log")
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.calls: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.peer = Peer.connect(self.path, self._serve)
        self.peer.call("hello", {"token": TOKEN})

    def _serve(self, call: Call, name: str, args: dict[str, Any]) -> Any:
        if name == "record":
            if args["kind"] == "call":
                self.calls.append(args["data"])
            else:
                self.records.append((args["kind"], args["data"]))
            return None
        self.asked.append(args["what"])
        return f"answer to {args['what']}"

    @contextlib.contextmanager
    def kernel(self) -> Iterator[socket.socket]:
        """A raw connection as agent-written code could open one."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.path))
            sock.settimeout(20)
            yield sock

    def cobra(self) -> Cobra:
        cobra = Cobra(show=lambda *args, **options: None)
        cobra._peer = Peer.connect(self.path)
        return cobra

    def family(self) -> list[psutil.Process]:
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def stop(self) -> None:
        self.peer.close()
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(PATIENCE)


def gone(processes: list[psutil.Process], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    runner = Runner(tmp_path_factory.mktemp("runner"))
    cobra = runner.cobra()
    cobra.open()
    cobra.protocol(repeats=1)
    cobra.candidate("linear", LINEAR)
    yield runner
    family = runner.family()
    runner.stop()
    assert gone(family)


def test_a_session_over_the_socket_is_recorded_by_the_runner(runner: Runner) -> None:
    cobra = runner.cobra()
    trial = cobra.trial("linear")
    assert trial.score < 0.69
    assert ("trial", dict(trial)) in runner.records
    assert cobra.trial("linear").id == trial.id
    assert cobra.ablate("linear", ["use"], seconds=20).best["use"] != "b"
    assert cobra.scale("linear").id
    assert cobra.blend().members
    assert cobra.select().chosen
    assert cobra.submit().rows == 40
    assert (runner.folder / "submission.csv").exists()
    kinds = [kind for kind, _ in runner.records if kind not in ("clock", "placeholder")]
    assert kinds[:3] == ["card", "protocol", "candidate"]
    assert cobra.status().seconds_left > 0
    assert cobra.audit().findings is not None
    assert cobra.probe("linear").fits_memory
    assert cobra.effects().effects


def test_the_agents_requests_reach_the_runner(runner: Runner) -> None:
    cobra = runner.cobra()
    assert cobra.finish("done").answer == "answer to finish"
    look = {"role": "scout", "brief": "look", "background": False}
    for name, kind, args in (("delegate", "brief", look), ("recall", "recall", {"id": "t001"})):
        answer = runner.peer.call(name, args)
        assert answer == {"kind": kind, "data": f"answer to {name}"}
    assert runner.asked == ["finish", "delegate", "recall"]


def test_a_refusal_is_an_error_with_words(runner: Runner) -> None:
    cobra = runner.cobra()
    with pytest.raises(CobraError, match=r"^there is no candidate 'nothing'; there are: linear_v1"):
        cobra.trial("nothing")
    with pytest.raises(CobraError, match=r"^there is no job j77; there are: none$"):
        cobra.wait("j77")
    with pytest.raises(CobraError, match="no metric 'wishes'"):
        cobra.protocol(metric="wishes")
    assert len(CobraError("words")._render_traceback_()) == 1


FORGED: list[dict[str, Any]] = [
    {"id": 1, "call": "record", "args": {"kind": "trial", "data": {"score": 1.0}}},
    {"id": 1, "call": "hello", "args": {"token": "guessed"}},
    {"id": 1, "call": "hello", "args": {}},
    {"id": 1, "call": "_emit", "args": {"kind": "trial", "data": {"score": 1.0}}},
    {"id": 1, "call": "_publish", "args": {"kind": "trial", "data": {}}},
    {"id": 1, "call": "close"},
    {"id": 1, "call": "shutdown"},
    {"id": 1, "call": "__init__", "args": {}},
    {"id": 1, "call": "jobs_"},
    {"id": 1, "call": "pool"},
    {"id": 1, "call": "settings"},
    {"id": 1, "call": "open", "args": ["a"]},
    {"id": 1, "call": "trial", "args": {"call": None, "candidate": "linear"}},
    {"id": 1, "call": ["open"]},
    {"id": 1, "call": "ask", "args": {"what": "finish", "args": {}}},
]


@pytest.mark.parametrize("frame", FORGED, ids=lambda frame: str(frame["call"]))
def test_what_a_kernel_may_not_call_is_refused_and_changes_nothing(
    runner: Runner, frame: dict[str, Any]
) -> None:
    records = list(runner.records)
    with runner.kernel() as kernel:
        kernel.sendall(rpc.encode(frame))
        answer = rpc.read(kernel)
    assert "result" not in answer
    assert answer["error"]["kind"] in ("AttributeError", "PermissionError", "TypeError")
    assert runner.records == records
    assert runner.peer.call("status")["data"]["protocol"] == 1


def test_answers_and_progress_that_nobody_asked_a_kernel_for_change_nothing(runner: Runner) -> None:
    """The harness waits for the runner's answer to each record; a kernel cannot give it."""
    records, before = list(runner.records), runner.cobra().effects()
    with runner.kernel() as kernel:
        for number in range(200):
            kernel.sendall(rpc.encode({"id": number, "result": {"kind": "trial", "data": {"score": 0.0}}}))
            kernel.sendall(rpc.encode({"id": number, "progress": {"ablation": {"best": "mine"}}}))
            kernel.sendall(rpc.encode({"cancel": number}))
        kernel.sendall(rpc.encode({"id": 5, "call": "status"}))
        assert rpc.read(kernel)["result"]["kind"] == "status"
    assert runner.records == records
    assert dict(runner.cobra().effects()) == dict(before)


def test_a_kernel_cannot_cancel_anothers_call(runner: Runner) -> None:
    cobra = runner.cobra()
    cobra.candidate("nap", body("time.sleep(0.6); return None"))
    done: dict[str, Any] = {}
    asked = threading.Thread(target=lambda: done.update(cobra.trial("nap", folds=0)))
    asked.start()
    with runner.kernel() as kernel:
        for number in range(50):
            kernel.sendall(rpc.encode({"cancel": number}))
        asked.join()
    assert done["status"] == "ok"


BROKEN = [
    b"\xff" * 64,
    struct.pack("!I", 2**31 - 1),
    struct.pack("!I", 5) + b"{nope",
    struct.pack("!I", 2) + b"[]",
    rpc.encode({"id": {}, "call": "status"}),
    struct.pack("!I", 50_000) + b"[" * 50_000,
]


@pytest.mark.parametrize("garbage", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_frame_drops_that_connection_only(runner: Runner, garbage: bytes) -> None:
    cobra = runner.cobra()
    with runner.kernel() as kernel:
        kernel.sendall(garbage)
        with contextlib.suppress(ConnectionResetError):
            assert kernel.recv(100) == b""
    assert cobra.status().protocol == 1
    assert runner.peer.call("status")["data"]["protocol"] == 1


def test_a_kernel_that_leaves_in_the_midst_of_a_frame_disturbs_no_one(runner: Runner) -> None:
    with runner.kernel() as kernel:
        kernel.sendall(struct.pack("!I", 2**20) + b'{"id": 1')
    assert runner.cobra().status().protocol == 1


def test_the_socket_is_its_owners_alone(runner: Runner) -> None:
    assert runner.path.stat().st_mode & 0o077 == 0
    assert runner.path.parent.stat().st_mode & 0o077 == 0


def test_an_interrupt_in_the_kernel_cancels_the_trial(runner: Runner) -> None:
    cobra = runner.cobra()
    cobra.candidate("long", body("time.sleep(3600); return None"))
    records = list(runner.records)
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        cobra.trial("long")
    end = time.monotonic() + 60
    while len(left := runner.family()) > 5 and time.monotonic() < end:
        time.sleep(0.05)
    assert len(left) <= 5, "the harness, its warm server and tracker, and two workers that wait"
    assert [kind for kind, _ in runner.records[len(records) :] if kind != "clock"] == []
    assert cobra.status().protocol == 1


def test_out_of_fold_predictions_come_as_a_table_by_train_row_without_labels(runner: Runner) -> None:
    shown: list[dict[str, Any]] = []
    cobra = runner.cobra()
    trial = cobra.trial("linear")
    cobra._show = lambda content, **options: shown.append(content)
    table = cobra.oof(trial.id)
    train = pd.read_csv(Path(cobra.open().folder) / "train.csv")
    assert list(table.columns) == ["fold", "0", "1"]
    assert table.index.equals(train.index)
    assert sorted(table["fold"].unique()) == [0, 1, 2, 3, 4]
    assert roc_auc_score(train["y"], table["1"]) > 0.85, "row by row they are of that row"
    assert shown[0]["text/plain"].count("\n") == 0
    assert shown[0]["text/plain"].startswith(
        f"out-of-fold predictions of {trial.id}: 200 of 200 rows of train"
    )
    with pytest.raises(CobraError, match=r"there is no finished trial or blend 't999'"):
        cobra.oof("t999")


def test_rows_that_no_fold_predicted_have_none(runner: Runner) -> None:
    cobra = runner.cobra()
    part = cobra.oof(cobra.trial("linear", folds=[0, 2]).id)
    assert set(part["fold"]) == {-1, 0, 2}
    assert (part["1"].isna() == (part["fold"] < 0)).all()
    assert cobra.oof(cobra.blend([cobra.scale("linear").id]).id)["1"].notna().all()


# ---- agents side by side


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[tuple[Runner, Cobra, Cobra]]:
    """A runner, its lead and a scout."""
    runner = Runner(tmp_path)
    scout = Cobra(show=lambda *args, **options: None)
    scout._peer = Peer.connect(runner.peer.call("listen", {"agent": "scout-1"}))
    lead = runner.cobra()
    lead.open()
    lead.protocol(repeats=1, folds=2)
    yield runner, lead, scout
    runner.stop()


PLAIN = "def make(rows, ctx):\n    return rows[['a']]\n"


def test_only_the_lead_replaces_what_another_agent_named(agents: tuple[Runner, Cobra, Cobra]) -> None:
    _, lead, scout = agents
    lead.candidate("boost", LINEAR)
    lead.shared("plain", PLAIN)
    for name in ("boost", "boost_v1", "boost_v2"):
        with pytest.raises(CobraError, match="the candidate 'boost' is lead's: give yours a name of its own"):
            scout.candidate(name, LINEAR + "# mine\n")
    with pytest.raises(CobraError, match="the artefact 'plain' is lead's"):
        scout.shared("plain", PLAIN + "# mine\n")
    assert scout.candidate("boost", LINEAR).version == 1, "the same text again replaces nothing"
    assert lead.trial("boost").candidate == "boost_v1"
    scout.candidate("other", LINEAR)
    assert scout.candidate("other", LINEAR + "# better\n").version == 2
    assert scout.trial("boost").id, "to use it is another thing"
    assert lead.candidate("other", LINEAR + "# the lead's\n").version == 3
    with pytest.raises(CobraError, match="the candidate 'other' is lead's"):
        scout.candidate("other", LINEAR)


def test_a_name_whose_cell_failed_is_free(agents: tuple[Runner, Cobra, Cobra]) -> None:
    _, lead, scout = agents
    with pytest.raises(CobraError, match="syntax error"):
        lead.candidate("boost", "def fit(:")
    assert scout.candidate("boost", LINEAR).version == 1


def test_whose_a_name_is_survives_the_harness(agents: tuple[Runner, Cobra, Cobra], tmp_path: Path) -> None:
    runner, lead, scout = agents
    lead.candidate("boost", LINEAR)
    scout.candidate("other", LINEAR)
    ledger = tmp_path / "ledger.jsonl"
    lines = [*runner.records, *(("call", {**done, "record": None}) for done in runner.calls)]
    ledger.write_text("".join(json.dumps({"kind": kind, "data": data}) + "\n" for kind, data in lines))
    again = Runner(tmp_path / "again", folder=str(runner.folder), competition=str(runner.public))
    try:
        again.peer.call("restore", {"ledger": str(ledger)})
        scout = Cobra(show=lambda *args, **options: None)
        scout._peer = Peer.connect(again.peer.call("listen", {"agent": "scout-1"}))
        with pytest.raises(CobraError, match="the candidate 'boost' is lead's"):
            scout.candidate("boost", LINEAR + "# mine\n")
        assert scout.candidate("other", LINEAR + "# better\n").version == 2
    finally:
        again.stop()


def test_a_cell_whose_harness_went_is_told_to_run_again_and_then_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes long: two harnesses start, each a process with its own warm server."""
    runner = Runner(tmp_path)
    cobra = Cobra(show=lambda *args, **options: None)
    cobra._peer = Peer.connect(runner.path)
    cobra.open()
    cobra.protocol(repeats=1)
    cobra.candidate("long", body("time.sleep(60); return None"))
    threading.Timer(1.0, runner.process.kill).start()
    with pytest.raises(CobraError, match=r"the harness is gone .*; run the cell again$"):
        cobra.trial("long")
    runner.process.wait(PATIENCE)
    runner.path.unlink()
    runner.process = start_process(runner.facts, PACKAGE, tmp_path / "log")
    monkeypatch.setenv("COBRA_SOCKET", str(runner.path))
    assert cobra.open().name == "competition"
    runner.stop()


def test_every_public_method_has_a_docstring() -> None:
    for name, method in vars(Cobra).items():
        if not name.startswith("_"):
            assert len(method.__doc__.split()) > 3, name
    assert Cobra.__doc__


def test_a_harness_that_does_not_start_says_why(tmp_path: Path) -> None:
    facts = {
        "socket": str(tmp_path / ("x" * 120)),
        "folder": str(tmp_path),
        "token": "t",
        "slots": 1,
        "memory_bytes": 2**30,
        "started": 0.0,
    }
    with pytest.raises(ConnectionLost, match="too long for a Unix socket"):
        start_process(facts, PACKAGE, tmp_path / "log")
    with pytest.raises(ConnectionLost, match="no harness answers"):
        Peer.connect(tmp_path / "nothing")


def test_nothing_stays_when_the_harness_is_killed(tmp_path: Path) -> None:
    """Takes long: a harness is a process with its own warm server."""
    runner = Runner(tmp_path)
    cobra = runner.cobra()
    cobra.open()
    cobra.protocol(repeats=1)
    cobra.candidate("long", body("time.sleep(60); return None"))
    cobra.trial("long", background=True)
    end = time.monotonic() + 20
    while len(family := runner.family()) < 7 and time.monotonic() < end:
        time.sleep(0.05)
    assert len(family) == 7, "the harness, its warm server and tracker, two workers at work, two that wait"
    runner.process.kill()
    assert gone(family)
    runner.process.wait(PATIENCE)
    with pytest.raises(CobraError):
        cobra.status()


# ---- a notebook of one's own

NOTEBOOK = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell = InteractiveShell.instance()
def cell(text):
    with capture_output():
        result = shell.run_cell(text)
    result.raise_error()
    return result.result
cell("%load_ext cobra_jupyter")
cell("%load_ext cobra_jupyter")
cell("cobra.open({public!r})")
cell("cobra.protocol(repeats=1)")
cell("%%candidate linear\\n" + {source!r})
cell("%%shared plain\\ndef make(rows, ctx):\\n    return rows[['a']]\\n")
cell("%%metric own\\nDIRECTION = 'maximize'\\nWANTS = 'probability'\\n"
     "def metric(truth, prediction):\\n    return float(((prediction[:, 1] > 0.5) == truth).mean())\\n")
cell("frozen = cobra.protocol(repeats=1)")
score = cell("trial = cobra.trial('linear'); trial.score")
with capture_output() as shown:
    shell.run_cell("cobra.trial('nothing')")
words = {{"score": score, "metric": cell("frozen.metric"), "harness": cell("cobra._process.pid"),
          "doc": cell("bool(cobra.trial.__doc__)"), "error": shown.stdout + shown.stderr,
          "other": None}}
try:
    cell("cobra.open({other!r})")
except Exception as error:
    words["other"] = str(error)
print(json.dumps(words), flush=True)
"""


def in_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "IPYTHONDIR": str(folder / "ipython")}
    environment.pop("COBRA_SOCKET", None)
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )


def test_a_notebook_without_a_run_has_a_harness_of_its_own(tmp_path: Path) -> None:
    public, other = make_competition(tmp_path / "one"), make_competition(tmp_path / "two")
    code = NOTEBOOK.format(public=str(public), other=str(other), source=LINEAR)
    done = in_python(code, tmp_path)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"score"')]
    assert lines, done.stdout + done.stderr
    told = json.loads(lines[-1])
    assert told["score"] > 0.75
    assert told["metric"] == "own"
    assert told["doc"]
    assert "there is no candidate 'nothing'" in told["error"]
    assert "rpc.py" not in told["error"]
    assert "restart the kernel" in told["other"]
    with contextlib.suppress(psutil.NoSuchProcess):
        assert gone([psutil.Process(told["harness"])])
    (run,) = (tmp_path / "cobra-workbench").iterdir()
    assert (run / "code" / "linear_v1.py").read_text().strip() == LINEAR.strip()


def test_the_harness_of_a_notebook_ends_with_a_kernel_that_is_killed(tmp_path: Path) -> None:
    done = in_python(
        f"""
import os, signal
from cobra_jupyter.workbench.client import Cobra
cobra = Cobra(show=lambda *args, **options: None)
cobra.open({str(make_competition(tmp_path))!r})
print(cobra._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""",
        tmp_path,
    )
    assert done.returncode == -signal.SIGKILL
    with contextlib.suppress(psutil.NoSuchProcess):
        assert gone([psutil.Process(int(done.stdout))])


def test_a_call_before_a_competition_is_open_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COBRA_SOCKET", raising=False)
    with pytest.raises(CobraError, match="open a competition first"):
        Cobra().trial("x")
    monkeypatch.setenv("COBRA_SOCKET", "/nowhere/at/all")
    with pytest.raises(CobraError, match="no harness answers"):
        Cobra().status()


def test_an_error_of_the_runner_comes_back(runner: Runner) -> None:
    with pytest.raises(CallError, match="there is no call 'nothing'"):
        runner.peer.call("nothing")
