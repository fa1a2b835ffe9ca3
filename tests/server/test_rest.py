"""REST: authentication, errors, listing, starting and resuming runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from cobra_jupyter.run import attach, registry
from cobra_jupyter.server import launcher
from tests.conftest import make_competition
from tests.fakes.runner import FakeRunner, write_run
from tests.patience import until
from tests.server.conftest import RUN, Ask

ACTIONS = (
    "pause",
    "resume",
    "step",
    "interrupt",
    "stop",
    "take-over",
    "hand-back",
    "message",
    "approve",
    "export",
)
ROUTES = [
    ("GET", "cobra/competitions"),
    ("GET", "cobra/brains"),
    ("GET", "cobra/runs"),
    ("POST", "cobra/runs"),
    ("GET", f"cobra/runs/{RUN}"),
    ("GET", f"cobra/runs/{RUN}/channel"),
    ("GET", "cobra/nothing"),
    ("POST", "cobra/nothing"),
    *(("POST", f"cobra/runs/{RUN}/{action}") for action in ACTIONS),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nothing_is_answered_without_a_token(method: str, path: str, jp_fetch: Any) -> None:
    body = {"body": b"{}"} if method == "POST" else {}
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch(*path.split("/"), method=method, headers={"Authorization": "token wrong"}, **body)
    assert refused.value.code == 403


@pytest.mark.parametrize("action", ["", *(f"/{action}" for action in ACTIONS)])
async def test_an_unknown_run_is_404_with_a_cure(action: str, ask: Ask) -> None:
    bodies: dict[str, Any] = {"/message": {"text": "hi"}, "/approve": {"yes": True}}
    found = await ask("POST" if action else "GET", f"cobra/runs/{RUN}{action}", bodies.get(action))
    assert found.code == 404
    assert "GET runs" in found.message


async def test_an_unknown_path_answers_404_in_json(ask: Ask) -> None:
    for path in ("cobra/nothing", "cobra/runs/..%2f..", "cobra/runs/zzz", f"cobra/runs/{RUN}/dance"):
        assert (await ask("GET", path)).code == 404


async def test_a_live_run_is_listed_with_paths_of_the_contents_api(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder):
        listed = await ask("GET", "cobra/runs")
        assert [run["id"] for run in listed.data["runs"]] == [RUN]
        assert listed.data["runs"][0]["run"] == "runs/c-1"
        assert listed.data["runs"][0]["agents"][0]["notebook"] == "runs/c-1/agent.ipynb"


async def test_live_runs_are_listed_before_ended_ones(ask: Ask, root: Path, run_folder: Path) -> None:
    write_run(root / "runs" / "c-0", "aaaaaaaaaaaa", "finished")
    async with FakeRunner(run_folder):
        runs = (await ask("GET", "cobra/runs")).data["runs"]
    assert [(run["id"], run["state"]) for run in runs] == [(RUN, "running"), ("aaaaaaaaaaaa", "finished")]


async def test_the_status_of_an_ended_run_comes_from_its_record(ask: Ask, run_folder: Path) -> None:
    write_run(run_folder, state="finished")
    found = (await ask("GET", f"cobra/runs/{RUN}")).data
    assert found["best"] == {
        "score": 54.5,
        "se": 1.5,
        "metric": "rmse",
        "direction": "minimize",
        "what": "trees",
    }
    assert (found["trials"], found["turn"], found["phase"]) == (2, 1, "Look at the data")
    assert (found["resumable"], found["run"]) == (False, "runs/c-1")
    assert (found["brain"], found["written_by"]) == ("playbook", "playbook (1 turn)")


async def test_a_run_outside_the_root_is_not_listed(ask: Ask, tmp_path: Path) -> None:
    async with FakeRunner(tmp_path / "elsewhere" / "c-1"):
        assert (await ask("GET", f"cobra/runs/{RUN}")).code == 404
        assert (await ask("GET", "cobra/runs")).data == {"runs": []}


@pytest.mark.parametrize(
    ("action", "call", "state"),
    [
        ("pause", "pause", "paused"),
        ("resume", "resume", "running"),
        ("step", "step", "running"),
        ("interrupt", "interrupt", "paused"),
        ("stop", "stop", "stopped"),
        ("take-over", "take_over", "human"),
    ],
)
async def test_buttons_reach_the_runner_and_answer_with_the_status(
    action: str, call: str, state: str, ask: Ask, run_folder: Path
) -> None:
    async with FakeRunner(run_folder) as runner:
        found = await ask("POST", f"cobra/runs/{RUN}/{action}")
        assert (found.code, found.data["state"], found.data["run"]) == (200, state, "runs/c-1")
        assert (call, {}) in runner.calls


async def test_a_refusal_of_the_runner_is_409_with_its_message(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder):
        found = await ask("POST", f"cobra/runs/{RUN}/hand-back")
    assert (found.code, found.message) == (409, "nobody has taken over: there is nothing to hand back")
    assert found.data["reason"] == "Conflict"


async def test_messages_and_approvals_reach_the_runner(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        assert (await ask("POST", f"cobra/runs/{RUN}/message", {"text": "try trees"})).code == 200
        assert (await ask("POST", f"cobra/runs/{RUN}/approve", {"yes": False, "why": "too dear"})).code == 200
        assert (await ask("POST", f"cobra/runs/{RUN}/approve", {"yes": True, "cell": "c5"})).code == 200
        assert ("approve", {"yes": True, "cell": "c5"}) in runner.calls
        assert ("message", {"text": "try trees"}) in runner.calls
        assert ("approve", {"yes": False, "why": "too dear"}) in runner.calls


@pytest.mark.parametrize(
    ("path", "body", "code", "word"),
    [
        ("message", {"text": ""}, 400, "text"),
        ("message", {"text": 3}, 400, "text"),
        ("message", {"text": "x" * 20_001}, 413, "20,000"),
        ("message", {}, 400, "text"),
        ("message", {"text": "a", "to": "b"}, 400, "'to'"),
        ("message", [1], 400, "JSON object"),
        ("message", "{nonsense", 400, "not JSON"),
        ("message", b"\xff\xfe", 400, "not JSON"),
        ("approve", {"yes": "yes"}, 400, "true or false"),
        ("export", {"to": "pdf"}, 400, "html, ipynb, py"),
        ("pause", {"now": True}, 400, "'now'"),
        ("resume", {"budget": "5 bananas"}, 400, "duration"),
        ("resume", {"more": "5 bananas"}, 400, "more 5 bananas"),
        ("resume", {"more": "5m", "budget": "5m"}, 400, "give one"),
        ("message", "[" * 100_000, 400, "JSON"),
    ],
)
async def test_a_bad_body_is_refused_and_the_message_names_the_field(
    path: str, body: Any, code: int, word: str, ask: Ask, run_folder: Path
) -> None:
    async with FakeRunner(run_folder) as runner:
        found = await ask("POST", f"cobra/runs/{RUN}/{path}", body)
        assert found.code == code
        assert word in found.message
        assert not [name for name, _ in runner.calls if name in ("message", "approve", "pause", "resume")]


async def test_a_body_of_ten_megabytes_is_413_and_the_server_keeps_working(
    ask: Ask, run_folder: Path
) -> None:
    async with FakeRunner(run_folder):
        found = await ask("POST", f"cobra/runs/{RUN}/message", json.dumps({"text": "x" * 10_000_000}))
        assert found.code == 413
        assert (await ask("GET", f"cobra/runs/{RUN}")).code == 200


async def test_after_its_runner_died_a_run_says_what_to_do(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        assert (await ask("GET", f"cobra/runs/{RUN}")).data["state"] == "running"
        await runner.die()
        found = await ask("GET", f"cobra/runs/{RUN}")
        assert (found.data["state"], found.data["resumable"]) == ("died", True)
        refused = await ask("POST", f"cobra/runs/{RUN}/pause")
        assert refused.code == 409
        assert "died: resume it first" in refused.message


async def test_a_new_server_finds_the_live_run(jp_configurable_serverapp: Any, run_folder: Path) -> None:
    async with FakeRunner(run_folder):
        app = jp_configurable_serverapp()
        extension = app.web_app.settings["cobra"]
        await extension.start()
        assert (await extension.catalogue.all())[0]["state"] == "running"
        await extension.stop()


async def test_a_runner_that_hangs_from_the_start_is_listed_and_slows_no_other(
    ask: Ask, root: Path, run_folder: Path, extension: Any
) -> None:
    hung = FakeRunner(run_folder)
    hung.silent = asyncio.Event()
    other = "aaaaaaaaaaaa"
    async with hung, FakeRunner(root / "runs" / "c-2", other):
        async with asyncio.timeout(20):
            for action in ("pause", "resume", "pause", "resume"):
                assert (await ask("POST", f"cobra/runs/{other}/{action}")).code == 200
            listed = {run["id"]: run for run in (await ask("GET", "cobra/runs")).data["runs"]}
        assert (listed[other]["state"], listed[RUN]["state"]) == ("running", "running")
        assert "does not answer" in listed[RUN]["why"]
        assert (listed[RUN]["run"], listed[RUN]["resumable"]) == ("runs/c-1", False)
        assert [name for name, _ in hung.calls].count("watch") == 1
        hung.silent.set()  # it continues
        while RUN not in extension.live_runs.statuses:
            await asyncio.sleep(0.05)
        assert (await ask("GET", f"cobra/runs/{RUN}")).data["why"] is None
        assert (await ask("POST", f"cobra/runs/{RUN}/pause")).data["state"] == "paused"


async def test_a_server_starts_and_stops_while_a_runner_hangs(
    jp_configurable_serverapp: Any, run_folder: Path
) -> None:
    hung = FakeRunner(run_folder)
    hung.silent = asyncio.Event()
    async with hung:
        extension = jp_configurable_serverapp().web_app.settings["cobra"]
        async with asyncio.timeout(20):
            await extension.start()
            (found,) = await extension.catalogue.all()
            await extension.stop()
        assert "does not answer" in found["why"]


async def test_a_hanging_runner_that_is_killed_has_died(ask: Ask, run_folder: Path) -> None:
    hung = FakeRunner(run_folder)
    hung.silent = asyncio.Event()
    async with hung:
        assert "does not answer" in (await ask("GET", f"cobra/runs/{RUN}")).data["why"]
        await hung.die()
        found = (await ask("GET", f"cobra/runs/{RUN}")).data
        assert (found["state"], found["resumable"]) == ("died", True)


async def test_competitions_are_found_below_the_root_and_not_in_runs(ask: Ask, root: Path) -> None:
    make_competition(root / "data" / "wine", rows=20)
    make_competition(root / "runs" / "c-1", rows=20)
    found = (await ask("GET", "cobra/competitions")).data["competitions"]
    assert found == [{"name": "wine", "path": "data/wine/public"}]


async def test_brains_are_listed_as_ready_or_not_without_a_key(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = (await ask("GET", "cobra/brains")).data
    assert found["default"] == "playbook"
    assert "GEMINI_API_KEY" in next(brain for brain in found["brains"] if brain["name"] == "gemini")["why"]
    monkeypatch.setenv("GEMINI_API_KEY", "sesame-open-sesame")
    found = (await ask("GET", "cobra/brains")).data
    assert found["default"] == "gemini"
    assert "sesame" not in json.dumps(found)


# ---- start and resume


@pytest.fixture
def command(extension: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces `cobra` with a fake that runs until it gets `stop`."""
    monkeypatch.setattr(extension.launcher, "_command", (sys.executable, "-m", "tests.fakes.runner"))


