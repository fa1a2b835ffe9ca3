from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cobra_jupyter
from cobra_jupyter.brains.context import Clock, Context, Turn
from cobra_jupyter.brains.playbook.plan import Step, next_step
from cobra_jupyter.brains.playbook.recipes import RECIPES
from cobra_jupyter.brains.playbook.roles import step_of
from cobra_jupyter.brains.playbook.step import SHORTEST_ABLATION
from cobra_jupyter.brains.playbook.view import View

CARD = {
    "name": "made",
    "kind": "tabular",
    "task": "regression",
    "train_rows": 2_000,
    "files": [],
    "tables": {"train": 'pd.read_csv(DATA / "train.csv")'},
}
PROTOCOL = {"number": 1, "direction": "minimize", "folds": 5, "repeats": 2}


def context(
    budget: float = 600,
    left: float | None = None,
    reserve: float = 30,
    records: tuple[tuple[str, dict[str, Any]], ...] = (),
) -> Context:
    clock = Clock(budget, budget if left is None else left, reserve)
    return Context(clock, {"cores": 2}, (), (("card", CARD), *records))


def full(
    name: str, score: float, config: dict[str, Any], number: int = 1, cost: float = 20.0
) -> tuple[str, dict[str, Any]]:
    fits = [{"seconds": cost / 10}] * 10
    return "trial", {
        "id": f"t{number:03d}",
        "name": name,
        "score": score,
        "se": 0.1,
        "config": config,
        "seed": 0,
        "protocol": 1,
        "full": True,
        "fraction": 1.0,
        "fits": fits,
        "cost": cost,
    }


def play(start: Context, most: int = 60) -> list[Step]:
    """All steps of a plan whose every cell does nothing but be done, or freeze."""
    steps: list[Step] = []
    while len(steps) < most:
        step = next_step(start)
        steps.append(step)
        if step.title == "Finish":
            break
        if step.title == "Protocol":
            start = replace(start, records=(*start.records, ("protocol", PROTOCOL)))
        start = after(start, f"## {step.title}\n{step.text}", step.code)
    return steps


def after(start: Context, markdown: str, code: str, status: str = "ok") -> Context:
    """The context when one more turn is over."""
    return replace(start, turns=(*start.turns, Turn(len(start.turns) + 1, markdown, code, status)))


def test_the_plan_always_ends_and_no_step_comes_twice() -> None:
    titles = [step.title for step in play(context())]
    assert titles[-1] == "Finish"
    assert len(titles) == len(set(titles))


def test_reading_and_freezing_come_first_and_something_valid_soon_after() -> None:
    titles = [step.title for step in play(context())]
    assert titles[:3] == ["The competition", "A look at the data", "Protocol"]
    assert titles.index("Fallback") < titles.index("Strongest prior, full size") < titles.index("Key factors")
    assert titles.index("Key factors") < titles.index("Ablation: boosting")


def test_of_a_short_budget_the_first_audit_takes_a_small_share() -> None:
    looks = [next(s for s in play(context(budget=b)) if s.title == "A look at the data") for b in (60, 600)]
    assert [look.code.rpartition("cobra.audit(")[2] for look in looks] == ["seconds=4.8)", ")"]


def test_a_candidate_is_written_before_it_is_used() -> None:
    steps = play(context())
    written: set[str] = set()
    for step in steps:
        if step.code.startswith("%%candidate"):
            written.add(step.code.split()[1])
        for name in ("boosting", "trees", "linear", "neighbours"):
            if f'("{name}"' in step.code:
                assert name in written, step.title


def test_with_little_time_it_neither_ablates_nor_scales_but_submits() -> None:
    titles = [step.title for step in play(context(budget=600, left=40))]
    assert "Fallback" in titles
    assert not any(title.startswith(("Ablation", "Full size", "Strongest")) for title in titles)
    assert titles[-2:] == ["Choose and submit", "Finish"]


def test_nothing_starts_that_cannot_be_finished_and_proven() -> None:
    expensive = full("boosting", 1.0, RECIPES[0].start(()), cost=1_000.0)
    titles = [step.title for step in play(context(left=300, records=(expensive,)))]
    assert "Full size: boosting" not in titles
    assert not any(title.startswith("Refinement") for title in titles)


def test_what_ends_with_a_blend_has_time_for_the_blend_too() -> None:
    trial = full("boosting", 1.0, RECIPES[0].start(()), cost=100.0)
    blend = {"id": "b01", "score": 1.0, "protocol": 1, "over_best": None}
    for seconds, starts in ((1.0, True), (80.0, False)):
        records = (("protocol", PROTOCOL), trial, ("blend", {**blend, "seconds": seconds}))
        titles = [step.title for step in play(context(left=300, records=records))]
        assert any(title == "Refinement 1: boosting" for title in titles) is starts, seconds


def test_a_scouts_ablation_has_the_time_that_any_baseline_needs() -> None:
    start = replace(context(budget=9, records=(("protocol", PROTOCOL),)), role="scout")
    for _ in range(20):
        step = step_of(View(start), "scout")
        if step.title.startswith("From the far end"):
            break
        start = after(start, f"## {step.title}\n{step.text}", step.code)
    assert f"seconds={SHORTEST_ABLATION}" in step.code


def test_the_best_combination_of_an_ablation_is_what_is_scaled_up() -> None:
    effects = [{"factor": "leaves", "level": 31, "gain": 0.3, "se": 0.1, "verdict": "better"}]
    best = {**RECIPES[0].start(()), "leaves": 31}
    ablation = {
        "candidate": "boosting_v1",
        "best": best,
        "effects": effects,
        "fidelity": "all rows",
        "best_gain": 0.3,
        "best_se": 0.1,
    }
    steps = {step.title: step for step in play(context(records=(("ablation", ablation),)))}
    assert "'leaves': 31" in steps["Full size: boosting"].code
    assert "+0.30 ± 0.10" in steps["Full size: boosting"].text


