"""Cells that a person runs from a tab: their outputs are kept in any order of events, even if the tab is
closed."""

from __future__ import annotations

from typing import Any

import pytest

from cobra_jupyter.agent import person_cells as visits_module
from cobra_jupyter.agent.person_cells import PersonCells, PersonExecution
from cobra_jupyter.notebook.document import Document, Operation

Event = dict[str, Any]


class Kernel:
    """Sends a kernel's events of executions that are not the agent's."""

    def __init__(self, *cells: str) -> None:
        self.document, self.ended = Document(), list[tuple[str, PersonExecution]]()
        for cell in cells:
            self.document.insert("code", cell, cell_id=cell)
        self.person_cells = PersonCells(
            self.document, lambda cell, execution: self.ended.append((cell, execution))
        )
        self.made: list[Operation] = []
        self.document.subscribe(self.made.append)

    def begin(self, msg: str, count: int = 1) -> None:
        self.person_cells.on_event(msg, {"output_type": "execute_input", "execution_count": count})

    def show(self, msg: str, text: str = "out") -> None:
        self.person_cells.on_event(msg, stream(text))

    def fail(self, msg: str) -> None:
        error = {
            "output_type": "error",
            "ename": "ValueError",
            "evalue": "no",
            "traceback": ["ValueError: no"],
        }
        self.person_cells.on_event(msg, error)

    def end(self, msg: str) -> None:
        self.person_cells.on_event(msg, {"output_type": "idle"})

    def run(self, msg: str, text: str = "out", count: int = 1) -> None:
        self.begin(msg, count)
        self.show(msg, text)
        self.end(msg)

    def shown(self, cell: str) -> tuple[list[Event], int | None]:
        found = self.document.cell(cell)
        return found["outputs"], found["execution_count"]

    @property
    def running(self) -> list[str]:
        return list(self.document.running)


def stream(text: str) -> Event:
    return {"output_type": "stream", "name": "stdout", "text": text}


@pytest.mark.parametrize("told", range(5))
def test_outputs_appear_below_the_cell_whenever_the_tab_names_it(told: int) -> None:
    kernel = Kernel("a")
    kernel.document.output("a", stream("old"))
    steps = [
        lambda: kernel.begin("m", 3),
        lambda: kernel.show("m", "one "),
        lambda: kernel.show("m", "two"),
        lambda: kernel.end("m"),
    ]
    steps.insert(told, lambda: kernel.person_cells.ran("m", "a", "tab"))
    for step in steps:
        step()
    assert kernel.shown("a") == ([stream("one two")], 3)
    ((cell, execution),) = kernel.ended
    assert (cell, execution.status, execution.count, execution.over) == ("a", "ok", 3, True)
    assert kernel.running == []
    assert not kernel.person_cells.open
    assert {operation.by for operation in kernel.made[1:]} == {"tab"}


def test_a_cell_runs_until_its_execution_has_ended() -> None:
    kernel = Kernel("a")
    kernel.person_cells.ran("m", "a", "tab")
    assert kernel.running == ["a"]
    assert kernel.person_cells.open
    kernel.begin("m")
    assert kernel.person_cells.open
    kernel.show("m")
    assert kernel.running == ["a"]
    kernel.end("m")
    assert kernel.running == []


def test_an_execution_that_no_tab_names_belongs_to_no_cell() -> None:
    kernel = Kernel("a")
    kernel.run("m")
    kernel.begin("n")
    assert kernel.person_cells.open
    kernel.end("n")
    assert kernel.made == []
    assert kernel.ended == []
    assert not kernel.person_cells.open