async def test_a_started_run_survives_the_end_of_the_server(
    ask: Ask, root: Path, command: None, extension: Any
) -> None:
    make_competition(root / "data" / "wine", rows=20)
    found = await ask(
        "POST", "cobra/runs", {"folder": "data/wine/public", "brain": "playbook", "budget": "5m"}
    )
    assert (found.code, found.data["state"]) == (201, "running")
    assert found.data["run"].startswith("runs/wine-")
    (entry,) = registry.entries()
    assert Path(f"/proc/{entry.pid}/stat").read_text().split()[5] == str(entry.pid)  # a session of its own
    await extension.stop()
    assert registry.find(root / found.data["run"]) is not None
    attach.ask(entry, "stop")
    await until(lambda: not registry.entries())


async def test_a_run_is_started_in_the_renamed_runs_folder_and_not_through_the_link(
    ask: Ask, root: Path, run_folder: Path, command: None, extension: Any
) -> None:
    make_competition(root / "data" / "wine", rows=20)
    async with FakeRunner(run_folder):
        await extension.live_runs.look()
        assert (await ask("PATCH", "api/contents/runs", {"path": "old"})).code == 200
        found = (await ask("POST", "cobra/runs", {"folder": "data/wine/public"})).data
        (entry,) = [entry for entry in registry.entries() if entry.id == found["id"]]
        assert entry.run.parent == root / "old"  # the link disappears with the other run
        assert found["run"] == f"old/{entry.run.name}"
        assert (await ask("POST", f"cobra/runs/{found['id']}/stop")).code == 200
        await until(lambda: [entry.id for entry in registry.entries()] == [RUN])


