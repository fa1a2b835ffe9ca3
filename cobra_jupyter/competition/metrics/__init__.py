"""The metrics that are computed here, one file a metric or a few that share their arithmetic.

A module of this folder has METRICS; a new file is a new metric. What it says of itself is used everywhere: by
those who read a competition's description, and by those who score."""

from __future__ import annotations

import pkgutil
import warnings
from collections.abc import Iterator
from importlib import import_module

from cobra_jupyter.competition.metrics.definition import Array, Metric, MetricUndefined

__all__ = ["ALIASES", "METRICS", "Array", "Metric", "MetricUndefined", "find"]

SHARED = frozenset({"arithmetic", "definition", "phrases"})  # what metrics have in common


def find(package: str, path: list[str]) -> Iterator[Metric]:
    """The metrics of a package's modules. A module that cannot be imported is left out, with a warning."""
    for module in pkgutil.iter_modules(path):
        if module.name in SHARED:
            continue
        try:
            yield from import_module(f"{package}.{module.name}").METRICS
        except Exception as error:  # whatever one file does, the others are there
            warnings.warn(
                f"the metrics of {module.name}.py are left out: {type(error).__name__}: {error}", stacklevel=2
            )


METRICS: dict[str, Metric] = {metric.name: metric for metric in find(__name__, list(__path__))}
ALIASES = {synonym: metric.name for metric in METRICS.values() for synonym in metric.synonyms.split()}
