"""Who writes an agent's next reply, and how long a reply may take."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field

from cobra_jupyter.agent.budget import spoken
from cobra_jupyter.brains.base import Brain, BrainGone

LEAST_REPLY, REPLY_SHARE, LONGEST_REPLY = 30.0, 1 / 3, 1_800.0  # seconds, of the time left, seconds
LATE = 2  # replies in a row that are not complete in time; then a brain is not asked again
GRACE = 2.0  # seconds for a brain to end its reply by itself and to say why


def longest_reply(left: float) -> float:
    """Seconds that one reply may take if `left` seconds are left for new work."""
    return max(0.0, min(left, max(LEAST_REPLY, min(REPLY_SHARE * left, LONGEST_REPLY))))


@dataclass(frozen=True)
class Awaited:
    """A brain that goes before the one that writes now, and the seconds until it is asked again."""

    name: str
    seconds: float

    @property
    def said(self) -> str:
        return f"{self.name} is asked again in {spoken(self.seconds)}"


@dataclass
class Writers:
    """An agent's brains: the leading one, then those that take over, in order. The second one also repairs
    cells. `latest` wrote the latest reply."""

    brains: tuple[Brain, ...]
    latest: Brain | None = None
    _back: dict[Brain, float] = field(default_factory=dict)  # set aside → asked again at (monotonic seconds)
    _late: Counter[Brain] = field(default_factory=Counter)

    @property
    def last(self) -> Brain:
        """The brain that nobody replaces."""
        return self.brains[-1]

    def available(self, role: str) -> list[Brain]:
        """The brains to ask, first to last."""
        lead, *others = self.brains
        order = [others[0], lead, *others[1:]] if role == "debugger" else [lead, *others]
        return [brain for brain in order if self._back.get(brain, 0.0) <= time.monotonic()]

    def can_debug(self) -> bool:
        return len(self.brains) > 2 and self.brains[1] in self.available("")

    def set_aside(self, brain: Brain, gone: BrainGone) -> None:
        """Stop asking a brain, for a while or for good."""
        self._back[brain] = math.inf if gone.back is None else time.monotonic() + gone.back

    def is_back(self, brain: Brain) -> bool:
        """Whether a brain was set aside and may be asked again."""
        return self._back.get(brain, math.inf) <= time.monotonic()

    def wrote(self, brain: Brain) -> None:
        """Note that a reply of a brain is in the notebook."""
        self.latest = brain
        self._back.pop(brain, None)
        self._late.pop(brain, None)

    def late(self, brain: Brain, seconds: float, left: float, words: str = "") -> BrainGone:
        """Why a brain is set aside whose reply was not complete after `seconds` of the `left` ones. It is
        asked again after as long, once, if there is time for a reply then."""
        self._late[brain] += 1
        why = words or f"its reply was not complete after {spoken(seconds)}"
        if self._late[brain] >= LATE:
            return BrainGone(f"{why}; that was too late {self._late[brain]} times in a row")
        if left - 2 * seconds < LEAST_REPLY:
            return BrainGone(f"{why}; the time left is too short to ask it again")
        return BrainGone(why, back=seconds)

    def awaited(self, left: float, anyone: bool = False) -> Awaited | None:
        """The first brain to return within `left` seconds of those that go before the latest writer, or of
        all."""
        place = self.brains.index(self.latest) if self.latest else 0
        now = time.monotonic()
        found = [
            Awaited(brain.name, max(0.0, self._back[brain] - now))
            for brain in (self.brains if anyone else self.brains[:place])
            if brain in self._back
        ]
        first = min(found, key=lambda awaited: awaited.seconds, default=None)
        return first if first is not None and first.seconds < left else None
