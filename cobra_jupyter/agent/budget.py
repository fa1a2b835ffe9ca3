"""A run's time: its budget, the time left, the reserve for the submission and its proof."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class BudgetError(ValueError):
    """The budget cannot be read or is too small."""


def parse(text: str) -> float:
    """Seconds of a duration like 90s, 10m, 1h30m, 24h or a bare number of seconds."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    elif re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text):
        seconds = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)([smhd])", text))
    else:
        raise BudgetError(f"--budget {text}: write a duration like 90s, 10m, 1h30m or 24h")
    if seconds < 30:
        raise BudgetError(f"--budget {text}: too small for anything; 30s is the least, 3m a sensible start")
    return seconds


def spoken(seconds: float) -> str:
    """`4 min 10 s`."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass
class Budget:
    """The clock of a run. `started` is the process's start (epoch seconds), moved on by pauses."""

    seconds: float
    started: float
    reserve: float = 0.0
    patience: float = 0.0  # seconds beyond the budget: a replay decides by the recorded clock
    held: float | None = None  # epoch seconds at which the clock was stopped; None while it runs

    @property
    def used(self) -> float:
        return (self.held or time.time()) - self.started

    def hold(self) -> None:
        """Stop the clock."""
        self.held = self.held or time.time()

    def proceed(self) -> None:
        """Let the clock run again."""
        if self.held is not None:
            self.started += time.time() - self.held
            self.held = None

    @property
    def left(self) -> float:
        return self.seconds + self.patience - self.used

    @property
    def said(self) -> str:
        """The time left of the budget, in words."""
        return spoken(self.left - self.patience)

    @property
    def free(self) -> float:
        """Seconds for new work: the time left before the reserve."""
        return self.left - self.reserve
