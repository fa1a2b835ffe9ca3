"""A person's actions in an agent's notebook: reported to the agent once, and recorded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.agent import interventions
from cobra_jupyter.agent.history import rebuild
from cobra_jupyter.agent.interventions import Intervention, Interventions
from cobra_jupyter.agent.page import Page
from cobra_jupyter.agent.recorded import RecordedNotebook
from cobra_jupyter.agent.reply import parse
from cobra_jupyter.notebook import edits
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.merge import touched
from cobra_jupyter.records.ledger import Ledger, Record, read
from tests.counting import lines_run

Json = dict[str, Any]


class Stage:
    """An agent's notebook with its record; the agent writes replies, a person edits."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder / "ledger.jsonl")
        self.document = Document()
        self.interventions = Interventions(self.document, self.ledger, "lead")
        self.turn = 0

    def begin(self) -> Page:
        self.turn += 1
        return Page(
            self.document, {"cobra": {"agent": "lead", "role": "lead", "turn": self.turn, "brain": "b"}}
        )

    def end(self, page: Page, text: str) -> None:
        page.show(parse(text))
        cells = {"markdown": page.markdown, "code": page.code}
        about = {"agent": "lead", "turn": self.turn, "role": "lead", "knew": 0, "brain": "b"}
        self.ledger.append("reply", {**about, "text": text, "cells": cells})

    def reply(self, text: str = "# Words\n\n```python\ncode\n```\n") -> Page:
        page = self.begin()
        self.end(page, text)
        return page

    def edit(self, *given: Json) -> None:
        assert edits.apply(self.document, list(given), "tab") == []

    def records(self, kind: str) -> list[Json]:
        return [record.data for record in self.all() if record.kind == kind]

    def all(self) -> list[Record]:
        return list(read(self.ledger.path))

    def rebuilt(self) -> Document:
        self.interventions.record()
        return rebuild(self.all(), self.ledger.path.parent, {})

    def must_be_rebuilt(self) -> None:
        assert state(self.rebuilt()) == state(self.document)


def state(document: Document) -> list[tuple[str, str, str]]:
    return [(c, document.cell(c)["cell_type"], document.source_of(c)) for c in document]


def source(cell: str | None, text: str) -> Json:
    return {"edit": "source", "cell_id": cell, "text": text}


def insert(cell: str, after: str | None = None, text: str = "mine", kind: str = "code") -> Json:
    made = {"cell_type": kind, "id": cell, "source": text, "metadata": {}}
    return {"edit": "insert", "cell": made, "after": after}


Scenario = Callable[[Stage], None]


@pytest.fixture
def act(tmp_path: Path) -> Callable[[Scenario], Stage]:
    """Runs a scenario in an event loop."""

    def play(scenario: Scenario) -> Stage:
        async def inside() -> Stage:
            stage = Stage(tmp_path)
            scenario(stage)
            return stage

        return asyncio.run(inside())

    return play


def told(stage: Stage) -> list[Intervention]:
    return stage.interventions.report("handed back")


