"""Who writes cells. A brain gets a context and streams text: Markdown, then one fenced Python cell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cobra_jupyter.agent.context import Context


class Brain(Protocol):
    """A brain knows nothing of kernels, and the agent nothing of providers."""

    name: str

    def reply(self, context: Context) -> AsyncIterator[str]:
        """The next turn, in pieces as they are generated."""
        ...
