"""What a person does in a notebook, and what must hold afterwards whatever happened in between."""

from __future__ import annotations

import json

from tests.lab.live_run import Live
from tests.lab.tab import Tab
from tests.lab.waiting import until

KERNEL = "nb => nb.sessionContext.session?.kernel?.id"


def kernel_of(page: Tab) -> str:
    """The id of the kernel that the tab talks to."""
    return str(page.js(KERNEL))


def add_cell(page: Tab, code: str) -> str:
    """Add a cell at the end and type into it. → its id"""
    page.select(page.cells()[-1]["id"])
    page.command("notebook:insert-cell-below")
    cell = page.js("nb => nb.content.activeCell.model.id")
    page.focus(cell)
    page.page.keyboard.insert_text(code)
    return str(cell)


def shift_enter(page: Tab, cell: str) -> None:
    page.focus(cell)
    page.page.keyboard.press("Shift+Enter")


def add_and_run(page: Tab, code: str) -> str:
    """Add a cell and run it. → its id"""
    cell = add_cell(page, code)
    shift_enter(page, cell)
    return cell


def computes(page: Tab, code: str, text: str) -> None:
    """A cell of the person's runs and shows its output."""
    cell = add_and_run(page, code)
    until(lambda: text in output_of(page, cell), f"{code!r} shows {text!r}")


def output_of(page: Tab, cell: str) -> str:
    return "".join(one["outputs"] for one in page.cells() if one["id"] == cell)


def source_of(page: Tab, cell: str) -> str:
    return "".join(one["source"] for one in page.cells() if one["id"] == cell)


def tab_and_file_agree(page: Tab, run: Live) -> None:
    """Tab and file hold the same cells, each once, with the same text and outputs."""

    def agree() -> bool:
        tab, file = page.cells(), run.file()
        ids = [cell["id"] for cell in tab]
        return (
            len(ids) == len(set(ids))
            and ids == [cell["id"] for cell in file]
            and [cell["source"] for cell in tab] == [cell["source"] for cell in file]
            and [printed(json.loads(cell["outputs"] or "[]")) for cell in tab]
            == [printed(cell.get("outputs", [])) for cell in file]
        )

    try:
        until(agree, "tab and file are the same")
    except AssertionError as error:
        seen = [
            (cell["id"], cell["source"], printed(json.loads(cell["outputs"] or "[]")))
            for cell in page.cells()
        ]
        held = [(cell["id"], cell["source"], printed(cell.get("outputs", []))) for cell in run.file()]
        raise AssertionError(f"{error}\ntab: {seen}\nfile: {held}") from error


def printed(outputs: list[dict[str, object]]) -> str:
    """What an output list printed."""
    return "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream")  # type: ignore[arg-type]


def record_has(run: Live, *words: str) -> None:
    """The run's record tells of all of these texts, when the person has paused for a moment."""

    def found() -> bool:
        record = (run.out / "ledger.jsonl").read_text(encoding="utf-8")
        return all(json.dumps(word)[1:-1] in record for word in words)

    until(found, f"the record tells of {words}")


def no_dialog(page: Tab) -> None:
    """No dialog is open."""
    until(lambda: page.dialog() is None, f"no dialog: {page.dialog()!r}")


def printed_lines(first: int, last: int) -> list[str]:
    return [f"line {number} of it" for number in range(first, last)]


def mark_of(tab: Tab, cell_id: str) -> str:
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


def is_marked(tab: Tab, cell_id: str, who: str) -> None:
    until(lambda: mark_of(tab, cell_id) == who, f"the cell is marked {who}, not {mark_of(tab, cell_id)}")
