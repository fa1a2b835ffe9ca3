"""Tabs come and go, and there may be several of one notebook."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes import live
from tests.lab import actions
from tests.lab.agreement import agree, lines
from tests.lab.live_run import Live
from tests.lab.tab import Tab
from tests.lab.waiting import until

Open = Callable[..., Tab]
STREAM = "for i in range(60):\n    print('line', i, flush=True)\n    time.sleep(0.02)"
LINES = [f"line {i}" for i in range(60)]


def test_a_tab_that_is_opened_again_much_later_has_all_that_happened(going: Live, page: Tab) -> None:
    page.type_into(page.cell_with("x = 1"), "\n# before")
    going.say(2, live.cell(STREAM, "Streaming"))
    page.shows("line 0")
    until(lambda: not page.dirty(), "it is clean")
    page.command("application:close")
    until(lambda: page.cells() == [], "it is closed")
    going.say(3, live.cell("for i in range(3000):\n    print('much', i)", "Unseen"))
    going.seen(4)
    page.command("docmanager:open", {"path": going.path})
    page.ready()
    page.shows("much 2999")
    going.say(4, live.cell("print('seen', 'again')"))
    page.shows("seen again\\n")
    cells = agree(going, page)
    assert lines(cells) == LINES
    assert lines(cells, "much ") == [f"much {i}" for i in range(3000)]
    assert any("# before" in cell["source"] for cell in cells)


def test_a_reload_in_mid_stream_loses_and_doubles_nothing(going: Live, page: Tab) -> None:
    until(lambda: not page.dirty(), "JupyterLab has noted the kernel's language")
    going.say(2, live.cell(going.printing(60, 20), "Streaming"))
    going.stands_at(20)
    page.shows("line 5")
    until(lambda: not page.dirty(), "nothing is left to be saved")
    page.page.reload(wait_until="commit")
    going.go_on(20)
    page.ready()
    page.shows("line 59")
    assert lines(agree(going, page)) == [f"{line} of it" for line in LINES]


def views(tab: Tab) -> list[list[str]]:
    """The printed lines that each view of the notebook shows."""
    texts: list[str] = tab.page.evaluate(
        """() => [...window.jupyterapp.shell.widgets('main')]"""
        """.filter(w => w.context && w.content?.model?.cells)
            .map(w => w.content.widgets.map(cell => cell.outputArea?.node.innerText ?? '').join('\\n'))"""
    )
    return [[line for line in text.splitlines() if line.startswith("line ")] for text in texts]


def test_a_second_view_shows_each_line_once_and_lives_on_when_the_first_is_closed(
    going: Live, page: Tab
) -> None:
    going.say(2, live.cell(STREAM, "Streaming"))
    page.shows("line 5")
    page.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="agent.ipynb").click(button="right")
    page.page.get_by_text("New View for Notebook").click()
    until(lambda: len(views(page)) == 2, "there are two views")
    page.shows("line 59")
    until(lambda: all("line 59" in shown for shown in views(page)), "both views are up to date")
    assert views(page) == [LINES, LINES]
    assert lines(agree(going, page)) == LINES
    page.type_into(page.cell_with("x = 1"), "\n# in the first view")
    until(lambda: not page.dirty(), "it is clean")
    page.js("nb => nb.close()")
    until(lambda: len(views(page)) == 1, "the first view is closed")
    going.say(
        3, live.cell("for i in range(60, 80):\n    print('line', i, flush=True)\n    time.sleep(0.02)", "On")
    )
    page.shows("line 79")
    page.type_into(page.cell_with("x = 1"), "\n# in the second view")
    page.shows("# in the second view")
    cells = agree(going, page)
    assert lines(cells) == LINES + [f"line {i}" for i in range(60, 80)]
    assert any("# in the first view\n# in the second view" in cell["source"] for cell in cells)


@pytest.mark.parametrize(
    "same_browser",
    [pytest.param(True, id="one browser", marks=pytest.mark.full), pytest.param(False, id="two browsers")],
)
def test_two_tabs_show_the_same_and_take_what_is_typed_in_both(
    going: Live, page: Tab, tab: Open, same_browser: bool
) -> None:
    one, two = page, tab(going.path, browser="one" if same_browser else "other")
    going.say(2, live.cell(going.held(STREAM), "Streaming"))
    one.shows("line 0")
    two.shows("line 0")
    one.focus(one.cell_with("x = 1"))
    one.page.keyboard.press("Control+End")
    two.focus(two.cell_with("Begin"))
    two.page.keyboard.press("Control+End")
    for first, second in zip("\n# in one tab", " in the other", strict=True):
        one.page.keyboard.type(first)
        two.page.keyboard.type(second)
    going.let_go()
    one.shows("line 59")
    cells = agree(going, one, two)
    sources = "\n".join(cell["source"] for cell in cells)
    assert lines(cells) == LINES
    assert "# in one tab" in sources
    assert " in the other" in sources


def test_two_persons_who_type_into_the_same_cell_end_with_the_same_text_and_both_their_words(
    going: Live, page: Tab, tab: Open
) -> None:
    one, two = page, tab(going.path, browser="other")
    cell = one.cell_with("x = 1")
    one.focus(cell)
    one.page.keyboard.press("Control+Home")
    two.focus(cell)
    two.page.keyboard.press("Control+End")
    two.page.keyboard.press("Enter")
    for first, second in zip("# the first person writes", "# and the second one does", strict=True):
        one.page.keyboard.type(first)
        two.page.keyboard.type(second)
    cells = agree(going, one, two)
    source = next(c["source"] for c in cells if c["id"] == cell)
    assert source.startswith("# the first person writes%load_ext")
    assert source.endswith("x = 1\n# and the second one does")


def test_what_a_person_runs_is_seen_in_the_other_tab(going: Live, page: Tab, tab: Open) -> None:
    one, two = page, tab(going.path, browser="other")
    mine = one.add_below(
        one.cell_with("x = 1"), "for i in range(20): print('own', i, flush=True); time.sleep(0.02)"
    )
    one.page.keyboard.press("Shift+Enter")
    two.shows("own 0")
    two.shows("own 19")
    cells = agree(going, one, two)
    assert lines([c for c in cells if c["id"] == mine], "own ") == [f"own {i}" for i in range(20)]


def test_a_cell_is_run_and_the_tab_closed_at_once_and_its_output_is_in_the_file(
    going: Live, page: Tab, tab: Open
) -> None:
    mine = actions.add_and_run(page, going.held("print('somebody', 'looks')") + "\nprint('nobody', 'looks')")
    page.page.close()
    going.let_go()
    until(lambda: "nobody looks" in str(going.file()), "the output is in the file")
    cells = agree(going)
    assert lines([c for c in cells if c["id"] == mine], "") == ["somebody looks", "nobody looks"]
    again = tab(going.path)
    again.shows("nobody looks\\n")
    agree(going, again)


def test_a_person_and_the_agent_run_cells_at_the_same_time(going: Live, page: Tab) -> None:
    mine = page.add_below(page.cell_with("x = 1"), "print('own', x)")
    going.say(2, live.cell(going.held(STREAM), "Streaming"))
    page.shows("line 3")
    page.focus(mine)
    page.page.keyboard.press("Shift+Enter")
    going.let_go()
    page.shows("own 1\\n")
    cells = agree(going, page)
    assert lines(cells) == LINES
    assert lines([c for c in cells if c["id"] == mine], "own") == ["own 1"]
