"""A recipe of the playbook: its registry entry, its factors, and the competitions that it suits."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

Factors = dict[str, list[Any]]
TASKS = ("binary", "multiclass", "multilabel", "regression")
BESIDE = 3  # a text competition needs so many other columns before a recipe for tables is worth its time


@dataclass(frozen=True)
class Recipe:
    """The registry entry of a recipe. Its module holds `RECIPE = Recipe(…)` with literal arguments only, so
    that the registry can read it without running the module. The registry fills in `name` and `cell`.

    Rank: `order` sorts recipes, the strongest prior first; `cost` ranks them by the time of one fit (1 is
    cheapest); `share` is the share of the budget that the ablation may use.

    Data: `kinds` are the kinds of competition that the recipe suits; `beside` are kinds that it suits only if
    the data has both texts and other columns; `tasks` and `rows` (the most training rows) limit it further.

    Needs: `needs` are shared artefacts that it requires; `shared` are optional ones: list them as levels of
    its factor "more" too, joined by "+"; `libraries` must be installed; `weights` are folders of pretrained
    weights: None if it needs none, () if it needs some and none are given yet.

    Large data: `large` has the levels to begin with there.

    Factors: `multiplies`: the level "pairs" of "interactions" makes products, beside the shared columns;
    `numbers_only` are factors tested for regression only; `classes_only` maps factors to levels that are
    left out for regression."""

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
    large: Mapping[str, Any] | None = None
    multiplies: bool = False
    name: str = ""
    cell: str = ""

    @property
    def source(self) -> str:
        """The text of the cell. The folders of weights become the levels of the factor "weights"."""
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
        """One line per factor: what to expect."""
        return dict(constant(self.source, "NOTES"))

    def when(self, facts: Mapping[str, Any]) -> bool:
        """Whether the recipe suits a competition.

        `facts` may hold "kind", "task", "rows" (of train), "columns" (name → kind), "libraries" (name →
        version), and for pretrained weights "weights" (dicts with "path" and "bytes"), "gpus", "cores" and
        "budget" (seconds)."""
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
        """The recipe with the available weights filled in, if it needs any."""
        return self if self.weights is None else replace(self, weights=affordable(facts))

    def factors_with(
        self, made: Iterable[str], task: str, features: Collection[str] | None = None
    ) -> Factors:
        """The factors that can make a difference: without levels that need missing artefacts or do not suit
        the task, and without factors that have a single level left, or for which no column of the shared
        `features` is there (None: not known)."""
        available = {"none", *made}
        useful: Factors = {}
        for name, levels in self.factors.items():
            possible = [lv for lv in levels if name != "more" or set(str(lv).split("+")) <= available]
            if task == "regression":
                possible = [lv for lv in possible if lv not in (self.classes_only or {}).get(name, ())]
            idle = features is not None and not _has_columns(name, features, self.multiplies)
            if len(possible) > 1 and not idle and (name not in self.numbers_only or task == "regression"):
                useful[name] = possible
        return useful

    def start(self, made: Iterable[str], large: bool = False) -> dict[str, Any]:
        """The first config: the defaults, plus per-id files if they are available, since these nearly always
        help; "relations" has to prove its use in the ablation."""
        config = {name: levels[0] for name, levels in self.factors.items()}
        config |= dict(self.large or {}) if large else {}
        return config | ({"more": "files"} if "files" in made and "files" in self.shared else {})


def _has_columns(factor: str, features: Collection[str], multiplies: bool) -> bool:
    """Whether a factor has columns to work on: codes of categories, or combinations of similar columns."""
    if factor == "categories":
        return any(name.startswith("category: ") or "group: " in name for name in features)
    if factor == "interactions" and not multiplies:
        return any(name.startswith(("sums: ", "pairs: ")) for name in features)
    return True


@cache
def constant(source: str, name: str) -> Any:
    """Read a constant of a module without running it. Raises ValueError if it is absent or no literal."""
    return ast.literal_eval(assigned(source, name))


def assigned(source: str, name: str) -> ast.expr:
    """The expression that a module assigns to a name. Raises ValueError if there is none."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return node.value
    raise ValueError(f"it has no constant {name}")


def affordable(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Folders of at most three models that can be fine-tuned in a third of the budget, the largest first.

    Training takes about six operations per parameter and token; texts are assumed to have 100 tokens.
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
