"""Progress on standard error: one updated line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.records import describe
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.run.status import RunStatus
from cobra_jupyter.workbench.display.pages.describe import best as best_score
from cobra_jupyter.workbench.rebuild import Line

_PROGRESS_KINDS = ("reply", "trial", "blend", "proof")


class Progress:
    """Receives every record; shows phase, best CV ± SE, trials and time left. `greeting` is shown when the
    run starts, so that a refused run prints only its error."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.greeting = ""
        self._console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self._live = (
            Live(console=self._console, refresh_per_second=4, transient=True)
            if self._console.is_terminal
            else None
        )
        self._status = RunStatus()
        self._last = 0.0

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def take_up(self, records: Iterable[Line]) -> None:
        """Count the records of a run that is resumed."""
        for record in records:
            self._status.count(record)

    def record(self, record: Record, budget: Budget) -> None:
        data = record.data
        self._status.count(record)
        if record.kind == "state" and data["state"] == "running" and self.greeting:
            self._console.print(Text(self.greeting))
            self.greeting = ""
        elif record.kind in _PROGRESS_KINDS:
            self._say(budget, force=record.kind != "trial")
        elif _is_told(record):
            self._console.print(Text(f"  {describe.line(record)}"))
        elif record.kind == "execution" and data["status"] not in ("ok",):
            self._console.print(Text(f"  cell of turn {data['turn']}: {describe.line(record)}"))

    def _say(self, budget: Budget, force: bool = False) -> None:
        status = self._status
        best = f"{best_score(status.best['score'], status.best['se'])} · " if status.best else ""
        by = f" ({status.authors.latest})" if status.authors.mixed else ""
        line = f"{status.phase}{by} · {best}{status.trials} trials · {budget.said} left"
        if self._live:
            self._live.update(Text(line))
        elif force or time.monotonic() - self._last > 10:
            self._console.print(Text(line))
        self._last = time.monotonic() if force or not self._live else self._last


def _is_told(record: Record) -> bool:
    """Whether the record is told whole: a person has the run, or a brain was set aside."""
    if record.kind == "state":
        return record.data["state"] in ("pausing", "paused", "human", "waiting")
    return record.kind == "decision" and "set_aside" in record.data
