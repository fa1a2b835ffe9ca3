"""Edits that a person makes in a tab: every kind, and the impossible ones."""

from __future__ import annotations

from typing import Any

import pytest

from cobra_jupyter.notebook import edits
from cobra_jupyter.notebook.document import Document, Operation
from cobra_jupyter.notebook.merge import touched

Json = dict[str, Any]
MARK = {"cobra": {"agent": "lead", "role": "lead", "turn": 3}}


@pytest.fixture
def document() -> Document:
    """Three code cells written by the agent."""
    document = Document()
    for cell_id in "abc":
        document.insert("code", cell_id, cell_id=cell_id, metadata=MARK)
    return document


def apply(document: Document, *items: Any) -> list[Json]:
    return edits.apply(document, list(items), "tab")


def cell(cell_id: str, source: str = "mine", kind: str = "code", **more: Any) -> Json:
    return {"cell_type": kind, "id": cell_id, "source": source, "metadata": {}, **more}


def test_every_edit_does_what_it_says(document: Document) -> None:
    document.output("b", {"output_type": "stream", "name": "stdout", "text": "x"})
    document.count("b", 3)
    refused = apply(
        document,
        {"edit": "insert", "cell": cell("d"), "after": "a"},
        {"edit": "insert", "cell": cell("e", "# Words", "markdown"), "after": None},
        {"edit": "source", "cell_id": "b", "text": "changed"},
        {"edit": "clear", "cell_id": "b"},
        {"edit": "delete", "cell_id": "a"},
        {"edit": "move", "cell_id": "c", "after": "e"},
        {"edit": "metadata", "cell_id": "b", "patch": {"tags": ["mine"]}},
        {"edit": "replace", "cell": cell("d", "text", "raw")},
    )
    assert refused == []
    assert [(c, document.cell(c)["cell_type"], document.source_of(c)) for c in document] == [
        ("e", "markdown", "# Words"),
        ("c", "code", "c"),
        ("d", "raw", "text"),
        ("b", "code", "changed"),
    ]
    assert (document.cell("b")["outputs"], document.cell("b")["execution_count"]) == ([], None)
    assert document.cell("b")["metadata"]["tags"] == ["mine"]


def test_operations_made_by_edits_carry_the_client(document: Document) -> None:
    made: list[Operation] = []
    document.subscribe(made.append)
    apply(document, {"edit": "insert", "cell": cell("d"), "after": "a"}, {"edit": "delete", "cell_id": "b"})
    document.source("a", "agent's")
    assert {operation.by for operation in made[:-1]} == {"tab"}
    assert made[-1].by == ""


@pytest.mark.parametrize(
    ("edit", "mark"),
    [
        ({"edit": "source", "cell_id": "a", "text": "mine"}, True),
        ({"edit": "source", "cell_id": "a", "text": "a"}, False),
        ({"edit": "replace", "cell": cell("a", "a", "markdown")}, True),
        ({"edit": "move", "cell_id": "a", "after": "b"}, False),
        ({"edit": "clear", "cell_id": "a"}, False),
        ({"edit": "metadata", "cell_id": "a", "patch": {"collapsed": True}}, False),
    ],
)
def test_only_cells_that_a_person_wrote_in_are_marked(document: Document, edit: Json, mark: bool) -> None:
    apply(document, edit)
    assert touched(document, "a") is mark
    assert document.cell("a")["metadata"]["cobra"]["turn"] == 3
    assert not touched(document, "b")


def test_copy_of_an_agents_cell_belongs_to_the_person(document: Document) -> None:
    copied = {**document.cell("a"), "id": "d"}
    apply(document, {"edit": "insert", "cell": copied, "after": "a"})
    assert document.cell("d")["metadata"] == {"cobra": {"person": True, "seq": document.inserted_at("d")}}


def test_no_edit_removes_the_runners_marks(document: Document) -> None:
    patch = {"cobra": {"person": False}, "tags": ["mine"]}
    apply(document, {"edit": "metadata", "cell_id": "a", "patch": patch})
    apply(document, {"edit": "metadata", "cell_id": "b", "patch": {"cobra": None}})
    assert document.cell("a")["metadata"]["cobra"]["agent"] == "lead"
    assert document.cell("b")["metadata"]["cobra"]["agent"] == "lead"
    apply(document, {"edit": "replace", "cell": cell("a", kind="raw")})
    assert document.cell("a")["metadata"]["cobra"]["agent"] == "lead"


def test_notebook_metadata_may_be_edited_except_the_runners_keys(document: Document) -> None:
    document.metadata(None, {"kernelspec": {"name": "cobra", "display_name": "Cobra"}})
    patch = {"own": 1, "kernelspec": None, "language_info": {"name": "R"}, "cobra": {"seq": 0}}
    assert apply(document, {"edit": "metadata", "cell_id": "", "patch": patch}) == []
    kernelspec = {"name": "cobra", "display_name": "Cobra"}
    assert document.notebook_metadata == {"kernelspec": kernelspec, "own": 1}


