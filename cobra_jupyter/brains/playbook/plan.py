"""The playbook's plan: which step comes next, decided from the record and the clock alone.

A step is a heading, a few sentences and a cell. Heading and cell mark it as done, so the plan needs no
memory: the same record gives the same next step. If another brain led before, the plan builds on its
protocol, submission and trials.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from cobra_jupyter.brains.context import Context
from cobra_jupyter.brains.playbook import exploit, large
from cobra_jupyter.brains.playbook.recipes import Recipe
from cobra_jupyter.brains.playbook.recovery import recovery
from cobra_jupyter.brains.playbook.step import (
    SHORTEST_ABLATION,
    Phase,
    Step,
    candidate,
    config_words,
    differing,
    fits,
    literal,
    scale,
    shared,
)
from cobra_jupyter.brains.playbook.view import View, opening
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages.describe import cross_validated
from cobra_jupyter.workbench.display.pages.words import gained

AUDIT, USUAL_AUDIT = 0.08, 15.0  # share of the budget, and seconds, of the first audit


def next_step(context: Context) -> Step:
    """The first step of the plan that is not done and fits the time."""
    view = View(context)
    work: tuple[Phase, ...] = (
        (_fallback, _prior, _factors, _ablations, _full_size, exploit.steps)
        if view.recipes
        else (_no_recipe,)
    )
    if view.recipes and _done(view, PROTOCOL) and not view.protocol:
        work = (_no_protocol,)
    for phase in (_beginning, recovery, *(work if view.card else ())):
        for step in phase(view):
            if not _done(view, step):
                return step
    return _ending(view)


def _done(view: View, step: Step) -> bool:
    return (step.title, opening(step.code)) in view.written


PROTOCOL = Step(
    "Protocol",
    "Folds and metric are frozen before anything is trained. The metric is tested first: the true labels "
    "have to score better than shuffled labels and a constant.",
    "protocol = cobra.protocol()",
)


# ---- 1 to 3: read, look, freeze


def _beginning(view: View) -> Iterator[Step]:
    opened = Step(
        "The competition",
        "The target, the data and the metric. Each statement comes with its evidence.",
        "%load_ext cobra_jupyter\ncard = cobra.open()",
    )
    if not view.loaded:
        yield opened
    if view.protocol:
        return
    if view.large:  # a model comes before the look at the data
        yield PROTOCOL
        return
    folder = 'card["folder"]' if _done(view, opened) else repr(view.card.get("folder"))
    table = (view.card.get("tables") or {}).get("train")
    look = (
        f"from pathlib import Path\nimport pandas as pd\n\nDATA = Path({folder})\ntrain = {table}\n"
        if table
        else ""
    )
    show = "display(train.head())\ndisplay(train.describe(include='all').T)\n" if table else ""
    yield Step(
        "A look at the data",
        "The first rows, a summary of every column, and checks for leaks, duplicates and drift between train "
        "and test.",
        f"{look}{show}audit = cobra.audit({_audit_seconds(view.budget)})",
    )
    yield PROTOCOL


def _audit_seconds(budget: float) -> str:
    """The limit of the first audit where its usual one would take much of the budget."""
    return f"seconds={AUDIT * budget:.1f}" if AUDIT * budget < USUAL_AUDIT else ""


# ---- 4: a valid submission within the first minutes


def _fallback(view: View) -> Iterator[Step]:
    if view.large:
        yield from large.begin(view)
        return
    if view.context.last(results.SUBMISSION):
        return
    simple = min(view.recipes, key=lambda recipe: recipe.cost)
    yield from shared(view, simple.needs)
    yield from candidate(view, simple)
    yield Step(
        "Fallback",
        "A simple model and a first valid submission.",
        f'fallback = cobra.scale("{simple.name}")\ncobra.submit(fallback.id)',
    )


def _no_protocol(view: View) -> Iterator[Step]:
    last = view.context.turns[-1].error if view.context.turns else ""
    yield Step(
        "No protocol",
        "Without folds and a metric nothing can be scored. Missing settings can be given with `--set`, or in "
        "a cell.",
        f"cobra.finish({json.dumps(f'no protocol could be frozen: {last[:300]}')})",
    )


def _no_recipe(view: View) -> Iterator[Step]:
    what = f"{view.card.get('kind')} data with a {view.card.get('task')} target"
    yield Step(
        "No recipe",
        f"The playbook has no recipe for {what} yet. You can try your own candidates in this notebook.",
        f'cobra.finish("the playbook has no recipe for {what}")',
    )


# ---- 5: the strongest prior trains at full size while the rest is prepared


def _prior(view: View) -> Iterator[Step]:
    if view.large:
        return
    strongest = view.recipes[0]
    yield from shared(view, strongest.needs)
    yield from candidate(view, strongest)
    if view.free > 0.15 * view.budget:
        yield Step(
            "Strongest prior, full size",
            f"On such data {strongest.name} is usually the best model. It trains on all rows as a background "
            "job, while the ablations look for the factors that matter.",
            f'job = cobra.scale("{strongest.name}", background=True)',
        )
    yield from shared(view, tuple(name for name in strongest.shared if _worth_making(view, name)))


def _worth_making(view: View, name: str) -> bool:
    """Whether to compute a shared artefact: files need files named by row id, and both need enough time."""
    if name == "files":
        return view.free > 0.5 * view.budget and any(
            "<id>" in group["pattern"] for group in view.card.get("files", ())
        )
    return view.free > 0.4 * view.budget


# ---- 6: key factors and their ablation on small data


def _factors(view: View) -> Iterator[Step]:
    rows = []
    for recipe in view.recipes:
        for factor, levels in view.factors(recipe).items():
            shown = ", ".join(f"`{level}`" for level in levels)
            rows.append(f"| {recipe.name} | **{factor}** | {shown} | {recipe.notes.get(factor, '')} |")
    table = "\n".join(
        [
            "| candidate | factor | levels (default first) | expectation |",
            "| --- | --- | --- | --- |",
            *rows,
        ]
    )
    yield Step(
        "Key factors",
        f"These factors may decide the competition. They are tested one at a time on small data.\n\n{table}",
    )


def _ablations(view: View) -> Iterator[Step]:
    for recipe in view.recipes:
        if view.free < 0.2 * view.budget:
            return
        yield from candidate(view, recipe)
        seconds = round(max(SHORTEST_ABLATION, recipe.share * view.budget), 1)
        factors = view.factors(recipe)
        start = differing(recipe, recipe.start(view.made, view.large))
        yield Step(
            f"Ablation: {recipe.name}",
            "Each level against the default on small data, then the winners together.",
            f'{recipe.name}_effects = cobra.ablate("{recipe.name}", {literal(factors)},{config_words(start)} '
            f"seconds={seconds})",
        )


# ---- 7 and 8: the best combinations at full size, a blend after each


def _full_size(view: View) -> Iterator[Step]:
    for recipe in view.recipes:
        config = view.best_config(recipe)
        title = f"Full size: {recipe.name}"
        if (
            title not in view.titles
            and not view.tried_full(recipe, config)
            and fits(view, view.cost(recipe), view.blending)
        ):
            yield from candidate(view, recipe)
            yield Step(title, _why(view, recipe), scale(recipe, config) + view.blend)
    if view.context.running_jobs():
        yield Step("The background job", "Its result is needed for the blend.", f"cobra.wait(){view.blend}")


def _why(view: View, recipe: Recipe) -> str:
    found = view.ablation(recipe)
    if not found:
        return f"There was no time for an ablation of {recipe.name}, so the defaults are used."
    changed = differing(recipe, found["best"])
    if not changed:
        return (
            f"The ablation found nothing better than the defaults of {recipe.name} ({found['fidelity']}). "
            "They run on all rows and folds."
        )
    words = ", ".join(f"{k} = {v}" for k, v in changed.items())
    gain = gained(found["best_gain"], found["best_se"])
    return (
        f"The best combination on small data ({found['fidelity']}): {words}; gain {gain}. "
        "Now on all rows and folds."
    )


# ---- 12: choose, submit, finish


def _ending(view: View) -> Step:
    choose = "Choose and submit"
    if choose not in view.titles:
        several = len(view.full()) > 1 and bool(view.blend)
        due = not view.blends() or (view.unblended and fits(view, view.blending))
        blend = "cobra.blend()\n" if several and due else ""
        code = (
            f"{blend}selection = cobra.select()\ncobra.submit()\ncobra.effects()"
            if next(view.context.trials(), None)  # without full-size trials, the best of the others
            else "cobra.status()"
        )
        return Step(choose, "The choice follows cross-validation alone; the result states the rule.", code)
    best = view.context.last(results.SUBMISSION)
    why = (
        f"submitted {best['what']}, {cross_validated(best['metric'], best['score'], best['se'])}"
        if best
        else "nothing could be trained"
    )
    over = exploit.over(view)
    why = f"{over}; {why}"
    title, text = "Finish", f"{over[0].upper()}{over[1:]}."
    if view.context.returns:
        title, text = "Hand over", f"{text} {view.context.returns} and goes on from here."
    return Step(title, text, f"cobra.finish({json.dumps(why)})")
