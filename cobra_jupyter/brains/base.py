"""Who writes cells. A brain gets a context and streams text: Markdown, then one fenced Python cell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cobra_jupyter.brains.context import Context
from cobra_jupyter.records import kinds
from cobra_jupyter.workbench.kind import as_record


@dataclass(frozen=True)
class Usage:
    """What one reply took. Tokens as the provider counts them (`cached` of `input`; `thoughts` beside
    `output`); cost in US dollars, None where the price is not known; wall seconds, waits included."""

    model: str
    input: int = 0
    cached: int = 0
    output: int = 0
    thoughts: int = 0
    cost: float | None = None
    seconds: float = 0.0
    retries: int = 0

    def record(self) -> kinds.Usage:
        return as_record(kinds.Usage, self)


def taken(reply: Mapping[str, Any]) -> tuple[int, float]:
    """Tokens and dollars of a reply's record, those of its corrected attempts included."""
    tokens, dollars = 0, 0.0
    for each in (reply, *reply.get("attempts", ())):
        used = each.get("usage") or {}
        tokens += sum(used.get(name, 0) for name in ("input", "output", "thoughts"))
        dollars += used.get("cost") or 0.0
    return tokens, dollars


@dataclass(frozen=True)
class Finish:
    """How a reply ended: `reason` is stop, max_tokens, blocked, malformed, empty or other; `detail` the
    provider's word. `thoughts` is the model's own summary of its thinking, where it may be kept."""

    reason: str = "stop"
    detail: str = ""
    usage: Usage | None = None
    thoughts: str = ""


class BrainGone(Exception):  # noqa: N818
    """No further reply will come from this brain: its caps are reached, its key or model is refused, or its
    endpoint stays away. The message says which, and the cure; it never holds a key. `back`: seconds after which it
    may be asked again, None where that is of no use."""

    def __init__(self, message: str, back: float | None = None) -> None:
        super().__init__(message)
        self.back = back


class OutOfReach(BrainGone):
    """The provider did not answer at all."""


class TimeOver(BrainGone):
    """The time for new work ended while a reply was awaited."""


class Brain(Protocol):
    """A brain knows nothing of kernels, and the agent nothing of providers."""

    name: str
    finish: Finish  # of the latest reply, set when its last piece has come

    def reply(self, context: Context) -> AsyncIterator[str]:
        """The next turn, in pieces as they are generated. An empty piece means: forget what came in this
        reply so far, it begins anew (a stream that broke was asked for again). Raises BrainGone, TimeOver."""
        ...
