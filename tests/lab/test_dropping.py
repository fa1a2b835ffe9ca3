"""The connection between browser and server is cut while the agent goes on and the person does too."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.fakes import live
from tests.fakes.relay import Relay
from tests.lab import actions
from tests.lab.live_run import Live
from tests.lab.tab import Tab
from tests.lab.waiting import until

STATUS = "nb => nb.sessionContext.session?.kernel?.connectionStatus"


def cut(line: Relay, page: Tab) -> None:
    """Cut the line, until the tab has noticed."""
    line.cut()
    until(lambda: page.js(STATUS) != "connected", "the tab notices that the line is cut")


def try_in_vain(line: Relay) -> None:
    """Wait until JupyterLab and the extension have tried to connect anew."""

    def tried() -> bool:
        kernel = sum("/channels" in path for path in line.refused)
        run = sum(path.endswith("/channel") for path in line.refused)
        return kernel >= 1 and run >= 2

    until(tried, "kernel and run are tried in vain")


def test_agent_and_person_go_on_while_the_connection_is_cut(line: Relay, going: Live, page: Tab) -> None:
    mine = actions.add_cell(page, "first = 1")
    until(lambda: "first = 1" in [c["source"] for c in going.file()], "the run has the person's cell")
    going.say(2, live.cell(going.printing(30, 5), "Counting"))
    page.shows("line 1 of it")

    cut(line, page)
    page.type_into(mine, "; second = 2")
    new = actions.add_cell(page, "third = 3")
    going.go_on(5)
    going.seen(3)
    going.say(3, live.cell("y = x + 1\nprint('y', y)", "Unseen"))
    going.seen(4)
    assert "second" not in "".join(cell["source"] for cell in going.file())
    assert "line 29 of it" not in page.outputs()
    try_in_vain(line)
    line.mend()

    page.shows("y 2")
    assert all(line in page.outputs() for line in actions.printed_lines(0, 30))
    for text in ("first = 1; second = 2", "third = 3"):
        until(lambda text=text: text in [c["source"] for c in going.file()], f"the file has {text!r}")
    assert actions.source_of(page, mine) == "first = 1; second = 2"
    assert actions.source_of(page, new) == "third = 3"
    actions.record_has(going, "first = 1; second = 2", "third = 3")
    actions.no_dialog(page)
    actions.computes(page, "print('still', x + y)", "still 3")
    going.say(4, live.cell("print('seen', 'again')", "Seen"))
    page.shows("seen again")
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


def test_outputs_of_the_persons_own_cell_come_after_the_cut(line: Relay, going: Live, page: Tab) -> None:
    mine = actions.add_and_run(page, going.printing(30, 10))
    until(lambda: "line 2 of it" in actions.output_of(page, mine), "the person's cell runs")
    cut(line, page)
    going.go_on(10)
    going.has_printed()
    assert "it is done" not in actions.output_of(page, mine)
    line.mend()
    until(lambda: "it is done" in actions.output_of(page, mine), "the rest has come")
    assert all(actions.output_of(page, mine).count(line) == 1 for line in actions.printed_lines(10, 30))
    until(
        lambda: page.js(
            "(nb, id) => [...nb.content.model.cells].find(c => c.id === id).executionCount", mine
        ),
        "its number",
    )
    actions.tab_and_file_agree(page, going)
    actions.computes(page, "print('still', x + 1)", "still 2")


def test_a_cell_that_still_runs_after_the_cut_has_all_its_output(line: Relay, going: Live, page: Tab) -> None:
    mine = actions.add_and_run(page, going.printing(70, 10, 40, 50))
    until(lambda: "line 2 of it" in actions.output_of(page, mine), "the person's cell runs")
    cut(line, page)
    going.go_on(10)
    going.stands_at(40)
    line.mend()
    going.go_on(40)
    until(lambda: page.js(STATUS) == "connected", "the tab is connected again")
    going.go_on(50)
    until(lambda: "it is done" in actions.output_of(page, mine), "it has ended")
    until(
        lambda: all(line in actions.output_of(page, mine) for line in actions.printed_lines(0, 70)),
        "nothing is missing",
    )
    actions.tab_and_file_agree(page, going)


def test_saving_right_after_the_cut_asks_nothing(line: Relay, going: Live, page: Tab) -> None:
    line.cut()
    going.say(2, live.cell("print('written', 'meanwhile')", "Meanwhile"))
    going.seen(3)
    mine = actions.add_cell(page, "mine = 5")
    line.mend()
    page.page.keyboard.press("Control+s")
    page.shows("written meanwhile")
    until(lambda: "mine = 5" in [c["source"] for c in going.file()], "the file has the person's cell")
    page.page.keyboard.press("Control+s")
    assert actions.source_of(page, mine) == "mine = 5"
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


def test_a_tab_that_was_away_when_the_run_ended_shows_it_whole_and_undoes_nothing_of_it(
    line: Relay, own_run: Callable[..., Live], tab: Callable[..., Tab]
) -> None:
    going = own_run()
    page = tab(going.path)
    mine = actions.add_cell(page, "mine = 5")
    until(lambda: "mine = 5" in [c["source"] for c in going.file()], "the run has the person's cell")
    line.cut()
    page.type_into(mine, " + 1")
    going.say(2, live.cell("print('written', 'meanwhile')", "Meanwhile"))
    going.seen(3)
    going.stop()
    line.mend()
    page.shows("written meanwhile")
    assert actions.source_of(page, mine) == "mine = 5 + 1"
    save(page, lambda: "mine = 5 + 1" in [source for source, _ in written(going)])
    shown = [(cell["source"], actions.printed(json.loads(cell["outputs"] or "[]"))) for cell in page.cells()]
    assert written(going) == shown
    actions.no_dialog(page)

    another = actions.add_cell(page, "another = 6")
    save(page, lambda: "another = 6" in [source for source, _ in written(going)])
    page.select(another)
    page.command("notebook:delete-cell")
    save(page, lambda: written(going) == shown)
    actions.no_dialog(page)


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


def test_a_cell_run_while_the_connection_is_cut_is_the_runs_too(line: Relay, going: Live, page: Tab) -> None:
    cut(line, page)
    mine = actions.add_and_run(page, "print('mine', x + 1)")
    try_in_vain(line)
    line.mend()
    until(lambda: "mine 2" in actions.output_of(page, mine), "it has run")
    until(
        lambda: "mine 2" in "".join(actions.printed(c.get("outputs", [])) for c in going.file()),
        "the run has it",
    )
    until(lambda: not page.dirty(), "nothing is left to be saved")
    actions.tab_and_file_agree(page, going)
