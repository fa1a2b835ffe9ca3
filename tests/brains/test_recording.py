"""What brains said, in a file and in a run's record, is said again: who, in which turn, and who was gone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cobra_jupyter.brains.base import Brain, BrainGone, TimeOver
from cobra_jupyter.brains.choice import BrainRefused, BrainRequest, choose
from cobra_jupyter.brains.context import Clock, Context
from cobra_jupyter.brains.recording import recorded
from cobra_jupyter.brains.replay import Recording, replays
from cobra_jupyter.notebook.normalise import differences, normalised
from cobra_jupyter.records.ledger import read
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.agent.test_loop import END, LOAD, Speaker
from tests.conftest import make_competition


def run(folder: Path, out: Path, brains: tuple[Brain, ...]) -> Path:
    options = Options(folder, out, "any", 90.0, 0, None, {}, time.time())
    asyncio.run(Runner(options, brains[0], others=brains[1:]).run())
    return out


def seen(out: Path) -> dict[str, Any]:
    return normalised(nbformat.read(out / "agent.ipynb", as_version=4), out)


def team() -> tuple[Speaker, Speaker, Speaker]:
    """A lead that has to be corrected, fails once and goes in turn 4; a fast one that repairs; a last one."""

    def lead(context: Context) -> str | Exception:
        turn = len(context.turns) + 1
        if turn == 1 and not context.corrections:
            return "Only words."
        if turn >= 4:
            return BrainGone("its 2 dollars are spent, says s3cret-key")
        return f"## Step {turn}\n\n{LOAD}" if turn == 1 else f"## Step {turn}\n\n```python\n1 / 0\n```\n"

    fast = Speaker(
        "fast",
        lambda context: (
            BrainGone("no fast one")
            if len(context.turns) == 3
            else "## Repair\n\n```python\nprint(6 * 7)\n```\n"
        ),
    )
    return Speaker("lead", lead), fast, Speaker("last", lambda context: END)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_competition(tmp_path_factory.mktemp("competition"), "regression", rows=120, test_rows=30)


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    return run(folder, out, recorded(team(), out.parent / "replies.jsonl", ["s3cret-key"]))


@pytest.mark.parametrize(
    "source", [lambda out: out, lambda out: out.parent / "replies.jsonl"], ids=["run", "file"]
)
def test_corrections_repairs_and_farewells_are_replayed(
    source: Callable[[Path], Path], folder: Path, whole: Path, tmp_path: Path
) -> None:
    out = run(folder, tmp_path / "again", replays(Recording(source(whole))))
    then, now = seen(whole), seen(out)
    if source(
        whole
    ).suffix:  # where the file has no key, the run's own record has: it was no secret of the run
        text = json.dumps(now)
        assert "[secret]" in text
        now = json.loads(text.replace("[secret]", "s3cret-key"))
    assert differences(then, now) == []
    told = [
        [
            (r.data["brain"], r.data["role"], len(r.data["attempts"]))
            for r in read(run_ / "ledger.jsonl")
            if r.kind == "reply"
        ]
        for run_ in (whole, out)
    ]
    assert told[0] == told[1]
    assert told[0][0] == ("lead", "lead", 1)
    assert ("fast", "debugger", 0) in told[0]
    assert told[0][-1] == ("last", "lead", 0)


def test_a_file_of_replies_holds_no_secret(whole: Path) -> None:
    text = (whole.parent / "replies.jsonl").read_text()
    assert "s3cret-key" not in text
    assert "its 2 dollars are spent" in text
    first = json.loads(text.splitlines()[1])
    assert (first["agent"], first["turn"], first["brain"], first["text"]) == (
        "lead",
        1,
        "lead",
        "Only words.",
    )
    assert first["usage"]["cost"] == 0.01


def test_a_brain_that_is_listened_to_shows_its_check_and_its_recording(whole: Path, tmp_path: Path) -> None:
    chosen = choose(BrainRequest("replay", source=str(whole), record=str(tmp_path / "copy.jsonl")), {})
    assert chosen.lead.recording.ledger == (whole / "ledger.jsonl").resolve()  # type: ignore[attr-defined]
    assert [brain.name for brain in (chosen.lead, *chosen.others)] == ["lead", "fast", "last"]
    assert not hasattr(chosen.lead, "check")


def test_each_agent_has_its_own_turns_and_the_end_is_said(tmp_path: Path) -> None:
    file = tmp_path / "replies.jsonl"
    about = {"role": "lead", "brain": "a", "finish": "stop"}
    lines = [
        {"brains": ["a"]},
        {**about, "agent": "lead", "turn": 1, "text": "L1"},
        {**about, "agent": "scout-1", "turn": 1, "text": "S1"},
        {**about, "agent": "lead", "turn": 2, "text": "cut off"},
        {"brains": ["a"]},
        {**about, "agent": "lead", "turn": 2, "text": "L2"},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"agent": "le')
    (brain,) = replays(Recording(file))

    class Asked:
        role = "lead"

        def __init__(self, turns: int, agent: str = "lead") -> None:
            self.turns, self.agent = ((),) * turns, agent

    async def said(context: Any) -> str:
        return "".join([piece async for piece in brain.reply(context)])

    assert [asyncio.run(said(Asked(n))) for n in (0, 1)] == ["L1", "L2"]
    assert asyncio.run(said(Asked(0, "scout-1"))) == "S1"
    with pytest.raises(BrainGone, match="ends with turn 2 of the agent lead"):
        asyncio.run(said(Asked(2)))
    assert Recording(file).time_left("lead", 2) == 0
    assert Recording(file).time_left("lead", 1) > 0


def test_a_reply_that_was_cut_off_by_the_end_of_time_is_no_turn_of_the_recording(tmp_path: Path) -> None:
    over = Speaker("lead", lambda context: TimeOver("the time for new work was over"))
    (lead,) = recorded([over], tmp_path / "replies.jsonl")

    async def said() -> list[str]:
        return [piece async for piece in lead.reply(Context(Clock(60.0, 60.0, 0.0), {}))]

    with pytest.raises(TimeOver):
        asyncio.run(said())
    assert json.loads((tmp_path / "replies.jsonl").read_text()) == {"brains": ["lead"]}


def test_a_record_that_was_changed_is_refused(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text((whole / "ledger.jsonl").read_text().replace("Repair", "Despair"))
    with pytest.raises(BrainRefused, match="the chain is broken"):
        choose(BrainRequest("replay", source=str(tmp_path)), {})


def test_a_recording_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrainRefused, match="cannot be written"):
        choose(BrainRequest("playbook", record=str(tmp_path / "none" / "file.jsonl")), {})
