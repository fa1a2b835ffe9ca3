"""The kernel of a run's notebook is the run's, and stays an ordinary kernel to who uses it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cobra_jupyter.run.registry import identity
from tests.fakes import live
from tests.lab import actions
from tests.lab.live_run import Live
from tests.lab.server import Server
from tests.lab.tab import Tab
from tests.lab.waiting import until

STATUS = "nb => nb.sessionContext.kernelDisplayStatus"


def idle(page: Tab) -> None:
    until(lambda: page.js(STATUS) == "idle", "the kernel is idle")


def menu(page: Tab, item: str) -> None:
    """Choose from the menu Kernel."""
    page.page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").first.click()
    page.page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).first.click()


def accept(page: Tab) -> None:
    """Press the button of the dialog that does what was asked for."""
    page.page.locator(".jp-Dialog .jp-mod-accept").click()


def test_the_tab_has_the_kernel_of_the_run(
    server: Server, going: Live, page: Tab, tab: Callable[..., Tab]
) -> None:
    actions.computes(page, "print('x is', x); theirs = 4", "x is 1")
    going.say(2, live.cell("print('theirs is', theirs)", "Look"))
    page.shows("theirs is 4")
    beside = tab(going.path)
    actions.computes(beside, "print('twice', theirs * 2)", "twice 8")
    sessions = [one for one in server.get("api/sessions") if one["path"] == going.path]
    assert (
        [one["kernel"]["id"] for one in sessions] == [actions.kernel_of(page)] == [actions.kernel_of(beside)]
    )
    assert [one["id"] for one in server.get("api/kernels")].count(actions.kernel_of(page)) == 1


def test_interrupt_from_the_menu_ends_the_agents_cell_and_pauses_the_run(going: Live, page: Tab) -> None:
    going.say(2, live.cell(going.printing(100, 10), "Counting"))
    page.shows("line 1 of it")
    menu(page, "Interrupt Kernel")
    page.shows("KeyboardInterrupt")
    going.state("paused")
    actions.computes(page, "print('still', x + 1)", "still 2")
    actions.no_dialog(page)
    going.call("resume")
    going.say(3, live.cell("print('gone', 'on')", "On"))
    page.shows("gone on")
    actions.tab_and_file_agree(page, going)


def test_interrupt_of_the_persons_own_cell_does_not_pause_the_run(going: Live, page: Tab) -> None:
    mine = actions.add_and_run(page, going.printing(100, 10))
    until(lambda: "line 1 of it" in actions.output_of(page, mine), "the person's cell runs")
    menu(page, "Interrupt Kernel")
    until(lambda: "KeyboardInterrupt" in actions.output_of(page, mine), "it is interrupted")
    going.say(2, live.cell("print('not', 'paused')", "On"))
    page.shows("not paused")
    assert going.call("status")["state"] == "running"
    actions.tab_and_file_agree(page, going)


def test_restart_from_the_menu_gives_a_kernel_with_what_the_agents_cells_left(
    own_run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    going = own_run()
    page = tab(going.path)
    before = actions.kernel_of(page)
    going.say(2, live.cell("y = x + 1\nprint('y is', y)", "Y"))
    page.shows("y is 2")
    going.seen(3)
    actions.computes(page, "mine = 5; print('mine is', mine)", "mine is 5")
    menu(page, "Restart Kernel…")
    with page.page.expect_response(lambda answer: answer.url.split("?")[0].endswith("/restart")):
        accept(page)
    until(lambda: page.dialog() is None, "the question is answered")
    idle(page)
    actions.computes(page, "print('y is', y, 'mine' in globals())", "y is 2 False")
    going.say(3, live.cell("print('sum', x + y)", "Sum"))
    page.shows("sum 3")
    assert going.call("status")["state"] == "running"
    assert actions.kernel_of(page) == before
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


@pytest.mark.full
def test_restart_while_the_agents_cell_runs(own_run: Callable[..., Live], tab: Callable[..., Tab]) -> None:
    going = own_run()
    page = tab(going.path)
    going.say(2, live.cell(going.printing(100, 10), "Counting"))
    page.shows("line 1 of it")
    menu(page, "Restart Kernel…")
    accept(page)
    going.say(3, live.cell("print('goes', 'on', x)", "On"))
    page.shows("goes on 1")
    actions.computes(page, "print('still', x + 1)", "still 2")
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


def test_the_runs_kernel_outlives_shut_down_from_the_menu(going: Live, page: Tab) -> None:
    actions.add_and_run(page, "mine = 40")
    idle(page)
    menu(page, "Shut Down Kernel")
    until(lambda: page.js("nb => !nb.sessionContext.session?.kernel"), "the tab has no kernel")
    going.say(2, live.cell("print('sees', x + mine)", "Sees"))
    page.shows("sees 41")
    page.clear()
    page.show(going.path)
    actions.computes(page, "print('again', x + mine + 1)", "again 42")
    actions.tab_and_file_agree(page, going)


def test_the_runs_kernel_outlives_a_closed_session(server: Server, going: Live, page: Tab) -> None:
    actions.add_and_run(page, "mine = 40")
    idle(page)
    (session,) = [one for one in server.get("api/sessions") if one["path"] == going.path]
    server.post(f"api/sessions/{session['id']}", method="DELETE")
    going.say(2, live.cell("print('sees', x + mine)", "Sees"))
    page.shows("sees 41")
    assert going.call("status")["state"] == "running"
    page.clear()
    page.show(going.path)
    actions.computes(page, "print('again', x + mine + 1)", "again 42")


def test_the_person_goes_on_in_the_tab_when_the_run_is_over(
    server: Server, own_run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    going = own_run()
    page = tab(going.path)
    going.call("stop")
    until(lambda: going.ended, "the runner ends")
    until(lambda: server.get(f"cobra/runs/{identity(going.out)}")["state"] == "stopped", "the server knows")
    first = actions.add_and_run(page, "print('an ordinary', 'kernel')")
    until(lambda: "an ordinary kernel" in actions.output_of(page, first), "it runs")
    actions.computes(page, "print('x' in globals())", "False")
    page.page.keyboard.press("Control+s")
    until(lambda: not page.dirty(), "the tab is saved")
    assert "an ordinary" in (server.root / going.path).read_text()
    actions.no_dialog(page)


def test_the_notebook_of_a_run_that_is_over_opens_with_an_ordinary_kernel(
    server: Server, own_run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    going = own_run()
    going.call("stop")
    until(lambda: going.ended, "the runner ends")
    page = tab(going.path)
    page.shows("x = 1")
    actions.computes(page, "print('an ordinary', 'kernel')", "an ordinary kernel")
    page.page.keyboard.press("Control+s")
    until(lambda: not page.dirty(), "the tab is saved")
    assert "an ordinary" in (server.root / going.path).read_text()
    actions.no_dialog(page)
