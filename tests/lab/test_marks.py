"""Whose a cell is can be seen."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes import live
from tests.lab.agreement import agree
from tests.lab.browser import Live, Server, Tab, until

Run = Callable[..., Live]
Open = Callable[..., Tab]


def mark(tab: Tab, cell_id: str) -> str:
    """What the cell's node shows: agent, person, nothing, or that it is not in the page."""
    return tab.js(  # type: ignore[no-any-return]
        """(nb, id) => {
            const cell = nb.content.widgets.find(w => w.model.id === id);
            if (!cell || !cell.node.isConnected) return 'not there';
            const marks = ['agent', 'person'].filter(who => cell.hasClass(`jp-cobra-${who}Cell`));
            return marks.join(' ') || 'nothing';
        }""",
        cell_id,
    )


def marked(tab: Tab, cell_id: str, who: str) -> None:
    until(lambda: mark(tab, cell_id) == who, f"the cell is marked {who}, not {mark(tab, cell_id)}")


def code(tab: Tab) -> str:
    return next(str(cell["id"]) for cell in tab.cells() if "x = 1" in cell["source"])


def test_cells_are_marked_as_the_agents_and_the_persons_also_after_a_reload(
    server: Server, run: Run, tab: Open
) -> None:
    going = run(server)
    page = tab(server, going.path)
    first = code(page)
    going.say(2, live.cell("y = 2", "Another"))
    page.shows("Another")
    second = next(c["id"] for c in page.cells() if "Another" in c["source"])
    marked(page, first, "agent")
    marked(page, second, "agent")
    mine = page.add_below(first, "mine = 1")
    marked(page, mine, "person")
    page.type_into(second, " and a word of mine")
    marked(page, second, "person")
    marked(page, first, "agent")
    agree(going, page)
    page.page.reload()
    page.ready()
    for cell, who in ((first, "agent"), (second, "person"), (mine, "person")):
        marked(page, cell, who)


def test_marks_are_there_after_scrolling_through_a_long_notebook(
    own_server: Callable[..., Server], run: Run, tab: Open
) -> None:
    server = own_server()
    settings = server.folder / "home/settings/@jupyterlab/notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "full"}')
    going = run(server)
    page = tab(server, going.path)
    mine = page.add_below(code(page), "mine = 1")
    until(lambda: not page.dirty(), "it is clean")
    cells = [
        {
            "edit": "insert", "after": mine,
            "cell": {"cell_type": "markdown", "id": f"long{i}", "metadata": {}, "source": f"# Part {i}\n\nwords"},
        }
        for i in range(120)
    ]  # fmt: skip
    assert going.call("edit", agent="lead", client="somebody", edits=cells)["refused"] == []
    going.say(2, live.cell("y = 2", "At the end"))
    page.shows("At the end")
    last = next(c["id"] for c in page.cells() if "At the end" in c["source"])
    assert mark(page, last) == "not there" or mark(page, mine) == "not there"  # windowed
    for cell, who in (
        (last, "agent"),
        (mine, "person"),
        ("long60", "person"),
        (last, "agent"),
        (code(page), "agent"),
    ):
        page.js(
            "(nb, id) => nb.content.scrollToItem([...nb.content.model.cells].findIndex(c => c.id === id))",
            cell,
        )
        marked(page, cell, who)
