"""Numbers that are written with a unit: 12.5 %, 80 kg, $1,250.00."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

MISSING = ("n/a", "na", "n.a.", "nan", "none", "null", "unknown", "missing", "-", "?", ".")
MOST_MISSING = 0.5  # share of values that must be numbers
LEAST = 3  # different numbers
MANY = 20  # different numbers, from which on letters behind them without a blank are a unit
NUMBER = r"([-+]?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+))"
_MEASURED = re.compile(
    rf"\s*(?P<before>[$€£¥]?)\s*{NUMBER}(?P<behind>\s*[%‰°$€£¥]|\s*°[CF]|\s+[^\W\d_][^\d]{{0,15}}|[^\W\d_]{{2,4}})?\s*"
)


def common(values: pd.Series) -> str:
    """Returns the one unit that all texts of a column have, "" if they have none or several.

    A few words that say that a value is missing count as missing."""
    few = values[~values.str.strip().str.lower().isin(MISSING)]
    return _of(set(few.unique())) if len(few) > MOST_MISSING * len(values) else ""


def readable(values: Iterable[str]) -> bool:
    return bool(_of(set(values)))


def _of(values: set[str]) -> str:
    found = [_MEASURED.fullmatch(value) for value in values]
    if len(found) < LEAST or not all(found):
        return ""
    units = {(match["before"], (match["behind"] or "").strip()) for match in found if match}
    if len(units) != 1:
        return ""
    before, behind = next(iter(units))
    attached = (
        bool(behind) and behind.isalpha() and any(match and match["behind"] == behind for match in found)
    )
    return "" if attached and len(values) < MANY else before or behind
