"""The context of a brain for each turn, rebuilt from the record."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.kind import Kind

T = TypeVar("T", bound=Mapping[str, Any])
Records = Sequence[tuple[str, dict[str, Any]]]  # kind and data, in order
WORKBENCH_KINDS = frozenset(
    {
        "card",
        "protocol",
        "candidate",
        "shared",
        "metric",
        "trial",
        "discard",
        "ablation",
        "probe",
        "blend",
        "selection",
        "submission",
        "placeholder",
        "audit",
        "job",
        "idea",
    }
)
TOLD_KINDS = WORKBENCH_KINDS | {"brief", "rung", "message", "handback"}  # the record kinds in a context


def every(records: Records, kind: Kind[T]) -> list[T]:
    """The data of every record of a kind."""
    return [cast("T", data) for found, data in records if found == kind]


@dataclass(frozen=True)
class Turn:
    """One reply and the result of its cell. `status` is ok, error, interrupted, timeout, died or none (no
    cell); `output` is the text output of the cell; `role` and `brain` wrote it. `seq` is the line of the
    record at its end, `knew` the last line that its context contained."""

    number: int
    markdown: str
    code: str
    status: str
    error: str = ""
    output: str = ""
    role: str = "lead"
    seq: int = 0
    knew: int = -1
    brain: str = ""


@dataclass(frozen=True)
class Task:
    """The task of an agent that was called in, its limits, and who called it (`by`: lead or ladder)."""

    agent: str
    role: str
    brief: str
    seconds: float
    turns: int
    by: str


@dataclass(frozen=True)
class Clock:
    """Seconds of the whole budget (None: unlimited), of the time left, and of the reserve for submission and
    proof, at the time `at` (monotonic clock)."""

    budget: float | None
    left: float
    reserve: float
    at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def free(self) -> float:
        return max(0.0, self.left - self.reserve)

    @property
    def until(self) -> float:
        """When the time for new work ends, by the monotonic clock; infinite without a budget."""
        return math.inf if self.budget is None else self.at + self.free


MOST_OUTPUT = 32_768  # tokens of a reply, thinking included
_CHARACTERS = 3.5  # per token, about


@dataclass(frozen=True)
class Prompt:
    """A system instruction and a message with a stable and a changing part. `corrections` are replies of this
    turn that could not be run, each with its error."""

    system: str
    stable: str
    changing: str
    corrections: tuple[tuple[str, str], ...] = ()
    most_output: int = MOST_OUTPUT

    @property
    def tokens(self) -> int:
        """The approximate number of tokens."""
        corrections = "".join(bad + words for bad, words in self.corrections)
        return int(len(self.system + self.stable + self.changing + corrections) / _CHARACTERS)


@dataclass(frozen=True)
class Context:
    """The record as a brain needs it.

    `description` is the competition's text. `corrections` are replies of this turn that could not be run,
    each with its error. `lines` are the line numbers of `records`. `task` is set for agents other than the
    lead. `until`: when the reply must be complete, by the monotonic clock. `returns` says which brain goes
    before the one that is asked, and when it is asked again; empty if none is. `render` makes the prompt."""

    clock: Clock
    resources: dict[str, Any]
    turns: tuple[Turn, ...] = ()
    records: Records = field(default=(), repr=False)
    role: str = "lead"
    description: str = ""
    corrections: tuple[tuple[str, str], ...] = ()
    lines: tuple[int, ...] = field(default=(), repr=False)
    agent: str = "lead"
    task: Task | None = None
    until: float = math.inf
    returns: str = ""
    render: Callable[[Context], Prompt] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def prompt(self) -> Prompt:
        """The context as text, for language models."""
        if self.render is None:
            raise RuntimeError("this context has no renderer, so it has no prompt")
        return self.render(self)

    def all(self, kind: Kind[T]) -> list[T]:
        return every(self.records, kind)

    def last(self, kind: Kind[T]) -> T | None:
        return next((cast("T", data) for found, data in reversed(self.records) if found == kind), None)

    def trials(self, name: str | None = None, full: bool = False) -> Iterator[results.Trial]:
        """Trials with a score under the latest protocol, without those whose predictions were dropped."""
        protocol = self.last(results.PROTOCOL)
        dropped = self.dropped()
        for trial in self.all(results.TRIAL):
            same = protocol is None or trial["protocol"] == protocol["number"]
            if (
                same
                and trial["score"] is not None
                and trial["id"] not in dropped
                and name in (None, trial["name"])
                and (trial["full"] or trial.get("reduced") or not full)
            ):
                yield trial

    def dropped(self) -> list[str]:
        """Trials whose predictions were dropped to make room."""
        return [id for discard in self.all(results.DISCARD) for id in discard["predictions"]]

    def since_last_turn(self, kind: Kind[T]) -> list[T]:
        """Records that the last context of this role did not contain."""
        since = next((turn.knew for turn in reversed(self.turns) if turn.role == self.role), -1)
        found = zip(self.records, self.lines, strict=False)
        return [cast("T", data) for (known, data), line in found if known == kind and line > since]

    def said_by_people(self, since: int = -1) -> list[str]:
        """Messages, and interventions in this agent's notebook, after a line of the record; oldest first."""
        found = zip(self.records, self.lines, strict=False)
        return [
            str(data["text"])
            for (kind, data), line in found
            if line > since and (kind == "message" or (kind == "handback" and data["agent"] == self.agent))
        ]

    def running_jobs(self) -> list[results.Job]:
        states = {job["id"]: job for job in self.all(results.JOB)}
        return [job for job in states.values() if job["state"] == "running"]
