"""Brains that misbehave, in runs without processes: corrected, replaced, repaired; the record says how."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from cobra_jupyter.agent import loop, writers
from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.brains.base import BrainGone, Finish, TimeOver, Usage
from cobra_jupyter.brains.context import Clock, Context, Turn
from cobra_jupyter.brains.playbook import plan
from cobra_jupyter.brains.playbook.view import View
from cobra_jupyter.records.ledger import Record, read
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.conftest import make_competition
from tests.inprocess import UNPROVEN

LOAD = "```python\n%load_ext cobra_jupyter\n```\n"
END = '## End\n\n```python\n%load_ext cobra_jupyter\ncobra.finish("enough")\n```\n'


class Speaker:
    """Replies with a function of the context, which may raise."""

    def __init__(self, name: str, say: Callable[[Context], str | list[str] | Exception]) -> None:
        self.name, self._say, self.finish = name, say, Finish()
        self.contexts: list[Context] = []

    async def reply(self, context: Context) -> AsyncIterator[str]:
        self.contexts.append(context)
        said = self._say(context)
        self.finish = Finish("stop", "STOP", Usage(f"{self.name}-model", input=100, output=10, cost=0.01))
        if isinstance(said, Exception):
            raise said
        for piece in [said] if isinstance(said, str) else said:
            yield piece


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_competition(tmp_path_factory.mktemp("competition"), "regression", rows=120, test_rows=30)


def play(folder: Path, out: Path, lead: Speaker, *others: Speaker) -> list[Record]:
    options = Options(folder, out, lead.name, 90.0, 0, None, {}, time.time())
    asyncio.run(Runner(options, lead, others=others, machinery=UNPROVEN).run())
    return list(read(out / "ledger.jsonl"))


def replies(records: list[Record]) -> list[dict[str, object]]:
    return [record.data for record in records if record.kind == "reply"]


def test_a_reply_that_cannot_be_run_is_corrected_and_only_the_good_one_is_in_the_notebook(
    folder: Path, tmp_path: Path
) -> None:
    bad = ["Only words.", f"## Two\n\n{LOAD}\n{LOAD}", "## Shell\n\n```bash\nls\n```\n"]

    def say(context: Context) -> str:
        tried = len(context.corrections)
        if not context.turns:
            return bad[tried] if tried < len(bad) else f"## Good\n\n{LOAD}"
        return END

    lead, last = Speaker("lead", say), Speaker("last", lambda context: END)
    (first, second) = replies(play(folder, tmp_path / "run", lead, last))
    assert [a["text"] for a in first["attempts"]] == bad  # type: ignore[attr-defined]
    assert first["text"] == f"## Good\n\n{LOAD}"
    assert first["usage"]["model"] == "lead-model"  # type: ignore[index]
    assert second["attempts"] == []
    assert [text for text, _ in lead.contexts[3].prompt.corrections] == bad
    assert last.contexts == []
    sources = [cell.source for cell in nbformat.read(tmp_path / "run" / "agent.ipynb", as_version=4).cells]
    assert "## Good" in sources
    assert not any(word in source for source in sources for word in ("Only words", "## Two", "## Shell"))


class Reading(Speaker):
    """A brain that reads its prompt, as models do."""

    async def reply(self, context: Context) -> AsyncIterator[str]:
        assert context.prompt.tokens > 0
        async for piece in super().reply(context):
            yield piece


def test_a_models_prompt_is_stored_beside_the_record(folder: Path, tmp_path: Path) -> None:
    lead = Reading("lead", lambda context: END if context.turns else f"## Load\n\n{LOAD}")
    first, second, _ = replies(play(folder, tmp_path / "run", lead))
    asked: dict[str, str] = second["asked"]  # type: ignore[assignment]
    text = (tmp_path / "run" / "asked" / f"{asked['changing']}.md").read_text()
    assert text == lead.contexts[1].prompt.changing
    assert first["asked"]["system"] == asked["system"]  # type: ignore[index]


def test_a_model_that_stops_early_is_asked_once_to_confirm(folder: Path, tmp_path: Path) -> None:
    lead = Reading("lead", lambda context: END)
    records = play(folder, tmp_path / "run", lead)
    assert len(replies(records)) == 2
    assert "and nothing is submitted yet" in lead.contexts[1].turns[0].output
    assert len([record for record in records if record.kind == "finish"]) == 1


def test_a_brain_with_a_defect_does_not_end_the_run(folder: Path, tmp_path: Path) -> None:
    lead = Speaker("lead", lambda context: KeyError("candidates"))
    records = play(folder, tmp_path / "run", lead, Speaker("last", lambda context: END))
    assert [reply["brain"] for reply in replies(records)] == ["last"]
    decision = next(r.data for r in records if r.kind == "decision")
    assert (
        decision["why"]
        == "KeyError: 'candidates'. The time for new work ends before it could be asked again, in 10 min 00 s"
    )


def test_after_six_failing_cells_the_last_brain_leads_for_a_while(folder: Path, tmp_path: Path) -> None:
    lead = Speaker("lead", lambda context: "## Try\n\n```python\n1 / 0\n```\n")
    records = play(folder, tmp_path / "run", lead, Speaker("last", lambda context: END))
    assert [reply["brain"] for reply in replies(records)] == ["lead"] * 6 + ["last"]
    decision = next(r.data for r in records if r.kind == "decision")
    assert decision["why"] == (
        "6 cells in a row failed. The time for new work ends before it could be asked again, in 10 min 00 s"
    )


def test_a_cells_time_limit_pauses_while_a_person_has_the_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example when it waits for an agent whose cell waits for a person's approval."""
    monkeypatch.setattr(loop, "CELL", 1.0)
    monkeypatch.setattr(loop, "CELL_SHARE", 0.0)

    def hold(record: Record, budget: Budget) -> None:
        if record.kind == "cell" and record.data["turn"] == 1:
            budget.hold()
        elif record.kind == "execution":
            budget.proceed()

    long = "## Long\n\n```python\nimport time\ntime.sleep(2)\n```\n"
    lead = Speaker("lead", lambda context: END if context.turns else long)
    options = Options(folder, tmp_path / "run", lead.name, 90.0, 0, None, {}, time.time())
    asyncio.run(Runner(options, lead, on_record=hold, machinery=UNPROVEN).run())
    first = next(r.data for r in read(tmp_path / "run" / "ledger.jsonl") if r.kind == "execution")
    assert (first["turn"], first["status"]) == (1, "ok")


