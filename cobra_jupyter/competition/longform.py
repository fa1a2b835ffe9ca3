"""Labels in long form, one row per unit and label: found, and folded into one row per unit.

A table of units and labels alone has a row for each label that a unit has; the others are 0."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from cobra_jupyter.competition.tables import Fold

WHOLE = 0.9  # share of the possible pairs of unit and label that have a row
MOST_LABELS = 100


@dataclass(frozen=True)
class LongForm:
    """A table with a row per unit and label. `values` are the columns that may hold the labels' values."""

    unit: str
    label: str
    values: tuple[str, ...]

    @property
    def fold(self) -> Fold | None:
        """How to fold it, if only one column can hold the values, or none: then a row says yes."""
        return Fold(self.unit, self.label, *(self.values or [""])) if len(self.values) < 2 else None


def find(
    frame: pd.DataFrame, unit: str, outputs: Sequence[str], features: Collection[str]
) -> LongForm | None:
    """Returns the long form of a table whose labels are the sample's `outputs`; None if it has another form.

    `features` are columns of the test rows, which hold no labels' values."""
    if not 1 < len(outputs) <= MOST_LABELS or unit not in frame.columns or not frame[unit].duplicated().any():
        return None
    for name in frame.columns:
        column = frame[name]
        if name == unit or column.nunique() != len(outputs):
            continue
        if set(column.dropna().astype(str)) != set(outputs) or frame[[unit, name]].duplicated().any():
            continue
        rest = [str(c) for c in frame.columns if c not in {unit, name, *features}]
        says_yes = frame.shape[1] == 2  # a row for each label that a unit has, and none for the others
        if not says_yes and len(frame) < WHOLE * frame[unit].nunique() * len(outputs):
            continue
        return LongForm(unit, str(name), tuple(rest))
    return None
