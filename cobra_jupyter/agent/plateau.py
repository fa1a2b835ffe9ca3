"""When progress stalls, and which rung of the ladder comes next. The record and the clock alone decide.

A family stalls after IDEAS new ideas of its own without a gain, or when STILL of the budget has passed since
its last gain and something new was tried. The run is on a plateau when the leading family and the latest one
both stall, or when the best score has not changed for STILL of the budget and IDEAS new ideas. The rungs are
then: an audit of the split, a scout with a fresh context, a fusion of the two best candidates. After each,
the families start anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from cobra_jupyter.records import kinds
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.kind import Kind

IDEAS = 4
STILL = 0.15  # of the budget
SCOUTS_AT = (0.15, 0.45)  # of the budget: from then on a scout starts after the first idea without a gain
JUDGE_AT, FINALISTS = 0.85, 3  # of the budget; full-size trials
LEAST, LEAST_READING = 30.0, 180.0  # seconds that an agent needs: with rules, with a model
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
    """A run so far. In seconds: its budget, the time used, the time free for new work, the least that an
    agent needs."""

    records: Sequence[TimedRecord[Any]]
    budget: float
    used: float
    free: float
    least: float = LEAST

    def of(self, kind: Kind[T]) -> list[TimedRecord[T]]:
        return [record for record in self.records if record.kind == kind]


@dataclass(frozen=True)
class Rung:
    """A step of the ladder that is due, because of a `plateau` or the clock. `seconds` is 0 if the lead takes
    it itself."""

    name: Name
    why: str
    seconds: float
    plateau: bool = True


@dataclass(frozen=True)
class Family:
    """`since`: the number of new ideas since its last gain, which came at `gained` seconds."""

    name: str
    since: int
    gained: float


def due(progress: RunProgress) -> Rung | None:
    """The rung to take now, or None."""
    if not progress.of(results.PROTOCOL) or not progress.of(results.SUBMISSION):
        return None  # a valid submission comes first
    taken = [record.data for record in progress.of(kinds.RUNG) if record.data["state"] == "begun"]
    rungs = [*_by_the_clock(progress, taken), *_on_a_plateau(progress, taken)]
    return next((rung for rung in rungs if _affordable(rung, progress)), None)


def _by_the_clock(progress: RunProgress, taken: Sequence[kinds.Rung]) -> Iterator[Rung]:
    reasons = {data["why"] for data in taken}
    passed = [share for share in SCOUTS_AT if progress.used >= share * progress.budget]
    for share in passed[-1:] if _lull(progress) else ():
        why = f"{share:.0%} of the time is used"
        if why not in reasons:
            yield _rung("scout", why, progress, plateau=False)
    if progress.used >= JUDGE_AT * progress.budget and len(full_size(progress)) >= FINALISTS:
        why = f"{JUDGE_AT:.0%} of the time is used"
        if why not in reasons:
            yield _rung("judge", why, progress, plateau=False)


def _lull(progress: RunProgress) -> bool:
    """Whether the latest new idea brought no gain: a scout does not interrupt what works."""
    since = max((m.at for m in _best_records(progress)), default=0.0)
    return _tried(progress, since) > 0


def _on_a_plateau(progress: RunProgress, taken: Sequence[kinds.Rung]) -> Iterator[Rung]:
    why = plateau(progress)
    if why is None:
        return
    number = _protocol(progress)
    names = [data["rung"] for data in taken if data["protocol"] == number and data["plateau"]]
    if "audit" not in names:
        yield _rung("audit", why, progress)
    if not names or names[-1] != "scout":
        yield _rung("scout", why, progress)
    fused = [set(data.get("lines", ())) for data in taken if data["rung"] == "fusion"]
    if len(best := lines(progress)) > 1 and {trial["id"] for trial in best} not in fused:
        yield Rung("fusion", why, 0.0)
    yield _rung("scout", why, progress)


def _rung(name: Name, why: str, progress: RunProgress, plateau: bool = True) -> Rung:
    return Rung(name, why, max(progress.least, SHARES[name] * progress.budget), plateau)


def _affordable(rung: Rung, progress: RunProgress) -> bool:
    return rung.seconds <= MOST * progress.free if rung.seconds else progress.free > STILL * progress.budget


def plateau(progress: RunProgress) -> str | None:
    """Why the run is on a plateau; None if it is not."""
    known = families(progress)
    best = lines(progress)
    leader = best[0]["name"] if best else None
    latest = next(
        (m.data["family"] for m in reversed(_now(progress, results.IDEA)) if m.data["family"] != BLEND), None
    )
    if leader not in known or latest not in known:
        return None
    reasons = {name: _stall(known[name], progress) for name in (leader, latest)}
    if all(reasons.values()):
        return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return _standstill(progress)


def _standstill(progress: RunProgress) -> str | None:
    """Why the best score counts as stalled, whatever the families did; None if it does not."""
    since = max((m.at for m in [*_ended(progress), *_best_records(progress)]), default=progress.used)
    tried = _tried(progress, since)
    if tried >= IDEAS and progress.used - since >= STILL * progress.budget and not _awaited(progress):
        share = (progress.used - since) / progress.budget
        return f"the best score has stood for {share:.0%} of the time and {tried} new ideas"
    return None


def _best_records(progress: RunProgress) -> list[TimedRecord[Any]]:
    """When the best full-size trial or blend came."""
    best = best_of(progress)
    found: list[TimedRecord[Any]] = [*_now(progress, results.TRIAL), *_now(progress, results.BLEND)]
    return [m for m in found if best and m.data["id"] == best["id"]]


def _ended(progress: RunProgress) -> list[TimedRecord[kinds.Rung]]:
    return [m for m in progress.of(kinds.RUNG) if m.data["state"] == "ended" and m.data["plateau"]]


def _tried(progress: RunProgress, since: float) -> int:
    """The number of new ideas of any family."""
    return sum(
        m.data["new"] and m.data["family"] != BLEND for m in _now(progress, results.IDEA) if m.at > since
    )


def families(progress: RunProgress) -> dict[str, Family]:
    """The families under the protocol in force. A gain of a blend counts for the latest family. The end of a
    rung resets every family."""
    known: dict[str, Family] = {}
    latest = None
    number = _protocol(progress)
    for record in progress.records:
        data = record.data
        if record.kind == "rung" and data["state"] == "ended" and data["plateau"]:
            known = {name: Family(name, 0, record.at) for name in known}
        if record.kind != "idea" or data["protocol"] != number:
            continue
        if data["family"] != BLEND:
            latest = data["family"]
            family = known.get(latest, Family(latest, -1, record.at))  # the first idea is where it begins
            known[latest] = replace(family, since=family.since + data["new"])
        if data["progress"] and latest is not None:
            known[latest] = Family(latest, 0, record.at)
    return known


def _stall(family: Family, progress: RunProgress) -> str | None:
    if family.since >= IDEAS:
        return f"{family.since} new ideas without a gain"
    still = progress.used - family.gained
    if _tried(progress, family.gained) and still >= STILL * progress.budget and not _awaited(progress):
        return f"no gain for {still / progress.budget:.0%} of the time"
    return None


def _awaited(progress: RunProgress) -> bool:
    """Whether a trial runs in the background: its result is not known yet."""
    states = {m.data["id"]: m.data for m in progress.of(results.JOB)}
    return any(job["state"] == "running" and job["asked"]["call"] == "trial" for job in states.values())


def best_of(progress: RunProgress) -> Scored | None:
    """The best full-size trial (or blend) under the protocol in force."""
    found: list[Scored] = [*full_size(progress), *(m.data for m in _now(progress, results.BLEND))]
    return max(found, key=lambda data: _sign(progress) * results.score_of(data), default=None)


def lines(progress: RunProgress) -> list[results.Trial]:
    """The best full-size trial of each of the two best families."""
    best: dict[str, results.Trial] = {}
    for trial in sorted(full_size(progress), key=lambda trial: -_sign(progress) * results.score_of(trial)):
        best.setdefault(trial["name"], trial)
    return list(best.values())[:2]


def full_size(progress: RunProgress) -> list[results.Trial]:
    """Full-size trials with a score under the protocol in force."""
    trials = [m.data for m in _now(progress, results.TRIAL)]
    return [trial for trial in trials if trial["full"] and trial["score"] is not None]


def _sign(progress: RunProgress) -> int:
    """1 if a higher score is better, else -1."""
    protocols = progress.of(results.PROTOCOL)
    return 1 if protocols and protocols[-1].data["direction"] == "maximize" else -1


def _now(progress: RunProgress, kind: Kind[T]) -> list[TimedRecord[T]]:
    """Records of the protocol in force."""
    number = _protocol(progress)
    return [record for record in progress.of(kind) if record.data["protocol"] == number]


def _protocol(progress: RunProgress) -> int:
    protocols = progress.of(results.PROTOCOL)
    return int(protocols[-1].data["number"]) if protocols else 0
