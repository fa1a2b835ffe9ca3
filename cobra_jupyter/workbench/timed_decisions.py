"""Decisions that hang on the clock, kept on record, so that a replay decides as was decided.

What a run comes to depends on its replies, its data, and on time: what was left of it, what a fit took, which of
two trials was done first. Of the latter each is a line of kind `clock`, `{"what", "value"}`, or stands with the
trials already. A replay does the work again, but reads its clock in the record of the run that it replays: fits
have the seconds and the memory that they had, trials their numbers, and a fit that ran out of time does so again.

`what` begins with the call that decided (`agent turn call n`: the n-th such call of that turn's cell), so that it does not
depend on what else went on. Where a cell was cut off and ran again, the later line counts."""

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
PATIENCE = 20.0  # times as long may work take in a replay: the machine may be a slower one
MEASURED = ("seconds", "seconds_given", "fit_seconds", "predict_seconds", "rss_mb")
LOST = ("timeout", "out_of_memory")  # failures that hang on the machine


@dataclass(frozen=True)
class KnownFit:
    """A fit as it was: its record, what failed, and the folder of the run it belongs to."""

    record: results.FoldFit
    failure: results.Failure | None
    run: Path

    @property
    def lost(self) -> bool:
        """Whether it came to less than its candidate would have come to with more time or memory."""
        return self.record["status"] != "ok" and self.failure is not None and self.failure["kind"] in LOST

    def measures(self) -> Data:
        return {name: value for name, value in self.record.items() if name in MEASURED}


class Recorded(Rebuilt):
    """The record of a run, as far as decisions hang on it."""

    def __init__(self, ledger: Path) -> None:
        """Raises OSError."""
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
    """Takes decisions and records them; with the `ledger` of another run, takes them as they were taken there."""

    def __init__(self, emit: Callable[[str, Mapping[str, Any]], None], ledger: Path | None = None) -> None:
        self._emit = emit
        self.recorded = Recorded(ledger) if ledger else None
        self._fitted: Counter[str] = Counter()
        self._judged: Counter[str] = Counter()

    @property
    def patience(self) -> float:
        return PATIENCE if self.recorded else 1.0

    def of(self, call: Any) -> Deciding:
        """Those of one call of a cell."""
        if getattr(call, "deciding", None) is None:
            call.deciding = Deciding(self, getattr(call, "key", None))
        deciding: Deciding = call.deciding
        return deciding

    def fit(self, digest: str) -> KnownFit | None:
        """What came of the fit that is about to run, in the run that is replayed."""
        return self.recorded.fit(digest, self._fitted[digest]) if self.recorded else None

    def fitted(self, digest: str) -> None:
        """That fit has come to its end."""
        self._fitted[digest] += 1

    def trial(self, key: str) -> str | None:
        """The number that this trial had."""
        if self.recorded is None:
            return None
        self._judged[key] += 1
        return self.recorded.trial(key, self._judged[key] - 1)

    def record(self, what: str, value: Any) -> None:
        self._emit(CLOCK, {"what": what, "value": value})


class Deciding:
    """The decisions of one call. Without a key (nobody's cell asked) nothing is recorded and nothing is known."""

    def __init__(self, decisions: TimedDecisions, key: str | None) -> None:
        self._decisions, self._key = decisions, key
        self._seen: Counter[str] = Counter()

    def take(self, what: str, compute: Callable[[], Any]) -> Any:
        """As it was decided, or what `compute` says now (JSON)."""
        known = self.known(what)
        value = compute() if known is None else known
        self.note(what, value)
        return value

    def known(self, what: str) -> Any:
        """What was decided; None where nothing is known of it."""
        recorded = self._decisions.recorded
        return recorded.values.get(self._name(what)) if recorded and self._key else None

    def note(self, what: str, value: Any) -> None:
        """Record a decision."""
        if self._key:
            self._decisions.record(self._name(what), value)
        self._seen[what] += 1

    def _name(self, what: str) -> str:
        """The second of its kind within a call is told apart from the first."""
        nth = self._seen[what] + 1
        return f"{self._key} {what}" if nth == 1 else f"{self._key} {what} {nth}"
