"""The server ends and comes again while a tab is open and the agent works."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.fakes import live
from tests.lab import actions
from tests.lab.live_run import Live
from tests.lab.server import Server
from tests.lab.tab import Tab
from tests.lab.waiting import until


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGTERM, id="sigterm", marks=pytest.mark.full),
        pytest.param(signal.SIGKILL, id="kill-9"),
    ],
)
def test_a_tab_goes_on_over_a_restart_of_the_server(how: int, server: Server, going: Live, page: Tab) -> None:
    actions.computes(page, "mine = 20 + 3; print('mine is', mine)", "mine is 23")
    before, runner = actions.kernel_of(page), going.call("kernel", agent="lead")
    going.say(2, live.cell(going.printing(45, 15, 30), "Counting"))
    page.shows("line 3 of it")

    server.stop(how)
    going.go_on(15)
    going.stands_at(30)
    server.start()
    going.go_on(30)

    assert server.get(f"cobra/runs/{going.entry.id}")["state"] == "running"
    page.shows("it is done")
    assert all(line in page.outputs() for line in actions.printed_lines(0, 45))
    assert (going.call("kernel", agent="lead"), actions.kernel_of(page)) == (runner, before)
    actions.computes(page, "print('still', mine + x)", "still 24")
    going.say(3, live.cell("print('after all', x)", "After it"))
    page.shows("after all 1")
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


@pytest.mark.full
def test_two_restarts_in_a_row(server: Server, going: Live, page: Tab) -> None:
    going.say(2, live.cell(going.printing(60, 10, 20, 30, 40), "Counting"))
    page.shows("line 1 of it")
    for how, line in ((signal.SIGKILL, 10), (signal.SIGTERM, 30)):
        going.stands_at(line)
        server.stop(how)
        going.go_on(line)
        going.stands_at(line + 10)
        server.start()
        going.go_on(line + 10)
    page.shows("it is done")
    assert all(line in page.outputs() for line in actions.printed_lines(0, 60))
    actions.computes(page, "print('still', x + 1)", "still 2")
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


def test_what_is_typed_while_the_server_is_away_is_kept(server: Server, going: Live, page: Tab) -> None:
    mine = actions.add_cell(page, "first = 1")
    until(lambda: "first = 1" in [c["source"] for c in going.file()], "the run has the person's cell")
    going.say(2, live.cell(going.printing(20, 10), "Counting"))
    page.shows("line 1 of it")
    server.stop(signal.SIGKILL)
    going.go_on(10)
    page.type_into(mine, "; second = 2")
    server.start()
    page.shows("it is done")
    until(
        lambda: "first = 1; second = 2" in [c["source"] for c in going.file()], "the run has what was typed"
    )
    assert actions.source_of(page, mine) == "first = 1; second = 2"
    actions.record_has(going, "first = 1; second = 2")
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


def test_saving_after_a_restart_asks_nothing(server: Server, going: Live, page: Tab) -> None:
    server.stop()
    going.say(2, live.cell("print('written', 'meanwhile')", "Meanwhile"))
    going.seen(3)
    server.start()
    mine = actions.add_cell(page, "mine = 5")
    page.page.keyboard.press("Control+s")
    page.shows("written meanwhile")
    until(lambda: "mine = 5" in [c["source"] for c in going.file()], "the file has the person's cell")
    page.page.keyboard.press("Control+s")
    until(lambda: not page.dirty(), "the tab is saved")
    assert actions.source_of(page, mine) == "mine = 5"
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


@pytest.mark.full
def test_a_browser_that_was_closed_over_the_restart_finds_all(
    server: Server, going: Live, tab: Callable[..., Tab]
) -> None:
    page = tab(going.path, browser="closed")
    before = actions.kernel_of(page)
    actions.add_and_run(page, "mine = 77")
    going.say(2, live.cell(going.printing(15, 5), "Counting"))
    page.shows("line 1 of it")
    page.page.context.close()
    server.stop(signal.SIGKILL)
    server.start()
    going.go_on(5)
    assert going.entry.id in [one["id"] for one in server.get("cobra/runs")["runs"]]
    again = tab(going.path)
    again.shows("it is done")
    assert all(line in again.outputs() for line in actions.printed_lines(0, 15))
    assert actions.kernel_of(again) == before
    actions.computes(again, "print('still', mine + x)", "still 78")
    actions.tab_and_file_agree(again, going)
