"""The notebook, its folder and the folder above are renamed while the agent works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import live
from tests.lab import actions
from tests.lab.live_run import Live
from tests.lab.server import Server
from tests.lab.tab import Tab
from tests.lab.waiting import until

CONTENTS = "([old, now]) => window.jupyterapp.serviceManager.contents.rename(old, now).then(m => m.path)"
# as the file browser does it: Lab's document manager knows which tabs are open
MANAGER = "([old, now]) => window.docs.rename(old, now).then(m => m.path)"
FIND = """async () => {
    const { commands } = window.jupyterapp;
    window.docs = [...window.jupyterapp.shell.widgets('left')]\
.find(w => w.id === 'filebrowser').model.manager;
}"""


def rename(page: Tab, how: str, old: str, new: str) -> None:
    if how == MANAGER:
        page.page.evaluate(FIND)
    assert page.page.evaluate(how, [old, new]) == new


def path_of(page: Tab) -> str:
    return str(page.js("nb => nb.context.path"))


def streams(going: Live, page: Tab) -> None:
    """The agent's cell prints, and stands still until `has_streamed`."""
    going.say(2, live.cell(going.printing(20, 10), "Counting"))
    page.shows("line 1 of it")


def has_streamed(going: Live, page: Tab) -> None:
    going.go_on(10)
    page.shows("it is done")
    assert all(line in page.outputs() for line in actions.printed_lines(0, 20))


def works_at(page: Tab, going: Live, path: Path) -> None:
    """The agent's next cell comes into the tab and into the file at its new place; the person saves there."""
    going.say(3, live.cell("print('after', 'the rename')", "After"))
    page.shows("after the rename")
    mine = actions.add_cell(page, "mine = 8")
    page.page.keyboard.press("Control+s")
    until(lambda: "mine = 8" in path.read_text(), f"saved in {path}")
    assert Path(going.call("flush", agent="lead")["path"]).resolve() == path
    assert actions.source_of(page, mine) == "mine = 8"
    actions.computes(page, "print('still', x + 1)", "still 2")
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


@pytest.mark.parametrize(
    "how",
    [pytest.param(CONTENTS, id="contents", marks=pytest.mark.full), pytest.param(MANAGER, id="docmanager")],
)
def test_the_notebook_is_renamed_while_the_agent_streams(
    how: str, server: Server, own_run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    going = own_run()
    page = tab(going.path)
    kernel = actions.kernel_of(page)
    streams(going, page)
    new = going.path.replace("agent.ipynb", "better name.ipynb")
    rename(page, how, going.path, new)
    until(lambda: path_of(page) == new, "the tab has the new name")
    has_streamed(going, page)
    works_at(page, going, server.root / new)
    assert actions.kernel_of(page) == kernel
    assert not (server.root / going.path).exists()
    sessions = [one for one in server.get("api/sessions") if one["kernel"]["id"] == kernel]
    assert [one["path"] for one in sessions] == [new]


@pytest.mark.parametrize(
    ("how", "above"),
    [
        pytest.param(CONTENTS, False, id="contents-folder of the run", marks=pytest.mark.full),
        pytest.param(MANAGER, True, id="docmanager-folder above"),
        pytest.param(CONTENTS, True, id="contents-folder above", marks=pytest.mark.full),
        pytest.param(MANAGER, False, id="docmanager-folder of the run", marks=pytest.mark.full),
    ],
)
def test_the_folder_is_renamed_while_the_agent_streams(
    above: bool, how: str, server: Server, own_run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    going = own_run(folder="project")
    if above:
        old, new = "project", f"moved {going.name}"
        path = f"{new}/{going.name}/agent.ipynb"
    else:
        old, new = f"project/{going.name}", f"project/moved {going.name}"
        path = f"{new}/agent.ipynb"
    page = tab(going.path)
    kernel, id = actions.kernel_of(page), going.entry.id
    streams(going, page)
    rename(page, how, old, new)
    until(lambda: path_of(page) == path, "the tab has the new path")
    has_streamed(going, page)
    works_at(page, going, server.root / path)
    assert actions.kernel_of(page) == kernel
    status = server.get(f"cobra/runs/{id}")
    assert (status["state"], status["agents"][0]["notebook"]) == ("running", path)
    going.stop()
    until(lambda: not (server.root / old).exists(), "nothing is left at the old place")
    assert (server.root / path).is_file()
