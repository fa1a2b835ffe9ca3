"""A column of another table that is joined to train on the row key."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cobra_jupyter.competition.tables import Table


@dataclass(frozen=True)
class Joined:
    """A column of another table, which becomes the column `name` of train by the key `id`."""

    table: Table
    id: str
    column: str
    name: str

    def add(self, train: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
        lookup = other.set_index(other[self.id].astype(str))[self.column]
        return train.assign(**{self.name: train[self.id].astype(str).map(lookup)})

    def code(self) -> list[str]:
        """Code for the same."""
        return [
            f"joined = {self.table.code()}",
            f"joined.index = joined[{self.id!r}].astype(str)",
            f"train[{self.name!r}] = train[{self.id!r}].astype(str).map(joined[{self.column!r}])",
        ]
