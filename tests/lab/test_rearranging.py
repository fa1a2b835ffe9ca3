"""A person rearranges the notebook while the agent goes on; afterwards the agent is told."""

from __future__ import annotations

import json
import re

from tests.fakes import live
from tests.lab.agreement import Cell, agree, lines
from tests.lab.live_run import Live
from tests.lab.tab import Tab
from tests.lab.waiting import until

STREAM = "for i in range(50):\n    print('line', i, flush=True)\n    time.sleep(0.02)"
LINES = [f"line {i}" for i in range(50)]


class Work:
    """A run whose second turn streams, in a tab, and ends when the test says so. After the line `stop` it
    waits for `going.go_on`."""

    def __init__(self, going: Live, tab: Tab, stop: int = -1) -> None:
        self.going, self.tab = going, tab
        tab.shows("Begin")
        self.before = tab.cells()
        self.text = next(cell for cell in self.before if "Begin" in cell["source"])
        self.code = next(cell for cell in self.before if "x = 1" in cell["source"])
        wait = f"while i == {stop} and not os.path.exists({str(going.gates / f'past {stop}')!r}):"
        stream = f"{STREAM}\n    {wait}\n        time.sleep(0.02)"
        going.say(2, live.cell(going.held(stream), "Streaming"))
        tab.shows("line 0")

    @property
    def running(self) -> str:
        return next(str(cell["id"]) for cell in self.tab.cells() if "print('line'" in cell["source"])

    def ids(self) -> list[str]:
        return [cell["id"] for cell in self.tab.cells()]

    def end(self) -> tuple[list[Cell], str]:
        """The agent is told. → the notebook that all have, and what the agent read."""
        self.going.call("take_over")
        self.going.let_go()
        self.going.state("human")
        cells = agree(self.going, self.tab)
        self.going.call("hand_back")
        told = self.going.seen(3)
        self.going.say(3, live.cell("print('went', 'on')"))
        self.tab.shows("went on\\n")
        after = agree(self.going, self.tab)
        assert [cell["id"] for cell in after][: len(cells)] == [cell["id"] for cell in cells]
        return cells, told


def find(cells: list[Cell], cell_id: str) -> Cell:
    return next(cell for cell in cells if cell["id"] == cell_id)


def test_the_agents_cells_are_deleted(going: Live, page: Tab) -> None:
    work = Work(going, page)
    for cell in (work.text, work.code):
        work.tab.select(cell["id"])
        work.tab.page.keyboard.press("d")
        work.tab.page.keyboard.press("d")
    until(lambda: work.code["id"] not in work.ids(), "they are gone")
    cells, told = work.end()
    assert not {work.text["id"], work.code["id"]} & {cell["id"] for cell in cells}
    assert lines(cells) == LINES
    assert "A code cell was deleted" in told
    assert "A markdown cell was deleted" in told


def test_a_deleted_cell_that_the_person_takes_back_is_there_once(going: Live, page: Tab) -> None:
    work = Work(going, page)
    work.tab.select(work.code["id"])
    work.tab.command("notebook:delete-cell")
    until(lambda: work.code["id"] not in [c["id"] for c in going.file()], "it is gone from the file")
    work.tab.command("notebook:undo-cell-action")
    until(lambda: work.code["source"] in work.tab.sources(), "it is there again")
    cells, _ = work.end()
    assert [cell["source"] for cell in cells].count(work.code["source"]) == 1
    assert lines(cells) == LINES


def test_the_cell_that_runs_is_deleted(going: Live, page: Tab) -> None:
    work = Work(going, page)
    running = work.running
    work.tab.select(running)
    work.tab.command("notebook:delete-cell")
    cells, told = work.end()
    assert running not in [cell["id"] for cell in cells]
    assert lines(cells) == []
    assert "A code cell was deleted" in told


def split(tab: Tab, cell: str) -> None:
    """Split a cell after its first line."""
    tab.focus(cell)
    tab.page.keyboard.press("Control+Home")
    tab.page.keyboard.press("ArrowDown")
    tab.command("notebook:split-cell-at-cursor")


def test_a_cell_is_split(going: Live, page: Tab) -> None:
    work = Work(going, page)
    split(work.tab, work.code["id"])
    until(lambda: len(work.ids()) > len(work.before) + 2, "there is a cell more")
    cells, told = work.end()
    first, rest = work.code["source"].split("\n", 1)
    sources = [cell["source"] for cell in cells]
    assert sources[sources.index(first) + 1] == rest
    assert work.code["source"] not in sources
    assert lines(cells) == LINES
    assert "A code cell was added" in told


