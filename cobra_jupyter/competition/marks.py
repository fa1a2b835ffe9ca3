"""Finds decimal commas and thousands marks in columns that were read as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from cobra_jupyter.competition import units

MOST = 5000  # values of a column that are looked at
_PLAIN = re.compile(r"[-+]?(?:\d+|\d*\.\d+)(?:[eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_GROUPS = {
    ",": re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?"),
    ".": re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?"),
    " ": re.compile(r"[-+]?[1-9]\d{0,2}(?: \d{3})+(?:[.,]\d+)?"),
}
_COMMA = re.compile(r"[-+]?\d*,\d+")
_UNREADABLE = re.compile(r"[-+]?[$€£]?\s?\d[\d.,'\s\u00a0\u202f]*\s?[%$€£]?")


@dataclass(frozen=True)
class Marks:
    """How the numbers of a table are written. ``doubt`` names a column where commas may mean either."""

    decimal: str = "."
    thousands: str = ""
    doubt: str = ""
    unread: tuple[str, ...] = ()
    """Columns that look like numbers but cannot be read as such."""

    def options(self) -> dict[str, str]:
        """Returns options of ``pd.read_csv``."""
        found = {"decimal": self.decimal} if self.decimal != "." else {}
        return found | ({"thousands": self.thousands} if self.thousands else {})


def of_table(frame: pd.DataFrame, separator: str) -> Marks:
    """Returns how the numbers of a table are written; the table was read with decimal points."""
    texts = {str(name): _values(frame[name]) for name in frame.columns if _is_text(frame[name])}
    texts = {name: values for name, values in texts.items() if values}
    read = {name: found for name, values in texts.items() if (found := _of_column(values))}
    decimals = [name for name, (decimal, _, _) in read.items() if decimal == ","]
    doubts = [name for name, (_, _, doubt) in read.items() if doubt]
    with_points = bool(decimals or doubts) and _has_fractions(frame)
    comma = bool(decimals) or (bool(doubts) and separator != "," and not with_points)
    if comma and with_points:  # both ways in one table: the columns with commas stay text
        return Marks(unread=tuple(decimals))
    thousands = {mark for name, (_, mark, _) in read.items() if mark and not (comma and mark == ",")}
    mark = next(iter(thousands)) if len(thousands) == 1 else ""
    safe = bool(mark) and not _harmed(texts, read, mark)
    left = [] if safe else [name for name, (_, own, _) in read.items() if own in thousands]
    odd = [name for name, values in texts.items() if name not in read and _odd_numbers(values)]
    odd = [name for name in odd if not units.readable(texts[name])]
    unread, mark = (*left, *odd), mark if safe else ""
    doubt = doubts[0] if doubts and not decimals and len(doubts) == len(read) else ""
    return Marks("," if comma else ".", mark, doubt, unread)


def _has_fractions(frame: pd.DataFrame) -> bool:
    """Whether a column has numbers with a decimal point."""
    numbers = frame.select_dtypes("float")
    return any(bool((numbers[name].dropna() % 1 != 0).any()) for name in numbers.columns)


def _is_text(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column.dtype) and pd.api.types.infer_dtype(
        column.iloc[:200], skipna=True
    ) in ("string", "mixed-integer", "mixed")


def _values(column: pd.Series) -> list[str]:
    return [str(value).strip() for value in column.dropna().unique()[:MOST]]


def _of_column(values: list[str]) -> tuple[str, str, bool] | None:
    """Returns (decimal mark, thousands mark, whether a comma may be either), None if these are no numbers."""
    for mark in (",", ".", " "):
        grouped = [value for value in values if _GROUPS[mark].fullmatch(value)]
        rest = [value for value in values if not _GROUPS[mark].fullmatch(value)]
        if not grouped:
            continue
        plain = (
            _PLAIN
            if mark == ","
            else _WHOLE
            if mark == "."
            else re.compile(rf"{_WHOLE.pattern}|{_COMMA.pattern}")
        )
        decimal = "," if mark in ". " and any("," in value for value in values) else "."
        others = all(plain.fullmatch(value) or (decimal == "," and _COMMA.fullmatch(value)) for value in rest)
        if mark == "." and decimal == ".":
            continue  # 1.234 is a plain number
        if others:
            sure = mark != "," or any("." in value or value.count(",") > 1 for value in values)
            return decimal, mark, not sure
    commas = [value for value in values if _COMMA.fullmatch(value)]
    if commas and all(_COMMA.fullmatch(value) or _WHOLE.fullmatch(value) for value in values):
        return ",", "", False
    return None


def _harmed(texts: Mapping[str, list[str]], read: Mapping[str, object], mark: str) -> bool:
    """Whether a thousands mark would turn another text column into numbers."""
    others: Iterable[list[str]] = (values for name, values in texts.items() if name not in read)
    return any(all(re.fullmatch(rf"[-+\d.,{mark}]*\d", value) for value in values) for values in others)


def _odd_numbers(values: list[str]) -> bool:
    return (
        all(_UNREADABLE.fullmatch(value) for value in values)
        and not all(map(_WHOLE.fullmatch, values))
        and not any(re.search(r"\d[.]\d+[.]", value) for value in values)
    )
