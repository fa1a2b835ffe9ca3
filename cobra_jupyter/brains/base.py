"""A brain writes cells: it gets a context and streams Markdown, then one fenced Python cell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cobra_jupyter.brains.context import Context
from cobra_jupyter.records import kinds
from cobra_jupyter.workbench.kind import as_record


@dataclass(frozen=True)
class Usage:
    """The usage of one reply. Tokens are counted by the provider (`cached` is part of `input`, `thoughts` is
    not part of `output`); `cost` is in US dollars, None if unknown; `seconds` is wall time including
    waits."""

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
    """Tokens and dollars of a reply's record, including rejected attempts."""
    tokens, dollars = 0, 0.0
    for each in (reply, *reply.get("attempts", ())):
        used = each.get("usage") or {}
        tokens += sum(used.get(name, 0) for name in ("input", "output", "thoughts"))
        dollars += used.get("cost") or 0.0
    return tokens, dollars


@dataclass(frozen=True)
class Finish:
    """How a reply ended. `reason` is stop, max_tokens, blocked, malformed, empty or other; `detail` is the
    provider's reason; `thoughts` is the model's summary of its thinking, if it may be kept."""

    reason: str = "stop"
    detail: str = ""
    usage: Usage | None = None
    thoughts: str = ""


class BrainGone(Exception):  # noqa: N818
    """A brain cannot reply any more: a cap is reached, its key or model is refused, or its endpoint does not
    answer.

    The message says why and what to do; it never contains a key. `back` is the number of seconds after which
    the brain can be asked again, None if that is useless."""

    def __init__(self, message: str, back: float | None = None) -> None:
        super().__init__(message)
        self.back = back


class OutOfReach(BrainGone):
    """The provider did not answer at all."""


class TimeOver(BrainGone):
    """The time for new work ended before the reply was complete."""


class TooLate(BrainGone):
    """The reply was not complete at `context.until`."""


class Brain(Protocol):
    """The interface of brains. Brains know nothing about kernels, the agent nothing about providers."""

    name: str
    finish: Finish  # of the latest reply; set after its last piece

    def reply(self, context: Context) -> AsyncIterator[str]:
        """Stream the next turn in pieces, complete before `context.until`. Raises BrainGone, TimeOver,
        TooLate.

        An empty piece means that the reply starts again, because the stream broke: drop the earlier
        pieces."""
        ...
