"""The playbook's recipes for tables: which there are, when they fit, what they need.

A recipe is a candidate module whose source becomes a `%%candidate` cell. It reads its features from
`%%shared` cells, whose sources are here too (`shared_source`); those in `needs` must be made before its first
trial.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

Factors = dict[str, list[Any]]
TABLE_TASKS = ("binary", "multiclass", "multilabel", "regression")


@dataclass(frozen=True)
class Recipe:
    """A candidate of the playbook.

    `cost` ranks recipes by the time of one fit (1 is cheapest). `needs` names the shared artefacts without
    which it cannot be fitted; `shared` those it can join besides, as levels of its factor "more". `kinds` are
    the kinds of competition it is for, `rows` the most training rows for which it is worth its time.
    """

    name: str
    family: str
    cost: int
    needs: tuple[str, ...]
    shared: tuple[str, ...]
    kinds: tuple[str, ...] = ("tabular",)
    rows: int = 10_000_000

    @property
    def source(self) -> str:
        """The module's text, as it stands in the cell."""
        return _text(f"{self.name}.py")

    @property
    def factors(self) -> Factors:
        """Every factor with its levels, the default first."""
        return dict(_constant(self.source, "FACTORS"))

    @property
    def notes(self) -> dict[str, str]:
        """What to expect of each factor, a line each."""
        return dict(_constant(self.source, "NOTES"))

    def when(self, facts: Mapping[str, Any]) -> bool:
        """Whether it suits a competition: `facts` may hold "kind", "task" and "rows" (of train)."""
        return (
            facts.get("kind", "tabular") in self.kinds
            and facts.get("task") in TABLE_TASKS
            and int(facts.get("rows") or 0) <= self.rows
        )

    def factors_with(self, made: Iterable[str], task: str) -> Factors:
        """The factors that can make a difference: levels of "more" whose artefacts are made, factors with two
        levels or more, "target" only for regression."""
        there = {"none", *made}
        kept: Factors = {}
        for name, levels in self.factors.items():
            possible = [lv for lv in levels if name != "more" or set(str(lv).split("+")) <= there]
            if len(possible) > 1 and (name != "target" or task == "regression"):
                kept[name] = possible
        return kept

    def start(self, made: Iterable[str]) -> dict[str, Any]:
        """Config to begin with: the defaults; per-id files are joined where they are made, since that
        nearly always helps, while "relations" has to win its place."""
        config = {name: levels[0] for name, levels in self.factors.items()}
        return config | ({"more": "files"} if "files" in made else {})


@cache
def _text(path: str) -> str:
    return files(__package__).joinpath(path).read_text(encoding="utf-8")


@cache
def _constant(source: str, name: str) -> Any:
    """A module constant, read without running the module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return ast.literal_eval(node.value)
    raise ValueError(f"the recipe has no constant {name}")


def shared_source(name: str) -> str:
    """Text of the `%%shared` cell of this name; FileNotFoundError where there is none."""
    return _text(f"shared/{name}.py")


_MORE = ("relations", "files")

RECIPES: tuple[Recipe, ...] = (
    Recipe("boosting", "boosting", cost=4, needs=("columns",), shared=_MORE),
    Recipe("trees", "trees", cost=3, needs=("columns",), shared=_MORE, rows=300_000),
    Recipe("linear", "linear", cost=1, needs=("columns",), shared=_MORE),
    Recipe("neighbours", "neighbours", cost=2, needs=("columns",), shared=_MORE, rows=50_000),
)
