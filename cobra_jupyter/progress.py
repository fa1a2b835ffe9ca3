"""Progress on standard error: one living line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.ledger import Record


class Progress:
    """Told every record; shows phase, best CV ± SE, trials and time left. `greeting` is said when the run is found to
    be possible: where it is refused, that is all there is to say."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.greeting = ""
        self._console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self._live = (
            Live(console=self._console, refresh_per_second=4, transient=True)
            if self._console.is_terminal
            else None
        )
        self._phase, self._best, self._trials, self._direction = "starting", "", 0, "maximize"
        self._score: float | None = None
        self._last = 0.0

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def record(self, record: Record, budget: Budget) -> None:
        data = record.data
        if record.kind == "reply":
            title = str(data["text"]).strip().partition("\n")[0].lstrip("# ") or self._phase
            self._phase = title if data["agent"] == "lead" else f"{data['agent']}: {title}"
            self._say(budget, force=True)
        elif record.kind == "state" and data["state"] == "running" and self.greeting:
            self._console.print(Text(self.greeting))
        elif record.kind == "protocol":
            self._direction = data["direction"]
        elif record.kind == "trial":
            self._trials += 1
            self._take(data) if data["full"] else None
            self._say(budget)
        elif record.kind == "blend":
            self._take(data)
            self._say(budget, force=True)
        elif record.kind == "proof":
            self._phase = f"proof: {data['outcome']}"
            self._say(budget, force=True)
        elif record.kind == "execution" and data["status"] not in ("ok",):
            self._console.print(
                Text(
                    f"  cell of turn {data['turn']}: {data['status']} {data['ename']}: {data['evalue'][:200]}"
                )
            )

    def _take(self, data: dict[str, Any]) -> None:
        score = data["score"]
        if score is None:
            return
        better = self._score is None or (score > self._score) == (self._direction == "maximize")
        if better:
            self._score, self._best = score, f"best CV {score:.5f} ± {data['se']:.5f} · "

    def _say(self, budget: Budget, force: bool = False) -> None:
        line = f"{self._phase} · {self._best}{self._trials} trials · {budget.said} left"
        if self._live:
            self._live.update(Text(line))
        elif force or time.monotonic() - self._last > 10:
            self._console.print(Text(line))
        self._last = time.monotonic() if force or not self._live else self._last