def test_a_substitute_does_not_end_the_run_of_a_brain_that_returns(folder: Path, tmp_path: Path) -> None:
    def say(context: Context) -> str | Exception:
        return END if context.turns else BrainGone("no answer", back=1.0)

    lead = Speaker("lead", say)
    records = play(folder, tmp_path / "run", lead, Speaker("last", lambda context: END))
    assert [reply["brain"] for reply in replies(records)] == ["last", "lead"]
    finishing, ended = [record.data["output"] for record in records if record.kind == "execution"]
    assert "not yet: lead is asked again in" in finishing
    assert "the run ends after this cell" in ended
    assert len([record for record in records if record.kind == "finish"]) == 1


class Silent(Speaker):
    """Never replies."""

    async def reply(self, context: Context) -> AsyncIterator[str]:
        self.contexts.append(context)
        await asyncio.Event().wait()
        yield ""


def test_a_silent_brain_is_replaced_when_its_time_for_a_reply_is_over(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "LEAST_REPLY", 0.05)
    monkeypatch.setattr(writers, "REPLY_SHARE", 0.0)
    monkeypatch.setattr(loop, "GRACE", 0.0)
    lead = Silent("lead", lambda context: END)
    records = play(folder, tmp_path / "run", lead, Speaker("last", lambda context: END))
    decisions = [record.data for record in records if record.kind == "decision"]
    assert [d["what"] for d in decisions] == ["lead is gone; last goes on"] * 2
    assert decisions[0]["why"] == "its reply was not complete after 0 s. It is asked again in 0 s"
    assert decisions[1]["why"].endswith("that was too late 2 times in a row")
    assert len(lead.contexts) == 2
    assert [reply["brain"] for reply in replies(records)][-1] == "last"


def test_the_time_of_a_reply_follows_from_the_time_left() -> None:
    assert [writers.longest_reply(left) for left in (10.0, 75.0, 600.0, 86_400.0)] == [10, 30, 200, 1_800]


def test_the_playbook_hands_over_to_a_brain_that_returns() -> None:
    asked = Clock(600.0, 500.0, 20.0)
    card = ("card", {"kind": "tabular", "task": "regression", "train_rows": 9})
    done = Turn(1, "## Choose and submit", "cobra.status()", "ok")
    context = Context(asked, {}, (done,), (card,), returns="gemini is asked again in 40 s")
    step = plan._ending(View(context))
    assert step.title == "Hand over"
    assert "gemini is asked again in 40 s and goes on from here." in step.text
    assert plan._ending(View(replace(context, returns=""))).title == "Finish"


def test_a_reply_cut_off_by_time_ends_the_run_without_asking_others(folder: Path, tmp_path: Path) -> None:
    lead = Speaker("lead", lambda context: TimeOver("late") if context.turns else f"## Load\n\n{LOAD}")
    last = Speaker("last", lambda context: END)
    records = play(folder, tmp_path / "run", lead, last)
    assert last.contexts == []
    assert [r.data["why"] for r in records if r.kind == "state"][-1] == "the time for new work is over"


def test_a_brain_that_cannot_be_corrected_is_replaced_for_one_turn_only(folder: Path, tmp_path: Path) -> None:
    def say(context: Context) -> str:
        return "Only words." if not context.turns else END

    lead, fast = Speaker("lead", say), Speaker("fast", lambda context: f"## Fast\n\n{LOAD}")
    first, second = replies(play(folder, tmp_path / "run", lead, fast, Speaker("last", lambda context: END)))
    assert (first["brain"], second["brain"]) == ("fast", "lead")
    assert len(first["attempts"]) == 4  # type: ignore[arg-type]


