"""A person pauses or takes over, works in the notebook and hands back: the agent reads it and goes on."""

from __future__ import annotations

from tests.fakes import live
from tests.lab.agreement import agree
from tests.lab.live_run import Live
from tests.lab.tab import Tab
from tests.lab.waiting import until

SLOW = "for i in range(20):\n    print('line', i, flush=True)\n    time.sleep(0.02)"


def button(tab: Tab, label: str) -> None:
    """Press a button of the panel."""
    tab.command("cobra:open-panel")
    tab.page.locator("#jp-cobra-panel").get_by_role("button", name=label, exact=True).click()


def work(tab: Tab) -> None:
    """Change a cell of the agent's and run a new one with Shift-Enter."""
    tab.type_into(tab.cell_with("x = 1"), "\nx = 20")
    tab.page.keyboard.press("Shift+Enter")
    tab.add_below(tab.cell_with("x = 1"), "z = x * 2 + 2\nprint('mine is', z)")
    tab.page.keyboard.press("Shift+Enter")
    tab.shows("mine is 42\\n")


def read_first(told: str) -> None:
    assert "+x = 20" in told
    assert "print('mine is', z)" in told
    assert "mine is 42" in told
    assert told.index("mine is 42") < told.index("# Now: turn")


def test_taken_over_in_the_panel_edited_run_and_handed_back(going: Live, page: Tab) -> None:
    going.say(2, live.cell(going.held(SLOW), "Slow"))
    page.shows("line 0")
    button(page, "Take over")
    going.let_go_when("pausing")
    going.state("human")
    work(page)
    agree(going, page)
    button(page, "Hand back")
    going.state("running")
    read_first(going.seen(3))
    going.say(3, live.cell("print('after', z)"))
    page.shows("after 42\\n")
    sources = [cell["source"] for cell in agree(going, page)]
    assert sources.index("z = x * 2 + 2\nprint('mine is', z)") < sources.index("print('after', z)")


def test_paused_edited_run_and_resumed_by_commands(going: Live, page: Tab) -> None:
    going.say(2, live.cell(going.held(SLOW), "Slow"))
    page.shows("line 0")
    page.command("cobra:pause")
    going.let_go_when("pausing")
    going.state("paused")
    work(page)
    agree(going, page)
    page.command("cobra:resume")
    read_first(going.seen(3))
    going.say(3, live.cell("print('after', z)"))
    page.shows("after 42\\n")
    agree(going, page)


def test_the_agent_reads_what_the_person_deleted(going: Live, page: Tab) -> None:
    going.say(2, live.cell(going.held(SLOW), "Slow"))
    page.shows("line 0")
    page.command("cobra:take-over")
    going.let_go_when("pausing")
    going.state("human")
    slow = next(cell["id"] for cell in page.cells() if "range(20)" in cell["source"])
    page.select(slow)
    page.command("notebook:delete-cell")
    until(lambda: slow not in [cell["id"] for cell in going.file()], "it is gone")
    page.command("cobra:hand-back")
    told = going.seen(3)
    assert "A code cell was deleted" in told
    assert "range(20)" in told
    agree(going, page)
