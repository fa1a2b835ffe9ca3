"""The share of the columns that trees see."""

from __future__ import annotations

FEWEST = 4  # columns: a tree or a split that sees fewer finds no interaction


def share_of_columns(share: float, columns: int) -> float:
    """Returns the share, or a larger one where it leaves hardly any of a few columns."""
    return max(share, min(1.0, FEWEST / columns))
