"""The server ends and comes again while a tab is open and the agent works."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.fakes import live
from tests.lab import actions
from tests.lab.browser import Live, Server, Tab, until


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["sigterm", "kill-9"])
def test_a_tab_goes_on_over_a_restart_of_the_server(
    how: int, own_server: Callable[..., Server], run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    server = own_server()
    going = run(server)
    page = tab(server, going.path)
    page.shows("x = 1")
    actions.computes(page, "mine = 20 + 3; print('mine is', mine)", "mine is 23")
    before, runner = actions.kernel(page), going.entry.pid
    going.say(2, live.cell(actions.streaming(9), "Counting"))
    page.shows("line 3 of it")

    server.stop(how)
    server.start()

    assert server.get(f"cobra/runs/{going.entry.id}")["state"] == "running"
    page.shows("it is done")
    assert all(line in page.outputs() for line in actions.lines(0, 45))
    assert (going.entry.pid, actions.kernel(page)) == (runner, before)
    actions.computes(page, "print('still', mine + x)", "still 24")
    going.say(3, live.cell("print('after all', x)", "After it"))
    page.shows("after all 1")
    actions.same(page, going)
    actions.quiet(page)


def test_two_restarts_in_a_row(
    own_server: Callable[..., Server], run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    server = own_server()
    going = run(server)
    page = tab(server, going.path)
    page.shows("x = 1")
    going.say(2, live.cell(actions.streaming(12), "Counting"))
    page.shows("line 1 of it")
    for how in (signal.SIGKILL, signal.SIGTERM):
        server.stop(how)
        server.start()
    page.shows("it is done")
    assert all(line in page.outputs() for line in actions.lines(0, 60))
    actions.computes(page, "print('still', x + 1)", "still 2")
    actions.same(page, going)
    actions.quiet(page)


def test_what_is_typed_while_the_server_is_away_is_kept(
    own_server: Callable[..., Server], run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    server = own_server()
    going = run(server)
    page = tab(server, going.path)
    page.shows("x = 1")
    mine = actions.add(page, "first = 1")
    until(lambda: "first = 1" in [c["source"] for c in going.file()], "the run has the person's cell")
    going.say(2, live.cell(actions.streaming(4), "Counting"))
    page.shows("line 1 of it")
    server.stop(signal.SIGKILL)
    page.type_into(mine, "; second = 2", delay=10)
    server.start()
    page.shows("it is done")
    until(
        lambda: "first = 1; second = 2" in [c["source"] for c in going.file()], "the run has what was typed"
    )
    assert actions.source(page, mine) == "first = 1; second = 2"
    actions.recorded(going, "first = 1; second = 2")
    actions.same(page, going)
    actions.quiet(page)


def test_saving_after_a_restart_asks_nothing(
    own_server: Callable[..., Server], run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    server = own_server()
    going = run(server)
    page = tab(server, going.path)
    page.shows("x = 1")
    server.stop()
    going.say(2, live.cell("print('written', 'meanwhile')", "Meanwhile"))
    going.seen(3)
    server.start()
    mine = actions.add(page, "mine = 5")
    page.page.keyboard.press("Control+s")
    page.shows("written meanwhile")
    until(lambda: "mine = 5" in [c["source"] for c in going.file()], "the file has the person's cell")
    page.page.keyboard.press("Control+s")
    until(lambda: not page.dirty(), "the tab is saved")
    assert actions.source(page, mine) == "mine = 5"
    actions.same(page, going)
    actions.quiet(page)


def test_a_browser_that_was_closed_over_the_restart_finds_all(
    own_server: Callable[..., Server], run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    server = own_server()
    going = run(server)
    page = tab(server, going.path)
    page.shows("x = 1")
    before = actions.kernel(page)
    actions.own(page, "mine = 77")
    going.say(2, live.cell(actions.streaming(3), "Counting"))
    page.shows("line 1 of it")
    page.page.context.close()
    server.stop(signal.SIGKILL)
    server.start()
    assert [one["id"] for one in server.get("cobra/runs")["runs"]] == [going.entry.id]
    again = tab(server, going.path)
    again.shows("it is done")
    assert all(line in again.outputs() for line in actions.lines(0, 15))
    assert actions.kernel(again) == before
    actions.computes(again, "print('still', mine + x)", "still 78")
    actions.same(again, going)
