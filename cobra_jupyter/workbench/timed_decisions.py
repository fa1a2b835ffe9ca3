"""Records decisions that depend on time, so that a replay makes the same decisions.

The results of a run depend on its replies, its data and on time: the time left, the time a fit took, which of
two trials finished first. Each such decision is a record of kind `clock`, `{"what", "value"}`, or part of a
trial's record. A replay does the work again but reads these values from the record of the original run: fits
get the same seconds and memory, trials get the same numbers, and a fit that ran out of time does so again.

`what` begins with the call that decided (`agent turn call n`: the n-th such call of that turn's cell). So it
does not depend on other work. If a cell was interrupted and ran again, the later line counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.rebuild import Line, Rebuilt, read, replay, takes
from cobra_jupyter.workbench.turns import CLOCK, Clock

Data = dict[str, Any]
PATIENCE = 20.0  # work in a replay may take this many times as long: the machine may be slower
MEASURED = (
    "seconds",
    "seconds_given",
    "fit_seconds",
    "predict_seconds",
    "rss_mb",
    "base_mb",
    "fit_mb",
    "predict_mb",
)
LOST = ("timeout", "out_of_memory")  # failures that depend on the machine


@dataclass(frozen=True)
class KnownFit:
    """A fit of the original run: its record, its failure and the folder of the run."""

    record: results.FoldFit
    failure: results.Failure | None
    run: Path

    @property
    def lost(self) -> bool:
        """Whether the fit ran out of time or memory."""
        return self.record["status"] != "ok" and self.failure is not None and self.failure["kind"] in LOST

    def measures(self) -> Data:
        return {name: value for name, value in self.record.items() if name in MEASURED}


class Recorded(Rebuilt):
    """The decisions in the record of a run."""

    def __init__(self, ledger: Path) -> None:
        """Read the record. Raises OSError."""
        self.values: dict[str, Any] = {}
        self.machine: Data = {}
        self.trials = 0  # the highest number
        self._fits: dict[str, dict[str, KnownFit]] = defaultdict(dict)  # by digest, then by folder
        self._ids: dict[str, list[str]] = defaultdict(list)
        self._run = ledger.parent
        replay(read(ledger), self)

    @takes(CLOCK)
    def take_clock(self, data: Clock, line: Line) -> None:
        self.values[data["what"]] = data["value"]
        if data["what"].endswith(" machine"):
            self.machine = data["value"]

    @takes(results.TRIAL)
    def take_trial(self, data: results.Trial, line: Line) -> None:
        self.trials = max(self.trials, int(data["id"][1:]))
        self._ids["|".join(fit["digest"] for fit in data["fits"])].append(data["id"])
        for fit in data["fits"]:
            self._fits[fit["digest"]][fit["raw"]] = KnownFit(fit, data["failure"], self._run)

    def fit(self, digest: str, nth: int) -> KnownFit | None:
        known = list(self._fits.get(digest, {}).values())
        return known[min(nth, len(known) - 1)] if known else None

    def trial(self, key: str, nth: int) -> str | None:
        known = self._ids.get(key, [])
        return known[nth] if nth < len(known) else None


class TimedDecisions:
    """Makes decisions and records them. With the `ledger` of another run it repeats that run's decisions."""

    def __init__(self, emit: Callable[[str, Mapping[str, Any]], None], ledger: Path | None = None) -> None:
        self._emit = emit
        self.recorded = Recorded(ledger) if ledger else None
        self._fitted: Counter[str] = Counter()
        self._judged: Counter[str] = Counter()

    @property
    def patience(self) -> float:
        return PATIENCE if self.recorded else 1.0

    def of(self, call: Any) -> Deciding:
        """Return the decisions of one call."""
        if getattr(call, "deciding", None) is None:
            call.deciding = Deciding(self, getattr(call, "key", None))
        deciding: Deciding = call.deciding
        return deciding

    def fit(self, digest: str) -> KnownFit | None:
        """Return the result that the next fit had in the replayed run, or None."""
        return self.recorded.fit(digest, self._fitted[digest]) if self.recorded else None

    def fitted(self, digest: str) -> None:
        """Note that the fit has ended."""
        self._fitted[digest] += 1

    def trial(self, key: str) -> str | None:
        """Return the number that this trial had, or None."""
        if self.recorded is None:
            return None
        self._judged[key] += 1
        return self.recorded.trial(key, self._judged[key] - 1)

    def record(self, what: str, value: Any) -> None:
        self._emit(CLOCK, {"what": what, "value": value})


class Deciding:
    """The decisions of one call. Without a key (no cell made the call) nothing is recorded or known."""

    def __init__(self, decisions: TimedDecisions, key: str | None) -> None:
        self._decisions, self._key = decisions, key
        self._seen: Counter[str] = Counter()

    def take(self, what: str, compute: Callable[[], Any]) -> Any:
        """Return the recorded decision, or else the result of `compute` (JSON)."""
        known = self.known(what)
        value = compute() if known is None else known
        self.note(what, value)
        return value

    def known(self, what: str) -> Any:
        """Return the recorded decision, or None."""
        recorded = self._decisions.recorded
        return recorded.values.get(self._name(what)) if recorded and self._key else None

    def note(self, what: str, value: Any) -> None:
        """Record a decision."""
        if self._key:
            self._decisions.record(self._name(what), value)
        self._seen[what] += 1

    def _name(self, what: str) -> str:
        """Name a decision. From the second of its kind in a call on, the name has a number."""
        nth = self._seen[what] + 1
        return f"{self._key} {what}" if nth == 1 else f"{self._key} {what} {nth}"
