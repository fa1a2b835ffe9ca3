"""The connection between browser and server is cut while the agent goes on and the person does too."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.fakes import live
from tests.fakes.relay import Relay
from tests.lab import actions
from tests.lab.browser import Live, Server, Tab, until

AWAY = 15.0  # seconds, longer than JupyterLab's first attempts to connect anew


@pytest.fixture
def line(server: Server) -> Iterator[Relay]:
    """What the tab's connections go through."""
    relay = Relay(server.port)
    yield relay
    relay.close()


@pytest.fixture
def begun(server: Server, line: Relay, run: Callable[..., Live], tab: Callable[..., Tab]) -> tuple[Live, Tab]:
    """A run, and a tab that shows its first cell through the line."""
    going = run(server)
    page = tab(server, going.path, port=line.port)
    page.shows("x = 1")
    return going, page


def test_agent_and_person_go_on_while_the_connection_is_cut(line: Relay, begun: tuple[Live, Tab]) -> None:
    going, page = begun
    mine = actions.add(page, "first = 1")
    until(lambda: "first = 1" in [c["source"] for c in going.file()], "the run has the person's cell")
    going.say(2, live.cell(actions.streaming(6), "Counting"))
    page.shows("line 1 of it")

    line.cut()
    page.type_into(mine, "; second = 2", delay=10)
    new = actions.add(page, "third = 3")
    going.seen(3)
    going.say(3, live.cell("y = x + 1\nprint('y', y)", "Unseen"))
    going.seen(4)
    assert "second" not in "".join(cell["source"] for cell in going.file())
    assert "line 29 of it" not in page.outputs()
    time.sleep(AWAY)
    line.mend()

    page.shows("y 2")
    assert all(line in page.outputs() for line in actions.lines(0, 30))
    for text in ("first = 1; second = 2", "third = 3"):
        until(lambda text=text: text in [c["source"] for c in going.file()], f"the file has {text!r}")
    assert (actions.source(page, mine), actions.source(page, new)) == ("first = 1; second = 2", "third = 3")
    actions.recorded(going, "first = 1; second = 2", "third = 3")
    actions.quiet(page)
    actions.computes(page, "print('still', x + y)", "still 3")
    going.say(4, live.cell("print('seen', 'again')", "Seen"))
    page.shows("seen again")
    actions.same(page, going)
    actions.quiet(page)


def test_outputs_of_the_persons_own_cell_come_after_the_cut(line: Relay, begun: tuple[Live, Tab]) -> None:
    going, page = begun
    mine = actions.own(page, actions.streaming(6))
    until(lambda: "line 2 of it" in actions.output(page, mine), "the person's cell runs")
    line.cut()
    time.sleep(9)
    assert "it is done" not in actions.output(page, mine)
    line.mend()
    until(lambda: "it is done" in actions.output(page, mine), "the rest has come")
    assert all(actions.output(page, mine).count(line) == 1 for line in actions.lines(10, 30))
    until(
        lambda: page.js(
            "(nb, id) => [...nb.content.model.cells].find(c => c.id === id).executionCount", mine
        ),
        "its number",
    )
    actions.same(page, going)
    actions.computes(page, "print('still', x + 1)", "still 2")


def test_a_cell_that_still_runs_after_the_cut_has_all_its_output(
    line: Relay, begun: tuple[Live, Tab]
) -> None:
    going, page = begun
    mine = actions.own(page, actions.streaming(14))
    until(lambda: "line 2 of it" in actions.output(page, mine), "the person's cell runs")
    line.cut()
    time.sleep(4)
    line.mend()
    until(lambda: "it is done" in actions.output(page, mine), "it has ended")
    until(
        lambda: all(line in actions.output(page, mine) for line in actions.lines(0, 70)),
        "nothing is missing",
        10,
    )
    actions.same(page, going)


def test_saving_right_after_the_cut_asks_nothing(line: Relay, begun: tuple[Live, Tab]) -> None:
    going, page = begun
    line.cut()
    going.say(2, live.cell("print('written', 'meanwhile')", "Meanwhile"))
    going.seen(3)
    mine = actions.add(page, "mine = 5")
    line.mend()
    page.page.keyboard.press("Control+s")
    page.shows("written meanwhile")
    until(lambda: "mine = 5" in [c["source"] for c in going.file()], "the file has the person's cell")
    page.page.keyboard.press("Control+s")
    assert actions.source(page, mine) == "mine = 5"
    actions.same(page, going)
    actions.quiet(page)


def test_a_tab_that_was_away_when_the_run_ended_shows_it_whole_and_undoes_nothing_of_it(
    line: Relay, begun: tuple[Live, Tab]
) -> None:
    going, page = begun
    mine = actions.add(page, "mine = 5")
    until(lambda: "mine = 5" in [c["source"] for c in going.file()], "the run has the person's cell")
    line.cut()
    page.type_into(mine, " + 1", delay=10)
    going.say(2, live.cell("print('written', 'meanwhile')", "Meanwhile"))
    going.seen(3)
    going.stop()
    line.mend()
    page.shows("written meanwhile")
    assert actions.source(page, mine) == "mine = 5 + 1"
    save(page, lambda: "mine = 5 + 1" in [source for source, _ in written(going)])
    shown = [(cell["source"], actions.printed(json.loads(cell["outputs"] or "[]"))) for cell in page.cells()]
    assert written(going) == shown
    actions.quiet(page)

    another = actions.add(page, "another = 6")
    save(page, lambda: "another = 6" in [source for source, _ in written(going)])
    page.select(another)
    page.command("notebook:delete-cell")
    save(page, lambda: written(going) == shown)
    actions.quiet(page)


def save(page: Tab, done: Callable[[], bool]) -> None:
    """Save until it is done: JupyterLab ignores the command while an earlier save is under way."""

    def saved() -> bool:
        page.command("docmanager:save")
        return done()

    until(saved, "what the tab holds is saved")


def written(going: Live) -> list[tuple[str, str]]:
    """Source and printed output of each cell of the file of a run that is over."""
    cells = json.loads((going.out / "agent.ipynb").read_text(encoding="utf-8"))["cells"]
    return [("".join(cell["source"]), actions.printed(cell.get("outputs", []))) for cell in cells]


def test_a_cell_run_while_the_connection_is_cut_is_the_runs_too(line: Relay, begun: tuple[Live, Tab]) -> None:
    going, page = begun
    line.cut()
    until(
        lambda: page.js("nb => nb.sessionContext.session?.kernel?.connectionStatus") != "connected",
        "it is cut",
    )
    mine = actions.own(page, "print('mine', x + 1)")
    time.sleep(2)
    line.mend()
    until(lambda: "mine 2" in actions.output(page, mine), "it has run")
    until(
        lambda: "mine 2" in "".join(actions.printed(c.get("outputs", [])) for c in going.file()),
        "the run has it",
    )
    until(lambda: not page.dirty(), "nothing is left to be saved")
    actions.same(page, going)
