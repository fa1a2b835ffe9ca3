"""The notebook, its folder and the folder above are renamed while the agent works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import live
from tests.lab import actions
from tests.lab.browser import Live, Server, Tab, until

CONTENTS = "([old, now]) => window.jupyterapp.serviceManager.contents.rename(old, now).then(m => m.path)"
# as the file browser does it: Lab's document manager knows which tabs are open
MANAGER = "([old, now]) => window.docs.rename(old, now).then(m => m.path)"
FIND = """async () => {
    const { commands } = window.jupyterapp;
    window.docs = [...window.jupyterapp.shell.widgets('left')].find(w => w.id === 'filebrowser').model.manager;
}"""


def rename(page: Tab, how: str, old: str, new: str) -> None:
    if how == MANAGER:
        page.page.evaluate(FIND)
    assert page.page.evaluate(how, [old, new]) == new


def path_of(page: Tab) -> str:
    return str(page.js("nb => nb.context.path"))


def works_at(page: Tab, going: Live, path: Path) -> None:
    """The agent's next cell comes into the tab and into the file at its new place; the person saves there."""
    going.say(3, live.cell("print('after', 'the rename')", "After"))
    page.shows("after the rename")
    mine = actions.add(page, "mine = 8")
    page.page.keyboard.press("Control+s")
    until(lambda: "mine = 8" in path.read_text(), f"saved in {path}")
    assert Path(going.call("flush", agent="lead")["path"]).resolve() == path
    assert actions.source(page, mine) == "mine = 8"
    actions.computes(page, "print('still', x + 1)", "still 2")
    actions.same(page, going)
    actions.quiet(page)


@pytest.mark.parametrize("how", [CONTENTS, MANAGER], ids=["contents", "docmanager"])
def test_the_notebook_is_renamed_while_the_agent_streams(
    how: str, server: Server, run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    going = run(server)
    page = tab(server, going.path)
    page.shows("x = 1")
    kernel = actions.kernel(page)
    going.say(2, live.cell(actions.streaming(4), "Counting"))
    page.shows("line 1 of it")
    new = going.path.replace("agent.ipynb", "better name.ipynb")
    rename(page, how, going.path, new)
    until(lambda: path_of(page) == new, "the tab has the new name")
    page.shows("it is done")
    assert all(line in page.outputs() for line in actions.lines(0, 20))
    works_at(page, going, server.root / new)
    assert actions.kernel(page) == kernel
    assert not (server.root / going.path).exists()
    sessions = [one for one in server.get("api/sessions") if one["kernel"]["id"] == kernel]
    assert [one["path"] for one in sessions] == [new]


@pytest.mark.parametrize("how", [CONTENTS, MANAGER], ids=["contents", "docmanager"])
@pytest.mark.parametrize("above", [False, True], ids=["folder of the run", "folder above"])
def test_the_folder_is_renamed_while_the_agent_streams(
    above: bool, how: str, server: Server, run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    going = run(server)
    if above:
        old, new = "runs", f"moved {going.name}"
        path = f"{new}/{going.name}/agent.ipynb"
    else:
        old, new = f"runs/{going.name}", f"runs/moved {going.name}"
        path = f"{new}/agent.ipynb"
    page = tab(server, going.path)
    page.shows("x = 1")
    kernel, id = actions.kernel(page), going.entry.id
    going.say(2, live.cell(actions.streaming(4), "Counting"))
    page.shows("line 1 of it")
    rename(page, how, old, new)
    until(lambda: path_of(page) == path, "the tab has the new path")
    page.shows("it is done")
    assert all(line in page.outputs() for line in actions.lines(0, 20))
    works_at(page, going, server.root / path)
    assert actions.kernel(page) == kernel
    status = server.get(f"cobra/runs/{id}")
    assert (status["state"], status["agents"][0]["notebook"]) == ("running", path)
    going.stop()
    until(lambda: not (server.root / old).exists(), "nothing is left at the old place", 20)
    assert (server.root / path).is_file()