async def test_a_competition_may_have_the_longest_possible_name(ask: Ask, root: Path, command: None) -> None:
    make_competition(root / ("é" * 127), rows=20)
    (root / "runs").mkdir()
    found = await ask("POST", "cobra/runs", {"folder": f"{'é' * 127}/public"})
    assert (found.code, found.data["state"]) == (201, "running")
    assert (await ask("POST", f"cobra/runs/{found.data['id']}/stop")).code == 200
    await until(lambda: not registry.entries())


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "folder"), ({"folder": "nowhere"}, "no such folder"), ({"folder": "../.."}, "data_dirs"),
        ({"folder": "/etc"}, "data_dirs"), ({"folder": "link"}, "data_dirs"), ({"folder": "a\0b"}, "code 0"),
        ({"folder": "empty"}, "sample_submission.csv"),
        ({"folder": "empty", "brain": "oracle"}, "playbook, gemini"),
        ({"folder": "empty", "budget": "5s"}, "too small"),
        ({"folder": "empty", "approval": "maybe"}, "costly"),
        ({"folder": "empty", "max_cost": -1}, "above 0"), ({"folder": "empty", "seed": 1.5}, "whole"),
        ({"folder": "empty", "colour": "red"}, "colour"), ({"folder": "~nosuchuser/x"}, "no such folder"),
        ({"folder": "x" * 300}, "no such folder"), ({"folder": "\ud800"}, "no such folder"),
        ({"folder": "circle"}, "no such folder"), ({"folder": "."}, "start JupyterLab in a folder above it"),
    ],
)  # fmt: skip
async def test_an_impossible_start_is_400_and_says_what_to_do(
    body: Any, word: str, ask: Ask, root: Path, tmp_path: Path, command: None
) -> None:
    (root / "empty").mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "circle").symlink_to("circle")
    found = await ask("POST", "cobra/runs", body)
    assert found.code == 400
    assert word in found.message
    assert not found.message.startswith("cobra:")
    assert not list(root.glob("runs/*"))  # nothing is left over


