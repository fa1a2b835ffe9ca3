"""A kind of brain: how it is asked for, whether it can be had here, and how a run gets its brains."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cobra_jupyter.brains.base import Brain

Team = tuple["Brain", ...]
Environment = Mapping[str, str]
Spent = tuple[int, float]  # tokens and dollars


class BrainRefused(ValueError):  # noqa: N818
    """There is no such brain here; the message names the cure."""


@dataclass(frozen=True)
class BrainRequest:
    """What was asked for. `model`: a Gemini model, or the folder of a local one; `source`: a recorded run or
    recording; caps in tokens and US dollars."""

    brain: str = "auto"
    model: str | None = None
    fast_model: str | None = None
    thinking: str = "high"
    keep_thoughts: bool = False
    max_tokens: int | None = None
    max_cost: float | None = None
    source: str | None = None
    record: str | None = None

    def settings(self) -> dict[str, Any]:
        """For the record: what differs from the defaults."""
        return {
            name: value
            for name, value in vars(self).items()
            if value != getattr(BrainRequest(), name) and name != "brain"
        }


@dataclass(frozen=True)
class Brains:
    """`kind` is the --brain they are; `team` makes new brains for an agent of a role (lead, scout, auditor,
    judge): who leads it and who follows, in order, the debugger second where there is one. Agents may work at
    the same time: a brain writes one reply at a time, so each agent has a team of its own; caps hold for all
    together. `why` these; `check` asks the provider, before any work, whether they will be let in."""

    kind: str
    team: Callable[[str], Team]
    why: str
    check: Callable[[], Awaitable[None]] | None = None

    @cached_property
    def _lead(self) -> Team:
        return self.team("lead")

    @property
    def lead(self) -> Brain:
        return self._lead[0]

    @property
    def others(self) -> Team:
        return self._lead[1:]


@dataclass(frozen=True)
class Availability:
    """Whether a brain can be had, and why or why not; `brief` says why not in a few words. `mistake`:
    something that was set is wrong, so that no other brain should quietly take its place."""

    ready: bool
    why: str
    brief: str = ""
    mistake: bool = False


@dataclass(frozen=True)
class BrainKind:
    """The entry of a brain in the registry; its module imports what the brain needs only when `make` is
    called.

    make(request, environment, spent) -> Brains; `environment` holds the keys too, `spent` by earlier lives of
    the run is counted on from there. Raises BrainRefused. `available` asks the environment alone, never a
    provider."""

    name: str
    order: int  # among those that are named to people
    make: Callable[[BrainRequest, Environment, Spent], Brains]
    available: Callable[[Environment], Availability]
    in_lab: bool = False  # needs no options, so that it can be started from JupyterLab
    preferred: bool = False  # --brain auto takes it where it is available; where none is, the playbook
