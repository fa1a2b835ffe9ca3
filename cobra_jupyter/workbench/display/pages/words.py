"""Formats numbers and values for results and reports: 5 significant digits, readable times."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

NONE = "–"
NOTHING = 1e-9  # below this a difference is rounding
LONGEST = 80  # characters of a level, a label or a name


def known(value: object) -> TypeGuard[float]:
    """Whether the value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def score(value: Any, digits: int = 5) -> str:
    """A score with 5 significant digits, so that columns of scores align."""
    if not known(value):
        return NONE
    if value == 0:
        return "0"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}" if abs(value) < 1e12 else f"{value:.4e}"
    if abs(value) < 1e-5:
        return f"{value:.2e}"
    return f"{value:#.{digits}g}".rstrip(".")


def decimals(errors: Iterable[Any], fallback: Iterable[Any] = ()) -> int:
    """Decimals that show two digits of the smallest error; without errors, three of the largest value."""
    sizes = [abs(e) for e in errors if known(e) and abs(e) > NOTHING]
    if sizes:
        return _places(min(sizes), 2)
    values = [abs(v) for v in fallback if known(v) and abs(v) > NOTHING]
    return _places(max(values), 3) if values else 4


def _places(size: float, digits: int) -> int:
    return max(0, min(7, digits - 1 - math.floor(math.log10(size))))


def scored(value: Any, se: Any) -> str:
    """Score ± standard error; the error has the score's decimals, or two digits if it needs more."""
    if not known(value):
        return NONE
    if not known(se):
        return score(value)
    shown = score(value)
    places = len(shown.partition(".")[2]) if "e" not in shown else 0
    error = f"{se:.{max(places, _places(se, 2) if se else 0)}f}"
    return f"{shown} ± {error if 'e' not in shown else score(se, 2)}"


def gained(gain: Any, se: Any, places: int | None = None) -> str:
    """A difference with its sign, ± its standard error."""
    if not known(gain):
        return NONE
    places = decimals([se], [gain]) if places is None else places
    shown = f"{gain:+,.{places}f}"
    if not any(c in "123456789" for c in shown):
        shown = f"{0:.{places}f}"
    return f"{shown} ± {se:,.{places}f}" if known(se) else shown


def seconds(value: Any) -> str:
    """3.2 s, 4 min 10 s, 2 h 05 min, 3 d 4 h."""
    if not known(value):
        return NONE
    value = max(0.0, value)
    if value < 9.95:
        return f"{value:.1f} s" if value >= 0.095 or value == 0 else f"{value * 1000:.0f} ms"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def count(value: Any) -> str:
    """A whole number with thousands separated."""
    return f"{value:,.0f}" if known(value) else NONE


def counted(value: Any, noun: str) -> str:
    """3 folds, 1 fold."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def share(value: Any) -> str:
    """A share as per cent; small ones keep a digit."""
    if not known(value):
        return NONE
    return f"{value:.0%}" if value >= 0.0995 or value == 0 else f"{value:.1%}"


def ratio(value: Any) -> str:
    """A cost relative to the baseline's."""
    if not known(value):
        return NONE
    return f"×{value:.1f}" if value < 9.95 else f"×{value:.0f}"


def size(value: Any) -> str:
    """Bytes in a readable unit."""
    if not known(value):
        return NONE
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 9.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def megabytes(value: Any) -> str:
    """MiB, or GiB if there are many."""
    if not known(value):
        return NONE
    return f"{value:.0f} MB" if value < 2048 else f"{value / 1024:.1f} GB"


def cut(value: Any, room: int = LONGEST) -> str:
    """Text on one line, cut with an ellipsis."""
    line = " ".join(str(value).split())
    return line if len(line) <= room else line[: room - 1].rstrip() + "…"


def level(value: Any) -> str:
    """A factor's level or any other JSON value."""
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def levels(values: Any) -> str:
    return ", ".join(level(value) for value in values or ()) or NONE


def config(chosen: Mapping[str, Any] | None) -> str:
    """leaves=15, pace=0.05"""
    return ", ".join(f"{cut(k, 40)}={level(v)}" for k, v in (chosen or {}).items())


def fraction(value: Any) -> str:
    """The share of the training rows that a trial fitted."""
    return "all rows" if not known(value) or value >= 1 else f"{share(value)} of the rows"


def names(values: Any, most: int = 12) -> str:
    """A list of names; only the first if there are many."""
    found = [cut(v, 50) for v in values or ()]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
