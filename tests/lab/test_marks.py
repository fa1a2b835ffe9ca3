"""Whose a cell is can be seen."""

from __future__ import annotations

from tests.fakes import live
from tests.lab import actions
from tests.lab.agreement import agree
from tests.lab.live_run import Live
from tests.lab.tab import Tab


def test_cells_are_marked_as_the_agents_and_the_persons_also_after_a_reload(going: Live, page: Tab) -> None:
    first = page.cell_with("x = 1")
    going.say(2, live.cell("y = 2", "Another"))
    page.shows("Another")
    second = next(c["id"] for c in page.cells() if "Another" in c["source"])
    actions.is_marked(page, first, "agent")
    actions.is_marked(page, second, "agent")
    mine = page.add_below(first, "mine = 1")
    actions.is_marked(page, mine, "person")
    page.type_into(second, " and a word of mine")
    actions.is_marked(page, second, "person")
    actions.is_marked(page, first, "agent")
    agree(going, page)
    page.page.reload()
    page.ready()
    for cell, who in ((first, "agent"), (second, "person"), (mine, "person")):
        actions.is_marked(page, cell, who)
