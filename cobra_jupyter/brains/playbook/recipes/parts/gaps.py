"""Several targets of which rows have only some: each is fitted on the rows that have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array


def has_gaps(train: pd.DataFrame, ctx: Any) -> bool:
    """Whether rows lack some of several targets."""
    return len(ctx.targets) > 1 and bool(train[list(ctx.targets)].isna().to_numpy().any())


class OneTarget:
    """The context of a fit of one target on the rows that have it; the rest is that of the whole fit."""

    def __init__(self, ctx: Any, target: str, rows: Array, share: float) -> None:
        self._ctx, self._rows, self._share = ctx, rows, share
        self.targets = [target]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    @property
    def weights(self) -> Array | None:
        return None if self._ctx.weights is None else self._ctx.weights[self._rows]

    @property
    def seconds_left(self) -> float:
        return float(self._share * self._ctx.seconds_left)

    def inner(self, share: float = 0.2) -> tuple[Array, Array]:
        """The inner split of the whole fit, as positions among the rows that have the target."""
        sides = [np.flatnonzero(np.isin(self._rows, side)) for side in self._ctx.inner(share)]
        if all(map(len, sides)):
            return sides[0], sides[1]
        order = np.random.default_rng(self._ctx.seed).permutation(len(self._rows))
        cut = max(1, round(share * len(order)))
        return np.sort(order[cut:]), np.sort(order[:cut])

    def save(self, model: Any) -> None:
        """A model of one target is no snapshot of the whole fit."""


class EachTarget:
    """One fitted model per target, None where no row has it."""

    def __init__(self, fit: Callable[..., Any], train: pd.DataFrame, ctx: Any) -> None:
        self.targets, self.models = list(ctx.targets), list[Any]()
        for i, target in enumerate(self.targets):
            rows = np.flatnonzero(train[target].notna())
            own = OneTarget(ctx, target, rows, 1 / (len(self.targets) - i))
            known = train.iloc[rows].drop(columns=[name for name in self.targets if name != target])
            self.models.append(fit(known, own) if len(rows) else None)

    def predict(self, predict: Callable[..., Any], rows: pd.DataFrame, ctx: Any) -> Array:
        columns = []
        for target, model in zip(self.targets, self.models, strict=True):
            own = OneTarget(ctx, target, np.arange(len(rows)), 1.0)
            found = np.zeros(len(rows)) if model is None else predict(model, rows, own)
            columns.append(np.asarray(found, "float64").reshape(len(rows), -1)[:, -1])
        return np.column_stack(columns)
