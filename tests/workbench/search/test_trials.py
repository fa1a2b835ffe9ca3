"""Trials: failures with a reason, equal work once, jobs, limits, and nothing left of a worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from cobra_jupyter.workbench.search.candidates import CandidateError, Candidates
from cobra_jupyter.workbench.workers.predictions import InvalidPrediction, check_raw
from tests.conftest import Bench, FakeCall
from tests.workbench.sources import CONSTANT, LINEAR, body

MEMORY = 300 * 2**20


@pytest.fixture(scope="module")
def bench(benches: Callable[..., Bench]) -> Bench:
    return benches(settings={"memory_bytes": MEMORY}).ready(repeats=2)


def failed(bench: Bench, source: str, name: str = "failing", **options: Any) -> dict[str, Any]:
    """The failure of a trial on fold 0; it has no score and is in the record."""
    bench.candidate(name, source)
    trial = bench.trial(name, folds=0, **options)
    assert trial["status"] == "failed"
    assert trial["score"] is None
    assert bench.records[-1][0] == "trial"
    assert bench.records[-1][1]["failure"] == trial["failure"]
    failure: dict[str, Any] = trial["failure"]
    return failure


# ---- failures


def test_an_error_has_its_place_and_the_tail_of_the_output(bench: Bench) -> None:
    failure = failed(bench, body("print('so far so good')\nraise ValueError('no good')"), name="erring")
    assert (failure["kind"], failure["message"]) == ("error", "ValueError: no good")
    assert failure["place"].startswith("erring_v1.py:9 in fit: raise ValueError")
    assert "so far so good" in failure["tail"]
    assert "Traceback" in failure["tail"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (body("sys.exit(3)"), "SystemExit: 3"),
        (body("raise KeyboardInterrupt"), "KeyboardInterrupt"),
        (body(head="import nothing_of_this_name"), "ModuleNotFoundError"),
        (body("class A: pass\nreturn A()", "raise IndexError('here')"), "IndexError: here"),
        (body("return ctx.shared('x')"), "there is no shared artefact 'x'"),
    ],
)
def test_every_exception_is_an_error(bench: Bench, source: str, words: str) -> None:
    failure = failed(bench, source)
    assert failure["kind"] == "error"
    assert words in failure["message"]


def test_running_out_of_time_is_said(bench: Bench) -> None:
    failure = failed(bench, body("time.sleep(3600)"), timeout=1)
    assert failure["kind"] == "timeout"
    assert "timeout=" in failure["message"]


def test_a_snapshot_predicts_when_time_runs_out(bench: Bench) -> None:
    source = body(
        "for step in range(100):\n    ctx.save(step / 100)\n    time.sleep(0.05)",
        "return np.full(len(rows), 0.1 + model)",
    )
    bench.candidate("slow", source)
    trial = bench.trial("slow", folds=0, timeout=1)
    assert trial["status"] == "partial"
    assert trial["score"] is not None
    assert trial["failure"]["kind"] == "timeout"
    again = bench.trial("slow", folds=0, timeout=1.5)
    assert again["id"] != trial["id"], "more time may do better"


def test_memory_is_limited(bench: Bench) -> None:
    failure = failed(
        bench,
        body("x = [np.ones(2**20) for _ in range(100) if not time.sleep(0.01)]\ntime.sleep(30)\nreturn 1"),
    )
    assert failure["kind"] == "out_of_memory"
    assert "300 MiB are allowed" in failure["message"]


def test_memory_of_children_counts_too(bench: Bench) -> None:
    source = body(
        "code = 'import time; x = bytearray(400 * 2**20); time.sleep(20)'\n"
        "subprocess.run([sys.executable, '-c', code])\nreturn 1"
    )
    assert failed(bench, source, timeout=15)["kind"] == "out_of_memory"


def test_an_allocation_refused_is_out_of_memory(bench: Bench) -> None:
    assert failed(bench, body("np.ones(2**50)"))["kind"] == "out_of_memory"


def test_a_killed_process_is_said_to_be(bench: Bench) -> None:
    failure = failed(bench, body("os.kill(os.getpid(), signal.SIGKILL)"))
    assert failure["kind"] == "killed"
    assert "SIGKILL" in failure["message"]
    assert "SIGSEGV" in failed(bench, body("import ctypes; ctypes.string_at(0)"))["message"]


def test_a_process_that_leaves_is_killed_too(bench: Bench) -> None:
    failure = failed(bench, body("print('bye', flush=True); os._exit(7)"))
    assert failure["kind"] == "killed"
    assert "exit code" in failure["message"]
    assert "bye" in failure["tail"]


@pytest.mark.parametrize(
    ("returned", "rule"),
    [("np.array(['a'] * len(rows))", "numbers"), ("None", "numbers"), ("np.full(len(rows) - 1, 0.5)", "rows"),
     ("0.5", "rows"), ("np.full((len(rows), 3), 0.3)", "shape"), ("np.full(len(rows), np.nan)", "finite"),
     ("np.full((len(rows), 2), np.inf)", "finite"), ("np.full(len(rows), 1.5)", "probabilities"),
     ("np.full((len(rows), 2), -0.1)", "probabilities"), ("np.zeros((len(rows), 2))", "probabilities")],
)  # fmt: skip
def test_an_invalid_prediction_names_the_rule(bench: Bench, returned: str, rule: str) -> None:
    failure = failed(bench, body(predict=f"return {returned}"))
    assert (failure["kind"], failure["rule"]) == ("invalid_prediction", rule)
    assert failure["message"].startswith(f"{rule}: ")


@pytest.mark.parametrize(
    ("raw", "task", "rule"),
    [
        ([[0.5, 1.2]], "multilabel", "probabilities"),
        ([[1.0]], "multilabel", "shape"),
        ([[1.0, 2.0, 3.0]], "regression", "shape"),
        ([[0.2, 0.8]], "multiclass", "shape"),
        ([[[1.0]]], "regression", "rows"),
    ],
)
def test_the_rules_hold_for_every_task(raw: Any, task: str, rule: str) -> None:
    with pytest.raises(InvalidPrediction, match=rf"^{rule}: "):
        check_raw(np.array(raw), 1, task, classes=3, targets=2)


def test_probabilities_are_rescaled_and_one_column_is_the_positive_class() -> None:
    raw, _ = check_raw([[1, 3], [2, 2]], 2, "binary", 2, 1)
    assert raw.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    raw, _ = check_raw([0.2, 0.7], 2, "binary", 2, 1)
    assert raw == pytest.approx(np.array([[0.8, 0.2], [0.3, 0.7]]))
    raw, _ = check_raw([4, 5], 2, "regression", 0, 1)
    assert raw.tolist() == [[4.0], [5.0]]


def test_a_constant_prediction_is_a_warning(bench: Bench) -> None:
    bench.candidate("constant", CONSTANT)
    trial = bench.trial("constant")
    assert trial["failure"] is None
    assert trial["warnings"] == ["every row has the same prediction"]


def test_a_prediction_written_past_the_check_is_found_out(bench: Bench) -> None:
    forge = """
