"""The playbook's recipes for tables and texts: which there are, when they fit, what they need.

A recipe is a candidate module whose source becomes a `%%candidate` cell. It reads its features from
`%%shared` cells, whose sources are here too (`shared_source`); those in `needs` must be made before its first
trial.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

Factors = dict[str, list[Any]]
TASKS = ("binary", "multiclass", "multilabel", "regression")
BESIDE = 3  # columns that are no texts: from so many on a recipe for tables is worth its time on texts


@dataclass(frozen=True)
class Recipe:
    """A candidate of the playbook.

    `cost` ranks recipes by the time of one fit (1 is cheapest). `needs` names the shared artefacts without
    which it cannot be fitted; `shared` those it can join besides, as levels of its factor "more". `kinds` are
    the kinds of competition it is for, `beside` those it is for only where texts and other columns stand beside
    each other, `rows` the most training rows for which it is worth its time. `weights` are folders of pretrained
    weights: None where it needs none, () where it does and none are given yet.
    """

    name: str
    family: str
    cost: int
    needs: tuple[str, ...]
    shared: tuple[str, ...]
    kinds: tuple[str, ...] = ("tabular",)
    beside: tuple[str, ...] = ()
    rows: int = 10_000_000
    weights: tuple[str, ...] | None = None

    @property
    def source(self) -> str:
        """The module's text, as it stands in the cell; weights at hand are levels of its factor "weights"."""
        text = _text(f"{self.name}.py")
        return text.replace('"weights": [""]', f'"weights": {list(self.weights)!r}') if self.weights else text

    @property
    def factors(self) -> Factors:
        """Every factor with its levels, the default first."""
        return dict(_constant(self.source, "FACTORS"))

    @property
    def notes(self) -> dict[str, str]:
        """What to expect of each factor, a line each."""
        return dict(_constant(self.source, "NOTES"))

    def when(self, facts: Mapping[str, Any]) -> bool:
        """Whether it suits a competition: `facts` may hold "kind", "task", "rows" (of train), "columns" (name →
        kind), and for pretrained weights "weights" (dicts with "path" and "bytes"), "libraries" (name →
        version), "gpus", "cores" and "budget" (seconds)."""
        kind, columns = facts.get("kind", "tabular"), dict(facts.get("columns") or {})
        texts = sum(kind == "text" for kind in columns.values())
        beside = kind in self.beside and (texts > 0 if kind == "tabular" else len(columns) - texts >= BESIDE)
        return (
            (kind in self.kinds or beside)
            and facts.get("task") in TASKS
            and int(facts.get("rows") or 0) <= self.rows
            and (self.weights is None or bool(affordable(facts)))
        )

    def given(self, facts: Mapping[str, Any]) -> Recipe:
        """With the weights at hand, where it needs some."""
        return self if self.weights is None else replace(self, weights=affordable(facts))

    def factors_with(self, made: Iterable[str], task: str) -> Factors:
        """The factors that can make a difference: levels of "more" whose artefacts are made, factors with two
        levels or more, "target" only for regression."""
        there = {"none", *made}
        kept: Factors = {}
        for name, levels in self.factors.items():
            possible = [lv for lv in levels if name != "more" or set(str(lv).split("+")) <= there]
            if task == "regression" and name in ("weighting", "class_weights", "model"):
                possible = [lv for lv in possible if lv not in ("naive_bayes", "balanced", "complement")]
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


def affordable(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Folders of at most three weights that can be fine-tuned in a third of the budget, the largest first.

    A step takes about six operations a parameter and token; texts are taken to have a hundred.
    """
    libraries = facts.get("libraries") or {}
    if not (libraries.get("torch") and libraries.get("transformers")):
        return ()
    speed = 2e13 if facts.get("gpus") else 2e10 * int(facts.get("cores") or 1)  # operations a second
    rows, rounds_and_folds = int(facts.get("rows") or 0), 2 * 4
    fitting = [
        weights
        for weights in facts.get("weights") or ()
        if 6 * weights["bytes"] / 4 * 100 * rows * rounds_and_folds / speed
        <= 0.33 * float(facts.get("budget") or 86_400)
    ]
    return tuple(weights["path"] for weights in sorted(fitting, key=lambda weights: -weights["bytes"])[:3])


_MORE = ("relations", "files")
_TEXTS = ("columns", "texts")
_TEXT: dict[str, Any] = {"needs": _TEXTS, "shared": (), "kinds": ("text",)}

RECIPES: tuple[Recipe, ...] = (  # of those that suit a competition the first is the strongest prior
    Recipe("boosting", "boosting", cost=4, needs=("columns",), shared=_MORE, beside=("text",)),
    Recipe("text_boosting", "text_boosting", cost=4, **_TEXT, beside=("tabular",)),
    Recipe("text_bayes", "text_bayes", cost=1, **_TEXT),
    Recipe("text_linear", "text_linear", cost=5, **_TEXT),
    Recipe("transformer", "transformer", cost=9, needs=(), shared=(), kinds=("text",), weights=()),
    Recipe("trees", "trees", cost=3, needs=("columns",), shared=_MORE, rows=300_000),
    Recipe("linear", "linear", cost=1, needs=("columns",), shared=_MORE),
    Recipe("neighbours", "neighbours", cost=2, needs=("columns",), shared=_MORE, rows=50_000),
)
