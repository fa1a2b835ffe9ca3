"""Saving at any moment, by hand, by itself and by other programs: merged, and nobody is asked anything."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Request, Route

from tests.fakes import live
from tests.fakes.relay import Relay
from tests.lab.agreement import agree, lines
from tests.lab.live_run import Live
from tests.lab.tab import Tab
from tests.lab.waiting import until

STREAM = "for i in range(60):\n    print('line', i, flush=True)\n    time.sleep(0.02)"
LINES = [f"line {i}" for i in range(60)]


def saves(tab: Tab) -> list[str]:
    """The requests that save the notebook, from now on."""
    seen: list[str] = []

    def look(request: Request) -> None:
        if request.method == "PUT" and "/api/contents/" in request.url:
            seen.append(request.url)

    tab.page.on("request", look)
    return seen


def test_saving_again_and_again_while_the_agent_streams_loses_nothing(going: Live, page: Tab) -> None:
    saved = saves(page)
    page.type_into(page.cell_with("x = 1"), "\n# mine")
    going.say(2, live.cell(going.held(STREAM), "Streaming"))
    page.shows("line 0")

    def saved_often() -> bool:
        page.page.keyboard.press("Control+s")
        return "line 59" in page.outputs() and len(saved) > 3

    until(saved_often, "the whole stream has come, and was saved again and again")
    going.let_go()
    cells = agree(going, page)
    assert lines(cells) == LINES
    assert any("# mine" in cell["source"] for cell in cells)


def test_a_stale_tab_saves_and_takes_nothing_back(going: Live, page: Tab, line: Relay) -> None:
    line.cut()
    until(
        lambda: page.js("nb => nb.sessionContext.session.kernel.connectionStatus !== 'connected'"),
        "it is cut",
    )
    page.type_into(page.cell_with("x = 1"), "\n# stale")
    going.say(2, live.cell(STREAM, "Streaming"))
    going.seen(3)
    going.say(3, live.cell("print('unseen')", "Unseen"))
    going.seen(4)
    assert "line" not in page.outputs()
    line.mend()
    page.page.keyboard.press("Control+s")
    page.shows("unseen\\n")
    cells = agree(going, page)
    assert lines(cells) == LINES
    assert any("# stale" in cell["source"] for cell in cells)


def test_what_another_program_writes_into_the_file_is_in_the_open_tab(going: Live, page: Tab) -> None:
    first = page.cell_with("x = 1")
    path = Path(going.call("flush", agent="lead")["path"])
    notebook = json.loads(path.read_text(encoding="utf-8"))
    changed = next(cell for cell in notebook["cells"] if cell["id"] == first)
    changed["source"] = [*changed["source"], "\n# by another editor"]
    notebook["cells"].append({"cell_type": "markdown", "id": "git", "metadata": {}, "source": ["from git"]})
    going.say(2, live.cell(STREAM, "Streaming"))
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
    content = re.compile(r"/api/contents/.*agent\.ipynb.*content=1")
    tab.page.route(content, lambda route: held.append(route))
    with tab.page.expect_request(content):
        tab.page.evaluate("() => { window.jupyterapp.commands.execute('docmanager:reload'); }")
    until(lambda: tab.page.evaluate("true") and held, "the route has the request")
    return held[0]


def test_reloading_from_disk_while_the_agent_goes_on_takes_nothing_of_it_back(going: Live, page: Tab) -> None:
    page.type_into(page.cell_with("x = 1"), "\n# mine")
    going.say(2, live.cell(STREAM, "Streaming"))
    page.shows("line 5")
    until(lambda: not page.dirty(), "nothing is left to be saved")
    route = held_reload(page)
    old = route.fetch()
    page.shows("line 59")
    going.say(3, live.cell("print('newer than', 'the file')", "Newer"))
    page.shows("newer than the file\\n")
    route.fulfill(response=old)
    until(lambda: "newer than the file" not in page.outputs(), "the file is loaded")
    page.shows("newer than the file\\n")
    going.say(4, live.cell("print('still', 'live')", "Still live"))
    page.shows("still live\\n")
    cells = agree(going, page)
    assert lines(cells) == LINES
    assert lines(cells, "newer") == ["newer than the file"]
    assert any("# mine" in cell["source"] for cell in cells)


def test_a_tab_is_clean_when_all_is_acknowledged_and_closing_it_asks_nothing(going: Live, page: Tab) -> None:
    going.say(2, live.cell(STREAM, "Streaming"))
    page.shows("line 0")
    page.type_into(page.cell_with("x = 1"), "\n# mine")
    until(lambda: not page.dirty(), "it is clean")
    assert any("# mine" in cell["source"] for cell in going.file())
    page.command("application:close")
    until(lambda: page.cells() == [], "it is closed")
    assert page.dialogs() == []
    going.seen(3)
    assert lines(agree(going)) == LINES


def test_leaving_the_page_right_after_typing_asks_nothing_and_keeps_what_was_typed(
    going: Live, page: Tab
) -> None:
    page.type_into(page.cell_with("x = 1"), "\n# the last words")
    until(lambda: not page.dirty(), "it is clean")
    with page.page.expect_event("close"):
        page.page.close(run_before_unload=True)
    assert any("# the last words" in cell["source"] for cell in going.file())
