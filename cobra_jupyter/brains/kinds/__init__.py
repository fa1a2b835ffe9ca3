"""The kinds of brain. Each module of this folder defines one."""

from __future__ import annotations

import pkgutil
import warnings
from collections.abc import Iterator
from functools import cache
from importlib import import_module

from cobra_jupyter.brains.kind import BrainKind

AUTO = "auto"  # the first available preferred brain, else the playbook


@cache
def kinds() -> dict[str, BrainKind]:
    """Kinds by name, in order."""
    found = sorted(find(__name__, list(__path__)), key=lambda kind: (kind.order, kind.name))
    return {kind.name: kind for kind in found}


def names(in_lab: bool = False) -> tuple[str, ...]:
    """The values of --brain; `in_lab`: those that JupyterLab offers."""
    return (AUTO, *(kind.name for kind in kinds().values() if kind.in_lab or not in_lab))


def find(package: str, path: list[str]) -> Iterator[BrainKind]:
    """The brains of a package's modules. Skips modules that cannot be imported, with a warning."""
    for module in pkgutil.iter_modules(path):
        try:
            yield import_module(f"{package}.{module.name}").BRAIN
        except Exception as error:  # one bad file must not hide the others
            warnings.warn(
                f"the brain of {module.name}.py is left out: {type(error).__name__}: {error}", stacklevel=2
            )