def test_a_brain_that_is_gone_is_replaced_for_good_and_both_record_and_notebook_say_so(
    folder: Path, tmp_path: Path
) -> None:
    lead = Speaker("lead", lambda context: BrainGone("its 2 dollars are spent"))
    last = Speaker("last", lambda context: END)
    records = play(folder, tmp_path / "run", lead, last)
    assert [reply["brain"] for reply in replies(records)] == ["last"]
    assert len(lead.contexts) == 1
    decision = next(r.data for r in records if r.kind == "decision")
    assert decision == {
        "what": "lead is gone; last goes on",
        "why": "its 2 dollars are spent",
        "set_aside": {"brain": "lead", "agent": "lead"},
    }
    assert "its 2 dollars are spent" in (tmp_path / "run" / "agent.ipynb").read_text()


def test_a_brain_that_stays_away_is_asked_again_later(folder: Path, tmp_path: Path) -> None:
    def say(context: Context) -> str | Exception:
        return END if context.turns else BrainGone("no answer", back=0.0)

    lead, last = Speaker("lead", say), Speaker("last", lambda context: f"## Meanwhile\n\n{LOAD}")
    records = play(folder, tmp_path / "run", lead, last)
    assert [reply["brain"] for reply in replies(records)] == ["last", "lead"]
    decision = next(r.data for r in records if r.kind == "decision")
    assert decision["why"] == "no answer. It is asked again in 0 s"


def test_a_failing_cell_goes_to_the_debugger_three_times_and_then_back_to_the_lead(
    folder: Path, tmp_path: Path
) -> None:
    def say(context: Context) -> str:
        return (
            END
            if any(turn.role == "debugger" for turn in context.turns)
            else "## Try\n\n```python\n1 / 0\n```\n"
        )

    lead = Speaker("lead", say)
    fast = Speaker("fast", lambda context: "## Repair: no\n\n```python\n1 / 0\n```\n")
    found = replies(play(folder, tmp_path / "run", lead, fast, Speaker("last", lambda context: END)))
    assert [(r["role"], r["brain"]) for r in found] == [
        ("lead", "lead"),
        ("debugger", "fast"),
        ("debugger", "fast"),
        ("debugger", "fast"),
        ("lead", "lead"),
    ]
    assert "ZeroDivisionError" in fast.contexts[0].prompt.changing
    assert "ZeroDivisionError" in fast.contexts[0].turns[0].output


def test_a_reply_that_starts_again_leaves_nothing_of_its_first_start(folder: Path, tmp_path: Path) -> None:
    lead = Speaker("lead", lambda context: ["## Broken\n\n```python\nwrong =", "", "## Whole\n", END])
    (reply,) = replies(play(folder, tmp_path / "run", lead))
    assert reply["text"] == "## Whole\n" + END
    assert "Broken" not in (tmp_path / "run" / "agent.ipynb").read_text()


def test_an_agent_may_recall_records_by_id(folder: Path, tmp_path: Path) -> None:
    define = (
        "%%candidate mean\ndef fit(train, ctx):\n    return float(train[ctx.targets[0]].mean())\n"
        "def predict(model, rows, ctx):\n    import numpy as np\n    return np.full(len(rows), model)"
    )
    cells = [
        "%load_ext cobra_jupyter\ncobra.open()\ncobra.protocol(folds=3)",
        define,
        'first = cobra.trial("mean")',
        'cobra.recall("mean")',
        "cobra.recall(first.id)",
        'cobra.recall("t999")',
        'cobra.finish("seen")',
    ]
    lead = Speaker("lead", lambda context: f"## Step\n\n```python\n{cells[len(context.turns)]}\n```\n")
    play(folder, tmp_path / "run", lead)
    outputs = [turn.output for turn in lead.contexts[-1].turns]
    assert "    return np.full(len(rows), model)" in outputs[3].splitlines()
    assert "trial t001 mean()" in outputs[4]
    assert "nothing is recorded as 't999'; ids are like t001" in outputs[5]


def test_a_model_reads_the_final_outputs_of_a_cell(folder: Path, tmp_path: Path) -> None:
    """Not the intermediate outputs: an ablation replaces its table after every trial."""
    cells = [
        "%load_ext cobra_jupyter\ncobra.open()\ncobra.protocol(folds=3)",
        "from IPython.display import display\nhandle = display('step 1', display_id=True)\n"
        "for n in range(2, 40): handle.update(f'step {n}')\nprint('a\\rb')",
        'cobra.finish("seen")',
    ]
    lead = Speaker("lead", lambda context: f"## Step\n\n```python\n{cells[len(context.turns)]}\n```\n")
    play(folder, tmp_path / "run", lead)
    first, second = (turn.output for turn in lead.contexts[-1].turns)
    assert second.split() == ["'step", "39'", "b"]
    assert "[the card stands in every context]" in first
    assert "protocol 1: 3 folds" in first
    assert "row key" in lead.contexts[-1].prompt.stable
