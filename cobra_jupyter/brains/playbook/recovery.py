"""How the leading playbook reacts to a plateau: a better protocol, or a fusion of the two best candidates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cobra_jupyter.brains.playbook.step import Step, fits, literal
from cobra_jupyter.brains.playbook.view import View
from cobra_jupyter.records import kinds
from cobra_jupyter.workbench import results

FINALISTS = 3  # families trained again under a new protocol
MOST_PROTOCOLS = 3


def recovery(view: View) -> Iterator[Step]:
    """The steps that the record calls for; none while all goes well."""
    yield from _redesign(view)
    yield from _finalists(view)
    yield from _fusion(view)


def _redesign(view: View) -> Iterator[Step]:
    """Freeze a new protocol if an auditor has found a defect that it cures."""
    number = int(view.protocol.get("number") or 0)
    finding = defect(view)
    if finding is None or not 0 < number < MOST_PROTOCOLS or view.free < 0.2 * view.budget:
        return
    words = ", ".join(f"{name}={value!r}" for name, value in finding["protocol"].items())
    yield Step(
        f"Protocol {number + 1}",
        f"The audit found a defect of the split. {finding['evidence']} Scores under the old protocol "
        "cannot be compared with new ones.",
        f"protocol = cobra.protocol({words})",
    )


def defect(view: View) -> Mapping[str, Any] | None:
    """The gravest finding since the protocol was frozen that another protocol would cure: a leak, or, once an
    agent has looked closer, a finding on which two checks agree."""
    closer = bool(view.context.all(results.BRIEF)) or view.context.task is not None
    for kind, data in reversed(view.context.records):
        if kind == "protocol":
            return None
        if kind == "audit" and data["probed"] is None:
            asked = view.protocol.get("asked") or {}
            fixed = {"split", "groups", "time"} & set(view.card.get("settings") or ())  # by a person
            settled = [
                answer["answer"] in ("acted on", "let in") for answer in data.get("answers") or ()
            ] or [False] * len(data["findings"])
            found = [
                f
                for f, done in zip(data["findings"], settled, strict=True)
                if f["protocol"]
                and not done
                and not (fixed and "leave_out" not in f["protocol"])
                and not f["protocol"].items() <= asked.items()
            ]
            cures = [f["protocol"] for f in found]
            agreed = [f for f in found if closer and cures.count(f["protocol"]) > 1]
            return next((f for f in found if f["severity"] == "leak" or f in agreed), None)
    return None


def _finalists(view: View) -> Iterator[Step]:
    """Train the best trial of each family again under a new protocol."""
    number = int(view.protocol.get("number") or 0)
    if number < 2:
        return
    before = view.full_under(number - 1)
    best = list({trial["name"]: trial for trial in reversed(before)}.values())[-FINALISTS:]
    for trial in reversed(best):
        if fits(view, trial["cost"]) or not view.full():
            config = literal(dict(trial["config"])) if trial["config"] else "None"
            yield Step(
                f"Again under protocol {number}: {trial['name']}",
                f"{trial['label']} was the best of its family under protocol {number - 1}.",
                f'cobra.scale("{trial["candidate"]}", {config})',
            )
    if view.full():
        yield Step(
            f"Submission under protocol {number}",
            "The current submission was chosen with a split that does not hold.",
            ("blend = cobra.blend()\n" if len(view.full()) > 1 else "") + "cobra.select()\ncobra.submit()",
        )


def _fusion(view: View) -> Iterator[Step]:
    """Combine the two best candidates: the first with the second's levels of shared factors. If that is
    nothing new, blend the two."""
    rung = view.context.last(kinds.RUNG)
    if not rung or rung["rung"] != "fusion" or rung["state"] != "begun":
        return
    first, second = (view.trial(id) for id in rung["lines"])
    title = f"Fusion {rung['number']}: {first['name']} and {second['name']}"
    fused = _crossed(view, first, second)
    if fused is not None and fits(view, view.cost_of(first["name"])):
        taken = {factor: level for factor, level in fused.items() if first["config"].get(factor) != level}
        yield Step(
            title,
            f"{first['name']} with what {second['name']} found: {json.dumps(taken)}.",
            f'cobra.scale("{first["candidate"]}", {literal(fused)})\nblend = cobra.blend()',
        )
    else:
        ids = json.dumps(list(rung["lines"]))
        yield Step(
            title,
            "Their shared factors allow no new combination, so the two are blended.",
            f"blend = cobra.blend({ids})",
        )


def _crossed(view: View, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first's config with the second's levels, for factors and levels that the first's recipe knows."""
    recipe = next((recipe for recipe in view.recipes if recipe.name == first["name"]), None)
    if recipe is None:
        return None
    taken = {
        factor: second["config"][factor]
        for factor, levels in recipe.factors.items()
        if second["config"].get(factor) in levels and second["config"][factor] != first["config"].get(factor)
    }
    config = {**first["config"], **taken}
    return config if taken and not view.tried_full(recipe, config) else None
