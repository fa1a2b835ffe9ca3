"""The resources of a run: time (with a reserve), cores and memory. A replay uses the original's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cobra_jupyter.workbench.errors import TooExpensive
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.timed_decisions import TimedDecisions

UNLIMITED = 7 * 86_400.0
PROOF_OVERHEAD = 12.0  # seconds: a fresh kernel, imports, reading the tables, on a busy machine
MOST_RESERVED = 0.3  # of the budget
WORTH = 0.2  # of the budget: if even the quickest proof takes more, models are worth more
SECOND_PROOF = 10.0  # seconds: with the saved models, on a busy machine, if training anew takes too long
LEAST_ROWS = 5_000  # training rows per thread: with fewer, threads wait for each other


def threads(cores: int, fits: int, rows: int, source: str) -> int:
    """Threads of one fit, so that all cores work: the cores that the trial's `fits` leave to each.

    A fit can use more than one only if its code reads `n_jobs`, and has rows enough."""
    if "n_jobs" not in source:
        return 1
    return max(1, min(cores // max(1, min(cores, fits)), rows // LEAST_ROWS))


class Resources:
    """`started`: epoch seconds; `budget`: seconds (None: no limit); `machine` has `slots` and `memory_mb`."""

    def __init__(
        self, started: float, budget: float | None, machine: Mapping[str, Any], decisions: TimedDecisions
    ) -> None:
        self._started, self._decisions = started, decisions
        self.budget = budget
        self._held: float | None = None
        known = {**machine, **(decisions.recorded.machine if decisions.recorded else {})}
        self.slots, self.memory_mb = int(known["slots"]), float(known["memory_mb"])
        self.to_prove = 0.0  # worker seconds that the members of the latest submission cost
        self.overhead = 0.0  # seconds to read the tables, make features and predict: the quickest proof

    @property
    def machine(self) -> dict[str, Any]:
        """The machine that predictions of cost assume."""
        return {"slots": self.slots, "memory_mb": self.memory_mb}

    @property
    def seconds(self) -> float:
        return self.budget or UNLIMITED

    @property
    def seconds_left(self) -> float:
        if self.budget is None:
            return UNLIMITED
        return self._started + self.budget - (self._held or time.time())

    def hold(self, started: float | None = None) -> None:
        """Stop the clock. With `started`, start it again as if the run had begun then."""
        self._held = time.time() if started is None else None
        self._started = self._started if started is None else started

    @property
    def reserve(self) -> float:
        """Seconds reserved to predict, decode, refit and prove the latest submission.

        1.3 × the measured time, plus 1 % of the budget (at most 10 s) for a second proof; at least 3 %, at
        most 30 %. Only the least is reserved before a trial is submitted, when there is nothing to prove, or
        if even a proof with saved models takes too much of the budget."""
        return self.reserve_for(self.to_prove, self.overhead)

    def reserve_for(self, to_prove: float, overhead: float) -> float:
        """The reserve of a submission that costs so many worker seconds, with such an overhead."""
        budget = self.budget or 0.0
        second = min(SECOND_PROOF, 0.01 * budget)
        needed = 1.3 * (to_prove / self.slots + PROOF_OVERHEAD + overhead) + second
        if not budget:
            return needed
        least = 0.03 * budget
        if not to_prove or 1.3 * overhead > WORTH * budget:
            return least
        return max(least, min(needed, MOST_RESERVED * budget))

    def left(self, call: Call) -> float:
        """Seconds left for new work, before the reserve."""
        left = self._decisions.of(call).take("left", lambda: round(self.seconds_left - self.reserve, 3))
        return float(left)

    def limit(self, call: Call, timeout: float | None = None) -> float:
        """Seconds that one piece of work may take. Raises TooExpensive if nothing more can start."""
        left = self.left(call)
        if left <= 1:
            raise TooExpensive(
                f"{left + self.reserve:.0f} s are left and {self.reserve:.0f} s are kept for the submission "
                "and its proof: nothing more can start"
            )
        return round(min(timeout or left, left), 1)

    def proof_limit(self, call: Call) -> float:
        """Worker seconds that the members of a blend may cost, so that refitting them fits the budget."""
        seconds = self._decisions.of(call).take("seconds left", lambda: round(self.seconds_left, 3))
        left = float(seconds) - 0.03 * self.seconds - PROOF_OVERHEAD
        return max(0.0, 0.6 * left / 1.3) * self.slots
