"""Columns that join the n-grams: text statistics and all other columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array


def other_columns(rows: pd.DataFrame, ctx: Any) -> pd.DataFrame:
    """Text statistics and the other columns, read from `%%shared` cells."""
    return pd.concat([ctx.shared(name).loc[rows.index] for name in ("columns", "texts")], axis=1)


class Scale:
    """Turns columns of any kind into standardised numbers; missing values are filled and flagged."""

    def __init__(self, votes: Array, others: pd.DataFrame) -> None:
        codes = [c for c in others if c.startswith("category: ")]
        self.levels = [
            (c, v) for c in codes for v in others[c].value_counts().sort_index().nlargest(20).index
        ]
        self.numbers = [c for c in others if c not in codes and others[c].nunique() > 1]
        self.middle = others[self.numbers].median()
        self.mean, self.sd = np.zeros(0), np.ones(0)
        whole = self.columns(votes, others)
        self.mean, self.sd = whole.mean(axis=0), whole.std(axis=0) + 1e-9

    def columns(self, votes: Array, others: pd.DataFrame) -> Array:
        others = others.reindex(columns=list(dict.fromkeys([*self.numbers, *(c for c, _ in self.levels)])))
        numbers = others[self.numbers].fillna(self.middle).to_numpy("float64")
        flags = [(others[c] == v).to_numpy("float64") for c, v in self.levels]
        gaps = others[self.numbers].isna().to_numpy("float64")
        return np.column_stack([votes, np.sign(numbers) * np.log1p(np.abs(numbers)), gaps, *flags])

    def __call__(self, votes: Array, others: pd.DataFrame) -> Array:
        return np.asarray(np.clip((self.columns(votes, others) - self.mean) / self.sd, -8, 8))
