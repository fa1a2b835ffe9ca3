"""Numbers that are written with a unit: 12.5 %, 80 kg, $1,250.00."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

MISSING = ("n/a", "na", "n.a.", "nan", "none", "null", "unknown", "missing", "-", "?", ".")
MOST_MISSING = 0.5  # share of values that must be numbers
LEAST = 3  # different numbers
MANY = 20  # different numbers, from which on letters behind them without a blank are a unit
POINTS = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d*)(?:\.\d+)?"  # 1,250.5
COMMAS = r"[-+]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?"  # 1.250,5
EITHER = r"[-+]?\d{1,3}[.,]\d{3}"  # 1,250 and 1.250 may be either
_BEHIND = r"\s*[%‰°$€£¥]|\s*°[CF]|\s+[^\W\d_][^\d]{0,15}|[^\W\d_]{2,4}"


def _measured(number: str) -> re.Pattern[str]:
    return re.compile(rf"\s*(?P<before>[$€£¥]?)\s*(?P<number>{number})(?P<behind>{_BEHIND})?\s*")


_FORMS = {False: _measured(POINTS), True: _measured(COMMAS)}


def common(values: pd.Series) -> str:
    """Returns the one unit that all texts of a column have, "" if they have none or several.

    A few words that say that a value is missing count as missing."""
    return _found(_known(values))[0]


def has_commas(values: pd.Series) -> bool:
    """Whether the numbers of a column with a unit have decimal commas."""
    return _found(_known(values))[1]


def readable(values: Iterable[str]) -> bool:
    return bool(_found(set(values))[0])


def _known(values: pd.Series) -> set[str]:
    few = values[~values.str.strip().str.lower().isin(MISSING)]
    return set(few.unique()) if len(few) > MOST_MISSING * len(values) else set()


def _found(values: set[str]) -> tuple[str, bool]:
    """The unit, and whether the numbers have decimal commas."""
    for commas, form in _FORMS.items():
        found = [match for value in values if (match := form.fullmatch(value))]
        if len(found) < max(LEAST, len(values)) or not all(re.search(r"\d", m["number"]) for m in found):
            continue
        marked = [m["number"] for m in found if "," in m["number"]]
        if marked and all(re.fullmatch(EITHER, number) for number in marked) and not _sure(found):
            continue
        return _unit(found), commas
    return "", False


def _sure(found: list[re.Match[str]]) -> bool:
    """Whether a point somewhere tells which mark is the decimal one."""
    return any("." in match["number"] for match in found)


def _unit(found: list[re.Match[str]]) -> str:
    units = {(match["before"], (match["behind"] or "").strip()) for match in found}
    if len(units) != 1:
        return ""
    before, behind = next(iter(units))
    attached = bool(behind) and behind.isalpha() and any(match["behind"] == behind for match in found)
    return "" if attached and len(found) < MANY else before or behind
