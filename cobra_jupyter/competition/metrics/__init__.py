"""The metrics. Each module of this folder defines METRICS: one metric, or a few that share code, or FAMILIES
of metrics that differ in a number.

The definition of a metric is used everywhere: to find it in a competition's description, and to score."""

from __future__ import annotations

import pkgutil
import re
import warnings
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from cobra_jupyter.competition.metrics.definition import Array, Family, Metric, MetricUndefined, spelled

__all__ = ["ALIASES", "FAMILIES", "METRICS", "Array", "Metric", "MetricUndefined", "find", "known", "listed"]

SHARED = frozenset({"arithmetic", "definition", "phrases"})  # modules without metrics of their own


def find(package: str, path: list[str]) -> Iterator[Metric]:
    """The metrics of a package's modules. Skips modules that cannot be imported, with a warning."""
    for module in _modules(package, path):
        yield from getattr(module, "METRICS", ())


def _modules(package: str, path: list[str]) -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(path):
        if found.name in SHARED:
            continue
        try:
            module = import_module(f"{package}.{found.name}")
            if not hasattr(module, "METRICS") and not hasattr(module, "FAMILIES"):
                raise AttributeError("it defines neither METRICS nor FAMILIES")
            yield module
        except Exception as error:  # one bad file must not hide the others
            warnings.warn(
                f"the metrics of {found.name}.py are left out: {type(error).__name__}: {error}", stacklevel=2
            )


METRICS: dict[str, Metric] = {metric.name: metric for metric in find(__name__, list(__path__))}
ALIASES = {synonym: metric.name for metric in METRICS.values() for synonym in metric.synonyms.split()}
FAMILIES: tuple[Family, ...] = tuple(
    family for module in _modules(__name__, list(__path__)) for family in getattr(module, "FAMILIES", ())
)
_made: dict[str, Metric] = {}  # metrics of families, by name


def known(name: str | None) -> Metric | None:
    """The metric of this name or synonym; case and spacing do not matter. None if there is none."""
    key = spelled(name or "")
    key = ALIASES.get(key, key)
    if key in METRICS:
        return METRICS[key]
    for family in FAMILIES:
        match = re.fullmatch(family.key, key)
        metric = family.make(match) if match else None
        if metric is not None:
            return _made.setdefault(metric.name, metric)
    return None


def listed() -> list[str]:
    """The names of the metrics, and an example of each family."""
    return [*METRICS, *(family.name for family in FAMILIES)]
