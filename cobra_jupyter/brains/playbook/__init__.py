"""The playbook: a brain without a language model. General recipes by kind of data, never by competition."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cobra_jupyter.brains.base import Finish
from cobra_jupyter.brains.context import Context
from cobra_jupyter.brains.playbook.plan import next_step
from cobra_jupyter.brains.playbook.roles import step_of
from cobra_jupyter.brains.playbook.view import View


class Playbook:
    """Writes the next step of its plan, as the record stands."""

    name = "playbook"
    finish = Finish()

    async def reply(self, context: Context) -> AsyncIterator[str]:
        step = step_of(View(context), context.task.role) if context.task else next_step(context)
        yield f"## {step.title}\n{_heard(context)}{step.text}\n"
        if step.code:
            yield f"\n```python\n{step.code}\n```\n"


def _heard(context: Context) -> str:
    """A word on what a person said or did since the last turn."""
    since = context.turns[-1].knew if context.turns else -1
    if not context.said_by_people(since):
        return ""
    return (
        "*Seen: what a person said or did here. The playbook follows rules and not words: candidates, trials and "
        "protocols that a person's cells made count from here on like its own.*\n\n"
    )
