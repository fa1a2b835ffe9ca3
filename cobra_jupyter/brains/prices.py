"""Prices of tokens: the package's table, overridden by the user's own table."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

PACKAGED = Path(__file__).with_suffix(".toml")
_NUMBERS = ("input", "cached", "output")


class PriceError(ValueError):
    """A price table cannot be read; the message names file and entry."""


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens; `long` applies if the input has more than `over` tokens."""

    input: float
    cached: float
    output: float
    over: int = 0
    long: Price | None = None

    def of(self, tokens: int, cached: int, output: int) -> float:
        """Dollars of a request with `tokens` of input (`cached` among them) and `output` (including
        thinking)."""
        price = self.long if self.long and tokens > self.over else self
        fresh = max(0, tokens - cached)
        return (fresh * price.input + cached * price.cached + output * price.output) / 1e6

    def room(self, dollars: float, tokens: int) -> float:
        """Output tokens that a request can afford for `dollars`; negative if the input costs more."""
        input_ = self.of(tokens, 0, 0)
        each = self.of(tokens, 0, 1_000_000) - input_  # per million tokens
        if each <= 0:
            return math.inf if dollars >= input_ else -1.0
        return (dollars - input_) / each * 1e6


def users_file(environment: Mapping[str, str]) -> Path:
    """The file of the user's own prices."""
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or Path.home()) / ".config"
    return Path(home) / "cobra" / "prices.toml"


def load(environment: Mapping[str, str]) -> dict[str, Price]:
    """Prices by model. Raises PriceError."""
    table = _read(PACKAGED)
    own = users_file(environment)
    return {**table, **_read(own)} if own.is_file() else table


def name_of(model: str) -> str:
    """A model's name without the provider's path."""
    return model.rsplit("/", 1)[-1]


def _read(file: Path) -> dict[str, Price]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PriceError(f"{file}: {error}") from None
    return {model: _price(entry, f"{file}: {model}") for model, entry in found.items()}


def _price(entry: Any, where: str) -> Price:
    price = Price(*_numbers(entry, where))
    over = entry.get("over")
    if over is None:
        return price
    tokens = over.get("tokens") if isinstance(over, dict) else None
    if not isinstance(tokens, int):
        raise PriceError(f"{where}: over needs tokens, input, cached and output")
    return replace(price, over=tokens, long=Price(*_numbers(over, f"{where}, over")))


def _numbers(entry: Any, where: str) -> tuple[float, float, float]:
    """The three prices of an entry. Raises PriceError."""
    try:
        found = [float(entry[name]) for name in _NUMBERS]
    except (KeyError, TypeError, ValueError):
        found = [-1.0]
    if min(found) < 0:
        raise PriceError(f"{where}: needs input, cached and output, in dollars per million tokens")
    return found[0], found[1], found[2]
