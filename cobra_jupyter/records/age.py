"""A run's age."""

from __future__ import annotations

from dataclasses import dataclass

from cobra_jupyter.records.kinds import RUN, STATE, Run, State
from cobra_jupyter.records.states import HELD, LIVE
from cobra_jupyter.workbench.rebuild import Line, Rebuilt, takes


@dataclass
class RunAge(Rebuilt):
    """A run's age in seconds. The time for which a person had the run, and the time between an end and a
    resumption, do not count."""

    used: float = 0.0
    since: float | None = None  # epoch seconds at which `used` was right; None while the clock is stopped

    def at(self, when: float) -> float:
        return self.used if self.since is None else self.used + max(0.0, when - self.since)

    @takes(RUN)
    def take_run(self, data: Run, line: Line) -> None:
        self.since = float(data["started"])

    @takes(STATE)
    def take_state(self, data: State, line: Line) -> None:
        self.used = float(data["used"]) if "used" in data else self.at(line.time)
        still = data["state"] in HELD or data["state"] not in (*LIVE, "resumed")
        self.since = None if still else line.time
