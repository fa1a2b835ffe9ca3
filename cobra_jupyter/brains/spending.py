"""Spending of brains: hard caps that all brains of a run share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from cobra_jupyter.brains.base import BrainGone
from cobra_jupyter.brains.prices import Price

LEAST = 2_000  # tokens: no reply is requested if it could be no longer than this
SOON = 20.0  # seconds after which to ask again, if only reservations of others prevent a reply


@dataclass(frozen=True)
class Caps:
    """Caps of a run on tokens (input, output and thinking) and US dollars; None means no cap."""

    tokens: int | None = None
    cost: float | None = None


@dataclass
class Account:
    """The spending so far in `tokens` and `cost` (US dollars), also before the run was resumed.

    A running request reserves the most that it can use, so that parallel requests cannot exceed a cap
    together."""

    caps: Caps = field(default_factory=Caps)
    tokens: int = 0
    cost: float = 0.0
    _held_tokens: int = 0
    _held_cost: float = 0.0

    @contextmanager
    def hold(self, input_: int, output: int, price: Price | None) -> Iterator[int]:
        """Reserve the most that a request can use; `price` is None if unknown. Yields the tokens that it may
        write.

        Raises BrainGone if the caps leave too little. Asking again helps if only other reservations prevent
        it."""
        least = min(LEAST, output)
        room = min(output, self._room(input_, price, self._held_tokens, self._held_cost))
        if room < least:
            if self._room(input_, price) < least:
                self._refuse(input_ + least, price.of(input_, 0, least) if price else None)
            raise BrainGone("the rest of its caps is reserved for replies to other agents", back=SOON)
        written = math.floor(room)
        tokens, dollars = input_ + written, price.of(input_, 0, written) if price else 0.0
        self._held_tokens += tokens
        self._held_cost += dollars
        try:
            yield written
        finally:
            self._held_tokens -= tokens
            self._held_cost -= dollars

    def charge(self, tokens: int, cost: float | None) -> None:
        """Add the usage of a request."""
        self.tokens += tokens
        self.cost += cost or 0.0

    def _room(self, input_: int, price: Price | None, held_tokens: int = 0, held_cost: float = 0.0) -> float:
        """Tokens that the caps allow a request to write; negative if not even its input fits."""
        rooms = [math.inf]
        if self.caps.tokens is not None:
            rooms.append(self.caps.tokens - self.tokens - held_tokens - input_)
        if self.caps.cost is not None:
            rooms.append(price.room(self.caps.cost - self.cost - held_cost, input_) if price else -1.0)
        return min(rooms)

    def _refuse(self, tokens: int, cost: float | None) -> NoReturn:
        """Raise BrainGone with the cap that is reached."""
        most, dollars = self.caps.tokens, self.caps.cost
        if most is not None and self.tokens + tokens > most:
            raise BrainGone(
                f"its cap of {most:,} tokens is reached: {self.tokens:,} are used and the next reply may "
                f"take {tokens:,} (--max-tokens)"
            )
        if cost is None:
            raise BrainGone(
                "there is a cap on cost, but its price is not known: add it to prices.toml, or leave out "
                "--max-cost"
            )
        raise BrainGone(
            f"its cap of ${dollars or 0.0:.2f} is reached: ${self.cost:.4f} are spent and the next reply may "
            f"cost ${cost:.4f} (--max-cost)"
        )
