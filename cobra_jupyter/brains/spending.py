"""What brains may spend and have spent: hard caps, kept by all brains of a run together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from cobra_jupyter.brains.base import BrainGone
from cobra_jupyter.brains.prices import Price

LEAST = 2_000  # tokens: a reply that may be no longer is not asked for
SOON = 20.0  # seconds after which a brain is asked again that was refused for what others hold


@dataclass(frozen=True)
class Caps:
    """Most tokens (input, output and thinking) and most US dollars of a run; None where there is no cap."""

    tokens: int | None = None
    cost: float | None = None


@dataclass
class Account:
    """`tokens` and `cost` (US dollars) so far, those of earlier lives of the run included. What a request may take
    at most is held while it runs, so that brains that ask at the same time cannot pass a cap together."""

    caps: Caps = field(default_factory=Caps)
    tokens: int = 0
    cost: float = 0.0
    _held_tokens: int = 0
    _held_cost: float = 0.0

    @contextmanager
    def hold(self, input_: int, output: int, price: Price | None) -> Iterator[int]:
        """Set aside the most that a request with so many tokens may take (`price` None: not known). → tokens that it
        may write: `output`, or what the caps leave of it. Raises BrainGone; asking again helps where only what others
        hold stands against it."""
        least = min(LEAST, output)
        room = min(output, self._room(input_, price, self._held_tokens, self._held_cost))
        if room < least:
            if self._room(input_, price) < least:
                self._refuse(input_ + least, price.of(input_, 0, least) if price else None)
            raise BrainGone("what its caps leave may be taken by replies that others wait for", back=SOON)
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
        """What a request has taken."""
        self.tokens += tokens
        self.cost += cost or 0.0

    def _room(self, input_: int, price: Price | None, held_tokens: int = 0, held_cost: float = 0.0) -> float:
        """Tokens that the caps let a request write; negative where not even its input fits."""
        rooms = [math.inf]
        if self.caps.tokens is not None:
            rooms.append(self.caps.tokens - self.tokens - held_tokens - input_)
        if self.caps.cost is not None:
            rooms.append(price.room(self.caps.cost - self.cost - held_cost, input_) if price else -1.0)
        return min(rooms)

    def _refuse(self, tokens: int, cost: float | None) -> NoReturn:
        """Say which cap is reached."""
        most, dollars = self.caps.tokens, self.caps.cost
        if most is not None and self.tokens + tokens > most:
            raise BrainGone(
                f"its cap of {most:,} tokens is reached: {self.tokens:,} are used and the next reply may take "
                f"{tokens:,} (--max-tokens)"
            )
        if cost is None:
            raise BrainGone(
                "money is capped, and its price is not known: add it to prices.toml, or leave --max-cost out"
            )
        raise BrainGone(
            f"its cap of ${dollars or 0.0:.2f} is reached: ${self.cost:.4f} are spent and the next reply may cost "
            f"${cost:.4f} (--max-cost)"
        )