import gc, json
from multiprocessing.connection import Connection
np.save(ctx.out / "raw0.npy", np.full((3, 2), 0.5))
for thing in gc.get_objects():
    if isinstance(thing, Connection) and not thing.closed and thing.writable:
        thing.send_bytes(b'{"status": "ok", "score": 1.0}')
time.sleep(5)
"""
    failure = failed(bench, body(forge))
    assert failure["kind"] == "invalid_prediction"


def test_a_failure_of_one_level_leaves_the_rest_alone(bench: Bench) -> None:
    bench.candidate("linear", LINEAR)
    assert bench.trial("linear", {"broken": True}, folds=0)["failure"]["message"].endswith("cannot work")
    assert bench.trial("linear", folds=0)["score"] is not None


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("Bad Name", CONSTANT, "no name for a candidate"),
        ("x", "def fit(:", "syntax error in line 1"),
        ("x", "def fit(train, ctx): ...", "defines fit"),
        ("x", "a = 1", "defines no function"),
        ("x", "FACTORS = {'a': 3}\n" + CONSTANT, "list of levels"),
        ("x", "FACTORS = make()\n" + CONSTANT, "literal of JSON values"),
        ("x", "DECODE = {'a': [1]}\n" + CONSTANT, "no decode"),
    ],
)
def test_a_cell_that_is_no_candidate_is_refused(bench: Bench, name: str, source: str, words: str) -> None:
    with pytest.raises(CandidateError, match=words):
        bench.candidate(name, source)


@pytest.mark.parametrize(
    "options",
    [{"folds": 5}, {"folds": [-1]}, {"folds": []}, {"fraction": 0}, {"fraction": 1.5}, {"repeats": 3}],
)
def test_a_trial_that_cannot_be_is_refused(bench: Bench, options: dict[str, Any]) -> None:
    bench.candidate("constant", CONSTANT)
    with pytest.raises(ValueError, match=r"folds are numbered|fraction is|has 2 repeats"):
        bench.trial("constant", **options)


# ---- nothing stays of a worker

FAMILY = """
code = "import time; time.sleep(60)"
mark = {mark!r}
subprocess.Popen([sys.executable, "-c", code, mark])
subprocess.Popen([sys.executable, "-c", code, mark], start_new_session=True)
start = f"subprocess.Popen([sys.executable, '-c', {{code!r}}, {{mark!r}}])"
inner = f"import subprocess, sys, time; {{start}}; time.sleep(60)"
subprocess.Popen([sys.executable, "-c", inner, mark])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", code, mark])
    os._exit(0)
