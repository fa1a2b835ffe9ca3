"""When progress stalls, and which rung of the ladder comes next: decided from the record and the clock alone.

A family stalls after IDEAS new ideas of its own without a gain, or when STILL of the budget has passed since its last
gain and something new was tried. The run is on a plateau when the leading family and the one worked on last both stall,
or when its best score has stood for STILL of the budget and IDEAS new ideas. Then, rung by rung: an audit of the split, a
scout with a fresh context, a fusion of the two best lines; after each there is a new chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from cobra_jupyter.records import kinds
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.kind import Kind

IDEAS = 4
STILL = 0.15  # of the budget
SCOUTS_AT = (0.15, 0.45)  # of the budget: scouts start regardless
JUDGE_AT, FINALISTS = 0.85, 3
LEAST, LEAST_READING = 30.0, 180.0  # seconds that an agent needs: one of rules, a model
MOST = 0.2  # of the free time
SHARES = {"audit": 0.04, "scout": 0.08, "judge": 0.02}  # of the budget
BLEND = "blend"

Name = Literal["audit", "scout", "fusion", "judge"]
T = TypeVar("T", bound=Mapping[str, Any])
Scored = results.Trial | results.Blend


@dataclass(frozen=True)
class TimedRecord(Generic[T]):
    """A record and when it was written, in seconds of the run's life."""

    at: float
    kind: str
    data: T


@dataclass(frozen=True)
class RunProgress:
    """A run so far. Seconds: the budget, what is used of it, what is free for new work, the least that an agent needs."""

    moments: Sequence[TimedRecord[Any]]
    budget: float
    used: float
    free: float
    least: float = LEAST

    def of(self, kind: Kind[T]) -> list[TimedRecord[T]]:
        return [moment for moment in self.moments if moment.kind == kind]


@dataclass(frozen=True)
class Rung:
    """A step of the ladder that is due, called for by a `plateau` or by the clock; `seconds` is 0 where the lead
    itself takes it."""

    name: Name
    why: str
    seconds: float
    plateau: bool = True


@dataclass(frozen=True)
class Family:
    """`since` new ideas have come since its last gain, which was at `gained` seconds."""

    name: str
    since: int
    gained: float


def due(story: RunProgress) -> Rung | None:
    """The rung to take now, or None."""
    if not story.of(results.PROTOCOL) or not story.of(results.SUBMISSION):
        return None  # something valid first
    taken = [moment.data for moment in story.of(kinds.RUNG) if moment.data["state"] == "begun"]
    rungs = [*_by_the_clock(story, taken), *_on_a_plateau(story, taken)]
    return next((rung for rung in rungs if _affordable(rung, story)), None)


def _by_the_clock(story: RunProgress, taken: Sequence[kinds.Rung]) -> Iterator[Rung]:
    reasons = {data["why"] for data in taken}
    passed = [share for share in SCOUTS_AT if story.used >= share * story.budget]
    for share in passed[-1:]:
        why = f"{share:.0%} of the time is used"
        if why not in reasons:
            yield _rung("scout", why, story, plateau=False)
    if story.used >= JUDGE_AT * story.budget and len(full_size(story)) >= FINALISTS:
        why = f"{JUDGE_AT:.0%} of the time is used"
        if why not in reasons:
            yield _rung("judge", why, story, plateau=False)


def _on_a_plateau(story: RunProgress, taken: Sequence[kinds.Rung]) -> Iterator[Rung]:
    why = plateau(story)
    if why is None:
        return
    number = _protocol(story)
    names = [data["rung"] for data in taken if data["protocol"] == number and data["plateau"]]
    if "audit" not in names:
        yield _rung("audit", why, story)
    if not names or names[-1] != "scout":
        yield _rung("scout", why, story)
    fused = [set(data.get("lines", ())) for data in taken if data["rung"] == "fusion"]
    if len(best := lines(story)) > 1 and {trial["id"] for trial in best} not in fused:
        yield Rung("fusion", why, 0.0)
    yield _rung("scout", why, story)


def _rung(name: Name, why: str, story: RunProgress, plateau: bool = True) -> Rung:
    return Rung(name, why, max(story.least, SHARES[name] * story.budget), plateau)


def _affordable(rung: Rung, story: RunProgress) -> bool:
    return rung.seconds <= MOST * story.free if rung.seconds else story.free > STILL * story.budget


