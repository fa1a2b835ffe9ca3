"""A person types while the agent works, below and in the same cell."""

from __future__ import annotations

from typing import Any

from tests.fakes import live
from tests.lab.agreement import agree, lines
from tests.lab.live_run import Live
from tests.lab.tab import Tab
from tests.lab.waiting import until

STREAM = "for i in range({}):\n    print('line', i, flush=True)\n    time.sleep(0.02)"
SENTENCE = "\n# every key stroke of a person counts while the agent is printing below 0123456789"


def first_code(tab: Tab) -> dict[str, Any]:
    return next(cell for cell in tab.cells() if cell["kind"] == "code" and "x = 1" in cell["source"])


def cursor(tab: Tab) -> dict[str, Any]:
    """Where the person writes: the cell and the offset in it."""
    return tab.js(  # type: ignore[no-any-return]
        """nb => {
            const { editor, model } = nb.content.activeCell;
            return {
                cell: model.id, offset: editor.getOffsetAt(editor.getCursorPosition()),
                focus: editor.hasFocus(), mode: nb.content.mode
            };
        }"""
    )


def source(tab: Tab, cell_id: str) -> str:
    return next((cell["source"] for cell in tab.cells() if cell["id"] == cell_id), "")


def source_in_file(going: Live, cell_id: str) -> str:
    return next((str(cell["source"]) for cell in going.file() if cell["id"] == cell_id), "")


def growing(tab: Tab, kind: str, text: str) -> str:
    """Wait for a cell that is being written. → its id."""
    return str(
        until(
            lambda: next((c["id"] for c in tab.cells() if c["kind"] == kind and text in c["source"]), None),
            f"a cell with {text!r} grows",
        )
    )


def test_what_is_typed_while_the_agent_streams_and_writes_below_is_whole_and_the_cursor_stays(
    going: Live, page: Tab
) -> None:
    cell = first_code(page)
    going.say(2, live.cell(STREAM.format(70), "Streaming"))
    going.say(3, live.cell("print('more')", "More cells", "word " * 20, pace=100))
    page.shows("line 0")
    page.type_into(cell["id"], SENTENCE)
    assert cursor(page) == {
        "cell": cell["id"],
        "offset": len(cell["source"] + SENTENCE),
        "focus": True,
        "mode": "edit",
    }
    page.shows("more\\n")
    assert cursor(page)["offset"] == len(cell["source"] + SENTENCE)
    assert cursor(page)["focus"]
    cells = agree(going, page)
    assert next(c["source"] for c in cells if c["id"] == cell["id"]) == cell["source"] + SENTENCE
    assert lines(cells) == [f"line {i}" for i in range(70)]


def test_typing_at_the_start_of_a_cell_keeps_the_cursor_in_the_middle(going: Live, page: Tab) -> None:
    cell = first_code(page)
    going.say(2, live.cell(STREAM.format(50), "Streaming"))
    page.shows("line 0")
    page.focus(cell["id"])
    page.page.keyboard.press("Control+Home")
    words = "# typed before all that was there "
    page.page.keyboard.type(words)
    page.shows("line 49")
    assert cursor(page)["offset"] == len(words)
    cells = agree(going, page)
    assert next(c["source"] for c in cells if c["id"] == cell["id"]) == words + cell["source"]
    assert lines(cells) == [f"line {i}" for i in range(50)]


def test_the_person_has_the_text_that_the_agent_is_writing_and_its_rest_goes_on_in_a_new_cell(
    going: Live, page: Tab
) -> None:
    first, then = (" ".join(f"w{i}" for i in some) for some in (range(120), range(120, 160)))
    going.say(2, live.cell("print('whole')", "Long", f"{first}{live.WAIT} {then}", pace=400))
    cell = growing(page, "markdown", "w9")
    page.type_into(cell, " MY OWN WORDS")
    until(lambda: " MY OWN WORDS" in source_in_file(going, cell), "the run has the person's words")
    going.speak_on(2)
    page.shows("whole\\n")
    cells = agree(going, page)
    place = next(n for n, c in enumerate(cells) if c["id"] == cell)
    mine, rest = cells[place]["source"], cells[place + 1]["source"]
    before, found, after = mine.partition(" MY OWN WORDS")
    assert found
    # no word of the agent is lost or repeated; what was on its way at the first key stroke comes after it
    assert before + after + rest == f"## Long\n{first} {then}"
    assert "print('whole')" in cells[place + 2]["source"]


def test_the_person_has_the_code_that_the_agent_is_writing_which_is_run_whole_in_a_new_cell(
    going: Live, page: Tab
) -> None:
    first, then = ("\n".join(f"v{i} = {i}" for i in some) for some in (range(80), range(80, 110)))
    code = f"{first}\n{then}\nprint('sum', v0 + v59)"
    going.say(2, live.cell(code.replace(then, live.WAIT + then), "Long", pace=400))
    cell = growing(page, "code", "v9 = 9")
    page.type_into(cell, " # mine")  # not Enter, with which the editor trims the blanks about the cursor
    until(lambda: " # mine" in source_in_file(going, cell), "the run has the person's words")
    going.speak_on(2)
    page.shows("sum 59\\n")
    cells = agree(going, page)
    place = next(n for n, c in enumerate(cells) if c["id"] == cell)
    before, found, after = cells[place]["source"].partition(" # mine")
    assert found
    assert code.startswith(before + after)
    assert cells[place]["outputs"] == []
    assert cells[place + 1]["source"] == code


def test_undo_in_a_cell_takes_back_only_what_the_person_typed(going: Live, page: Tab) -> None:
    cell = first_code(page)
    page.type_into(cell["id"], "\n# mine")
    going.say(2, live.cell(STREAM.format(20), "Streaming", "word " * 20, pace=200))
    page.shows("line 19")
    for _ in range(12):
        page.page.keyboard.press("Control+z")
    until(lambda: source(page, cell["id"]) == cell["source"], "what was typed is taken back")
    cells = agree(going, page)
    assert "Streaming" in "".join(c["source"] for c in cells)
    assert lines(cells) == [f"line {i}" for i in range(20)]
    page.page.keyboard.press("Control+Shift+z")
    until(lambda: source(page, cell["id"]) == cell["source"] + "\n# mine", "and is there again")
    agree(going, page)


def test_undo_of_cells_takes_back_only_the_persons(going: Live, page: Tab) -> None:
    cell = first_code(page)
    mine = page.add_below(cell["id"], "mine = 1")
    going.say(2, live.cell(STREAM.format(20), "Streaming"))
    page.shows("line 19")
    assert mine in [c["id"] for c in agree(going, page)]
    page.select(mine)
    for _ in range(4):
        page.page.keyboard.press("z")
    until(lambda: mine not in [c["id"] for c in page.cells()], "the person's cell is gone")
    cells = agree(going, page)
    assert any(c["id"] == cell["id"] for c in cells)
    assert "Streaming" in "".join(c["source"] for c in cells)
    assert lines(cells) == [f"line {i}" for i in range(20)]
