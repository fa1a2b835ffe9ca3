"""An agent's notebook restored on resumption, and its file changed by others."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.agent.reply import parse
from cobra_jupyter.agent.workspace import Workspace, open_workspace
from cobra_jupyter.notebook import overflow
from cobra_jupyter.notebook.document import MAX_TEXT, Document
from cobra_jupyter.notebook.merge import touched
from cobra_jupyter.records import blobs
from tests.agent.test_interventions import Stage, insert, source


def workspace_of(stage: Stage, path: Path) -> Workspace:
    return open_workspace(stage.all(), stage.ledger, path, {}, "lead", "lead", "run")


def sources(document: Document) -> list[str]:
    return [document.source_of(cell) for cell in document]


def leave(stage: Stage, path: Path) -> None:
    """Write the notebook like a runner that dies right afterwards."""
    stage.document.stamp = lambda: {"run": "run", "line": stage.ledger.length - 1}
    path.write_text(stage.document.text())


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_file_of_a_killed_runner_undoes_nothing(tmp_path: Path) -> None:
    """The file holds half of a reply that the record has whole, and a person's cell that the record lacks."""

    async def scenario() -> None:
        stage, path = Stage(tmp_path), tmp_path / "agent.ipynb"
        stage.reply("# First\n\n```python\nfirst\n```\n")
        page = stage.begin()
        page.show(parse("# Half\n\n```python\none"))
        stage.edit(insert("mine", page.code))
        leave(stage, path)
        stage.end(page, "# Half and whole\n\n```python\none = 1\n```\n")
        workspace = workspace_of(stage, path)
        assert sources(workspace.document) == ["# First", "first", "# Half and whole", "one = 1", "mine"]
        assert workspace.document.since(stage.document.seq) is None
        await workspace.file.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "metadata", [None, 5, [], {"cobra": 5}, {"cobra": {"line": "x"}}, {"cobra": {"line": 3}}]
)
@pytest.mark.parametrize("cells", [None, 5, [5], [{"metadata": 3}]])
def test_a_run_goes_on_whatever_its_notebook_contains(tmp_path: Path, metadata: Any, cells: Any) -> None:
    async def scenario() -> None:
        stage, path = Stage(tmp_path), tmp_path / "agent.ipynb"
        stage.reply()
        path.write_text(json.dumps({"nbformat": 4, "metadata": metadata, "cells": cells}))
        workspace = workspace_of(stage, path)
        assert len(workspace.document) <= 2
        await workspace.file.close()

    asyncio.run(scenario())


