"""Saving at any moment, by hand, by itself and by other programs: merged, and nobody is asked anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Request, Route

from tests.fakes import live
from tests.fakes.relay import Relay
from tests.lab.agreement import agree, lines
from tests.lab.browser import Live, Server, Tab, until

Run = Callable[..., Live]
Open = Callable[..., Tab]
STREAM = live.cell("for i in range(60):\n    print('line', i, flush=True)\n    time.sleep(0.05)", "Streaming")
LINES = [f"line {i}" for i in range(60)]


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    made = Relay(server.port)
    yield made
    made.close()


def code(tab: Tab) -> str:
    return next(str(cell["id"]) for cell in tab.cells() if "x = 1" in cell["source"])


def saves(tab: Tab) -> list[str]:
    """The requests that save the notebook, from now on."""
    seen: list[str] = []

    def look(request: Request) -> None:
        if request.method == "PUT" and "/api/contents/" in request.url:
            seen.append(request.url)

    tab.page.on("request", look)
    return seen


def test_saving_again_and_again_while_the_agent_streams_loses_nothing(
    server: Server, run: Run, tab: Open
) -> None:
    going = run(server)
    page = tab(server, going.path)
    saved = saves(page)
    page.type_into(code(page), "\n# mine")
    going.say(2, STREAM)
    while "line 59" not in page.outputs():
        page.page.keyboard.press("Control+s")
        page.page.wait_for_timeout(60)
    assert len(saved) > 3
    cells = agree(going, page)
    assert lines(cells) == LINES
    assert any("# mine" in cell["source"] for cell in cells)


def test_autosave_every_second_while_agent_and_person_write(
    own_server: Callable[..., Server], run: Run, tab: Open
) -> None:
    server = own_server()
    settings = server.folder / "home/settings/@jupyterlab/docmanager-extension"
    settings.mkdir(parents=True)
    (settings / "plugin.jupyterlab-settings").write_text('{"autosaveInterval": 1}')
    going = run(server)
    page = tab(server, going.path)
    saved = saves(page)
    going.say(2, STREAM)
    page.type_into(code(page), "\n# mine, written slowly while it saves itself every second", delay=60)
    page.shows("line 59")
    cells = agree(going, page)
    assert saved
    assert lines(cells) == LINES
    assert any("written slowly while it saves itself every second" in cell["source"] for cell in cells)


def test_a_stale_tab_saves_and_takes_nothing_back(server: Server, run: Run, tab: Open, relay: Relay) -> None:
    going = run(server)
    page = tab(server, going.path, port=relay.port)
    relay.cut()
    until(
        lambda: page.js("nb => nb.sessionContext.session.kernel.connectionStatus !== 'connected'"),
        "it is cut",
    )
    page.type_into(code(page), "\n# stale")
    going.say(2, STREAM)
    going.seen(3)
    going.say(3, live.cell("print('unseen')", "Unseen"))
    going.seen(4)
    assert "line" not in page.outputs()
    relay.mend()
    page.page.keyboard.press("Control+s")
    page.shows("unseen\\n")
    cells = agree(going, page)
    assert lines(cells) == LINES
    assert any("# stale" in cell["source"] for cell in cells)


def test_what_another_program_writes_into_the_file_is_in_the_open_tab(
    server: Server, run: Run, tab: Open
) -> None:
    going = run(server)
    page = tab(server, going.path)
    first = code(page)
    path = Path(going.call("flush", agent="lead")["path"])
    notebook = json.loads(path.read_text(encoding="utf-8"))
    changed = next(cell for cell in notebook["cells"] if cell["id"] == first)
    changed["source"] = [*changed["source"], "\n# by another editor"]
    notebook["cells"].append({"cell_type": "markdown", "id": "git", "metadata": {}, "source": ["from git"]})
    going.say(2, STREAM)
    page.shows("line 0")
    path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    page.type_into(next(c["id"] for c in page.cells() if "Begin" in c["source"]), " typed meanwhile")
    page.shows("from git")
    page.shows("# by another editor")
    page.page.keyboard.press("Control+s")
    page.shows("line 59")
    cells = agree(going, page)
    sources = "\n".join(cell["source"] for cell in cells)
    assert lines(cells) == LINES
    assert "typed meanwhile" in sources
    assert sources.count("from git") == sources.count("# by another editor") == 1


def held_reload(tab: Tab) -> Route:
    """Reload the notebook from disk; its content is fetched, and held back until the route is fulfilled."""
    held: list[Route] = []
    tab.page.route(re.compile(r"/api/contents/.*agent\.ipynb.*content=1"), lambda route: held.append(route))
    tab.page.evaluate("() => { window.jupyterapp.commands.execute('docmanager:reload'); }")
    until(lambda: (tab.page.wait_for_timeout(20), held)[1], "the notebook is asked for")
    return held[0]


def test_reloading_from_disk_while_the_agent_goes_on_takes_nothing_of_it_back(
    server: Server, run: Run, tab: Open
) -> None:
    going = run(server)
    page = tab(server, going.path)
    page.type_into(code(page), "\n# mine")
    going.say(2, STREAM)
    page.shows("line 5")
    until(lambda: not page.dirty(), "nothing is left to be saved")
    route = held_reload(page)
    old = route.fetch()
    page.shows("line 59")
    going.say(3, live.cell("print('newer than', 'the file')", "Newer"))
    page.shows("newer than the file\\n")
    route.fulfill(response=old)
    until(lambda: "newer than the file" not in page.outputs(), "the file is loaded", 5)
    page.shows("newer than the file\\n")
    going.say(4, live.cell("print('still', 'live')", "Still live"))
    page.shows("still live\\n")
    cells = agree(going, page)
    assert lines(cells) == LINES
    assert lines(cells, "newer") == ["newer than the file"]
    assert any("# mine" in cell["source"] for cell in cells)


def test_a_tab_is_clean_when_all_is_acknowledged_and_closing_it_asks_nothing(
    server: Server, run: Run, tab: Open
) -> None:
    going = run(server)
    page = tab(server, going.path)
    going.say(2, STREAM)
    page.shows("line 0")
    page.type_into(code(page), "\n# mine")
    until(lambda: not page.dirty(), "it is clean", 5)
    assert any("# mine" in cell["source"] for cell in going.file())
    page.command("application:close")
    until(lambda: page.cells() == [], "it is closed")
    assert page.dialogs() == []
    going.seen(3)
    assert lines(agree(going)) == LINES


def test_leaving_the_page_right_after_typing_asks_nothing_and_keeps_what_was_typed(
    server: Server, run: Run, tab: Open
) -> None:
    going = run(server)
    page = tab(server, going.path)
    page.type_into(code(page), "\n# the last words")
    until(lambda: not page.dirty(), "it is clean", 5)
    with page.page.expect_event("close"):
        page.page.close(run_before_unload=True)
    assert any("# the last words" in cell["source"] for cell in going.file())
