from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cobra_jupyter
from cobra_jupyter.agent.context import Clock, Context, Turn
from cobra_jupyter.brains.playbook.plan import Step, next_step

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
    known = (("card", CARD), ("protocol", PROTOCOL), *records)
    return Context(Clock(budget, budget if left is None else left, reserve), {"cores": 2}, (), known)


def full(
    name: str, score: float, config: dict[str, Any], number: int = 1, cost: float = 20.0
) -> tuple[str, dict[str, Any]]:
    fits = [{"seconds": cost / 10}] * 10
    return "trial", {
        "id": f"t{number:03d}", "name": name, "score": score, "se": 0.1, "config": config, "seed": 0, "protocol": 1, "full": True,
        "fraction": 1.0, "fits": fits, "cost": cost,
    }  # fmt: skip


def play(start: Context, most: int = 60) -> list[Step]:
    """All steps of a plan whose every cell does nothing but be done."""
    steps: list[Step] = []
    while len(steps) < most:
        step = next_step(start)
        steps.append(step)
        if step.title == "Finish":
            break
        start = replace(
            start, turns=(*start.turns, Turn(len(steps), f"## {step.title}\n{step.text}", step.code, "ok"))
        )
    return steps


def test_the_plan_always_ends_and_no_step_comes_twice() -> None:
    titles = [step.title for step in play(context())]
    assert titles[-1] == "Finish"
    assert len(titles) == len(set(titles))


def test_reading_and_freezing_come_first_and_something_valid_soon_after() -> None:
    titles = [step.title for step in play(context())]
    assert titles[:3] == ["The competition", "A look at the data", "Protocol"]
    assert titles.index("Fallback") < titles.index("Strongest prior, full size") < titles.index("Key factors")
    assert titles.index("Key factors") < titles.index("Ablation: boosting")


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
    expensive = full("boosting", 1.0, {"more": "none"}, cost=1_000.0)
    titles = [step.title for step in play(context(left=300, records=(expensive,)))]
    assert "Full size: boosting" not in titles
    assert not any(title.startswith("Refinement") for title in titles)


def test_the_best_combination_of_an_ablation_is_what_is_scaled_up() -> None:
    effects = [{"factor": "leaves", "level": 31, "gain": 0.3, "se": 0.1, "verdict": "better"}]
    from cobra_jupyter.brains.playbook.recipes import RECIPES

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
    assert "+0.30000 ± 0.10000" in steps["Full size: boosting"].text


def test_the_same_record_gives_the_same_next_step() -> None:
    assert play(context()) == play(context())


def test_data_without_a_recipe_is_said_at_once() -> None:
    strange = Context(Clock(600, 600, 30), {}, (), (("card", {**CARD, "kind": "other", "task": "unknown"}),))
    steps = play(strange)
    assert any(step.title == "No recipe" for step in steps)


def test_nothing_in_the_package_knows_a_competition() -> None:
    names = (
        "titanic", "nomad2018", "spooky", "aerial-cactus", "insults", "pizza", "whale", "leaf-classification", "tabular-playground",
        "jigsaw", "histopathologic", "ranzcr", "siim", "taxi", "aptos", "dogs-vs-cats", "mlsp", "plant-pathology",
    )  # fmt: skip
    package = Path(cobra_jupyter.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert not [name for name in names if name in text], path
