"""A view of the record for the playbook: what was done, what is best, what another trial costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cobra_jupyter.brains.context import Context
from cobra_jupyter.brains.playbook.recipe import Factors
from cobra_jupyter.brains.playbook.recipes import RECIPES, Recipe
from cobra_jupyter.workbench import results

Json = Mapping[str, Any]
LARGE = 4_000_000  # cells of the train table's features


@dataclass(frozen=True)
class View:
    """Answers questions about a context; changes nothing."""

    context: Context

    @cached_property
    def titles(self) -> set[str]:
        """Headings of the turns so far; a step whose heading is in the notebook is done."""
        return {turn.markdown.partition("\n")[0].removeprefix("## ").strip() for turn in self.context.turns}

    @cached_property
    def written(self) -> set[tuple[str, str]]:
        """Headings and openings of the turns so far; another brain may have used the same headings."""
        return {
            (turn.markdown.partition("\n")[0].removeprefix("## ").strip(), opening(turn.code))
            for turn in self.context.turns
        }

    @property
    def loaded(self) -> bool:
        """Whether some cell loaded the workbench into the kernel successfully."""
        return any(t.status == "ok" and "load_ext cobra_jupyter" in t.code for t in self.context.turns)

    @property
    def budget(self) -> float:
        return self.context.clock.budget or 86_400.0

    @property
    def free(self) -> float:
        return self.context.clock.free

    @cached_property
    def card(self) -> Json:
        return self.context.last(results.CARD) or {}

    @cached_property
    def protocol(self) -> Json:
        """The protocol in force; empty if the competition was opened again after it."""
        for kind, data in reversed(self.context.records):
            if kind in ("card", "protocol"):
                return data if kind == "protocol" else {}
        return {}

    @cached_property
    def sign(self) -> int:
        return 1 if self.protocol.get("direction") == "maximize" else -1

    @cached_property
    def recipes(self) -> list[Recipe]:
        """Recipes that suit the competition, strongest prior first; recipes for other kinds of data come
        last."""
        facts = {**self.context.resources, **self.card}
        facts |= {"rows": self.card.get("train_rows", 0), "budget": self.budget}
        suited = [recipe.given(facts) for recipe in RECIPES if recipe.when(facts)]
        return sorted(suited, key=lambda recipe: self.card.get("kind", "tabular") not in recipe.kinds)

    @property
    def large(self) -> bool:
        """Whether the data is so large that a look at all of it takes a notable part of the time."""
        columns = len(self.card.get("columns") or ())
        return int(self.card.get("train_rows") or 0) * columns > LARGE

    @cached_property
    def made(self) -> set[str]:
        """Names of the shared artefacts that exist."""
        return {record["name"] for record in self.context.all(results.SHARED)}

    def factors(self, recipe: Recipe) -> Factors:
        """The factors of a recipe that can make a difference on this data."""
        shared = self.context.all(results.SHARED)
        features = {name for record in shared for name in record["columns"]}
        known = bool(shared) and all(len(record["columns"]) < results.MOST_NAMED for record in shared)
        return recipe.factors_with(self.made, self.card["task"], features if known else None)

    def ablation(self, recipe: Recipe) -> results.Ablation | None:
        """The latest ablation of a recipe."""
        found = [
            a
            for a in self.context.all(results.ABLATION)
            if a["candidate"].rpartition("_v")[0] == recipe.name and suits(recipe, a["best"])
        ]
        return found[-1] if found else None

    def full(self, name: str | None = None) -> list[results.Trial]:
        """Full-size trials, or as large as could be afforded, best first."""
        trials = {trial["id"]: trial for trial in self.context.trials(name, full=True)}
        return sorted(trials.values(), key=lambda trial: -self.sign * results.score_of(trial))

    def full_under(self, number: int) -> list[results.Trial]:
        """Full-size trials under an earlier protocol, best first."""
        found = [t for t in self.context.all(results.TRIAL) if t["protocol"] == number and t["full"]]
        return sorted(
            (t for t in found if t["score"] is not None), key=lambda t: -self.sign * results.score_of(t)
        )

    @property
    def blend(self) -> str:
        """A line that blends the trials, if a blend is possible: its nested weights need several folds."""
        several = [trial for trial in self.full() if len(trial.get("folds") or (0, 1)) > 1]
        return "" if self.large and not several else "\nblend = cobra.blend()"

    def blends(self) -> list[results.Blend]:
        """Blends under the protocol in force."""
        return [b for b in self.context.all(results.BLEND) if b["protocol"] == self.protocol.get("number")]

    @property
    def unblended(self) -> bool:
        """Whether a full-size trial came after the latest blend."""
        whole = [
            kind
            for kind, data in self.context.records
            if kind == "blend" or (kind == "trial" and data["full"])
        ]
        return whole[-1:] == ["trial"]

    @property
    def blending(self) -> float:
        """Seconds that the last blend took; 0 if there is none."""
        blends = self.blends()
        return float(blends[-1].get("seconds", 0.0)) if blends else 0.0

    def trial(self, id: str) -> results.Trial:
        return next(trial for trial in self.context.all(results.TRIAL) if trial["id"] == id)

    def own(self) -> list[tuple[Recipe, results.Trial]]:
        """Full-size trials of recipes, best first, each with its recipe."""
        recipes = {recipe.name: recipe for recipe in self.recipes}
        named = [(recipes[t["name"]], t) for t in self.full() if t["name"] in recipes]
        return [(recipe, trial) for recipe, trial in named if suits(recipe, trial["config"])]

    def best_config(self, recipe: Recipe) -> dict[str, Any]:
        found = self.ablation(recipe)
        return dict(found["best"]) if found else recipe.start(self.made, self.large)

    def tried_full(self, recipe: Recipe, config: Mapping[str, Any], seed: int = 0) -> bool:
        return any(t["config"] == dict(config) and t["seed"] == seed for t in self.full(recipe.name))

    def cost(self, recipe: Recipe) -> float:
        return self.cost_of(recipe.name)

    def cost_of(self, name: str) -> float:
        """Wall seconds of a full-size trial, estimated from the fits on record; 0 if unknown. One that was
        made smaller takes what it took."""
        if self.large and (reduced := [t for t in self.full(name) if t.get("reduced")]):
            return max(t["seconds"] for t in reduced)
        fits = int(self.protocol.get("folds", 5)) * int(self.protocol.get("repeats", 1))
        slots = max(1, min(int(self.context.resources.get("cores", 1)), fits))
        trials = [t for t in self.context.trials(name) if t["fraction"] >= 1]
        alone = [t for t in trials if not any(fit.get("beside") for fit in t["fits"])]
        whole = [t["cost"] / len(t["fits"]) for t in alone or trials]
        return fits / slots * max(whole[-3:]) if whole else 0.0

    @cached_property
    def gains(self) -> list[float]:
        """The gain of each blend since the latest ablation over the best one before, in the metric's
        units."""
        gains: list[float] = []
        best: float | None = None
        for kind, data in self.context.records:
            if kind == "ablation":
                gains.clear()
            elif kind == "protocol":
                gains, best = [], None
            elif kind == "blend":
                score = self.sign * data["score"]
                if best is not None:
                    gains.append(score - best)
                best = score if best is None else max(best, score)
        return gains


def opening(code: str) -> str:
    """The beginning of a cell up to its arguments, which depend on the record; a definition is used whole."""
    return code.strip() if code.startswith("%%") else code.partition("(")[0].strip()


def suits(recipe: Recipe, config: Mapping[str, Any]) -> bool:
    """Whether a config has the recipe's factors; another brain may have used the name for its own
    candidate."""
    return config.keys() == recipe.factors.keys()
