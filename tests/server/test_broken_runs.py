"""Run folders that are foreign, copied or broken: each gets a status, and none breaks the list."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.run import folders, registry
from cobra_jupyter.server import stored_runs
from cobra_jupyter.server.errors import RequestError
from tests.fakes.runner import FakeRunner, write_run
from tests.server.conftest import RUN, Ask

Json = dict[str, Any]
GOOD = "aaaaaaaaaaaa"
BUDGETS = ('"10m"', "NaN", "1e999", "null", "[]", "true", "-1")
RUN_JSONS = [
    "", "[]", "{}", "3", "null", "{", '"text"', "[" * 100_000, "\0",
    *(f'{{"id": "{RUN}", "run": "c-1", "state": "died", "budget": {budget}}}' for budget in BUDGETS),
    f'{{"id": "{RUN}", "run": "c-1", "state": ["died"], "budget": 600}}',
    f'{{"id": "{RUN}", "run": "c-1", "state": "died", "budget": 600, "seconds": {{"a": 1}}}}',
]  # fmt: skip
LEDGERS = ["", "\n", "[]", "{", '{"data": []}', '{"data": "x"}', "\0\0\0\0", "[" * 100_000]
LINES = [
    {"kind": "run", "data": []},
    {"kind": "agent", "data": {"agent": "../../../x", "role": "scout"}},
    {"kind": "agent", "data": {"agent": "a\0b", "role": "scout"}},
    {"kind": "trial", "data": {"full": True, "score": "x", "label": 3}},
    {"kind": "trial", "data": {"full": True, "score": float("nan"), "label": "n"}},
    {"kind": "state", "data": {"state": "x", "why": 3}},
    {"kind": "moved", "data": {"agent": "lead", "path": "a\0b"}},
    {"kind": "reply", "data": {"agent": "lead", "text": 3}},
    {"kind": "take", "data": {}},
    {"kind": "state", "data": {"state": "running", "why": None}, "time": "noon"},
]


async def _check(ask: Ask, folder: Path) -> Json:
    """Checks that the list has both runs and that nothing answers 500. Returns the broken run's status."""
    listed = await ask("GET", "cobra/runs")
    assert listed.code == 200, listed.message
    assert "NaN" not in json.dumps(listed.data)
    (broken,) = [run for run in listed.data["runs"] if run["run"] == "runs/c-1"]
    (good,) = [run for run in listed.data["runs"] if run["id"] == GOOD]
    assert good["state"] == "finished"
    one = await ask("GET", f"cobra/runs/{broken['id']}")
    assert (one.code, one.data) == (200, broken)
    for action in ("resume", "pause"):
        found = await ask("POST", f"cobra/runs/{broken['id']}/{action}")
        assert 200 <= found.code < 500, f"{action}: {found.message}"
        assert found.code == 200 or found.message
    return broken


@pytest.mark.parametrize("text", RUN_JSONS, ids=range(len(RUN_JSONS)))
async def test_a_run_with_a_broken_run_json_has_died(
    text: str, ask: Ask, root: Path, run_folder: Path
) -> None:
    write_run(root / "runs" / "c-0", GOOD, "finished")
    write_run(run_folder)
    (run_folder / "run.json").write_text(text)
    broken = await _check(ask, run_folder)
    assert (broken["state"], broken["resumable"]) == ("died", False)
    assert broken["why"]
    assert (await ask("POST", f"cobra/runs/{broken['id']}/resume")).code == 409


@pytest.mark.parametrize("text", LEDGERS, ids=range(len(LEDGERS)))
@pytest.mark.parametrize("with_run_json", [True, False])
async def test_a_broken_record_does_not_break_the_list(
    with_run_json: bool, text: str, ask: Ask, root: Path, run_folder: Path
) -> None:
    write_run(root / "runs" / "c-0", GOOD, "finished")
    write_run(run_folder)
    (run_folder / "ledger.jsonl").write_text(text)
    if not with_run_json:
        (run_folder / "run.json").unlink()
    broken = await _check(ask, run_folder)
    assert broken["state"] == "died"
    assert broken["why"] or with_run_json


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
async def test_a_bad_line_of_a_record_does_not_break_the_list(
    line: Json, ask: Ask, root: Path, run_folder: Path
) -> None:
    write_run(root / "runs" / "c-0", GOOD, "finished")
    write_run(run_folder)
    with (run_folder / "ledger.jsonl").open("a") as file:
        file.write(json.dumps({"seq": 7, "time": 1.0, "prev": "", "hash": "", **line}) + "\n")
    await _check(ask, run_folder)


async def test_unreadable_folders_and_loops_of_links_do_not_break_the_list(ask: Ask, root: Path) -> None:
    write_run(root / "runs" / "c-0", GOOD, "finished")
    (root / "runs" / "shut").mkdir(mode=0o000)
    (root / "runs" / "circle").symlink_to(root / "runs" / "circle")
    (root / "runs" / "c-2" / "ledger.jsonl").mkdir(parents=True)
    assert [run["id"] for run in (await ask("GET", "cobra/runs")).data["runs"]] == [GOOD]