def test_changes_made_while_no_runner_was_active_are_merged(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage, path = Stage(tmp_path), tmp_path / "agent.ipynb"
        first, second = stage.reply(), stage.reply()
        leave(stage, path)
        cells = json.loads(path.read_text())["cells"]
        cells[1]["source"] = "changed"
        del cells[2]
        cells.append({"cell_type": "raw", "id": "mine", "metadata": {}, "source": "mine"})
        rewrite(path, cells=cells)
        workspace = workspace_of(stage, path)
        assert list(workspace.document) == [first.markdown, first.code, second.code, "mine"]
        assert sources(workspace.document) == ["# Words", "changed", "code", "mine"]
        assert [deed.what for deed in workspace.interventions.report("resumed")] == [
            ("changed",),
            ("added",),
            ("deleted",),
        ]
        await workspace.file.close()

    asyncio.run(scenario())


def test_images_in_a_persons_markdown_survive_though_the_record_has_none(tmp_path: Path) -> None:
    """Also for a cell that was recorded only after the last write of the file."""

    async def scenario() -> None:
        stage, path = Stage(tmp_path), tmp_path / "agent.ipynb"
        page = stage.reply()
        shown = {"a.png": {"image/png": "cGFzdGVk"}}
        made = {"source": "![a](attachment:a.png)", "metadata": {}, "attachments": shown}
        for edit, cell in (("replace", str(page.markdown)), ("insert", "mine")):
            stage.edit({"edit": edit, "cell": {"cell_type": "markdown", "id": cell, **made}, "after": None})
        leave(stage, path)
        stage.interventions.record()
        workspace = workspace_of(stage, path)
        assert [workspace.document.cell(cell)["attachments"] for cell in ("mine", str(page.markdown))] == [
            shown
        ] * 2
        await workspace.file.close()

    asyncio.run(scenario())


def test_half_of_a_reply_that_never_ended_is_dropped(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage, path = Stage(tmp_path), tmp_path / "agent.ipynb"
        stage.reply()
        page = stage.begin()
        page.show(parse("# Half\n\n```python\none"))
        stage.edit(source(page.code, "one, as a person likes it"))
        leave(stage, path)
        workspace = workspace_of(stage, path)
        assert sources(workspace.document) == ["# Words", "code", "one, as a person likes it"]
        assert touched(workspace.document, str(page.code))
        await workspace.file.close()

    asyncio.run(scenario())


def test_a_tab_cannot_go_on_from_operations_before_a_resumption(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage, path = Stage(tmp_path), tmp_path / "agent.ipynb"
        for _ in range(5):
            stage.reply()
        leave(stage, path)
        workspace = workspace_of(stage, path)
        assert all(workspace.document.since(seq) is None for seq in range(stage.document.seq + 1))
        workspace.document.insert("code", "new")
        assert workspace.document.since(3) is None
        await workspace.file.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("text", ["no json", "[]", '{"nbformat": 4}', '{"nbformat": 4, "cells": 5}'])
def test_a_notebook_that_another_program_spoils_is_written_again_and_the_record_says_so(
    tmp_path: Path, text: str
) -> None:
    async def scenario() -> None:
        stage, path = Stage(tmp_path), tmp_path / "agent.ipynb"
        stage.reply()
        workspace = workspace_of(stage, path)
        await workspace.file.flush()
        path.write_text(text)
        await workspace.file.look()
        await workspace.file.flush()
        assert json.loads(path.read_text())["cells"][1]["source"] == ["code"]
        (decision,) = stage.records("decision")
        assert decision["what"] == "agent.ipynb was changed by another program and is no notebook any more"
        await workspace.file.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("notebook", [{}, {"cells": None}, {"cells": [3]}, {"cells": [{}], "metadata": 3}])
def test_a_tab_that_saves_an_invalid_notebook_breaks_nothing(
    tmp_path: Path, notebook: dict[str, Any]
) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        workspace = workspace_of(stage, tmp_path / "agent.ipynb")
        cell = workspace.document.insert("code", "x").cell_id
        if notebook.get("cells") == [{}]:
            workspace.save(notebook, "tab")
        else:
            with pytest.raises(ValueError, match="no notebook"):
                workspace.save(notebook, "tab")
        assert cell in workspace.document  # the tab cannot have seen it: the file has never been written
        await workspace.file.close()

    asyncio.run(scenario())


def test_a_running_cell_that_becomes_markdown_still_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        workspace = workspace_of(stage, tmp_path / "agent.ipynb")
        workspace.document.insert("code", "x", cell_id="a")
        workspace.person_cells.ran("m", "a", "tab")
        workspace.on_foreign("m", {"output_type": "execute_input", "execution_count": 1})
        workspace.document.delete("a")
        workspace.document.insert("markdown", "x", cell_id="a")
        workspace.on_foreign("m", {"output_type": "idle"})
        assert [record["status"] for record in stage.records("ran")] == ["ok"]
        await workspace.file.close()

    asyncio.run(scenario())


def test_output_beyond_the_notebooks_limit_is_in_the_log_that_the_note_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overflow, "MOST", 4 << 20)

    async def scenario() -> None:
        stage = Stage(tmp_path)
        workspace = workspace_of(stage, tmp_path / "agent.ipynb")
        cell, lines = (
            workspace.document.insert("code", "x").cell_id,
            "".join(f"{n}\n" for n in range(300_000)),
        )
        table = {"text/plain": "table", "text/html": "<table>"}
        for output in (
            {"output_type": "stream", "name": "stdout", "text": lines},
            {"output_type": "display_data", "data": table, "metadata": {}},
        ):
            workspace.document.output(cell, output)
        workspace.document.count(cell, 1)
        kept, note, last = workspace.document.cell(cell)["outputs"]
        log = re.search(r"logs/[\w-]+\.log", note["data"]["text/plain"])
        assert log
        _, rest = (tmp_path / log[0]).read_text().split(f"==== cell {cell}\n")
        assert kept["text"] + rest == lines
        assert last["data"] == table
        for _ in range(5):
            workspace.document.output(cell, {"output_type": "stream", "name": "stdout", "text": lines})
        assert (tmp_path / log[0]).stat().st_size == 4 << 20
        await workspace.file.close()

    asyncio.run(scenario())


def test_the_note_on_unstored_output_is_the_same_after_a_resumption(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        cell = stage.reply().code
        shown = [
            {"output_type": "stream", "name": "stdout", "text": "x" * MAX_TEXT},
            {"output_type": "display_data", "data": {"text/plain": "[the note]"}, "metadata": {}},
            {"output_type": "display_data", "data": {"text/plain": "table"}, "metadata": {}},
        ]
        stage.ledger.append(
            "execution",
            {
                "agent": "lead",
                "turn": 1,
                "cell": cell,
                "status": "ok",
                "count": 1,
                "outputs": blobs.store(tmp_path, shown),
            },
        )
        workspace = workspace_of(stage, tmp_path / "agent.ipynb")
        assert workspace.document.cell(str(cell))["outputs"] == shown
        assert not (tmp_path / "logs").exists()
        await workspace.file.close()

    asyncio.run(scenario())
