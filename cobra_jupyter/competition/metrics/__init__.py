"""The metrics. Each module of this folder defines METRICS: one metric, or a few that share code.

The definition of a metric is used everywhere: to find it in a competition's description, and to score."""

from __future__ import annotations

import pkgutil
import warnings
from collections.abc import Iterator
from importlib import import_module

from cobra_jupyter.competition.metrics.definition import Array, Metric, MetricUndefined

__all__ = ["ALIASES", "METRICS", "Array", "Metric", "MetricUndefined", "find"]

SHARED = frozenset({"arithmetic", "definition", "phrases"})  # modules without metrics of their own


def find(package: str, path: list[str]) -> Iterator[Metric]:
    """The metrics of a package's modules. Skips modules that cannot be imported, with a warning."""
    for module in pkgutil.iter_modules(path):
        if module.name in SHARED:
            continue
        try:
            yield from import_module(f"{package}.{module.name}").METRICS
        except Exception as error:  # one bad file must not hide the others
            warnings.warn(
                f"the metrics of {module.name}.py are left out: {type(error).__name__}: {error}", stacklevel=2
            )


METRICS: dict[str, Metric] = {metric.name: metric for metric in find(__name__, list(__path__))}
ALIASES = {synonym: metric.name for metric in METRICS.values() for synonym in metric.synonyms.split()}