time.sleep(0.5)
{end}
"""


def alive(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if mark in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


@pytest.mark.parametrize(
    ("end", "kind"),
    [("return None", None), ("time.sleep(60)", "timeout"), ("os._exit(1)", "killed"), ("1 / 0", "error")],
)
def test_descendants_end_with_their_worker(bench: Bench, end: str, kind: str | None) -> None:
    mark = f"cobra-test-{kind}-{time.time_ns()}"
    bench.candidate("family", body(FAMILY.format(mark=mark, end=end)))
    trial = bench.trial("family", folds=0, timeout=2 if kind == "timeout" else 30)
    assert (trial["failure"] or {}).get("kind") == kind
    until = time.monotonic() + 2
    while alive(mark) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(mark)


# ---- equal work once


def runs(folder: Path) -> int:
    return len((folder / "count").read_text()) if (folder / "count").exists() else 0


def test_equal_work_is_done_once(bench: Bench, tmp_path: Path) -> None:
    count = f"open({str(tmp_path / 'count')!r}, 'a').write('x')\nreturn None"
    bench.candidate("counted", body(count))
    one = bench.trial("counted", folds=[0])
    assert bench.trial("counted", {}, folds=0, fraction=1.0)["id"] == one["id"]
    assert runs(tmp_path) == 1
    full = bench.trial("counted")
    assert full["id"] != one["id"]
    assert runs(tmp_path) == 5, "the fit of fold 0 is used again"
    assert full["fits"][0]["digest"] == one["fits"][0]["digest"]
    twice = bench.trial("counted", repeats=2)
    assert runs(tmp_path) == 10
    assert (full["full"], twice["full"], one["full"]) == (True, True, False)
    for options in ({"seed": 1}, {"fraction": 0.5}):
        assert bench.trial("counted", folds=0, **options)["id"] not in (one["id"], full["id"])
    assert runs(tmp_path) == 12
    assert bench.candidate("counted", body(count))["version"] == 1
    bench.candidate("counted", body(count + "  # changed"))
    assert bench.trial("counted", folds=0)["id"] != one["id"]
    assert bench.trial("counted_v1", folds=0)["id"] == one["id"]
    assert runs(tmp_path) == 13


def test_an_unknown_factor_or_level_is_refused_with_the_known_ones(bench: Bench) -> None:
    bench.candidate("asking", body(head="FACTORS = {'depth': [3, 4], 'loss': ['l1', None]}"))
    with pytest.raises(CandidateError, match="deep: not a factor of asking_v1; its factors are depth, loss"):
        bench.trial("asking", {"deep": 4})
    with pytest.raises(CandidateError, match="depth='4': no level of asking_v1; its levels are like 3, 4"):
        bench.trial("asking", {"depth": "4"})
    assert bench.trial("asking", {"depth": 5.5, "loss": 2}, folds=0)["failure"] is None


def test_a_trials_timeout_holds_for_all_its_fits(bench: Bench) -> None:
    bench.candidate("asking", body("return None"))
    trial = bench.trial("asking", timeout=30)
    fits, slots = len(trial["fits"]), bench.status()["slots"]
    assert fits > slots
    assert {fit["seconds_given"] for fit in trial["fits"]} == {round(30 / -(-fits // slots), 1)}


def test_two_who_ask_at_once_share_the_work(bench: Bench, tmp_path: Path) -> None:
    count = f"open({str(tmp_path / 'count')!r}, 'a').write('x'); time.sleep(0.5)\nreturn None"
    bench.candidate("shared_work", body(count))
    asked = [threading.Thread(target=bench.trial, args=("shared_work",), kwargs={"folds": 0}) for _ in "ab"]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join()
    assert runs(tmp_path) == 1


def test_who_shares_work_with_one_that_is_cancelled_gets_it_all_the_same(bench: Bench) -> None:
    bench.candidate("napping", body("time.sleep(1); return None"))
    impatient, done = FakeCall(), {}
    first = threading.Thread(target=bench.trial, args=("napping",), kwargs={"folds": 0, "on": impatient})
    second = threading.Thread(target=lambda: done.update(bench.trial("napping", folds=0)))
    first.start()
    time.sleep(0.2)
    second.start()
    time.sleep(0.2)
    impatient.cancelled.set()
    first.join()
    second.join()
    assert done["status"] == "ok"


def test_a_versions_source_is_kept(bench: Bench) -> None:
    first = bench.candidate("kept", CONSTANT)
    second = bench.candidate("kept", CONSTANT + "# more\n")
    assert (first["version"], second["version"]) == (1, 2)
    assert Path(first["path"]).name == "kept_v1.py"
    assert (bench.run / "code" / "kept_v1.py").read_text() == CONSTANT


# ---- cancelling and jobs


def test_a_cancelled_trial_says_so_and_may_be_done_again(bench: Bench) -> None:
    bench.candidate(
        "sleeper",
        body("time.sleep(3600 * (1 - ctx.config['short'])); return None", head="FACTORS = {'short': [0, 1]}"),
    )
    call = FakeCall()
    threading.Timer(0.5, call.cancelled.set).start()
    trial = bench.trial("sleeper", on=call)
    assert trial["failure"]["kind"] == "cancelled"
    assert trial["score"] is None
    assert bench.records[-1][0] != "trial", "cancelled work is no result"
    assert bench.trial("sleeper", {"short": 1})["failure"] is None


def test_jobs_run_in_the_background(bench: Bench, tmp_path: Path) -> None:
    wait = f"while not Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.02)"
    bench.candidate("napper", body(wait))
    job = bench.trial("napper", folds=[0, 1], background=True)
    assert job["state"] == "running"
    assert bench.wait([job["id"]], 0.0)["jobs"][0]["state"] == "running"
    assert job["id"] in [j["id"] for j in bench.status()["jobs"]]
    (tmp_path / "go").touch()
    (done,) = bench.wait([job["id"]])["jobs"]
    assert done["state"] == "done"
    assert bench.trial("napper", folds=[0, 1])["id"] == done["result"]
    assert [d["state"] for k, d in bench.records if k == "job" and d["id"] == job["id"]] == [
        "running",
        "done",
    ]


def test_a_job_that_fails_or_is_cancelled_says_so(bench: Bench) -> None:
    bench.candidate("breaking", body("raise ValueError('no')"))
    failing = bench.trial("breaking", folds=0, background=True)
    bench.candidate("sleeping", body("time.sleep(3600)"))
    cancelled = bench.trial("sleeping", folds=1, background=True)
    assert bench.wait([failing["id"]])["jobs"][0]["state"] == "failed"
    bench.harness.jobs.cancel_all()
    assert bench.wait([cancelled["id"]], 5)["jobs"][0]["state"] == "cancelled"
    with pytest.raises(KeyError, match="there is no job j99"):
        bench.wait(["j99"])


# ---- what a fit is told


def test_a_fit_is_told_of_a_gpu(benches: Callable[..., Bench]) -> None:
    bench = benches(settings={"gpus": 1}).ready(repeats=1)
    bench.candidate("asking", body("assert ctx.device == 'cuda', ctx.device\nreturn None"))
    assert bench.trial("asking", folds=0)["failure"] is None


def test_a_candidate_cannot_read_what_others_predicted(bench: Bench) -> None:
    bench.candidate("linear", LINEAR)
    written = bench.oof(bench.trial("linear")["id"])
    failure = failed(bench, body(f"np.load({written['path']!r})\nreturn None"), name="peeking")
    assert "PermissionError" in failure["message"] + failure["tail"]


def test_a_fit_is_told_what_it_needs(bench: Bench) -> None:
    bench.candidate(
        "asking",
        body(
            """
