from __future__ import annotations

import json
import math
import random
from typing import Any

import nbformat
import pytest

from cobra_jupyter.notebook.document import Document, Operation


def stream(text: Any, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def shown(text: Any, display_id: str | None = None, kind: str = "display_data") -> dict[str, Any]:
    output: dict[str, Any] = {"output_type": kind, "data": {"text/plain": text}, "metadata": {}}
    return output if display_id is None else {**output, "transient": {"display_id": display_id}}


def with_cell() -> tuple[Document, str]:
    document = Document()
    return document, document.insert("code", "1").cell_id


def outputs(document: Document, cell_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document.cell(cell_id)["outputs"]
    return found


def must_be_valid(document: Document) -> None:
    text = document.text()
    text.encode("utf-8")
    nbformat.validate(json.loads(text, parse_constant=pytest.fail))


def must_equal_nbformat(document: Document) -> None:
    assert document.text() == nbformat.writes(nbformat.from_dict(document.notebook())) + "\n"


NASTY: list[Any] = [
    None,
    b"\xff\x00",
    "no mapping",
    {},
    {"output_type": "unheard of", "x": b"1"},
    {"output_type": "stream"},
    stream(None, None),  # type: ignore[arg-type]
    stream(b"\xffbytes\n"),
    stream(["a\n", "b"]),
    stream("\ud800 lone surrogate"),
    stream("\u2028 \x0b \x1c separators \r\n"),
    stream({"a": math.nan}),
    {"output_type": "display_data"},
    {"output_type": "display_data", "data": None, "metadata": None},
    {"output_type": "display_data", "data": "text", "metadata": []},
    {"output_type": "display_data", "data": {"image/png": b"\x89PNG", "text/plain": ["a", "b"]}},
    {
        "output_type": "display_data",
        "data": {"text/html": {"a": 1}, 5: 7, "": ""},
        "metadata": {"n": math.inf},
    },
    {"output_type": "display_data", "data": {"application/vnd.x+json": {"a": math.nan, 2: {1, 2}}}},
    {"output_type": "display_data", "data": {"application/json": "a\nb"}, "metadata": {b"k": object()}},
    {"output_type": "display_data", "data": {"application/vnd.x+json": 10**5000}, "transient": "none"},
    {
        "output_type": "display_data",
        "data": {"image/svg+xml": "<svg>\n</svg>", "application/javascript": "1\n2"},
    },
    {"output_type": "execute_result", "data": {"text/plain": "x"}, "metadata": {}},
    {"output_type": "execute_result", "data": {"text/plain": 1.5}, "metadata": {}, "execution_count": "7"},
    {"output_type": "execute_result", "data": {}, "metadata": {}, "execution_count": True, "extra": 1},
    {"output_type": "error"},
    {"output_type": "error", "ename": 3, "evalue": None, "traceback": "one line"},
    {"output_type": "error", "ename": "E", "evalue": b"v", "traceback": [1, None, b"x", "\ud800"]},
    {"output_type": "update_display_data", "data": {"text/plain": "?"}},
    {"output_type": "update_display_data", "data": {"a": b"1"}, "transient": {"display_id": "d1"}},
    {"output_type": "clear_output"},
    {"output_type": "clear_output", "wait": "yes"},
    shown("x" * 5000, "d1"),
    shown({"deep": [[[[1]]]]}, "d2"),
    shown("y", 7),  # type: ignore[arg-type]
    stream("progress 1\rprogress 2\b\b\b"),
    stream("z" * 5000, "stderr"),
]


def test_document_stays_valid_after_every_operation_whatever_the_kernel_sends() -> None:
    chance = random.Random(0)
    document, copy = Document(max_text=3000), Document(max_text=3000)
    document.subscribe(
        lambda operation: copy.apply(Operation.from_json(json.loads(json.dumps(operation.to_json()))))
    )
    for step in range(300):
        cells = list(document)
        choice = chance.random()
        if not cells or choice < 0.1:
            kind = chance.choice(["code", "code", "markdown", "raw"])
            after = chance.choice(cells) if cells and chance.random() < 0.5 else None
            tags = chance.choice([None, ["a", "a", "b,c", 5, ""], "tag"])
            metadata = {"cobra": {"role": "agent", "turn": step}, "tags": tags, "collapsed": 3, "name": ""}
            document.insert(kind, "x\n\ud800y", after=after, first=chance.random() < 0.2, metadata=metadata)
            continue
        cell_id = chance.choice(cells)
        if choice < 0.65:
            document.output(cell_id, chance.choice(NASTY))
        elif choice < 0.75:
            document.source(cell_id, chance.choice(["a = 1\n", "\u2028", "é"]), append=chance.random() < 0.7)
        elif choice < 0.82:
            document.clear(cell_id, wait=chance.random() < 0.5)
        elif choice < 0.89:
            document.count(cell_id, chance.choice([None, 3, -1, True, "4"]))  # type: ignore[arg-type]
        elif choice < 0.95:
            patch = chance.choice([{"scrolled": "x"}, {"execution": {"a": 1}}, {"x": math.nan}, {"x": None}])
            document.metadata(chance.choice([cell_id, None]), patch)
        else:
            document.delete(cell_id)
        must_be_valid(document)
    must_equal_nbformat(document)
    assert copy.text() == document.text()


def test_each_nasty_output_is_valid_and_written_like_nbformat() -> None:
    for raw in NASTY:
        document, cell_id = with_cell()
        document.output(cell_id, raw)
        must_be_valid(document)
        must_equal_nbformat(document)


def test_empty_document_is_written_like_nbformat() -> None:
    document = Document(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    must_be_valid(document)
    must_equal_nbformat(document)


def test_notebook_metadata_that_nbformat_rejects_is_dropped() -> None:
    document = Document(metadata={"kernelspec": {"name": 1}, "title": 5, "cobra": "x", "own": [math.nan]})
    must_be_valid(document)
    assert document.notebook()["metadata"] == {"own": [None], "cobra": {"seq": 0}}


def test_document_read_from_a_file_continues_its_numbers() -> None:
    document, cell_id = with_cell()
    document.output(cell_id, stream("a\nb"))
    document.insert("markdown", "# é", first=True, metadata={"cobra": {"role": "agent", "turn": 1}})
    again = Document.read(document.text())
    assert again.text() == document.text()
    assert again.seq == document.seq
    assert again.inserted_at(cell_id) == 0
    assert again.insert("code").seq == document.seq + 1


def test_new_text_does_not_join_a_stream_read_from_a_file() -> None:
    document, cell_id = with_cell()
    document.output(cell_id, stream("old"))
    again = Document.read(document.text())
    again.output(cell_id, stream("new"))
    assert [output["text"] for output in outputs(again, cell_id)] == ["old", "new"]


def test_cells_with_missing_or_duplicate_ids_get_new_ids() -> None:
    cells = [{"cell_type": "code", "id": "a", "source": ["x\n", "y"], "metadata": {}, "outputs": []}] * 2
    document = Document.read(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    assert len(set(document)) == 2
    assert document.cell("a")["source"] == "x\ny"
    must_be_valid(document)


def test_cells_are_inserted_at_the_requested_positions() -> None:
    document = Document()
    for name in "abc":
        document.insert(cell_id=name)
    document.insert(cell_id="d", after="a")
    document.insert(cell_id="e", first=True)
    document.insert(cell_id="f", after="c")
    assert list(document) == ["e", "a", "d", "b", "c", "f"]


def test_invalid_cells_are_refused() -> None:
    document, cell_id = with_cell()
    for wrong in (cell_id, "with space", "x" * 65, ""):
        with pytest.raises(ValueError, match="cell id"):
            document.insert(cell_id=wrong)
    with pytest.raises(ValueError, match="cell type"):
        document.insert("heading")
    with pytest.raises(KeyError):
        document.insert(after="nowhere")
    with pytest.raises(KeyError):
        document.source("nowhere", "")


def test_output_of_a_deleted_cell_is_dropped() -> None:
    document, cell_id = with_cell()
    document.delete(cell_id)
    assert document.output(cell_id, stream("late")) is None
    assert len(document) == 0


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        (["a", "b\n", "c"], "ab\nc"),
        (["10%\r20%\r30%"], "30%"),
        (["10%", "\r20%", "\r", "5", "\n"], "50%\n"),
        (["long line\rab"], "abng line"),
        (["a\r\nb\r\n"], "a\nb\n"),
        (["abc\b\bd"], "ad"),
        (["a\n\b\bb"], "a\nb"),
        (["a", "\b", "b"], "b"),
        (["one\ntwo\rTWO\nthree\r", "3"], "one\nTWO\n3hree"),
        (["abc\rX\nY"], "Xbc\nY"),
        (["abc\rxy\bz"], "xz"),  # as JupyterLab does: \b over standing text also takes the character there
    ],
)
def test_control_characters_act_as_in_jupyterlab_even_across_chunks(chunks: list[str], text: str) -> None:
    for split in (chunks, list("".join(chunks))):
        document, cell_id = with_cell()
        for chunk in split:
            document.output(cell_id, stream(chunk))
        assert [output["text"] for output in outputs(document, cell_id)] == [text]


def test_only_adjacent_streams_with_the_same_name_merge() -> None:
    document, cell_id = with_cell()
    for output in (stream("a"), stream("b"), stream("c", "stderr"), stream("d"), shown("x"), stream("e")):
        document.output(cell_id, output)
    assert [o.get("text", o.get("data")) for o in outputs(document, cell_id)] == [
        "ab",
        "c",
        "d",
        {"text/plain": "x"},
        "e",
    ]


def test_update_replaces_a_display_in_every_cell() -> None:
    document, first = with_cell()
    second = document.insert("code").cell_id
    document.output(first, shown("0", "d"))
    document.output(second, stream("before"))
    document.output(second, shown("1", "d", "execute_result"))
    document.text()
    made = document.output(second, shown("2", "d", "update_display_data"))
    assert made is not None
    assert made.data["targets"] == [[first, 0], [second, 1]]
    assert outputs(document, first)[0]["data"] == {"text/plain": "2"}
    assert outputs(document, second)[1]["data"] == {"text/plain": "2"}
    assert document.text().count('"2"') == 2


def test_update_of_an_unknown_display_changes_nothing() -> None:
    document, cell_id = with_cell()
    document.output(cell_id, shown("0", "d"))
    document.clear(cell_id)
    seq = document.seq
    assert document.output(cell_id, shown("1", "d", "update_display_data")) is None
    assert document.seq == seq


def test_delayed_clear_acts_at_the_next_output() -> None:
    document, cell_id = with_cell()
    document.output(cell_id, stream("old"))
    document.output(cell_id, {"output_type": "clear_output", "wait": True})
    assert len(outputs(document, cell_id)) == 1
    made = document.output(cell_id, stream("new"))
    assert made is not None
    assert made.data["clear"]
    document.output(cell_id, stream("er"))
    assert [output["text"] for output in outputs(document, cell_id)] == ["newer"]


def test_output_is_stored_up_to_a_limit_and_the_rest_is_counted() -> None:
    document = Document(max_text=1000, log="logs/all.log")
    cell_id = document.insert("code").cell_id
    for _ in range(50):
        document.output(cell_id, stream("x" * 100))
    document.output(cell_id, shown("y" * 10))
    document.count(cell_id, 1)
    stored, note = outputs(document, cell_id)
    assert stored["text"] == "x" * 1000
    assert "4,010 more." in note["data"]["text/plain"]
    assert "logs/all.log" in note["data"]["text/plain"]


def test_displays_after_omitted_text_have_their_own_room() -> None:
    document = Document(max_text=1000, displays=300)
    cell_id = document.insert("code").cell_id
    document.output(cell_id, stream("x" * 5000))
    document.output(cell_id, stream("x" * 50))
    document.output(cell_id, shown("table", "d"))
    document.output(cell_id, shown("another", "d", "update_display_data"))
    document.output(cell_id, shown("y" * 301))
    document.count(cell_id, 1)
    text, note, table, *_ = outputs(document, cell_id)
    assert text["text"] == "x" * 1000
    assert "is not stored" in note["data"]["text/plain"]
    assert table["data"]["text/plain"] == "another"
    stored = sum(len(output["data"]["text/plain"]) for output in outputs(document, cell_id)[2:])
    assert stored <= 300


def test_unstored_output_is_passed_on_whole_and_the_note_names_a_log_only_if_there_is_one() -> None:
    document, rest = Document(max_text=10), []
    document.on_rest = lambda cell_id, text, first: rest.append((text, first))
    cell_id = document.insert("code").cell_id
    document.output(cell_id, stream("x" * 10 + "abc"))
    document.output(cell_id, stream("def"))
    data = {"text/plain": "plain", "text/html": "<b>", "image/png": "i" * 81, "application/json": {"a": 1}}
    document.output(cell_id, {"output_type": "display_data", "data": data, "metadata": {}})
    document.clear(cell_id)
    document.output(cell_id, stream("y" * 11))
    assert rest == [
        ("abc", True),
        ("def", False),
        ('plain\n<b>\n[image/png: 81 characters, not stored]\n{"a": 1}\n', False),
        ("y", True),
    ]
    assert outputs(document, cell_id)[1]["data"]["text/plain"] == (
        "[Output beyond 10 characters is not stored: 1 more so far.]"
    )


def test_much_omitted_output_needs_few_operations() -> None:
    document = Document(max_text=10)
    cell_id = document.insert("code").cell_id
    for _ in range(1000):
        document.output(cell_id, stream("x" * 10))
    assert document.seq < 20


def test_progress_that_overwrites_itself_does_not_use_up_the_limit() -> None:
    document = Document(max_text=1000)
    cell_id = document.insert("code").cell_id
    for step in range(500):
        document.output(cell_id, stream(f"\rstep {step:4d} of 500"))
    assert [output["text"] for output in outputs(document, cell_id)] == ["step  499 of 500"]


def test_error_is_stored_even_after_the_limit() -> None:
    document = Document(max_text=100)
    cell_id = document.insert("code").cell_id
    document.output(cell_id, stream("x" * 1000))
    trace = [f"line {number}" + "." * 1000 for number in range(200)]
    document.output(cell_id, {"output_type": "error", "ename": "E", "evalue": "why", "traceback": trace})
    error = outputs(document, cell_id)[-1]
    assert error["evalue"] == "why"
    assert error["traceback"][-1] == trace[-1]
    assert sum(map(len, error["traceback"])) < 70_000


def test_updates_of_one_display_do_not_use_up_the_limit() -> None:
    document = Document(max_text=1000)
    cell_id = document.insert("code").cell_id
    document.output(cell_id, shown("x" * 600, "d"))
    for digit in "123":
        document.output(cell_id, shown(digit * 600, "d", "update_display_data"))
    assert outputs(document, cell_id)[0]["data"]["text/plain"] == "3" * 600
    assert len(outputs(document, cell_id)) == 1


def test_oversized_display_keeps_its_plain_text() -> None:
    document = Document(max_text=1000)
    cell_id = document.insert("code").cell_id
    data = {"text/html": "h" * 5000, "text/plain": "short", "image/png": "i" * 7000}
    document.output(cell_id, {"output_type": "display_data", "data": data, "metadata": {}})
    assert outputs(document, cell_id)[0]["data"] == {"text/plain": "short", "image/png": "i" * 7000}


def test_clearing_frees_room() -> None:
    document = Document(max_text=100)
    cell_id = document.insert("code").cell_id
    for wait in (False, True):
        document.output(cell_id, stream("x" * 1000))
        document.clear(cell_id, wait=wait)
        document.output(cell_id, stream("y" * 50))
        assert [output["text"] for output in outputs(document, cell_id)] == ["y" * 50]
        document.clear(cell_id)


def test_applying_operations_twice_changes_nothing() -> None:
    made: list[Operation] = []
    document, copy = Document(), Document()
    document.subscribe(made.append)
    cell_id = document.insert("code", "a").cell_id
    document.source(cell_id, "b", append=True)
    document.output(cell_id, stream("x"))
    assert all(copy.apply(operation) for operation in made)
    assert not any(copy.apply(operation) for operation in made)
    assert copy.text() == document.text()
    assert copy.cell(cell_id)["source"] == "ab"


def test_reconnecting_client_gets_the_missed_operations() -> None:
    document, cell_id = with_cell()
    seen = document.seq
    document.source(cell_id, "2")
    document.count(cell_id, 1)
    missed = document.since(seen)
    assert missed is not None
    assert [operation.op for operation in missed] == ["source", "count"]
    assert document.since(document.seq) == ()
    assert Document.read(document.text()).since(seen) is None


def test_operation_history_is_bounded() -> None:
    document, cell_id = with_cell()
    document.output(cell_id, shown("", "d"))
    for _ in range(40):
        document.output(cell_id, shown("x" * 1_000_000, "d", "update_display_data"))
    assert document.since(0) is None
    assert document.since(document.seq - 5) is not None


def test_failing_subscriber_stops_nothing() -> None:
    document, seen = Document(), []
    document.subscribe(lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
    end = document.subscribe(lambda operation: seen.append(operation.seq))
    document.insert("code")
    end()
    document.insert("code")
    assert seen == [1]


def test_only_changed_cells_are_serialised() -> None:
    document = Document()
    ids = [document.insert("code", f"x = {number}").cell_id for number in range(5000)]
    document.text()
    assert document.serialised == 5000
    for _ in range(20):
        document.output(document.insert("code", "y").cell_id, stream("out"))
        document.source(ids[17], "z")
        before = document.serialised
        document.text()
        assert document.serialised == before + 2
    document.text()
    assert document.serialised == before + 2


def test_metadata_is_merged_and_none_removes_a_key() -> None:
    document, cell_id = with_cell()
    document.metadata(cell_id, {"cobra": {"role": "agent", "turn": 3}, "tags": ["a"]})
    document.metadata(cell_id, {"tags": None})
    assert document.cell(cell_id)["metadata"] == {"cobra": {"role": "agent", "turn": 3}}
    document.metadata(None, {"cobra": {"run": "r"}})
    assert document.notebook()["metadata"]["cobra"] == {"run": "r", "seq": document.seq}
