"""A person watches: cells are typed and outputs come in an ordinary notebook with its ordinary kernel."""

from __future__ import annotations

from tests.fakes import live
from tests.lab.live_run import Live
from tests.lab.tab import Tab
from tests.lab.waiting import until


def test_cells_and_outputs_appear_as_they_come(going: Live, page: Tab) -> None:
    page.shows("Begin")
    counts = "for i in range(7):\n    print('line', i, flush=True)\n    time.sleep(0.02)"
    going.say(2, live.cell(f"{going.held(counts)}\nprint('line', 7)", "Counting"))
    page.shows("Counting")
    page.shows("line 0")
    assert "line 7\\n" not in page.outputs()
    going.let_go()
    page.shows("line 7\\n")
    until(lambda: not page.dirty(), "there is nothing to save")
    ids = [cell["id"] for cell in page.cells()]
    assert len(ids) == len(set(ids))
    until(lambda: [c["id"] for c in going.file()] == ids, "the file holds what the tab shows")