@pytest.mark.parametrize("text", RUN_JSONS, ids=range(len(RUN_JSONS)))
def test_the_command_line_reports_a_broken_run_json_too(text: str, tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(folders.RunError, match=r"run\.json cannot be read"):
        folders.load(str(tmp_path))


# ---- paths


def _moved(folder: Path, path: Path | str, agent: str = "lead") -> None:
    with (folder / "ledger.jsonl").open("a") as file:
        data = {"agent": agent, "path": str(path)}
        file.write(
            json.dumps({"seq": 7, "time": 1.0, "kind": "moved", "data": data, "prev": "", "hash": ""}) + "\n"
        )


def test_a_record_cannot_lead_to_a_notebook_outside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    run = write_run(root / "runs" / "c-1", state="finished")
    secret = shutil.copy(run / "agent.ipynb", tmp_path / "secret.ipynb")
    assert stored_runs.notebook_path(run, "lead", root) == run / "agent.ipynb"
    _moved(run, secret)
    assert stored_runs.notebook_path(run, "lead", root) == run / "agent.ipynb"
    assert list(stored_runs.notebooks(run, root)) == [run / "agent.ipynb"]
    (root / "link.ipynb").symlink_to(secret)
    _moved(run, root / "link.ipynb")
    assert stored_runs.notebook_path(run, "lead", root) == run / "agent.ipynb"
    shutil.copy(secret, root / "mine.ipynb")
    _moved(run, root / "mine.ipynb")
    assert stored_runs.notebook_path(run, "lead", root) == root / "mine.ipynb"


def test_neither_the_name_of_an_agent_nor_a_link_leads_outside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    run = write_run(root / "runs" / "c-1", state="finished")
    (run / "agent.ipynb").rename(tmp_path / "secret.ipynb")
    with (run / "ledger.jsonl").open("a") as file:
        data = {"agent": "../../../../secret", "role": "scout"}
        file.write(
            json.dumps({"seq": 7, "time": 1.0, "kind": "agent", "data": data, "prev": "", "hash": ""}) + "\n"
        )
    (run / "agents").mkdir()
    (run / "agent.ipynb").symlink_to(tmp_path / "secret.ipynb")
    for agent in ("lead", "../../../../secret"):
        with pytest.raises(RequestError):
            stored_runs.notebook(run, agent, root)


# ---- ids


@pytest.mark.parametrize(
    "found", ["../../x", "0123456789AB", "0123456789ab\n", "abc", 123456789012, ["0123456789ab"]]
)
def test_an_invalid_id_is_replaced(found: Any, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"id": found}))
    assert registry.identity(tmp_path) == registry.identity_by_place(tmp_path)


async def test_a_copy_of_a_run_gets_a_new_id_and_the_original_keeps_its_id(
    ask: Ask, root: Path, run_folder: Path
) -> None:
    write_run(run_folder, state="finished")
    shutil.copytree(run_folder, root / "runs" / "a-copy")  # first by name
    copy = registry.identity_by_place(root / "runs" / "a-copy")
    listed = (await ask("GET", "cobra/runs")).data["runs"]
    assert {run["id"]: run["run"] for run in listed} == {RUN: "runs/c-1", copy: "runs/a-copy"}
    assert (await ask("GET", f"cobra/runs/{RUN}")).data["run"] == "runs/c-1"
    assert (await ask("GET", f"cobra/runs/{copy}")).data["id"] == copy


async def test_a_copy_of_a_live_run_has_died(ask: Ask, root: Path, run_folder: Path) -> None:
    async with FakeRunner(run_folder):
        shutil.copytree(run_folder, root / "runs" / "a-copy")
        listed = (await ask("GET", "cobra/runs")).data["runs"]
        assert [(run["run"], run["state"]) for run in listed] == [
            ("runs/c-1", "running"),
            ("runs/a-copy", "died"),
        ]
        assert listed[0]["id"] == RUN


async def test_a_live_run_and_its_live_copy_are_both_listed(ask: Ask, root: Path, run_folder: Path) -> None:
    async with FakeRunner(run_folder), FakeRunner(root / "runs" / "a-copy") as copy:
        place = registry.identity_by_place(copy.folder)
        assert sorted(entry.id for entry in registry.entries()) == sorted([RUN, place])
        for run, path in ((RUN, "runs/c-1"), (place, "runs/a-copy")):
            found = (await ask("GET", f"cobra/runs/{run}")).data
            assert (found["id"], found["run"], found["state"]) == (run, path, "running")


def test_a_resumed_copy_keeps_its_new_id(tmp_path: Path) -> None:
    run = write_run(tmp_path / "c-1")
    registry.settle(run, RUN)
    before = (run / "run.json").read_text()
    assert json.loads(before)["id"] == RUN
    registry.settle(run, "bbbbbbbbbbbb")
    assert json.loads((run / "run.json").read_text()) == {**json.loads(before), "id": "bbbbbbbbbbbb"}