def test_replaced_cell_keeps_its_position(document: Document) -> None:
    for cell_id in "abc":
        apply(document, {"edit": "replace", "cell": cell(cell_id, kind="markdown")})
    assert list(document) == ["a", "b", "c"]


def test_edit_sent_twice_is_applied_once(document: Document) -> None:
    insert = {"edit": "insert", "cell": cell("d"), "after": "a"}
    apply(document, insert, {"edit": "source", "cell_id": "a", "text": "mine"})
    seq = document.seq
    apply(document, insert, {"edit": "source", "cell_id": "a", "text": "mine"})
    assert document.seq == seq


def test_cell_inserted_after_a_deleted_one_is_not_lost(document: Document) -> None:
    apply(document, {"edit": "insert", "cell": cell("d"), "after": "gone"})
    assert list(document)[-1] == "d"
    empty = Document()
    apply(empty, {"edit": "insert", "cell": cell("d"), "after": "gone"})
    assert list(empty) == ["d"]


WRONG: list[Any] = [
    None, 5, "delete", [], {}, {"edit": "fly"}, {"edit": []}, {"edit": None},
    {"edit": "source", "cell_id": "gone", "text": "x"}, {"edit": "source", "cell_id": "a", "text": 5},
    {"edit": "source", "cell_id": [], "text": "x"}, {"edit": "source", "cell_id": "a"},
    {"edit": "delete", "cell_id": "gone"}, {"edit": "delete"}, {"edit": "delete", "cell_id": {}},
    {"edit": "move", "cell_id": "a", "after": "gone"}, {"edit": "move", "cell_id": "a", "after": "a"},
    {"edit": "move", "cell_id": "a", "after": []}, {"edit": "move", "cell_id": "gone", "after": None},
    {"edit": "clear", "cell_id": "gone"}, {"edit": "metadata", "cell_id": "a", "patch": []},
    {"edit": "metadata", "cell_id": "gone", "patch": {"x": 1}},
    {"edit": "insert"}, {"edit": "insert", "cell": 5}, {"edit": "insert", "cell": {"id": "d"}},
    {"edit": "insert", "cell": cell("with space"), "after": None},
    {"edit": "insert", "cell": cell("x" * 65), "after": None},
    {"edit": "insert", "cell": cell(""), "after": None},
    {"edit": "insert", "cell": cell("d", kind="heading"), "after": None},
    {"edit": "insert", "cell": {**cell("d"), "source": ["x"]}, "after": None},
    {"edit": "insert", "cell": {**cell("d"), "cell_type": []}, "after": None},
    {"edit": "replace", "cell": cell("gone")}, {"edit": "replace", "cell": {"id": "a"}},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_impossible_edit_is_refused_alone(document: Document, wrong: Any) -> None:
    good = {"edit": "source", "cell_id": "c", "text": "good"}
    before = [document.cell(c) for c in ("a", "b")]
    (refused,) = apply(document, good, wrong, {**good, "cell_id": "b"})
    assert refused["edit"] == 1
    assert refused["message"]
    assert document.source_of("c") == document.source_of("b") == "good"
    assert document.cell("a") == before[0]
    assert list(document) == ["a", "b", "c"]


def test_invalid_outputs_and_anchors_of_a_new_cell_are_corrected(document: Document) -> None:
    wrong = cell("d", outputs=5, execution_count="x", metadata=[1])
    assert apply(document, {"edit": "insert", "cell": wrong, "after": ["a"]}) == []
    assert document.cell("d")["outputs"] == []


@pytest.mark.parametrize("given", [None, {}, "text", 5, [{}] * 10_001])
def test_anything_but_a_list_of_edits_is_refused_whole(document: Document, given: Any) -> None:
    seq = document.seq
    with pytest.raises(edits.BadEdit, match="a list of at most"):
        edits.apply(document, given, "tab")
    assert document.seq == seq


@pytest.mark.parametrize(
    ("theirs", "mine", "both"),
    [
        ("abc", "abXc", "abXc"),
        ("Yabc", "abcX", "YabcX"),
        ("abcY", "Xabc", "XabcY"),
        ("abcY", "abcX", "abcYX"),
        ("aYc", "aXc", "aXc"),
        ("abcY", "", "Y"),
    ],
)
def test_changes_by_others_stay_if_the_person_changed_another_part(
    document: Document, theirs: str, mine: str, both: str
) -> None:
    document.source("a", theirs)
    assert apply(document, {"edit": "source", "cell_id": "a", "text": mine, "was": "abc"}) == []
    assert document.source_of("a") == both


@pytest.mark.parametrize("again", ["abc, once", "abc, once; and more"])
def test_edit_resent_before_its_answer_is_not_applied_twice(document: Document, again: str) -> None:
    document.source("a", "abc")
    first = {"edit": "source", "cell_id": "a", "text": "abc, once", "was": "abc"}
    assert apply(document, first) == apply(document, {**first, "text": again}) == []
    assert document.source_of("a") == again