def test_executions_without_a_cell_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits_module, "MOST", 5)
    monkeypatch.setattr(visits_module, "MOST_WAITING", 3)
    kernel = Kernel("a", "b")
    for number in range(10):
        kernel.begin(f"m{number}")
        for event in range(8):
            kernel.person_cells.on_event(
                f"m{number}", {"output_type": "display_data", "data": {"text/plain": str(event)}}
            )
        kernel.end(f"m{number}")
    kernel.person_cells.ran("m9", "a", "tab")
    shown, _ = kernel.shown("a")
    assert [output["data"]["text/plain"] for output in shown][-3:] == ["5", "6", "7"]
    assert len(shown) <= 4
    kernel.person_cells.ran("m0", "b", "tab")
    assert [cell for cell, _ in kernel.ended] == ["a"]


def test_all_cells_of_a_long_run_keep_their_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits_module, "MOST", 5)
    cells = [f"c{number}" for number in range(50)]
    kernel = Kernel(*cells)
    for cell in cells:
        kernel.person_cells.ran(f"m{cell}", cell, "tab")
    for number, cell in enumerate(cells):
        kernel.run(f"m{cell}", cell, number + 1)
    assert [kernel.shown(cell) for cell in cells] == [([stream(cell)], n + 1) for n, cell in enumerate(cells)]
    assert kernel.running == []


def test_an_error_is_shown_and_recorded() -> None:
    kernel = Kernel("a")
    kernel.person_cells.ran("m", "a", "tab")
    kernel.begin("m")
    kernel.fail("m")
    kernel.end("m")
    ((_, execution),) = kernel.ended
    assert (execution.status, execution.ename, execution.evalue) == ("error", "ValueError", "no")
    assert kernel.shown("a")[0][0]["ename"] == "ValueError"


def test_output_after_a_cells_end_appears_below_it() -> None:
    kernel = Kernel("a", "b")
    kernel.person_cells.ran("m", "a", "tab")
    kernel.run("m", "in time, ")
    kernel.person_cells.ran("n", "b", "other tab")
    kernel.begin("n", 2)
    kernel.show("m", "late")
    kernel.end("n")
    assert kernel.shown("a") == ([stream("in time, late")], 1)
    assert kernel.shown("b") == ([], 2)
    assert [cell for cell, _ in kernel.ended] == ["a", "b"]
    (late,) = [made for made in kernel.made if made.data.get("output") == stream("late")]
    assert late.by == "tab"
    assert kernel.running == []
    assert not kernel.person_cells.open


def test_late_output_is_dropped_if_the_cell_ran_again_or_is_gone() -> None:
    kernel = Kernel("a", "b")
    for number in (1, 2):
        kernel.person_cells.ran(f"m{number}", "a", "tab")
        kernel.run(f"m{number}", f"run {number}", number)
    kernel.show("m1", "late")
    assert kernel.shown("a") == ([stream("run 2")], 2)
    kernel.document.delete("a")
    kernel.show("m2", "late")
    assert list(kernel.document) == ["b"]


def test_a_tab_that_names_the_cell_of_an_ended_execution_again_changes_nothing() -> None:
    kernel = Kernel("a")
    kernel.person_cells.ran("m", "a", "one")
    kernel.run("m")
    kernel.person_cells.ran("m", "a", "two")
    assert kernel.shown("a") == ([stream("out")], 1)
    assert kernel.running == []
    assert not kernel.person_cells.open


def test_a_display_is_updated_at_once_whoever_updates_it() -> None:
    def display(kind: str, text: str) -> Event:
        return {"output_type": kind, "data": {"text/plain": text}, "transient": {"display_id": "d"}}

    kernel = Kernel("a")
    kernel.person_cells.ran("m", "a", "tab")
    kernel.begin("m")
    kernel.person_cells.on_event("m", display("display_data", "half"))
    kernel.end("m")
    kernel.person_cells.on_event("m", display("update_display_data", "whole"))
    assert kernel.shown("a")[0][0]["data"] == {"text/plain": "whole"}
    kernel.person_cells.on_event("nobody's", display("update_display_data", "and more"))
    assert kernel.shown("a")[0][0]["data"] == {"text/plain": "and more"}


