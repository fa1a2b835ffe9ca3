"""A reply in the live notebook while a person edits its cells."""

from __future__ import annotations

import pytest

from cobra_jupyter.agent.page import Page
from cobra_jupyter.agent.reply import Parsed
from cobra_jupyter.notebook import edits
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.merge import touched


@pytest.fixture
def document() -> Document:
    return Document()


def page_in(document: Document) -> Page:
    return Page(document, {"cobra": {"agent": "lead", "role": "lead", "turn": 1}})


def show(page: Page, markdown: str, code: str | None = None) -> None:
    page.show(Parsed(markdown, code, False))


def write(document: Document, cell: str | None, text: str) -> None:
    assert edits.apply(document, [{"edit": "source", "cell_id": cell, "text": text}], "tab") == []


def delete(document: Document, cell: str | None) -> None:
    assert edits.apply(document, [{"edit": "delete", "cell_id": cell}], "tab") == []


def sources(document: Document) -> list[str]:
    return [document.source_of(cell) for cell in document]


def test_a_reply_grows_in_two_cells_that_are_marked_as_the_agents(document: Document) -> None:
    page = page_in(document)
    for markdown, code in (
        ("", None),
        ("# A", None),
        ("# A\ntext", None),
        ("# A\ntext", ""),
        ("# A\ntext", "x"),
    ):
        show(page, markdown, code)
    assert sources(document) == ["# A\ntext", "x"]
    assert list(document) == [page.markdown, page.code]
    assert {document.cell(cell)["metadata"]["cobra"]["turn"] for cell in document} == {1}


def test_what_grows_is_appended(document: Document) -> None:
    page, made = page_in(document), list[object]()
    document.subscribe(lambda operation: made.append(operation.data))
    for text in ("a", "ab", "abc"):
        show(page, text)
    assert made[1:] == [{"text": "b", "append": True}, {"text": "c", "append": True}]


def test_code_that_a_person_edited_continues_whole_in_a_new_cell(document: Document) -> None:
    page = page_in(document)
    show(page, "# A", "one = 1\n")
    first = page.code
    write(document, first, "one = 100\n")
    show(page, "# A", "one = 1\ntwo = 2\n")
    assert sources(document) == ["# A", "one = 100\n", "one = 1\ntwo = 2\n"]
    show(page, "# A", "one = 1\ntwo = 2\nthree = 3\n")
    assert sources(document)[1:] == ["one = 100\n", "one = 1\ntwo = 2\nthree = 3\n"]
    assert page.code == list(document)[-1] != first


def test_the_rest_of_an_edited_text_continues_in_a_new_cell(document: Document) -> None:
    page = page_in(document)
    show(page, "one")
    write(document, page.markdown, "mine")
    show(page, "one two")
    show(page, "one two three")
    assert sources(document) == ["mine", " two three"]
    write(document, page.markdown, "mine too")
    show(page, "one two three four", "code")
    assert sources(document) == ["mine", "mine too", " four", "code"]


def test_a_cell_that_a_person_edited_after_its_end_stays_unchanged(document: Document) -> None:
    page = page_in(document)
    show(page, "text", "code")
    write(document, page.code, "mine")
    show(page, "text", "code")
    assert sources(document) == ["text", "mine"]


def test_what_a_person_deleted_stays_deleted(document: Document) -> None:
    page = page_in(document)
    show(page, "text")
    delete(document, page.markdown)
    show(page, "text that grows", "code")
    assert sources(document) == ["code"]
    delete(document, page.code)
    show(page, "text that grows", "code that grows")
    assert sources(document) == []


def test_a_restarted_reply_leaves_only_a_persons_text(document: Document) -> None:
    page = page_in(document)
    show(page, "first", "code")
    write(document, page.code, "mine")
    page.clear()
    assert sources(document) == ["mine"]
    show(page, "second", "again")
    assert sources(document) == ["mine", "second", "again"]
    assert not touched(document, str(page.code))


@pytest.mark.parametrize("taken", ["first answer, which is long", "first"])
def test_a_corrected_reply_is_whole_beside_a_persons_text(document: Document, taken: str) -> None:
    """A correction follows without clearing the page."""
    page = page_in(document)
    show(page, taken)
    write(document, page.markdown, "mine")
    if taken == "first":
        show(page, "first answer")
    for text in ("sec", "second", "second answer, which is longer still"):
        show(page, text, None)
    assert sources(document) == ["mine", "second answer, which is longer still"]


def test_a_corrected_reply_replaces_the_first(document: Document) -> None:
    page = page_in(document)
    show(page, "first", "one")
    show(page, "second", "two")
    assert sources(document) == ["second", "two"]
    show(page, "", "two")
    assert sources(document) == ["two"]
