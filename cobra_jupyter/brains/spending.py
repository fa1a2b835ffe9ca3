"""What brains may spend and have spent: hard caps, kept by all brains of a run together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cobra_jupyter.brains import BrainGone


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
    def hold(self, tokens: int, cost: float | None) -> Iterator[None]:
        """Set aside the most that a request may take (`cost` None: no price is known). Raises BrainGone."""
        self._refuse(tokens, cost)
        dollars = cost or 0.0
        self._held_tokens += tokens
        self._held_cost += dollars
        try:
            yield
        finally:
            self._held_tokens -= tokens
            self._held_cost -= dollars

    def charge(self, tokens: int, cost: float | None) -> None:
        """What a request has taken."""
        self.tokens += tokens
        self.cost += cost or 0.0

    def _refuse(self, tokens: int, cost: float | None) -> None:
        most, dollars = self.caps.tokens, self.caps.cost
        if most is not None and self.tokens + self._held_tokens + tokens > most:
            raise BrainGone(
                f"its cap of {most:,} tokens is reached: {self.tokens:,} are used and the next reply may take "
                f"{tokens:,} (--max-tokens)"
            )
        if dollars is None:
            return
        if cost is None:
            raise BrainGone(
                "money is capped, and its price is not known: add it to prices.toml, or leave --max-cost out"
            )
        if self.cost + self._held_cost + cost > dollars:
            raise BrainGone(
                f"its cap of ${dollars:.2f} is reached: ${self.cost:.4f} are spent and the next reply may cost "
                f"${cost:.4f} (--max-cost)"
            )