def test_a_persons_actions_are_reported_in_the_notebooks_order(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        first, second, third = (stage.reply() for _ in range(3))
        stage.edit(
            source(third.code, "code + 1"),
            {"edit": "delete", "cell_id": second.code},
            {"edit": "move", "cell_id": third.markdown, "after": first.markdown},
            insert("mine", first.code),
        )
        stage.interventions.ran("mine", "error", "ZeroDivisionError")
        stage.interventions.ran(str(first.code), "ok", "42")
        found = [(done.what, done.cell, done.text) for done in told(stage)]
        assert found == [
            (("moved",), third.markdown, ""),
            (("run",), first.code, "code"),
            (("added", "run"), "mine", "mine"),
            (("changed",), third.code, "@@ -1 +1 @@\n-code\n+code + 1"),
            (("deleted",), second.code, "code"),
        ]

    (handback,) = act(scenario).records("handback")
    assert handback["why"] == "handed back"
    assert "ZeroDivisionError" in handback["text"]
    assert "It ended error" in handback["text"]
    assert [done["status"] for done in handback["interventions"]] == [None, "ok", "error", None, None]


def test_each_intervention_is_reported_once(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        page = stage.reply()
        stage.edit(source(page.code, "mine"))
        assert len(told(stage)) == 1
        assert told(stage) == []
        stage.edit(source(page.code, "code"))
        assert [done.text for done in told(stage)] == ["@@ -1 +1 @@\n-mine\n+code"]

    assert len(act(scenario).records("handback")) == 2


def test_the_agents_own_changes_are_not_interventions(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        page = stage.reply()
        stage.document.source(str(page.markdown), "agent's")
        stage.document.move(str(page.code), None)
        stage.document.delete(str(page.markdown))
        stage.begin().show(parse("# Begun"))
        assert told(stage) == []
        assert stage.interventions.quiet

    assert act(scenario).records("handback") == []


def test_an_undone_change_is_not_an_intervention(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        page = stage.reply()
        stage.edit(source(page.code, "mine"), source(page.code, "code"))
        stage.edit(insert("mine"), {"edit": "delete", "cell_id": "mine"})
        stage.edit(insert("empty", text=" \n"))
        assert told(stage) == []

    act(scenario)


def test_a_changed_cell_type_is_reported(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        page = stage.reply()
        cell = {"cell_type": "raw", "id": page.code, "source": "new", "metadata": {}}
        stage.edit({"edit": "replace", "cell": cell})
        (done,) = told(stage)
        assert (done.what, done.kind) == (("changed",), "raw")
        stage.must_be_rebuilt()

    act(scenario)


def test_long_cells_and_outputs_are_shortened(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        stage.edit(insert("mine", text="x" * 100_000))
        stage.interventions.ran("mine", "ok", "y" * 100_000)
        (done,) = told(stage)
        assert len(str(done)) < 7_000

    act(scenario)


def test_a_person_at_work_is_not_quiet(
    act: Callable[[Scenario], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(interventions.time, "monotonic", lambda: now[0])

    def scenario(stage: Stage) -> None:
        page = stage.reply()
        stage.edit(source(page.code, "mine"))
        assert not stage.interventions.quiet
        now[0] += interventions.QUIET
        assert stage.interventions.quiet

    act(scenario)


def test_many_edits_are_one_line_of_the_record_once_the_person_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interventions, "SETTLED", 0.05)

    async def scenario() -> None:
        stage = Stage(tmp_path)
        page = stage.reply()
        for number in range(20):
            stage.edit(source(page.code, str(number)))
        assert stage.records("edit") == []
        await asyncio.sleep(0.2)
        (record,) = stage.records("edit")
        assert record["edits"] == [source(page.code, "19")]

    asyncio.run(scenario())


def test_without_actions_nothing_is_recorded(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        stage.reply()
        stage.begin().show(parse("# Begun"))
        stage.interventions.record()
        stage.interventions.close()

    assert act(scenario).records("edit") == []


def test_the_record_rebuilds_the_same_notebook(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        first, second = stage.reply(), stage.reply()
        stage.edit(
            insert("a", first.markdown),
            insert("b", "a", "text", "markdown"),
            source(first.code, "changed"),
            {"edit": "move", "cell_id": second.code, "after": None},
            {"edit": "delete", "cell_id": second.markdown},
        )
        stage.must_be_rebuilt()
        stage.edit({"edit": "delete", "cell_id": "a"}, insert("a", None, "came back"))
        stage.must_be_rebuilt()
        assert touched(stage.rebuilt(), "a")

    act(scenario)


def test_outputs_that_a_person_cleared_are_cleared_in_the_record(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        page = stage.reply()
        stage.edit({"edit": "clear", "cell_id": page.code})
        stage.interventions.record()

    (record,) = act(scenario).records("edit")
    assert [edit["edit"] for edit in record["edits"]] == ["clear"]


def mid_reply(stage: Stage, does: Callable[[Page], None], early: bool) -> None:
    """A person acts while a reply streams; the edit is recorded before or after the reply."""
    stage.reply()
    page = stage.begin()
    page.show(parse("# Words and\n\n```python\none = 1\n"))
    does(page)
    if early:
        stage.interventions.record()
    stage.end(page, "# Words and\n\n```python\none = 1\ntwo = 2\n```\n")
    stage.must_be_rebuilt()


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    "what", ["write code", "write text", "delete code", "delete text", "move", "insert", "type"]
)
def test_edits_in_a_streaming_reply_are_rebuilt(
    act: Callable[[Scenario], Stage], what: str, early: bool
) -> None:
    def scenario(stage: Stage) -> None:
        def does(page: Page) -> None:
            typed = {"cell_type": "raw", "id": page.code, "source": "one = 1\n", "metadata": {}}
            stage.edit(
                {
                    "write code": source(page.code, "mine"),
                    "write text": source(page.markdown, "mine"),
                    "delete code": {"edit": "delete", "cell_id": page.code},
                    "delete text": {"edit": "delete", "cell_id": page.markdown},
                    "move": {"edit": "move", "cell_id": page.code, "after": None},
                    "insert": insert("mine", page.markdown),
                    "type": {"edit": "replace", "cell": typed},
                }[what]
            )

        mid_reply(stage, does, early)

    act(scenario)


def test_edits_in_a_reply_that_never_ended_are_rebuilt(act: Callable[[Scenario], Stage]) -> None:
    def scenario(stage: Stage) -> None:
        page = stage.begin()
        page.show(parse("# Words\n\n```python\none = 1\n"))
        stage.edit(source(page.code, "mine"))
        page.clear()
        stage.must_be_rebuilt()
        assert [text for _, _, text in state(stage.document)] == ["mine"]

    act(scenario)


@pytest.mark.parametrize("seed", range(25))
def test_any_sequence_of_actions_is_rebuilt_from_the_record(
    act: Callable[[Scenario], Stage], seed: int
) -> None:
    chance = random.Random(seed)

    def edit(stage: Stage, number: int) -> None:
        cells = list(stage.document)
        if not cells or chance.random() < 0.25:
            stage.edit(insert(f"p{number}", chance.choice([None, *cells])))
            return
        cell = chance.choice(cells)
        typed = {"cell_type": chance.choice(["raw", "code"]), "id": cell, "source": "t", "metadata": {}}
        after = chance.choice([None, *[other for other in cells if other != cell]])
        stage.edit(
            chance.choice(
                [
                    source(cell, str(number)),
                    {"edit": "delete", "cell_id": cell},
                    {"edit": "replace", "cell": typed},
                    {"edit": "move", "cell_id": cell, "after": after},
                ]
            )
        )

    def scenario(stage: Stage) -> None:
        number = 0
        for _ in range(8):
            page, text = stage.begin(), "# Words and words\n\n```python\none = 1\ntwo = 2\n```\n"
            for end in sorted(chance.sample(range(1, len(text)), 4)):
                page.show(parse(text[:end]))
                number += 1
                if chance.random() < 0.6:
                    edit(stage, number)
                if chance.random() < 0.3:
                    stage.interventions.record()
            if chance.random() < 0.2:
                page.clear()
            else:
                stage.end(page, text)
            stage.must_be_rebuilt()

    act(scenario)


@pytest.mark.parametrize("act", ["nothing", "source", "clear", "delete"])
def test_a_turn_looks_at_no_more_cells_in_a_long_notebook_than_in_a_short_one(
    tmp_path: Path, act: str
) -> None:
    def turn(stage: Stage, number: int) -> None:
        page = stage.reply()
        if act == "source":
            stage.edit(source(page.code, f"mine {number}"))
        elif act != "nothing":
            stage.edit({"edit": act, "cell_id": page.code})
        stage.interventions.report("while the agent worked")

    async def lines_at(cells: int) -> int:
        folder = tmp_path / f"{act}-{cells}"
        folder.mkdir()
        stage = Stage(folder)
        for _ in range(cells // 2):
            stage.reply()
        turn(stage, 0)  # what earlier turns left to be done
        found = lines_run(lambda: turn(stage, 1))
        assert len(stage.records("edit")) == (0 if act == "nothing" else 2)
        stage.interventions.close()
        return found

    async def both() -> tuple[int, int]:
        return await lines_at(100), await lines_at(2_000)

    short, long = asyncio.run(both())
    assert short == long > 0


@pytest.mark.parametrize("edit", ["insert", "move"])
def test_after_a_change_of_order_only_changed_cells_are_compared(
    act: Callable[[Scenario], Stage], edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    inner = RecordedNotebook._changes

    def changes(self: RecordedNotebook, cell: str, *rest: Any) -> list[Json]:
        compared.append(cell)
        return inner(self, cell, *rest)

    def scenario(stage: Stage) -> None:
        pages = [stage.reply() for _ in range(20)]
        stage.interventions.record()
        monkeypatch.setattr(RecordedNotebook, "_changes", changes)
        after, last = str(pages[3].code), str(pages[-1].code)
        stage.edit(
            insert("mine", after) if edit == "insert" else {"edit": "move", "cell_id": last, "after": after}
        )
        stage.must_be_rebuilt()
        assert set(compared) <= {last}

    act(scenario)
