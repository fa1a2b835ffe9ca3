"""The playbook's first steps on large data: a look at all of it would take a notable part of the time.

So a model of few rows is submitted before the audit. Then the strongest prior is trained, and the cheapest
recipe, each on as many rows as there is time for."""

from __future__ import annotations

from collections.abc import Iterator

from cobra_jupyter.brains.playbook.recipes import Recipe
from cobra_jupyter.brains.playbook.step import Step, candidate, differing, literal, scale, shared
from cobra_jupyter.brains.playbook.view import View
from cobra_jupyter.workbench import results

FEW = 0.05  # share of the training rows of the first model
AUDIT, LEAST_AUDIT = 0.02, 5.0  # share of the budget, and seconds
MAIN = 0.6  # share of the free time for the strongest prior


def begin(view: View) -> Iterator[Step]:
    """The steps up to the first large models."""
    strongest = view.recipes[0]
    yield from shared(view, strongest.needs)
    yield from candidate(view, strongest)
    yield _few_rows(view, strongest)
    yield Step(
        "Audit",
        "Checks for leaks, duplicates and drift between train and test, on a sample of the rows.",
        f"audit = cobra.audit(seconds={round(max(LEAST_AUDIT, AUDIT * view.budget), 1)})",
    )
    yield from _without_leaks(view)
    yield _many_rows(view, strongest, MAIN)
    cheapest = min(view.recipes, key=lambda recipe: recipe.cost)
    if cheapest is not strongest and set(cheapest.needs) <= view.made:
        yield from candidate(view, cheapest)
        yield _many_rows(view, cheapest, 1.0)


def _few_rows(view: View, recipe: Recipe) -> Step:
    changed = differing(recipe, recipe.start(view.made, large=True))
    last = int(view.protocol.get("folds") or 5) - 1
    return Step(
        "A model of few rows",
        f"{recipe.name} on {FEW:.0%} of the training rows of one fold: a first submission that has learned "
        "something.",
        f'few = cobra.trial("{recipe.name}", {literal(changed)}, folds={last}, fraction={FEW})\n'
        "cobra.submit(few.id)",
    )


def _without_leaks(view: View) -> Iterator[Step]:
    audit = view.context.last(results.AUDIT)
    leaking = set(audit["leaking"] if audit else ()) - set(view.protocol.get("leave_out") or ())
    if leaking:
        number = int(view.protocol["number"]) + 1
        yield Step(
            f"Protocol {number}",
            f"The audit found columns that leak: {', '.join(sorted(leaking))}. No candidate sees them now.",
            "protocol = cobra.protocol()",
        )


def _many_rows(view: View, recipe: Recipe, share: float) -> Step:
    config = recipe.start(view.made, large=True)
    seconds = max(1.0, round(share * view.free, 1))
    return Step(
        f"As many rows as possible: {recipe.name}",
        "The size follows from the time and memory that small fits needed. What is best so far is submitted.",
        f"{scale(recipe, config, seconds=seconds)}\ncobra.select()\ncobra.submit()",
    )
