"""A model's prompt in each turn: bounded, stable at its start, and complete."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cobra_jupyter.agent.prompt import BLOCK, Prompt, hashes, render, text_of
from cobra_jupyter.brains.context import Clock, Context, Turn
from tests.conftest import Bench
from tests.counting import lines_run

LONG = "x = 1  # what a cell may hold\n" * 400


def trial(n: int) -> dict[str, Any]:
    return {
        "id": f"t{n:03d}",
        "label": f"boost(leaves={n})",
        "protocol": 1,
        "score": 1.0 - n / 1000,
        "se": 0.01,
        "full": n % 3 == 0,
        "fraction": 0.3 if n % 3 else 1.0,
        "folds": [0, 1],
        "cost": 4.0,
        "seconds": 4.0,
        "failure": None,
        "name": "boost",
        "candidate": "boost_v1",
        "config": {"leaves": n},
    }


def effect(n: int) -> dict[str, Any]:
    return {
        "factor": f"factor{n}",
        "level": 1,
        "baseline": 0,
        "gain": 0.01 * n,
        "se": 0.01,
        "verdict": "better",
        "confirmed": n > 3,
        "trial": f"t{n:03d}",
    }


def context(turns: int) -> Context:
    """A long run: two trials a turn, an ablation every tenth, outputs too long for a prompt."""
    records: list[tuple[str, dict[str, Any]]] = [
        ("protocol", {"number": 1, "metric": "rmse", "direction": "minimize"})
    ]
    lines, told = [0], []
    for number in range(1, turns + 1):
        for n in (2 * number, 2 * number + 1):
            records.append(("trial", trial(n)))
            lines.append(10 * number)
        if number % 10 == 0:
            effects = [effect(n) for n in range(1, 7)]
            data = {
                "candidate": "boost_v1",
                "effects": effects,
                "metric": "rmse",
                "protocol": 1,
                "baseline": "t002",
                "fidelity": "30 % of rows",
            }
            records.append(("ablation", {"id": f"a{number}", **data}))
            lines.append(10 * number)
        told.append(
            Turn(
                number,
                f"## Step {number}\n{LONG}",
                LONG,
                "ok",
                "",
                LONG,
                "lead",
                10 * number + 5,
                10 * number - 5,
            )
        )
    clock = Clock(3600.0, 3600.0 - turns, 60.0)
    return Context(
        clock,
        {"cores": 2, "memory_mb": 8000, "gpus": 0},
        tuple(told),
        tuple(records),
        "lead",
        "Predict the price. " * 50,
        (),
        tuple(lines),
    )


def whole(prompt: Prompt) -> str:
    return prompt.system + prompt.stable + prompt.changing


def test_turn_200_reads_no_more_than_a_fifth_above_turn_30() -> None:
    assert render(context(200)).tokens <= 1.2 * render(context(30)).tokens


def test_within_a_block_a_turn_is_appended_and_nothing_before_it_changes() -> None:
    before, after = render(context(3 * BLOCK + 2)), render(context(3 * BLOCK + 3))
    assert (before.system, before.stable) == (after.system, after.stable)
    kept = before.changing[: before.changing.index("# Now:")].rstrip()
    assert after.changing.startswith(kept)


def test_lessons_cite_the_two_trials_they_compare_and_ideas_their_effect() -> None:
    text = render(context(40)).changing
    assert (
        "boost_v1: factor6=1 instead of 0: +0.060 ± 0.010 rmse, better, confirmed [t006 against t002, 30 %"
        in text
    )
    best = "- t072 boost(leaves=72): score 0.92800 ± 0.01000; 2 folds, all rows; 4.0 s"
    assert best in text  # of turns 1 to 36


def test_the_first_turn_says_how_to_begin_and_what_there_is() -> None:
    prompt = render(replace(context(0), records=(), lines=()))
    assert "Predict the price." in prompt.stable
    assert "Cores: 2" in prompt.stable
    assert "Begin: the first cell loads the workbench" in prompt.changing
    for call in (
        "open",
        "protocol",
        "audit",
        "trial",
        "ablate",
        "scale",
        "blend",
        "select",
        "submit",
        "recall",
        "finish",
        "jobs",
        "wait",
    ):
        assert f"cobra.{call}(" in prompt.system


def test_jobs_that_ended_since_the_last_turn_are_listed() -> None:
    base = context(3)
    job = {"id": "j01", "what": "full-size boost", "state": "done", "error": None, "result": "t009"}
    told = replace(base, records=(*base.records, ("job", job)), lines=(*base.lines, 99))
    assert "Job j01 has ended: done t009." in render(told).changing
    assert "j01" not in render(replace(told, lines=(*base.lines, 20))).changing


def test_what_a_turn_taught_stays_in_the_digest_however_long_ago_it_was() -> None:
    """Refusals and contracts; of equal refusals one."""
    refused = "CobraError: 'depth' is no factor of boost: factors are leaves"
    base = context(80)
    turns = list(base.turns)
    turns[1] = replace(turns[1], output="protocol 1: 5 folds by shop, rmse (lower is better)\nmore")
    for place in (20, 30):
        turns[place] = replace(turns[place], status="error", error=refused)
    digest, _, latest = render(replace(base, turns=tuple(turns))).changing.partition("# Latest turns")
    assert f"- turn 31: Step 31 [error] {refused}" in digest
    assert digest.count(refused) == 1
    assert "- turn 2: Step 2 [ok] protocol 1: 5 folds by shop, rmse (lower is better)" in digest
    assert refused not in latest


def test_a_judge_reads_of_a_job_without_the_name_of_its_trial() -> None:
    base = context(3)
    job = {"id": "j01", "what": "in the background", "state": "done", "error": None, "result": "t006"}
    told = replace(base, records=(*base.records, ("job", job)), lines=(*base.lines, 99))
    assert "Job j01 has ended: done t006 boost(leaves=6): score 0.99400 ± 0.01000" in render(told).changing
    judge = replace(told, role="judge", turns=())
    assert "Job j01 has ended: done t006, 0.99400 ± 0.01000." in render(judge).changing


def test_a_debugger_reads_the_error_it_repairs() -> None:
    base = context(2)
    failed = replace(base.turns[-1], status="error", error="NameError: name 'y' is not defined")
    prompt = render(replace(base, turns=(base.turns[0], failed), role="debugger"))
    assert "NameError: name 'y' is not defined\nRepair it." in prompt.changing
    assert "debugger" in prompt.system


def test_a_debugger_reads_the_whole_cell_that_failed_however_long() -> None:
    base = context(30)
    lines = [f"x{n} = {n}" for n in range(3_000)]
    failed = replace(base.turns[-1], status="error", error="NameError: y", code="\n".join(lines))
    prompt = render(replace(base, turns=(*base.turns[:-1], failed), role="debugger"))
    assert failed.code in prompt.changing
    led = render(replace(base, turns=(*base.turns[:-1], replace(failed, status="ok"))))
    assert failed.code not in led.changing


def test_no_prompt_holds_anything_of_one_competition_and_each_has_its_hash() -> None:
    words = " ".join(text_of(name) for name in hashes()).lower()
    assert {"lead", "debugger", "reference"} <= set(hashes())
    for name in (
        "spooky",
        "spaceship",
        "titanic",
        "nomad",
        "cactus",
        "insults",
        "pizza",
        "leaf",
        "dogs",
        "jigsaw",
    ):
        assert name not in words


def test_the_example_in_the_reference_runs_unchanged(benches: Callable[..., Bench]) -> None:
    """A model learns the workbench from it alone."""
    lines = (
        text_of("reference")
        .split("    %%candidate boost\n")[1]
        .split("Return everything learned")[0]
        .splitlines()
    )
    bench = benches(task="regression", rows=150).ready(folds=3)
    assert bench.candidate("boost", textwrap.dedent("\n".join(lines)))["new"]
    trial = bench.trial("boost")
    assert trial["failure"] is None
    assert trial["score"] < 2.0
    assert bench.ablate("boost", seconds=20)["effects"]


def test_a_context_takes_no_more_work_after_many_turns_that_recorded_nothing() -> None:
    def after(turns: int) -> Context:
        told = [Turn(n, "Words.", "1 + 1", "ok", output="2", seq=n, knew=n - 1) for n in range(1, turns + 1)]
        return Context(Clock(3600.0, 1800.0, 60.0), {}, tuple(told), render=render)

    render(after(100))  # reads the prompt files
    assert lines_run(lambda: render(after(100 + 10 * BLOCK))) == lines_run(
        lambda: render(after(100 + 200 * BLOCK))
    )
