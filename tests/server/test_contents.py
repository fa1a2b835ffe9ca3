"""Notebooks of runs through the contents API: reading, saving, renaming, deleting, during and after a run."""

from __future__ import annotations

import asyncio
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.run import registry
from cobra_jupyter.server import links, ownership
from tests.fakes.runner import FakeRunner, write_run
from tests.server.conftest import RUN, Ask

Json = dict[str, Any]
NOTEBOOK = "api/contents/runs/c-1/agent.ipynb"
WITH_HASH = {"params": {"hash": "1", "content": "1"}}


def put(notebook: Json) -> Json:
    return {"type": "notebook", "format": "json", "content": notebook}


async def test_reading_a_notebook_waits_until_the_runner_has_written_it(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        runner.type("y = 1", "fresh")
        found = (await ask("GET", NOTEBOOK)).data
        assert [cell["id"] for cell in found["content"]["cells"]] == ["title", "first", "fresh"]


async def test_the_hash_never_changes_during_and_after_the_run(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        first = (await ask("GET", NOTEBOOK, **WITH_HASH)).data["hash"]
        runner.type("y = 1", "fresh")
        assert (await ask("GET", NOTEBOOK, **WITH_HASH)).data["hash"] == first
    assert (await ask("GET", NOTEBOOK, **WITH_HASH)).data["hash"] == first
    assert (await ask("GET", NOTEBOOK, params={"hash": "1", "content": "0"})).data["hash"] == first


async def test_a_save_goes_to_the_runner_and_answers_as_usual(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        notebook = (await ask("GET", NOTEBOOK)).data["content"]
        runner.type("y = 1", "unseen")
        notebook["cells"][1]["source"] = "x = 'mine'"
        notebook["metadata"]["kernelspec"] = {"name": "cobra", "display_name": "Cobra", "language": "python"}
        notebook["metadata"]["cobra"] = {**notebook["metadata"].get("cobra", {}), "client": "tab1"}
        saved = await ask("PUT", NOTEBOOK, put(notebook))
        assert (saved.code, saved.data["path"], saved.data["content"]) == (200, "runs/c-1/agent.ipynb", None)
        sent = next(args for name, args in runner.calls if name == "save")
        assert sent["client"] == "tab1"
        assert "kernelspec" not in sent["notebook"]["metadata"]
        written = json.loads(runner.notebook.read_text())
        assert [cell["id"] for cell in written["cells"]] == ["title", "first", "unseen"]
        assert (run_folder / ".ipynb_checkpoints").is_dir()


async def test_an_invalid_notebook_is_refused_and_the_file_stays_unchanged(
    ask: Ask, run_folder: Path
) -> None:
    write_run(run_folder)
    before = (run_folder / "agent.ipynb").read_text()
    assert (await ask("PUT", NOTEBOOK, put({"cells": 3}))).code == 409
    assert (run_folder / "agent.ipynb").read_text() == before


async def test_without_a_runner_the_server_merges(ask: Ask, run_folder: Path) -> None:
    write_run(run_folder, state="finished")
    stale = (await ask("GET", NOTEBOOK)).data["content"]
    file = run_folder / "agent.ipynb"
    grown = json.loads(file.read_text())
    seq = grown["metadata"]["cobra"]["seq"]
    grown["cells"].append(
        {"cell_type": "markdown", "id": "later", "metadata": {"cobra": {"seq": seq + 1}}, "source": "later"}
    )
    grown["metadata"]["cobra"]["seq"] = seq + 1
    file.write_text(json.dumps(grown))
    stale["cells"][1]["source"] = "x = 'mine'"
    assert (await ask("PUT", NOTEBOOK, put(stale))).code == 200
    cells = {cell["id"]: cell["source"] for cell in json.loads(file.read_text())["cells"]}
    assert "".join(cells["first"]) == "x = 'mine'"
    assert json.loads(file.read_text())["metadata"]["kernelspec"]["name"] == "python3"


async def test_without_a_runner_long_outputs_of_a_person_are_saved_whole(ask: Ask, run_folder: Path) -> None:
    """A figure of two million characters, from a cell that ran in the person's own kernel."""
    write_run(run_folder, state="finished")
    notebook = (await ask("GET", NOTEBOOK)).data["content"]
    figure = {"application/vnd.plotly.v1+json": {"data": ["x" * 2_000_000]}, "text/plain": "Figure"}
    output = {"output_type": "display_data", "data": figure, "metadata": {}}
    notebook["cells"][1] |= {"outputs": [*shown("y" * 2_000_000), output], "execution_count": 1}
    assert (await ask("PUT", NOTEBOOK, put(notebook))).code == 200
    again = (await ask("GET", NOTEBOOK)).data["content"]
    assert cell_of(again, "first")["outputs"] == notebook["cells"][1]["outputs"]


def cell_of(notebook: Json, cell_id: str) -> Json:
    return next(cell for cell in notebook["cells"] if cell["id"] == cell_id)


def shown(text: str) -> list[Json]:
    return [{"output_type": "stream", "name": "stdout", "text": text}]


def by(client: str, notebook: Json) -> Json:
    """Returns the request body of a save by a tab."""
    notebook["metadata"]["cobra"] = {**notebook["metadata"]["cobra"], "client": client}
    return put(notebook)


async def test_a_tab_that_missed_the_end_of_a_run_undoes_nothing(ask: Ask, run_folder: Path) -> None:
    write_run(run_folder, state="finished")
    stale = (await ask("GET", NOTEBOOK)).data["content"]
    file = run_folder / "agent.ipynb"
    whole = json.loads(file.read_text())
    cell_of(whole, "first").update(
        source="x = 1\nprint('whole')", outputs=shown("0.9"), execution_count=4, metadata={"tags": ["t"]}
    )
    whole["cells"].reverse()
    whole["metadata"]["cobra"]["seq"] += 40
    file.write_text(json.dumps(whole))
    stale["cells"][0]["source"] = "# Mine"
    stale["cells"].append({"cell_type": "markdown", "id": "mine", "metadata": {}, "source": "mine"})
    assert (await ask("PUT", NOTEBOOK, by("tab", stale))).code == 200
    found = (await ask("GET", NOTEBOOK)).data["content"]
    first = cell_of(found, "first")
    assert (first["source"], first["execution_count"]) == ("x = 1\nprint('whole')", 4)
    assert first["outputs"] == shown("0.9")
    assert first["metadata"]["tags"] == ["t"]
    assert [cell["id"] for cell in found["cells"]] == [
        "first",
        "mine",
        "title",
    ]  # where the tab put it
    assert (cell_of(found, "title")["source"], cell_of(found, "mine")["source"]) == ("# Mine", "mine")
    stale["cells"][1]["source"] = "x = "  # again, as the tab still knows nothing of the changes
    assert (await ask("PUT", NOTEBOOK, by("tab", stale))).code == 200
    assert cell_of((await ask("GET", NOTEBOOK)).data["content"], "first")["source"].endswith("print('whole')")


async def test_after_the_end_of_a_run_outputs_of_a_person_replace_the_old_ones(
    ask: Ask, run_folder: Path
) -> None:
    write_run(run_folder, state="finished")
    notebook = (await ask("GET", NOTEBOOK)).data["content"]
    for source, text in (("x = 1", "one"), ("x = 2", "two"), ("x = 2", "three")):
        cell_of(notebook, "first").update(source=source, outputs=shown(text), execution_count=1)
        assert (await ask("PUT", NOTEBOOK, by("tab", notebook))).code == 200
        first = cell_of((await ask("GET", NOTEBOOK)).data["content"], "first")
        assert (first["source"], first["outputs"]) == (source, shown(text))


async def test_an_image_pasted_after_the_end_of_a_run_is_saved(ask: Ask, run_folder: Path) -> None:
    write_run(run_folder, state="finished")
    notebook = (await ask("GET", NOTEBOOK)).data["content"]
    shown = {"a.png": {"image/png": "cGFzdGVk"}}
    cell_of(notebook, "title").update(source="![a](attachment:a.png)", attachments=shown)
    assert (await ask("PUT", NOTEBOOK, by("tab", notebook))).code == 200
    found = cell_of((await ask("GET", NOTEBOOK)).data["content"], "title")
    assert (found["source"], found["attachments"]) == ("![a](attachment:a.png)", shown)


async def test_a_tab_can_change_and_delete_what_it_saved_after_the_end(ask: Ask, run_folder: Path) -> None:
    write_run(run_folder, state="finished")
    notebook = (await ask("GET", NOTEBOOK)).data["content"]
    mine = {"cell_type": "markdown", "id": "mine", "metadata": {}, "source": "some words"}
    notebook["cells"].append(mine)
    assert (await ask("PUT", NOTEBOOK, by("tab", notebook))).code == 200
    mine["source"] = "some"
    assert (await ask("PUT", NOTEBOOK, by("tab", notebook))).code == 200
    assert cell_of((await ask("GET", NOTEBOOK)).data["content"], "mine")["source"] == "some"
    del notebook["cells"][-1]
    assert (await ask("PUT", NOTEBOOK, by("tab", notebook))).code == 200
    assert [c["id"] for c in (await ask("GET", NOTEBOOK)).data["content"]["cells"]] == ["title", "first"]


async def test_a_save_waits_for_a_runner_that_does_not_answer(
    ask: Ask, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "WAIT", 0.2)
    async with FakeRunner(run_folder) as runner:
        first = (await ask("GET", NOTEBOOK, **WITH_HASH)).data
        runner.type("y = 1", "unseen")
        runner.silent = asyncio.Event()
        assert (await ask("GET", NOTEBOOK, **WITH_HASH)).data["hash"] == first["hash"]
        save = asyncio.ensure_future(ask("PUT", NOTEBOOK, put(first["content"])))
        while not [name for name, _ in runner.calls if name == "save"]:
            await asyncio.sleep(0.05)
        assert not save.done()
        runner.silent.set()
        assert (await save).code == 200
        assert "unseen" in [cell["id"] for cell in json.loads(runner.notebook.read_text())["cells"]]


async def test_a_save_while_the_runner_ends_is_merged(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        notebook = (await ask("GET", NOTEBOOK)).data["content"]
        runner.document.insert("code", "y = 1", cell_id="unseen", metadata={"cobra": {"agent": "lead"}})
        runner._write()
        runner._server.close()  # its lock and registration stay
        for writer in tuple(runner._writers):
            writer.close()
        notebook["cells"][0]["source"] = "# Mine"
        assert (await ask("PUT", NOTEBOOK, put(notebook))).code == 200
        found = {cell["id"]: cell["source"] for cell in json.loads(runner.notebook.read_text())["cells"]}
        assert "unseen" in found
        assert "".join(found["title"]) == "# Mine"


async def test_a_renamed_notebook_is_written_to_its_new_path(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        renamed = await ask("PATCH", NOTEBOOK, {"path": "runs/c-1/mine.ipynb"})
        assert renamed.code == 200
        assert ("moved", {"agent": "lead", "path": str(run_folder / "mine.ipynb")}) in runner.calls
        runner.type("y = 1", "fresh")
        path = "api/contents/runs/c-1/mine.ipynb"
        found = (await ask("GET", path, **WITH_HASH)).data
        assert [cell["id"] for cell in found["content"]["cells"]][-1] == "fresh"
        assert not (run_folder / "agent.ipynb").exists()
        assert (await ask("PUT", path, put(found["content"]))).code == 200
    assert (await ask("GET", path, **WITH_HASH)).data["hash"] == found["hash"]


async def test_a_renamed_folder_leaves_a_link_until_the_run_has_ended(
    ask: Ask, root: Path, run_folder: Path, extension: Any
) -> None:
    async with FakeRunner(run_folder) as runner:
        await extension.live_runs.look()
        assert (await ask("PATCH", "api/contents/runs/c-1", {"path": "runs/better"})).code == 200
        assert run_folder.is_symlink()
        runner.type("y = 1", "fresh")
        found = (await ask("GET", "api/contents/runs/better/agent.ipynb")).data
        assert [cell["id"] for cell in found["content"]["cells"]][-1] == "fresh"
        assert (await ask("GET", f"cobra/runs/{RUN}")).data["run"] == "runs/better"
        assert len((await ask("GET", "cobra/runs")).data["runs"]) == 1
        assert registry.entries()
    links.clean([])
    assert not run_folder.exists()
    assert (root / "runs" / "better" / "agent.ipynb").exists()
    assert (await ask("GET", f"cobra/runs/{RUN}")).data["run"] == "runs/better"


@pytest.mark.parametrize(("old", "new"), [("runs", "old"), ("runs/c-1", "archive/c-1")])
async def test_a_run_in_a_moved_folder_is_listed_once_during_and_after_the_run(
    old: str, new: str, ask: Ask, root: Path, run_folder: Path, extension: Any
) -> None:
    (root / "archive").mkdir()
    place = f"{new}/c-1".replace("c-1/c-1", "c-1")

    async def listed() -> list[tuple[str, str]]:
        return [(run["id"], run["run"]) for run in (await ask("GET", "cobra/runs")).data["runs"]]

    async with FakeRunner(run_folder) as runner:
        await extension.live_runs.look()
        assert (await ask("PATCH", f"api/contents/{old}", {"path": new})).code == 200
        runner.tell_status()
        assert await listed() == [(RUN, place)]
    await extension.live_runs.look()
    links.clean([])
    assert not (root / old).exists()
    assert await listed() == [(RUN, place)]
    assert (await ask("GET", f"cobra/runs/{RUN}")).data["run"] == place
    assert (await ask("POST", f"cobra/runs/{RUN}/export", {"to": "py"})).data == {"path": f"{place}/agent.py"}


async def test_a_link_stays_as_long_as_a_live_run_uses_it(root: Path, jp_environ: None) -> None:
    """This includes a run that was started through the link after the folder was renamed."""
    (root / "old").mkdir()
    links.create(root / "runs", root / "old", [RUN])
    first = registry.Entry(RUN, root / "old" / "a", 1, root / "a", "")
    second = registry.Entry("b" * 12, root / "runs" / "b", 1, root / "b", "")
    for living in ([first, second], [second], [first]):
        links.clean(living)
        assert (root / "runs").is_symlink()
    links.clean([replace(second, run=root / "old" / "b")])
    assert not (root / "runs").is_symlink()


async def moved_to_notes(ask: Ask, root: Path) -> None:
    """Moves the notebook into a person's folder."""
    (root / "notes" / "deep").mkdir(parents=True)
    moved = await ask("PATCH", NOTEBOOK, {"path": "notes/deep/agent.ipynb"})
    assert moved.code == 200


@pytest.mark.parametrize(
    ("old", "new"), [("notes", "words"), ("notes/deep", "notes/deeper"), ("notes", "runs/n")]
)
async def test_a_moved_notebook_follows_when_its_new_folder_is_renamed(
    old: str, new: str, ask: Ask, root: Path, run_folder: Path, extension: Any
) -> None:
    async with FakeRunner(run_folder) as runner:
        await extension.live_runs.look()
        await moved_to_notes(ask, root)
        assert (await ask("PATCH", f"api/contents/{old}", {"path": new})).code == 200
        place = "notes/deep/agent.ipynb".replace(old, new)
        assert runner.notebook == root / place
        runner.type("y = 1", "fresh")
        found = (await ask("GET", f"api/contents/{place}", **WITH_HASH)).data
        assert [cell["id"] for cell in found["content"]["cells"]][-1] == "fresh"
        runner.calls.clear()
        assert (await ask("PUT", f"api/contents/{place}", put(found["content"]))).code == 200
        assert "save" in [name for name, _ in runner.calls]
        assert not (root / old).exists()
    assert (await ask("GET", f"api/contents/{place}", **WITH_HASH)).data["hash"] == found["hash"]


async def test_renaming_a_persons_link_does_not_move_the_notebook(
    ask: Ask, root: Path, run_folder: Path
) -> None:
    async with FakeRunner(run_folder) as runner:
        await moved_to_notes(ask, root)
        (root / "link").symlink_to("notes")
        assert (await ask("PATCH", "api/contents/link", {"path": "other"})).code == 200
        assert runner.notebook == root / "notes" / "deep" / "agent.ipynb"
        assert runner.notebook.is_file()


async def test_a_notebook_moved_next_to_another_live_run_survives_a_rename_of_the_folder(
    ask: Ask, root: Path, run_folder: Path, extension: Any
) -> None:
    async with FakeRunner(run_folder) as runner, FakeRunner(root / "notes" / "c-2", "aaaaaaaaaaaa"):
        await extension.live_runs.look()
        await moved_to_notes(ask, root)
        assert (await ask("PATCH", "api/contents/notes", {"path": "words"})).code == 200
        assert runner.notebook == root / "words" / "deep" / "agent.ipynb"
        assert runner.notebook.is_file()


async def test_a_folder_with_the_moved_notebook_of_a_live_run_is_not_deleted(
    ask: Ask, root: Path, run_folder: Path
) -> None:
    async with FakeRunner(run_folder):
        await moved_to_notes(ask, root)
        refused = await ask("DELETE", "api/contents/notes")
        assert refused.code == 409
        assert "move it elsewhere or stop the run first" in refused.message
    assert (root / "notes" / "deep" / "agent.ipynb").exists()
    for path in ("notes/deep/agent.ipynb", "notes/deep", "notes"):  # after the end
        assert (await ask("DELETE", f"api/contents/{path}")).code == 204


@pytest.mark.parametrize("path", ["runs/c-1/agent.ipynb", "runs/c-1", "runs"])
async def test_files_that_a_live_run_needs_are_not_deleted(path: str, ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder):
        refused = await ask("DELETE", f"api/contents/{path}")
        assert refused.code == 409
        assert "stop it first" in refused.message
        assert (run_folder / "agent.ipynb").exists()


INNER = (
    "ledger.jsonl",
    "run.json",
    "code",
    "code/model.py",
    "trials",
    "agents",
    "agents/a.txt",
    "report.html",
)


def _fill(folder: Path) -> None:
    for name in ("code", "trials", "agents"):
        (folder / name).mkdir(parents=True)
    for name in ("code/model.py", "agents/a.txt", "report.html"):
        (folder / name).write_text("text")


@pytest.mark.parametrize("name", INNER)
async def test_contents_of_a_live_runs_folder_are_neither_deleted_nor_renamed(
    name: str, ask: Ask, run_folder: Path
) -> None:
    _fill(run_folder)
    async with FakeRunner(run_folder):
        for refused in (
            await ask("DELETE", f"api/contents/runs/c-1/{name}"),
            await ask("PATCH", f"api/contents/runs/c-1/{name}", {"path": "runs/c-1/other"}),
        ):
            assert refused.code == 409
            assert "stop it first" in refused.message
        assert (run_folder / name).exists()


@pytest.mark.parametrize("name", INNER)
async def test_contents_of_an_ended_runs_folder_can_be_renamed(
    name: str, ask: Ask, root: Path, run_folder: Path
) -> None:
    _fill(run_folder)
    write_run(run_folder, state="finished")
    async with FakeRunner(root / "runs" / "c-10", "aaaaaaaaaaaa"):  # a live run whose name begins alike
        assert (await ask("PATCH", f"api/contents/runs/c-1/{name}", {"path": "runs/c-1/other"})).code == 200


async def test_links_in_a_live_runs_folder_or_into_it_are_not_deleted(
    ask: Ask, root: Path, run_folder: Path
) -> None:
    _fill(run_folder)
    (root / "mine.txt").write_text("text")
    (run_folder / "out.txt").symlink_to(root / "mine.txt")
    (root / "in").symlink_to(run_folder / "code")
    async with FakeRunner(run_folder):
        for path in ("runs/c-1/out.txt", "in/model.py"):
            assert (await ask("DELETE", f"api/contents/{path}")).code == 409


async def test_files_can_be_saved_in_a_live_runs_folder_but_not_over_its_record(
    ask: Ask, run_folder: Path
) -> None:
    _fill(run_folder)
    async with FakeRunner(run_folder):
        for name in ("code/model.py", "notes.txt", "my_run.json"):
            body = {"type": "file", "format": "text", "content": "mine"}
            assert (await ask("PUT", f"api/contents/runs/c-1/{name}", body)).code in (200, 201)
            assert (run_folder / name).read_text() == "mine"
        for name in ("ledger.jsonl", "run.json"):
            before = (run_folder / name).read_text()
            refused = await ask("PUT", f"api/contents/runs/c-1/{name}", body)
            assert (refused.code, (run_folder / name).read_text()) == (409, before)
            assert "stop it first" in refused.message


async def test_a_persons_notebook_in_a_live_runs_folder_can_be_renamed(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder):
        shutil.copy(run_folder / "agent.ipynb", run_folder / "Untitled.ipynb")
        renamed = await ask("PATCH", "api/contents/runs/c-1/Untitled.ipynb", {"path": "runs/c-1/mine.ipynb"})
        assert renamed.code == 200


async def test_a_hanging_runner_blocks_nobody_else(ask: Ask, root: Path, run_folder: Path) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    (root / "mine.txt").write_text("text")
    async with FakeRunner(run_folder) as hung, FakeRunner(root / "runs" / "c-2", "aaaaaaaaaaaa"):
        notebook = (await ask("GET", NOTEBOOK)).data["content"]
        hung.hung = asyncio.Event()
        saves = [asyncio.ensure_future(ask("PUT", NOTEBOOK, put(notebook))) for _ in range(6)]
        while len([name for name, _ in hung.calls if name == "save"]) < 6:
            await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            assert len((await ask("GET", "cobra/runs")).data["runs"]) == 2
            moved = await ask("PATCH", "api/contents/runs/c-2/agent.ipynb", {"path": "runs/c-2/b.ipynb"})
            assert moved.code == 200
            assert (await ask("DELETE", "api/contents/mine.txt")).code == 204
        assert not any(save.done() for save in saves)
        hung.hung.set()
        assert {(await save).code for save in saves} == {200}


async def test_the_notebook_of_an_ended_run_can_be_deleted(
    ask: Ask, root: Path, run_folder: Path, jp_serverapp: Any
) -> None:
    jp_serverapp.contents_manager.delete_to_trash = False
    write_run(run_folder, state="finished")
    assert (await ask("DELETE", NOTEBOOK)).code == 204
    assert not (run_folder / "agent.ipynb").exists()


async def test_other_notebooks_are_left_alone(ask: Ask, root: Path, extension: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(extension.ownership, "owner_of", lambda path: pytest.fail("asked"))
    write_run(root / "plain")
    shutil.copy(root / "plain" / "agent.ipynb", root / "mine.ipynb")
    found = (await ask("GET", "api/contents/mine.ipynb", **WITH_HASH)).data
    assert found["hash_algorithm"] == "sha256"
    assert (await ask("PUT", "api/contents/mine.ipynb", put(found["content"]))).code == 200
    assert (await ask("PATCH", "api/contents/mine.ipynb", {"path": "yours.ipynb"})).code == 200
    assert (await ask("POST", "api/contents", {"copy_from": "yours.ipynb"})).code == 201


async def test_a_persons_notebook_in_a_run_folder_is_treated_as_an_ordinary_one(
    ask: Ask, run_folder: Path
) -> None:
    write_run(run_folder)
    shutil.copy(run_folder / "agent.ipynb", run_folder / "notes.ipynb")
    found = (await ask("GET", "api/contents/runs/c-1/notes.ipynb", **WITH_HASH)).data
    assert found["hash_algorithm"] == "sha256"


class TestASynchronousManager:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: Json) -> Json:
        manager = "jupyter_server.services.contents.filemanager.FileContentsManager"
        return {"ServerApp": {**jp_server_config["ServerApp"], "contents_manager_class": manager}}

    async def test_it_does_the_same(self, ask: Ask, run_folder: Path) -> None:
        write_run(run_folder)
        found = (await ask("GET", NOTEBOOK, **WITH_HASH)).data
        assert found["hash_algorithm"] == "cobra"
        found["content"]["cells"][1]["source"] = "x = 'mine'"
        assert (await ask("PUT", NOTEBOOK, put(found["content"]))).code == 200
        assert (await ask("PATCH", NOTEBOOK, {"path": "runs/c-1/mine.ipynb"})).code == 200
        assert "mine" in (run_folder / "mine.ipynb").read_text()
        assert (await ask("POST", "api/contents/runs", {"copy_from": "runs/c-1/mine.ipynb"})).code == 201