def plateau(story: RunProgress) -> str | None:
    """Why the run is on a plateau; None where it is not."""
    known = families(story)
    best = lines(story)
    leader = best[0]["name"] if best else None
    latest = next(
        (m.data["family"] for m in reversed(_now(story, results.IDEA)) if m.data["family"] != BLEND), None
    )
    if leader not in known or latest not in known:
        return None
    reasons = {name: _stall(known[name], story) for name in (leader, latest)}
    if all(reasons.values()):
        return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return _standstill(story)


def _standstill(story: RunProgress) -> str | None:
    """Whether the best score has stood still, whatever the families did."""
    since = max((m.at for m in [*_ended(story), *_best_moments(story)]), default=story.used)
    tried = _tried(story, since)
    if tried >= IDEAS and story.used - since >= STILL * story.budget and not _awaited(story):
        return f"the best score has stood for {(story.used - since) / story.budget:.0%} of the time and {tried} new ideas"
    return None


def _best_moments(story: RunProgress) -> list[TimedRecord[Any]]:
    """When the best full-size trial or blend came."""
    best = best_of(story)
    found: list[TimedRecord[Any]] = [*_now(story, results.TRIAL), *_now(story, results.BLEND)]
    return [m for m in found if best and m.data["id"] == best["id"]]


def _ended(story: RunProgress) -> list[TimedRecord[kinds.Rung]]:
    return [m for m in story.of(kinds.RUNG) if m.data["state"] == "ended" and m.data["plateau"]]


def _tried(story: RunProgress, since: float) -> int:
    """New ideas of any family."""
    return sum(m.data["new"] and m.data["family"] != BLEND for m in _now(story, results.IDEA) if m.at > since)


def families(story: RunProgress) -> dict[str, Family]:
    """The families of the protocol in force. A blend that gained counts for the family that was worked on last; a
    rung of the ladder that ended gives every family a new chance."""
    known: dict[str, Family] = {}
    latest = None
    number = _protocol(story)
    for moment in story.moments:
        data = moment.data
        if moment.kind == "rung" and data["state"] == "ended" and data["plateau"]:
            known = {name: Family(name, 0, moment.at) for name in known}
        if moment.kind != "idea" or data["protocol"] != number:
            continue
        if data["family"] != BLEND:
            latest = data["family"]
            family = known.get(latest, Family(latest, -1, moment.at))  # the first idea is where it begins
            known[latest] = replace(family, since=family.since + data["new"])
        if data["progress"] and latest is not None:
            known[latest] = Family(latest, 0, moment.at)
    return known


def _stall(family: Family, story: RunProgress) -> str | None:
    if family.since >= IDEAS:
        return f"{family.since} new ideas without a gain"
    still = story.used - family.gained
    if _tried(story, family.gained) and still >= STILL * story.budget and not _awaited(story):
        return f"no gain for {still / story.budget:.0%} of the time"
    return None


def _awaited(story: RunProgress) -> bool:
    """Whether a trial runs in the background: what it will show is not known yet."""
    states = {m.data["id"]: m.data for m in story.of(results.JOB)}
    return any(job["state"] == "running" and job["asked"]["call"] == "trial" for job in states.values())


def best_of(story: RunProgress) -> Scored | None:
    """The best full-size trial (or blend) under the protocol in force."""
    found: list[Scored] = [*full_size(story), *(m.data for m in _now(story, results.BLEND))]
    return max(found, key=lambda data: _sign(story) * results.score_of(data), default=None)


def lines(story: RunProgress) -> list[results.Trial]:
    """The best full-size trial of each of the two best families."""
    best: dict[str, results.Trial] = {}
    for trial in sorted(full_size(story), key=lambda trial: -_sign(story) * results.score_of(trial)):
        best.setdefault(trial["name"], trial)
    return list(best.values())[:2]


def full_size(story: RunProgress) -> list[results.Trial]:
    """Full-size trials with a score under the protocol in force."""
    trials = [m.data for m in _now(story, results.TRIAL)]
    return [trial for trial in trials if trial["full"] and trial["score"] is not None]


def _sign(story: RunProgress) -> int:
    """1 where a higher score is better."""
    protocols = story.of(results.PROTOCOL)
    return 1 if protocols and protocols[-1].data["direction"] == "maximize" else -1


def _now(story: RunProgress, kind: Kind[T]) -> list[TimedRecord[T]]:
    """Records of the protocol in force."""
    number = _protocol(story)
    return [moment for moment in story.of(kind) if moment.data["protocol"] == number]


def _protocol(story: RunProgress) -> int:
    protocols = story.of(results.PROTOCOL)
    return int(protocols[-1].data["number"]) if protocols else 0