def test_only_the_latest_ended_executions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits_module, "LATE", 3)
    cells = [f"c{number}" for number in range(5)]
    kernel = Kernel(*cells)
    for cell in cells:
        kernel.person_cells.ran(f"m{cell}", cell, "tab")
        kernel.run(f"m{cell}", "")
    for cell in cells:
        kernel.show(f"m{cell}", "late")
    late = [cell for cell in cells if kernel.shown(cell)[0] == [stream("late")]]
    assert late == cells[2:]


def test_a_cell_skipped_after_an_error_is_idle_again() -> None:
    kernel = Kernel("a")
    kernel.person_cells.ran("m", "a", "tab")
    kernel.end("m")
    assert kernel.running == []
    assert kernel.ended == []
    assert not kernel.person_cells.open


def test_between_two_queued_cells_a_persons_run_is_open() -> None:
    kernel = Kernel("a", "b")
    kernel.person_cells.ran("m", "a", "tab")
    kernel.person_cells.ran("n", "b", "tab")
    kernel.run("m")
    assert kernel.person_cells.open
    kernel.run("n", count=2)
    assert not kernel.person_cells.open


def test_a_cell_that_the_kernel_never_begins_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("a")
    kernel.person_cells.ran("m", "a", "tab")
    assert kernel.person_cells.open
    monkeypatch.setattr(visits_module, "PATIENCE", 0.0)
    assert not kernel.person_cells.open


def test_a_completion_leaves_nothing() -> None:
    kernel = Kernel("a")
    kernel.end("m")
    kernel.person_cells.ran("m", "a", "tab")
    assert kernel.ended == []
    assert kernel.running == []
    assert not kernel.person_cells.open


def test_a_kernels_death_ends_its_executions() -> None:
    kernel = Kernel("a", "b", "c")
    kernel.person_cells.ran("m", "a", "tab")
    kernel.begin("m")
    kernel.show("m")
    kernel.person_cells.ran("n", "b", "tab")
    kernel.begin("late")
    kernel.person_cells.died()
    assert kernel.running == []
    assert [(cell, execution.status) for cell, execution in kernel.ended] == [("a", "died"), ("b", "died")]
    assert kernel.shown("a")[0] == [stream("out")]
    assert not kernel.person_cells.open
    kernel.person_cells.ran("late", "c", "tab")
    assert [(cell, execution.status) for cell, execution in kernel.ended][2:] == [("c", "died")]


def test_the_first_tab_that_names_a_cell_counts() -> None:
    kernel = Kernel("a", "b")
    kernel.person_cells.ran("m", "a", "one")
    kernel.person_cells.ran("m", "b", "two")
    kernel.run("m")
    assert kernel.shown("b") == ([], None)
    assert [cell for cell, _ in kernel.ended] == ["a"]


def test_an_unknown_cell_can_be_named_later() -> None:
    kernel = Kernel()
    kernel.person_cells.ran("m", "a", "tab")
    kernel.run("m")
    kernel.document.insert("code", cell_id="a")
    kernel.person_cells.ran("m", "a", "tab")
    assert kernel.shown("a") == ([stream("out")], 1)


def test_a_cell_deleted_while_it_runs_still_ends() -> None:
    kernel = Kernel("a", "b")
    kernel.person_cells.ran("m", "a", "tab")
    kernel.begin("m")
    kernel.document.delete("a")
    kernel.show("m")
    kernel.end("m")
    assert [cell for cell, _ in kernel.ended] == ["a"]
    assert list(kernel.document) == ["b"]


def test_the_last_of_two_runs_of_a_cell_is_shown() -> None:
    kernel = Kernel("a")
    for number in (1, 2):
        kernel.person_cells.ran(f"m{number}", "a", "tab")
        kernel.run(f"m{number}", f"run {number}", number)
    assert kernel.shown("a") == ([stream("run 2")], 2)
