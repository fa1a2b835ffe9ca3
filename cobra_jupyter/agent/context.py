"""What a brain is told each turn, rebuilt from the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

WORKBENCH_KINDS = frozenset({
    "card", "protocol", "candidate", "shared", "metric", "trial", "ablation", "probe", "blend", "selection",
    "submission", "audit", "job",
})  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """One reply and what came of its cell. `status` is ok, error, interrupted, timeout, died or none (no cell)."""

    number: int
    markdown: str
    code: str
    status: str
    error: str = ""


@dataclass(frozen=True)
class Clock:
    """Seconds: the whole budget (None without limit), what is left, and what is kept for submission and proof."""

    budget: float | None
    left: float
    reserve: float

    @property
    def free(self) -> float:
        return max(0.0, self.left - self.reserve)


@dataclass(frozen=True)
class Context:
    """The record as a brain needs it."""

    clock: Clock
    resources: dict[str, Any]
    turns: tuple[Turn, ...] = ()
    records: tuple[tuple[str, dict[str, Any]], ...] = field(default=(), repr=False)

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [data for found, data in self.records if found == kind]

    def last(self, kind: str) -> dict[str, Any] | None:
        return next((data for found, data in reversed(self.records) if found == kind), None)

    def trials(self, name: str | None = None, full: bool = False) -> Iterator[dict[str, Any]]:
        """Trials with a score under the latest protocol."""
        protocol = self.last("protocol")
        for trial in self.all("trial"):
            same = protocol is None or trial["protocol"] == protocol["number"]
            if (
                same
                and trial["score"] is not None
                and name in (None, trial["name"])
                and (trial["full"] or not full)
            ):
                yield trial

    def running_jobs(self) -> list[dict[str, Any]]:
        states = {job["id"]: job for job in self.all("job")}
        return [job for job in states.values() if job["state"] == "running"]
