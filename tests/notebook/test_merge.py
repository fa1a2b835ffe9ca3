"""Merging on save: no work is lost, whoever saves what."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import nbformat
import pytest

from cobra_jupyter.notebook.document import Document, Operation
from cobra_jupyter.notebook.merge import base_of, merge, touched
from tests.notebook.tabs import Tab, World

Json = dict[str, Any]


def stream(text: str) -> Json:
    return {"output_type": "stream", "name": "stdout", "text": text}


def document_of(*ids: str, kind: str = "code") -> Document:
    document = Document()
    for cell_id in ids:
        document.insert(kind, f"{cell_id} = 1", cell_id=cell_id)
    return document


def tab_of(document: Document) -> Json:
    """The notebook in a tab that has seen everything."""
    return copy.deepcopy(document.notebook())


def cell_in(notebook: Json, cell_id: str) -> Json:
    found: Json = next(cell for cell in notebook["cells"] if cell["id"] == cell_id)
    return found


def new(cell_id: str, source: str = "mine", kind: str = "markdown", **more: Any) -> Json:
    return {"cell_type": kind, "id": cell_id, "metadata": {}, "source": source, **more}


def save(document: Document, notebook: Json) -> list[Operation]:
    """Save as a tab does. → the resulting operations."""
    made: list[Operation] = []
    end = document.subscribe(made.append)
    merge(document, notebook, base_of(notebook), "tab")
    end()
    nbformat.validate(json.loads(document.text()))
    assert all(operation.by == "tab" for operation in made)
    return made


def order(document: Document) -> list[str]:
    return list(document)


def test_saving_the_current_notebook_changes_nothing() -> None:
    document = document_of("a", "b")
    document.output("a", stream("1"))
    document.count("a", 1)
    assert save(document, tab_of(document)) == []


def test_stale_tab_saving_while_the_runner_writes_loses_no_work() -> None:
    document = document_of("a", "b")
    stale = tab_of(document)
    stale["cells"].insert(1, new("mine"))
    cell_in(stale, "a")["source"] = "person"
    document.insert("code", "unseen", cell_id="c")
    document.source("b", " # more", append=True)
    document.output("b", stream("out"))
    save(document, stale)
    assert order(document) == ["a", "mine", "b", "c"]
    assert [document.source_of(cell) for cell in document] == ["person", "mine", "b = 1 # more", "unseen"]
    assert document.cell("b")["outputs"] == [stream("out")]


def test_cell_that_the_writer_saw_and_left_out_is_deleted() -> None:
    document = document_of("a", "b", "c")
    written = tab_of(document)
    del written["cells"][1]
    save(document, written)
    assert order(document) == ["a", "c"]


def test_cell_deleted_since_the_base_stays_deleted_and_one_deleted_before_returns() -> None:
    document = document_of("a", "b")
    stale = tab_of(document)
    document.delete("b")
    save(document, stale)
    assert order(document) == ["a"]
    undone = tab_of(document)
    undone["cells"].append(new("b", "again"))
    save(document, undone)
    assert order(document) == ["a", "b"]
    assert touched(document, "b")


def test_cell_that_returned_since_the_base_is_not_deleted() -> None:
    document = document_of("a", "b")
    document.delete("b")
    stale = tab_of(document)
    document.insert("code", "again", cell_id="b")
    save(document, stale)
    assert document.source_of("b") == "again"


@pytest.mark.parametrize(
    ("agents", "persons", "expected", "mark"),
    [
        ("agent's", None, "agent's", False),
        (None, "person's", "person's", True),
        ("agent's", "person's", "person's", True),
        ("both's", "both's", "both's", False),
    ],
)
def test_persons_source_wins_if_both_changed_it(
    agents: str | None, persons: str | None, expected: str, mark: bool
) -> None:
    document = document_of("a")
    written = tab_of(document)
    if persons:
        cell_in(written, "a")["source"] = persons
    if agents:
        document.source("a", agents)
    save(document, written)
    assert document.source_of("a") == expected
    assert touched(document, "a") is mark


@pytest.mark.parametrize(
    ("pieces", "seen", "end"), [(20, 9, "\n"), (5000, 100, " ")], ids=["lines", "very many"]
)
def test_source_that_the_writer_saw_half_written_stays_complete(pieces: int, seen: int, end: str) -> None:
    document = document_of("a")
    document.source("a", "")
    for piece in range(pieces):
        document.source("a", f"line {piece}{end}", append=True)
        if piece == seen:
            half = tab_of(document)
    whole = document.source_of("a")
    save(document, half)
    assert document.source_of("a") == whole


def test_source_seen_before_its_cell_was_recreated_is_not_a_change() -> None:
    document = document_of("a")
    stale = tab_of(document)
    document.delete("a")
    document.insert("code", "again", cell_id="a")
    save(document, stale)
    assert document.source_of("a") == "again"


def test_cell_of_a_new_type_keeps_position_marks_and_text() -> None:
    document = Document()
    for cell_id in "abc":
        document.insert("code", cell_id, cell_id=cell_id, metadata={"cobra": {"agent": "lead", "turn": 2}})
    written = tab_of(document)
    written["cells"][1] = new("b", "# Words")
    document.insert("code", "unseen", cell_id="d", after="a")
    save(document, written)
    assert order(document) == ["a", "d", "b", "c"]
    cell = document.cell("b")
    assert (cell["cell_type"], cell["source"]) == ("markdown", "# Words")
    assert cell["metadata"]["cobra"]["turn"] == 2
    assert touched(document, "b")


def test_stale_tab_does_not_revert_a_type_change() -> None:
    document = document_of("a")
    stale, changing = tab_of(document), tab_of(document)
    changing["cells"][0] = new("a", "# Words")
    save(document, changing)
    save(document, stale)
    assert (document.cell("a")["cell_type"], document.source_of("a")) == ("markdown", "# Words")


def test_changing_the_type_of_a_streaming_cell_keeps_later_text() -> None:
    document = document_of("a", kind="markdown")
    written = tab_of(document)
    written["cells"][0]["cell_type"] = "raw"
    document.source("a", " and more", append=True)
    save(document, written)
    assert (document.cell("a")["cell_type"], document.source_of("a")) == ("raw", "a = 1 and more")


def test_writers_order_applies_and_unseen_cells_stay_behind_their_neighbour() -> None:
    document = document_of("a", "b", "c", "d")
    written = tab_of(document)
    written["cells"] = [cell_in(written, cell_id) for cell_id in "dabc"]
    document.insert("code", "unseen", cell_id="x", after="b")
    document.insert("code", "unseen", cell_id="y", after="x")
    save(document, written)
    assert order(document) == ["d", "a", "b", "x", "y", "c"]


def test_order_changed_since_the_base_is_not_reverted() -> None:
    document = document_of("a", "b", "c")
    stale = tab_of(document)
    stale["cells"] = [cell_in(stale, cell_id) for cell_id in "bac"]
    document.move("c", None)
    save(document, stale)
    assert order(document) == ["c", "a", "b"]


@pytest.mark.parametrize(("take", "put"), [(1999, 0), (0, 1999), (500, 1500)])
def test_moving_one_cell_among_two_thousand_is_one_operation(take: int, put: int) -> None:
    document = document_of(*[f"c{number}" for number in range(2000)])
    written = tab_of(document)
    written["cells"].insert(put, written["cells"].pop(take))
    for number in range(50, 2000, 100):
        document.insert("code", "unseen", cell_id=f"x{number}", after=f"c{number}")
    made = save(document, written)
    assert [operation.op for operation in made] == ["move"]
    seen = [cell_id for cell_id in document if cell_id.startswith("c")]
    assert seen == [cell["id"] for cell in written["cells"]]


def with_output() -> Document:
    document = document_of("a")
    document.output("a", stream("old"))
    document.count("a", 1)
    return document


def test_outputs_that_the_writer_cleared_are_cleared() -> None:
    document = with_output()
    written = tab_of(document)
    cell_in(written, "a").update(outputs=[], execution_count=None)
    save(document, written)
    assert (document.cell("a")["outputs"], document.cell("a")["execution_count"]) == ([], None)


def test_outputs_of_a_cell_run_elsewhere_are_accepted() -> None:
    document = with_output()
    written = tab_of(document)
    cell_in(written, "a").update(outputs=[stream("new")], execution_count=7)
    save(document, written)
    assert (document.cell("a")["outputs"], document.cell("a")["execution_count"]) == ([stream("new")], 7)


def test_outputs_added_since_the_base_stay() -> None:
    for shown, count in (([], None), ([stream("elsewhere")], 9)):
        document = with_output()
        written = tab_of(document)
        cell_in(written, "a").update(outputs=shown, execution_count=count)
        document.output("a", stream(" and new"))
        save(document, written)
        assert document.cell("a")["outputs"] == [stream("old and new")]


def test_outputs_of_a_running_cell_stay() -> None:
    document = with_output()
    document.state("a", "running")
    written = tab_of(document)
    cell_in(written, "a").update(outputs=[], execution_count=None)
    assert save(document, written) == []


def test_outputs_in_another_form_are_not_a_change() -> None:
    document = with_output()
    written = tab_of(document)
    cell_in(written, "a")["outputs"] = [{**stream("old"), "text": ["ol", "d"]}]
    assert save(document, written) == []


def test_cells_with_the_same_id_all_stay_under_new_ids() -> None:
    document = document_of("a")
    written = tab_of(document)
    written["cells"] += [new("a", "second"), new("a", "third")]
    save(document, written)
    assert len(set(document)) == 3
    assert [document.source_of(cell) for cell in document] == ["a = 1", "second", "third"]


def test_cells_without_ids_are_added_once() -> None:
    document = document_of("a", "b")
    written = tab_of(document)
    for cell in written["cells"]:
        del cell["id"]
    save(document, written)
    assert [document.source_of(cell) for cell in document] == ["a = 1", "b = 1"]


def test_writer_without_a_base_has_seen_everything() -> None:
    document = document_of("a", "b")
    written = tab_of(document)
    del written["metadata"]["cobra"], written["cells"][0]
    document.insert("code", cell_id="c")
    save(document, written)
    assert order(document) == ["b"]


def test_base_in_the_future_counts_as_now() -> None:
    document = document_of("a", "b")
    written = tab_of(document)
    written["metadata"]["cobra"]["seq"] = 10**9
    del written["cells"][0]
    save(document, written)
    assert order(document) == ["b"]


@pytest.mark.parametrize("seq", [True, -1, "5", None, 2.5])
def test_base_that_is_not_a_number_is_ignored(seq: object) -> None:
    assert base_of({"metadata": {"cobra": {"seq": seq}}}) is None


@pytest.mark.parametrize("metadata", [None, 5, "text", [1], {"cobra": 3}])
def test_notebook_with_invalid_metadata_has_no_base(metadata: object) -> None:
    assert base_of({"metadata": metadata}) is None


@pytest.mark.parametrize("cells", [None, 5, "", "text", {}, ["text"], [{}, 3]])
def test_anything_but_a_notebook_is_refused_and_changes_nothing(cells: object) -> None:
    document = document_of("a")
    seq = document.seq
    with pytest.raises(ValueError, match="no notebook"):
        merge(document, {"cells": cells}, None)
    assert document.seq == seq


@pytest.mark.parametrize(
    "wrong", [{"outputs": 5}, {"source": 5}, {"metadata": []}, {"cell_type": []}, {"id": []}]
)
def test_cell_with_invalid_parts_is_corrected(wrong: Json) -> None:
    document = document_of("a")
    written = tab_of(document)
    written["cells"].append({**new("b", kind="code"), **wrong})
    save(document, written)
    assert len(document) == 2


def test_runners_metadata_stay() -> None:
    document = Document(metadata={"kernelspec": {"name": "cobra", "display_name": "Cobra"}})
    document.insert("code", "x", cell_id="a", metadata={"cobra": {"agent": "lead"}})
    written = tab_of(document)
    written["metadata"] = {
        "cobra": {"seq": document.seq},
        "kernelspec": {"name": "r", "display_name": "R"},
        "own": 1,
    }
    cell_in(written, "a")["metadata"] = {"cobra": {"agent": "me"}, "tags": ["mine"]}
    save(document, written)
    assert document.notebook_metadata["kernelspec"]["name"] == "cobra"
    assert document.notebook_metadata["own"] == 1
    assert document.cell("a")["metadata"] == {"cobra": {"agent": "lead", "seq": 1}, "tags": ["mine"]}


def test_source_and_metadata_of_one_cell_change_together() -> None:
    document = document_of("a")
    written = tab_of(document)
    cell_in(written, "a").update(source="mine", metadata={"tags": ["mine"]})
    save(document, written)
    assert document.source_of("a") == "mine"
    assert document.cell("a")["metadata"]["tags"] == ["mine"]


def test_metadata_changed_since_the_base_stay() -> None:
    document = document_of("a")
    stale = tab_of(document)
    document.metadata("a", {"tags": ["new"]})
    document.metadata(None, {"own": "new"})
    save(document, stale)
    assert document.cell("a")["metadata"] == {"tags": ["new"]}
    assert document.notebook_metadata["own"] == "new"


def image(text: str) -> Json:
    return {"a.png": {"image/png": text}}


def test_images_pasted_into_a_text_are_saved_with_its_other_changes() -> None:
    document = document_of("a", "b", kind="markdown")
    written = tab_of(document)
    cell_in(written, "a").update(
        source="![a](attachment:a.png)", attachments=image("cGFzdGVk"), metadata={"tags": ["mine"]}
    )
    save(document, written)
    cell = document.cell("a")
    assert (cell["source"], cell["attachments"]) == ("![a](attachment:a.png)", image("cGFzdGVk"))
    assert (cell["metadata"]["tags"], touched(document, "a")) == (["mine"], True)
    assert order(document) == ["a", "b"]
    assert save(document, tab_of(document)) == []
    without = tab_of(document)
    del cell_in(without, "a")["attachments"]
    save(document, without)
    assert "attachments" not in document.cell("a")


def test_stale_tab_does_not_revert_changed_images() -> None:
    document = document_of("a", kind="markdown")
    stale, other = tab_of(document), tab_of(document)
    cell_in(other, "a")["attachments"] = image("cGFzdGVk")
    save(document, other)
    cell_in(stale, "a")["source"] = "stale"
    save(document, stale)
    cell = document.cell("a")
    assert (cell["source"], cell["attachments"]) == ("stale", image("cGFzdGVk"))
    gone = tab_of(document)
    del cell_in(gone, "a")["attachments"]
    seen = tab_of(document)
    save(document, gone)
    save(document, seen)
    assert "attachments" not in document.cell("a")


def test_copy_of_an_agents_cell_belongs_to_the_person() -> None:
    document = Document()
    document.insert("code", "x", cell_id="a", metadata={"cobra": {"agent": "lead", "turn": 1}})
    written = tab_of(document)
    written["cells"].append({**cell_in(written, "a"), "id": "copy"})
    save(document, written)
    assert "agent" not in document.cell("copy")["metadata"]["cobra"]
    assert touched(document, "copy")
    assert not touched(document, "a")


@pytest.mark.parametrize("seed", range(40))
def test_tabs_converge_and_nothing_is_lost_whatever_they_do(seed: int) -> None:
    chance = random.Random(seed)
    world = World(chance)
    tabs = [Tab(f"tab{number}", world, chance) for number in range(3)]
    for _ in range(150):
        if chance.random() < 0.4:
            world.agent_acts()
        else:
            chance.choice(tabs).acts()
    world.settle(tabs)
    ids = order(world.document)
    assert all(tab.model.state() == world.state() for tab in tabs)
    assert all(tab.shadow.state() == world.state() for tab in tabs)
    assert len(set(ids)) == len(ids)
    deleted = {cell for tab in tabs for cell in tab.deleted}
    assert {cell for cell in world.made if cell not in deleted} <= set(ids)
    assert {cell for tab in tabs for cell in tab.made if cell not in deleted} <= set(ids)
    nbformat.validate(json.loads(world.document.text()))
