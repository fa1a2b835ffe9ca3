"""A brain that says what a test wrote down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from cobra_jupyter.brains.base import Finish
from cobra_jupyter.brains.context import Context


class Scripted:
    """Replies with the given cells, one a turn, in small pieces; then finishes."""

    name = "scripted"
    finish = Finish()

    def __init__(self, cells: Sequence[str]) -> None:
        self.cells = list(cells)
        self.contexts: list[Context] = []

    async def reply(self, context: Context) -> AsyncIterator[str]:
        place = len(context.turns)
        self.contexts.append(context)
        code = self.cells[place] if place < len(self.cells) else 'cobra.finish("the script is over")'
        text = f"## Step {place + 1}\nA step of the script.\n\n```python\n{code}\n```\n"
        for start in range(0, len(text), 40):
            yield text[start : start + 40]
