"""A recipe of the playbook: its entry in the registry, and what is asked of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

Factors = dict[str, list[Any]]
TASKS = ("binary", "multiclass", "multilabel", "regression")
BESIDE = 3  # columns that are no texts: from so many on a recipe for tables is worth its time on texts


@dataclass(frozen=True)
class Recipe:
    """A candidate of the playbook. Its module holds `RECIPE = Recipe(…)`, written with literals alone: the
    registry reads it without running the module. The module's name and the text of its cell are filled in
    there.

    Rank: `order` sorts recipes, the strongest prior first; `cost` ranks them by the time of one fit (1 is
    cheapest); `share` is the part of the budget that its ablation may take.

    Data: `kinds` of competition that it is for; `beside`, those that it is for only where texts and other
    columns stand beside each other; `tasks`; `rows`, the most training rows for which it is worth its time.

    Needs: the shared artefacts without which it cannot be fitted; `shared`, those that it can join besides,
    as levels of its factor "more"; `libraries` beside those that are always there; `weights`, folders of
    pretrained weights: None where it needs none, () where it does and none are given yet.

    Factors: `numbers_only` are tested on regression alone; `classes_only` are levels, by factor, that
    regression has no use for."""

    order: int
    cost: int
    share: float
    kinds: tuple[str, ...] = ("tabular",)
    beside: tuple[str, ...] = ()
    tasks: tuple[str, ...] = TASKS
    rows: int = 10_000_000
    needs: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    weights: tuple[str, ...] | None = None
    numbers_only: tuple[str, ...] = ()
    classes_only: Mapping[str, tuple[str, ...]] | None = None
    name: str = ""
    cell: str = ""

    @property
    def source(self) -> str:
        """The text of its cell; weights at hand are levels of its factor "weights"."""
        return (
            self.cell.replace('"weights": [""]', f'"weights": {list(self.weights)!r}')
            if self.weights
            else self.cell
        )

    @property
    def factors(self) -> Factors:
        """Every factor with its levels, the default first."""
        return dict(constant(self.source, "FACTORS"))

    @property
    def notes(self) -> dict[str, str]:
        """What to expect of each factor, a line each."""
        return dict(constant(self.source, "NOTES"))

    def when(self, facts: Mapping[str, Any]) -> bool:
        """Whether it suits a competition: `facts` may hold "kind", "task", "rows" (of train), "columns" (name
        → kind), "libraries" (name → version), and for pretrained weights "weights" (dicts with "path" and
        "bytes"), "gpus", "cores" and "budget" (seconds)."""
        kind, columns = facts.get("kind", "tabular"), dict(facts.get("columns") or {})
        texts = sum(kind == "text" for kind in columns.values())
        beside = kind in self.beside and (texts > 0 if kind == "tabular" else len(columns) - texts >= BESIDE)
        installed = facts.get("libraries") or {}
        return (
            (kind in self.kinds or beside)
            and facts.get("task") in self.tasks
            and int(facts.get("rows") or 0) <= self.rows
            and all(installed.get(library) for library in self.libraries)
            and (self.weights is None or bool(affordable(facts)))
        )

    def given(self, facts: Mapping[str, Any]) -> Recipe:
        """With the weights at hand, where it needs some."""
        return self if self.weights is None else replace(self, weights=affordable(facts))

    def factors_with(self, made: Iterable[str], task: str) -> Factors:
        """The factors that can make a difference: levels of "more" whose artefacts are made, those of use for
        the task, and of these factors with two levels or more."""
        there = {"none", *made}
        kept: Factors = {}
        for name, levels in self.factors.items():
            possible = [lv for lv in levels if name != "more" or set(str(lv).split("+")) <= there]
            if task == "regression":
                possible = [lv for lv in possible if lv not in (self.classes_only or {}).get(name, ())]
            if len(possible) > 1 and (name not in self.numbers_only or task == "regression"):
                kept[name] = possible
        return kept

    def start(self, made: Iterable[str]) -> dict[str, Any]:
        """Config to begin with: the defaults; per-id files are joined where they are made, since that
        nearly always helps, while "relations" has to win its place."""
        config = {name: levels[0] for name, levels in self.factors.items()}
        return config | ({"more": "files"} if "files" in made and "files" in self.shared else {})


@cache
def constant(source: str, name: str) -> Any:
    """A module constant, read without running the module. Raises ValueError where there is none, or no
    literal."""
    return ast.literal_eval(assigned(source, name))


def assigned(source: str, name: str) -> ast.expr:
    """The expression that a module assigns to a name. Raises ValueError where there is none."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return node.value
    raise ValueError(f"it has no constant {name}")


def affordable(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Folders of at most three weights that can be fine-tuned in a third of the budget, the largest first.

    A step takes about six operations a parameter and token; texts are taken to have a hundred.
    """
    speed = 2e13 if facts.get("gpus") else 2e10 * int(facts.get("cores") or 1)  # operations a second
    rows, rounds_and_folds = int(facts.get("rows") or 0), 2 * 4
    fitting = [
        weights
        for weights in facts.get("weights") or ()
        if 6 * weights["bytes"] / 4 * 100 * rows * rounds_and_folds / speed
        <= 0.33 * float(facts.get("budget") or 86_400)
    ]
    return tuple(weights["path"] for weights in sorted(fitting, key=lambda weights: -weights["bytes"])[:3])
