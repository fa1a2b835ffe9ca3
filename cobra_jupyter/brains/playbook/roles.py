"""The playbook's plans as auditor, judge and scout, for agents that the lead or the ladder calls in."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cobra_jupyter.brains.playbook.recipes import Recipe
from cobra_jupyter.brains.playbook.recovery import defect
from cobra_jupyter.brains.playbook.step import (
    SHORTEST_ABLATION,
    Step,
    candidate,
    config_words,
    differing,
    literal,
    scale,
    shared,
)
from cobra_jupyter.brains.playbook.view import View
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages.describe import score
from cobra_jupyter.workbench.display.pages.words import gained

LOAD = "%load_ext cobra_jupyter"
SCREEN = 0.5  # share of a scout's time for its ablation


def step_of(view: View, role: str) -> Step:
    """The next step of an agent that was called in."""
    plan: dict[str, Callable[[View], Iterator[Step]]] = {"auditor": _audit, "judge": _judge, "scout": _scout}
    last = Step("No report", "The report could not be given.", 'cobra.finish("no report could be given")')
    return next((step for step in plan[role](view) if step.title not in view.titles), last)


# ---- auditor


def _audit(view: View) -> Iterator[Step]:
    yield Step(
        "The split, examined",
        "Checks for leaks, duplicates across folds, drift, groups and time, and of the folds used so far.",
        f"{LOAD}\naudit = cobra.audit()",
    )
    best = next(iter(view.full()), None)
    if best is not None and view.free > 0.5 * view.budget:
        yield Step(
            "Permuted labels",
            f"The best candidate, {best['candidate']}, is fitted to permuted labels inside the folds. It "
            "must not be able to predict labels that it was not given.",
            f'probe = cobra.audit("{best["candidate"]}", {literal(dict(best["config"]))})',
        )
    yield Step("Report", "The findings.", f"cobra.finish({json.dumps(_findings(view))})")


def _findings(view: View) -> str:
    audits = view.context.all(results.AUDIT)[-2:]
    grave = [f for audit in audits for f in audit["findings"] if f["severity"] == "leak"]
    known = [f"{each['check']}: {each['evidence']} {each['proposal']}" for each in grave[:4]]
    cure = defect(view)
    if cure:
        words = ", ".join(f"{name}={value!r}" for name, value in cure["protocol"].items())
        return f"The split does not hold: {cure['evidence']} Cure: cobra.protocol({words})."
    if known:
        return f"No other protocol cures more than the one in force. Known: {' '.join(known)}"
    return (
        "The split holds: no group, time order, twin or leaking column that the folds cut through was found."
    )


# ---- judge


def _judge(view: View) -> Iterator[Step]:
    finalists = [trial["id"] for trial in view.full()[:3]]
    yield Step(
        "The best three alone",
        "Does a blend of the three best trials score as well as a blend of all?",
        f"{LOAD}\nblend = cobra.blend({json.dumps(finalists)})" if len(finalists) > 1 else LOAD,
    )
    blends = sorted(view.blends(), key=lambda blend: -view.sign * blend["score"])
    small = [blend for blend in blends if {m["trial"] for m in blend["members"]} <= set(finalists)]
    words = "There is nothing to compare."
    if blends and small:
        best, few = blends[0], small[0]
        behind = view.sign * (best["score"] - few["score"])
        noise = behind < 0.5 * (best["se"] or 0.0)
        words = (
            f"{best['id']} leads with {score(best)}; {few['id']}, of at most three members, is "
            f"{behind:.5f} behind: {'less than half a standard error' if noise else 'more than noise'}."
        )
    yield Step("Report", "The verdict of the numbers.", f"cobra.finish({json.dumps(words)})")


# ---- scout


def _scout(view: View) -> Iterator[Step]:
    """Try another family, with factor levels far from the best known ones."""
    yield Step("A fresh start", "The card of the competition.", f"{LOAD}\ncard = cobra.open()")
    recipe = _least_tried(view)
    if recipe is None:
        yield Step(
            "Report",
            "There is nothing to try.",
            'cobra.finish("The playbook has no recipe for such data.")',
        )
        return
    yield from shared(view, tuple(name for name in recipe.needs if name not in view.made))
    yield from candidate(view, recipe)
    base, factors = _far(view, recipe), view.factors(recipe)
    yield Step(
        f"From the far end: {recipe.name}",
        "The lead's ablation started from the defaults. Another starting point shows which effects depend on "
        "it.",
        f'effects = cobra.ablate("{recipe.name}", {literal(factors)},{config_words(differing(recipe, base))} '
        f"seconds={round(max(SHORTEST_ABLATION, SCREEN * view.budget), 1)})",
    )
    found = view.ablation(recipe)
    if found and not view.tried_full(recipe, found["best"]) and 1.5 * view.cost(recipe) < view.free:
        yield Step(
            f"Full size: {recipe.name}",
            f"The best combination of {found['id']} on all rows and folds.",
            scale(recipe, found["best"]) + "\nblend = cobra.blend()",
        )
    yield Step(
        "Report",
        "The trials and their results.",
        f"cobra.finish({json.dumps(_outcome(view, recipe, found))})",
    )


def _least_tried(view: View) -> Recipe | None:
    """The recipe with the fewest full-size trials; ties go to the stronger prior. A started one is
    continued."""
    begun = [recipe for recipe in view.recipes if f"Candidate: {recipe.name}" in view.titles]
    counts = {recipe.name: len(view.full(recipe.name)) for recipe in view.recipes}
    return min(begun or view.recipes, key=lambda recipe: counts[recipe.name], default=None)


def _far(view: View, recipe: Recipe) -> dict[str, Any]:
    """A config that differs from the best known one in every factor, if possible."""
    task = view.context.task
    draw = random.Random(task.agent if task else "")
    known, base = view.best_config(recipe), recipe.start(view.made, view.large)
    for factor, levels in view.factors(recipe).items():
        others = [level for level in levels if level != known.get(factor)]
        base[factor] = draw.choice(others) if others else base[factor]
    return base


def _outcome(view: View, recipe: Recipe, found: Mapping[str, Any] | None) -> str:
    if not found:
        return f"{recipe.name}: there was no time to finish an ablation."
    strongest = sorted(found["importance"], key=lambda factor: -found["importance"][factor])[:2]
    words = (
        f"{recipe.name} from another base ({found['id']}, {found['fidelity']}): "
        f"{gained(found['best_gain'], found['best_se'])}; most important: "
        f"{' and '.join(strongest) or 'no factor'}."
    )
    full = [trial for trial in view.full(recipe.name) if trial["config"] == found["best"]]
    if full:
        words += f" At full size {full[0]['id']} has {score(full[0])}."
    return words
