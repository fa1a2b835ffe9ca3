"""The playbook's recipes for tables and texts. Each module of this folder is a recipe.

A recipe has `RECIPE` (its registry entry), FACTORS, NOTES, `fit` and `predict`. It becomes a `%%candidate`
cell, which includes the parts that the recipe imports from `parts`. Features come from `%%shared` cells;
their sources are in `shared`.
"""

from __future__ import annotations

import ast
import pkgutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from cobra_jupyter.brains.playbook.assemble import ENTRY, assemble
from cobra_jupyter.brains.playbook.recipe import Recipe, assigned, constant

__all__ = ["RECIPES", "Recipe", "find", "load", "shared_source"]


def find(folder: Path) -> tuple[Recipe, ...]:
    """The recipes of a folder, sorted by prior, strongest first. Skips invalid modules with a warning."""
    return tuple(sorted(_loaded(folder), key=lambda recipe: (recipe.order, recipe.name)))


def _loaded(folder: Path) -> Iterator[Recipe]:
    for module in pkgutil.iter_modules([str(folder)]):
        if module.ispkg:
            continue
        path = folder / f"{module.name}.py"
        try:
            yield load(path)
        except Exception as error:  # one bad file must not hide the others
            warnings.warn(f"the recipe {path} is left out: {type(error).__name__}: {error}", stacklevel=3)


def load(path: Path) -> Recipe:
    """Read a recipe from its file, without running it. Raises ValueError, SyntaxError or OSError."""
    source = path.read_text(encoding="utf-8")
    entry = assigned(source, ENTRY)
    if not isinstance(entry, ast.Call) or entry.args:
        raise ValueError(f"{ENTRY} must be Recipe(name=literal, …)")
    values = {str(each.arg): ast.literal_eval(each.value) for each in entry.keywords}
    cell = assemble(source, _part)
    for name in ("FACTORS", "NOTES"):
        constant(cell, name)
    return replace(Recipe(**values), name=path.stem, cell=cell)


@cache
def shared_source(name: str) -> str:
    """The source of the `%%shared` cell of this name. Raises FileNotFoundError if there is none."""
    return assemble(_text(f"shared/{name}.py"), _part)


def _part(name: str) -> str:
    return _text(f"parts/{name}.py")


@cache
def _text(path: str) -> str:
    return files(__package__).joinpath(path).read_text(encoding="utf-8")


RECIPES = find(Path(__file__).parent)
