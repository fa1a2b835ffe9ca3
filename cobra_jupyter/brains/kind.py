"""A kind of brain: its request, its availability, and how a run gets its brains."""

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
    """The requested brain is not available; the message says what to do."""


@dataclass(frozen=True)
class BrainRequest:
    """The brain options of a run. `model`: a Gemini model or the folder of a local one; `source`: a recorded
    run or recording; `max_tokens` and `max_cost` (US dollars) are caps."""

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
        """The options that differ from the defaults, for the record."""
        return {
            name: value
            for name, value in vars(self).items()
            if value != getattr(BrainRequest(), name) and name != "brain"
        }


@dataclass(frozen=True)
class Brains:
    """The brains of a run.

    `kind` is the value of --brain, `why` the reason for the choice. `team` makes new brains for an agent of a
    role (lead, scout, auditor, judge): its first brain and the ones that replace it, in order; a debugger is
    second. A brain writes one reply at a time, so each agent has its own team; all teams share the caps.
    `check` asks the provider, before the run, whether it accepts the brains."""

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
    """Whether a brain is available, and why or why not; `brief` is a short reason why not. `mistake`: a
    setting is wrong, so no other brain should silently replace this one."""

    ready: bool
    why: str
    brief: str = ""
    mistake: bool = False


@dataclass(frozen=True)
class BrainKind:
    """The registry entry of a brain. Its module imports the brain's libraries only in `make`.

    make(request, environment, spent) returns Brains, or raises BrainRefused. `environment` includes the keys;
    `spent` is the usage before the run was resumed. `available` looks only at the environment, never asks a
    provider."""

    name: str
    order: int  # position in lists of brains
    make: Callable[[BrainRequest, Environment, Spent], Brains]
    available: Callable[[Environment], Availability]
    in_lab: bool = False  # JupyterLab can start it, because it needs no options
    preferred: bool = False  # --brain auto chooses it if it is available