assert ctx.targets == ["y"] and ctx.id == "id" and ctx.task == "binary", ctx
assert ctx.classes == [0, 1] and ctx.metric == "log_loss" and ctx.direction == "minimize", ctx
assert ctx.config == {"depth": 4} and ctx.n_jobs == 1 and ctx.device == "cpu", ctx
assert 5 < ctx.seconds_left <= 20 and ctx.side == "train", ctx
assert os.environ["OMP_NUM_THREADS"] == "1"
assert ctx.columns["colour"] == "category", ctx.columns
assert "y" in train and train.index.is_unique
return ctx.seed, np.random.random()
""",
            "assert 'y' not in rows\nreturn np.full(len(rows), 0.5)",
            "FACTORS = {'depth': [3, 4]}",
        ),
    )
    trial = bench.trial("asking", {"depth": 4}, folds=2, timeout=20)
    assert trial["failure"] is None


def test_fit_predict_stands_for_the_pair(bench: Bench) -> None:
    bench.candidate(
        "pair", "import numpy as np\ndef fit_predict(train, rows, ctx):\n    return np.full(len(rows), 0.4)\n"
    )
    trial = bench.trial("pair")
    assert trial["failure"] is None
    bench.submit(trial["id"])
    assert (bench.run / "submission.csv").exists()


def test_versions_written_at_the_same_time_are_each_a_file_of_its_own(tmp_path: Path) -> None:
    candidates = Candidates(tmp_path)
    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(lambda i: candidates.add("one", f"{LINEAR}\n# {i}\n")[0], range(200)))
    assert sorted(candidate.version for candidate in made) == list(range(1, 201))
    for number, candidate in enumerate(made):
        assert Path(candidate.path).read_text().endswith(f"# {number}\n")
