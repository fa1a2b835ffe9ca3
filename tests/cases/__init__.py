"""Small competition folders that are easy to read wrongly, each with what a right reading finds.

A module has functions that write a public folder and return a `Right`; `CASES` has them all by name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

from tests.cases.right import CASES, Right

__all__ = ["CASES", "Right", "names"]

for found in pkgutil.iter_modules([str(Path(__file__).parent)]):
    importlib.import_module(f"{__name__}.{found.name}")


def names() -> list[str]:
    """Returns the names of all cases, sorted."""
    return sorted(CASES)


Make = Callable[[Path], Right]
