"""A step of the playbook (heading, text, cell), and the steps that several plans share."""

from __future__ import annotations

import pprint
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.brains.playbook.recipes import Recipe, shared_source
from cobra_jupyter.brains.playbook.view import View

SHORTEST_ABLATION = 5.0  # seconds; with less, the baseline may not finish on a busy machine


@dataclass(frozen=True)
class Step:
    """One turn. `code` is empty for a turn of text only."""

    title: str
    text: str
    code: str = ""


def shared(view: View, names: tuple[str, ...]) -> Iterator[Step]:
    for name in names:
        yield Step(
            f"Shared features: {name}",
            f"Computed once for all rows, without labels. Candidates read them with `ctx.shared({name!r})`.",
            f"%%shared {name}\n{shared_source(name).rstrip()}",
        )


def candidate(view: View, recipe: Recipe) -> Iterator[Step]:
    yield Step(
        f"Candidate: {recipe.name}",
        "A self-contained module. The ablation will vary its `FACTORS`.",
        f"%%candidate {recipe.name}\n{recipe.source.rstrip()}",
    )


def differing(recipe: Recipe, config: Mapping[str, Any]) -> dict[str, Any]:
    return {factor: level for factor, level in config.items() if level != recipe.factors[factor][0]}


def literal(value: Any) -> str:
    """A literal, formatted over several lines if it is long."""
    return pprint.pformat(value, width=100, sort_dicts=False, compact=True).replace("\n", "\n    ")


def config_words(config: Mapping[str, Any]) -> str:
    return f" config={literal(dict(config))}," if config else ""


def scale(recipe: Recipe, config: Mapping[str, Any], seed: int = 0, seconds: float | None = None) -> str:
    changed = differing(recipe, config)
    second = f", {literal(changed)}" if changed else ""
    limit = f", seconds={seconds}" if seconds is not None else ""
    return f'cobra.scale("{recipe.name}"{second}{f", seed={seed}" if seed else ""}{limit})'


def fits(view: View, cost: float, blend: float = 0.0) -> bool:
    """Whether there is time for a trial of `cost` wall seconds, a blend, and refitting it for the proof.

    If the cost is unknown (0), a tenth of the budget must be left."""
    return needed(cost, blend) < view.free if cost else view.free > 0.1 * view.budget


def needed(cost: float, blend: float) -> float:
    """Seconds for a trial, a blend, and the fits that the proof repeats, with a margin."""
    return 2.5 * (cost + blend)


Phase = Callable[[View], Iterator[Step]]