def test_the_same_record_gives_the_same_next_step() -> None:
    assert play(context()) == play(context())


# ---- where another brain led before

LOAD = "%load_ext cobra_jupyter\ncobra.open().targets"
SUBMISSION = {"what": "blend b001", "protocol": 1, "metric": "rmse", "score": 1.0, "se": 0.1}
LED = (("protocol", PROTOCOL), full("mine", 1.0, {"depth": 3}), ("submission", SUBMISSION))


def test_a_protocol_that_another_brain_froze_stands() -> None:
    steps = play(after(context(records=LED), "## First things first", LOAD))
    assert not any("cobra.protocol(" in step.code or "cobra.open(" in step.code for step in steps)
    assert not any("load_ext" in step.code for step in steps)
    assert [step.title for step in steps][-2:] == ["Choose and submit", "Finish"]


def test_a_submission_that_is_in_place_makes_the_fallback_needless() -> None:
    titles = [step.title for step in play(after(context(records=LED), "## First things first", LOAD))]
    assert "Fallback" not in titles
    assert "Ablation: boosting" in titles
    without = play(after(context(records=LED[:2]), "## First things first", LOAD))
    assert "Fallback" in [step.title for step in without]


def test_the_workbench_is_loaded_where_no_cell_that_ran_well_did() -> None:
    """After a resumption only cells that ran well are run again."""
    first = next_step(after(context(records=LED), "## First things first", LOAD, "error"))
    assert first.code.startswith("%load_ext cobra_jupyter")
    steps = play(after(context(records=LED), "## First things first", LOAD, "error"))
    assert sum("load_ext" in step.code for step in steps) == 1


def test_what_another_brain_opened_is_looked_at_and_frozen_without_its_variables() -> None:
    start = after(context(), "## First things first", LOAD)
    start = replace(start, records=(("card", {**CARD, "folder": "/data/made"}),))
    look, freeze = play(start)[:2]
    assert "DATA = Path('/data/made')" in look.code
    assert freeze.title == "Protocol"


def test_headings_of_another_brain_do_not_mark_the_plans_steps_as_done() -> None:
    start = after(context(), "## The competition", "import pandas as pd")
    start = after(start, "## Protocol", "cobra.protocol(folds=99)", "error")
    start = after(start, "## Candidate: boosting", "%%candidate boosting\nFACTORS = {}")
    titles = [step.title for step in play(start)]
    assert titles[:3] == ["The competition", "A look at the data", "Protocol"]
    assert "No protocol" not in titles
    assert "Candidate: boosting" in titles


def test_another_brains_candidate_of_the_same_name_is_not_taken_for_the_recipe() -> None:
    foreign = {"candidate": "boosting_v1", "best": {"depth": 3}, "effects": [], "fidelity": "all rows"}
    records = (*LED, ("ablation", foreign), full("boosting", 0.5, {"depth": 3}, 2))
    steps = play(after(context(records=records), "## First things first", LOAD))
    assert not any("'depth'" in step.code for step in steps)
    assert any(step.title == "Full size: boosting" for step in steps)


def test_a_competition_that_was_opened_anew_with_other_options_is_frozen_anew() -> None:
    start = after(context(records=(*LED, ("card", CARD))), "## Another target", LOAD)
    assert "Protocol" in [step.title for step in play(start)]


# ---- what the plan does not know


def test_data_without_a_recipe_is_said_at_once() -> None:
    strange = Context(Clock(600, 600, 30), {}, (), (("card", {**CARD, "kind": "other", "task": "unknown"}),))
    steps = play(strange)
    assert any(step.title == "No recipe" for step in steps)


def test_nothing_in_the_package_knows_a_competition() -> None:
    names = (
        "titanic", "nomad2018", "spooky", "aerial-cactus", "insults", "pizza", "whale", "leaf-classification",
        "tabular-playground", "jigsaw", "histopathologic", "ranzcr", "siim", "taxi", "aptos", "dogs-vs-cats",
        "mlsp", "plant-pathology",
    )  # fmt: skip
    package = Path(cobra_jupyter.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert not [name for name in names if name in text], path


LARGE = {**CARD, "train_rows": 1_000_000, "columns": {f"c{n}": "number" for n in range(30)}}


def titles_of(card: dict[str, Any], *records: tuple[str, dict[str, Any]]) -> list[str]:
    start = replace(context(), records=(("card", card), *records))
    return [step.title for step in play(start)]


def test_large_data_has_a_model_of_few_rows_before_the_audit() -> None:
    titles = titles_of(LARGE)
    order = [
        titles.index(title)
        for title in (
            "Protocol",
            "A model of few rows",
            "Audit",
            "As many rows as possible: boosting",
            "Finish",
        )
    ]
    assert order == sorted(order)
    assert "A look at the data" not in titles
    small = titles_of({**LARGE, "train_rows": 10_000})
    assert small.index("A look at the data") < small.index("Protocol")
    assert "A model of few rows" not in small


def test_what_the_audit_of_large_data_found_leaking_is_left_out_before_the_large_models() -> None:
    audit = {"findings": [], "leaking": ["c3"], "probed": None}
    titles = titles_of(LARGE, ("protocol", PROTOCOL), ("audit", audit))
    assert titles.index("Protocol 2") < titles.index("As many rows as possible: boosting")
    left_out = {**PROTOCOL, "leave_out": ["c3"]}
    assert "Protocol 2" not in titles_of(LARGE, ("audit", audit), ("protocol", left_out))