def test_the_cell_that_runs_is_split_and_its_output_stays_whole(going: Live, page: Tab) -> None:
    work = Work(going, page)
    running = work.running
    split(work.tab, running)
    cells, _ = work.end()
    sources = "\n".join(cell["source"] for cell in cells)
    assert len(re.findall(r"for i in range\(50\)", sources)) == 1
    assert len(re.findall(r"print\('line'", sources)) == 1
    assert lines(cells) == LINES


def test_two_cells_are_merged(going: Live, page: Tab) -> None:
    work = Work(going, page)
    work.tab.add_below(work.code["id"], "mine = 1")
    work.tab.select(work.code["id"])
    work.tab.command("notebook:merge-cell-below")
    until(lambda: any("mine = 1" in s and "x = 1" in s for s in work.tab.sources()), "they are one")
    cells, told = work.end()
    sources = "\n".join(cell["source"] for cell in cells)
    assert sources.count("mine = 1") == sources.count("x = 1") == 1
    assert lines(cells) == LINES
    assert "mine = 1" in told


def test_a_cell_is_moved(going: Live, page: Tab) -> None:
    work = Work(going, page)
    work.tab.select(work.code["id"])
    work.tab.command("notebook:move-cell-up")
    cells, told = work.end()
    ids = [cell["id"] for cell in cells]
    assert ids.index(work.code["id"]) == ids.index(work.text["id"]) - 1
    assert find(cells, work.code["id"])["source"] == work.code["source"]
    assert lines(cells) == LINES
    assert "moved" in told


def test_the_cell_that_runs_is_moved_and_its_output_stays_whole(going: Live, page: Tab) -> None:
    work = Work(going, page)
    running = work.running
    work.tab.select(running)
    for _ in range(3):
        work.tab.command("notebook:move-cell-up")
    cells, _ = work.end()
    ids = [cell["id"] for cell in cells]
    assert ids.index(running) < ids.index(work.code["id"])
    assert lines([find(cells, running)]) == LINES


def test_a_cell_becomes_markdown(going: Live, page: Tab) -> None:
    work = Work(going, page)
    work.tab.select(work.code["id"])
    work.tab.command("notebook:change-cell-to-markdown")
    until(lambda: find(work.tab.cells(), work.code["id"])["kind"] == "markdown", "it is Markdown")
    cells, told = work.end()
    assert find(cells, work.code["id"])["kind"] == "markdown"
    assert find(cells, work.code["id"])["source"] == work.code["source"]
    assert lines(cells) == LINES
    assert "A markdown cell was changed" in told


def test_a_cell_is_copied_and_the_copy_is_the_persons(going: Live, page: Tab) -> None:
    work = Work(going, page)
    work.tab.select(work.code["id"])
    work.tab.command("notebook:copy-cell")
    work.tab.command("notebook:paste-cell-below")
    until(lambda: work.tab.sources().count(work.code["source"]) == 2, "it is there twice")
    cells, told = work.end()
    assert [cell["source"] for cell in cells].count(work.code["source"]) == 2
    copy = next(
        c for c in work.tab.cells() if c["source"] == work.code["source"] and c["id"] != work.code["id"]
    )
    assert copy["cobra"].get("person")
    assert not copy["cobra"].get("agent")
    assert lines(cells) == LINES
    assert "A code cell was added" in told


def test_outputs_are_cleared(going: Live, page: Tab) -> None:
    work = Work(going, page)
    going.let_go()
    going.seen(3)
    work.tab.select(work.running)
    work.tab.command("notebook:clear-cell-output")
    until(lambda: "line" not in work.tab.outputs(), "its outputs are gone")
    going.say(3, live.cell("print('went', 'on')"))
    work.tab.shows("went on\\n")
    cells = agree(going, work.tab)
    assert lines(cells) == []
    assert lines(cells, "went") == ["went on"]


def test_outputs_cleared_while_they_come_are_gone_and_the_later_ones_stay(going: Live, page: Tab) -> None:
    work = Work(going, page, stop=20)
    work.tab.shows("line 20")
    work.tab.select(work.running)
    work.tab.command("notebook:clear-cell-output")
    until(lambda: "line 9" not in json.dumps(going.file()), "the run has cleared them too")
    going.go_on(20)
    cells, _ = work.end()
    assert lines(cells) == LINES[21:]