async def test_a_dead_run_is_resumed_once(ask: Ask, root: Path, run_folder: Path, command: None) -> None:
    write_run(run_folder, competition=root)
    both = await asyncio.gather(*(ask("POST", f"cobra/runs/{RUN}/resume") for _ in range(2)))
    assert sorted(found.code for found in both) == [200, 409]
    assert (await ask("POST", f"cobra/runs/{RUN}/resume", {"budget": "1h"})).code == 409  # it lives
    assert (await ask("POST", f"cobra/runs/{RUN}/resume")).data["state"] == "running"  # to the runner
    assert (await ask("POST", f"cobra/runs/{RUN}/stop")).code == 200
    await until(lambda: not registry.entries())


async def test_a_slow_start_is_answered_with_the_current_state(
    ask: Ask, root: Path, command: None, extension: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_competition(root / "data" / "wine", rows=20)
    monkeypatch.setenv("FAKE_START", "60")
    monkeypatch.setattr(extension.launcher, "_start_wait", 0.5)
    found = await ask("POST", "cobra/runs", {"folder": "data/wine/public"})
    assert (found.code, found.data["state"]) == (201, "starting")
    (entry,) = registry.entries()
    os.kill(entry.pid, signal.SIGKILL)
    await until(lambda: not registry.entries())


async def test_a_run_that_had_started_keeps_its_folder_when_it_fails(
    ask: Ask, root: Path, command: None
) -> None:
    (root / "empty").mkdir()
    (root / "empty" / "begins").touch()
    assert (await ask("POST", "cobra/runs", {"folder": "empty"})).code == 400
    assert [path.name for path in root.glob("runs/*/ledger.jsonl")] == ["ledger.jsonl"]


@pytest.mark.parametrize(
    ("competition", "word"),
    [
        ("/etc", "data_dirs"),
        ("/data/nowhere", "data_dirs"),
        ("../..", "data_dirs"),
        ("~nosuchuser/x", "no such folder"),
        ("x" * 300, "no such folder"),
        ("\ud800", "no such folder"),
        ("a\0b", "no such folder"),
    ],
)
async def test_a_run_is_not_resumed_if_its_record_names_a_forbidden_folder(
    competition: str, word: str, ask: Ask, run_folder: Path, command: None
) -> None:
    write_run(run_folder, competition=competition)
    found = await ask("POST", f"cobra/runs/{RUN}/resume")
    assert found.code == 400
    assert word in found.message
    assert not registry.entries()


def test_old_logs_of_runners_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "MAX_LOGS", 3)
    now = time.time()
    for name, age in (("old", 40), ("a", 4), ("b", 3), ("c", 2)):
        (tmp_path / f"{name}.log").touch()
        os.utime(tmp_path / f"{name}.log", (now - age * 86_400,) * 2)
    (tmp_path / "other.txt").touch()
    launcher._delete_old_logs(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.log")) == ["b.log", "c.log"]
    assert (tmp_path / "other.txt").exists()


@pytest.mark.parametrize(
    ("body", "budget"),
    [
        ({}, None),
        ({"more": "10m"}, "1106s"),
        pytest.param({"budget": "10m"}, "10m", marks=pytest.mark.full),
        pytest.param({"more": "45"}, "551s", marks=pytest.mark.full),
    ],
)
async def test_a_resumed_run_gets_the_requested_budget(
    body: Any,
    budget: str | None,
    ask: Ask,
    root: Path,
    run_folder: Path,
    command: None,
    extension: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_run(run_folder, competition=root)
    _make_older(run_folder, 500)
    passed, resume = [], extension.launcher.resume
    monkeypatch.setattr(
        extension.launcher,
        "resume",
        lambda folder, options: [passed.extend(options), resume(folder, options)][1],
    )
    assert (await ask("POST", f"cobra/runs/{RUN}/resume", body)).code == 200
    assert passed == (["--budget", budget] if budget else [])
    assert (await ask("POST", f"cobra/runs/{RUN}/stop")).code == 200
    await until(lambda: not registry.entries())


def _make_older(run: Path, seconds: float) -> None:
    """As if the run was killed `seconds` after the last change of state, the one in run.json."""
    lines = (run / "ledger.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    lines[-1] = json.dumps({**last, "time": last["time"] + seconds})
    (run / "ledger.jsonl").write_text("\n".join(lines) + "\n")


async def test_a_finished_run_is_not_resumed_without_more_time(
    ask: Ask, run_folder: Path, command: None
) -> None:
    write_run(run_folder, state="finished")
    found = await ask("POST", f"cobra/runs/{RUN}/resume")
    assert found.code == 409
    assert "--budget" in found.message


async def test_an_export_is_written_beside_the_notebook(ask: Ask, root: Path, run_folder: Path) -> None:
    """Takes long: a process of its own converts the notebook."""
    write_run(run_folder, state="finished")
    found = await ask("POST", f"cobra/runs/{RUN}/export", {"to": "py"})
    assert found.data == {"path": "runs/c-1/agent.py"}
    assert "x = 1" in (root / "runs/c-1/agent.py").read_text()
