"""The playbook: a brain without a language model. Recipes depend on the kind of data, never on
the competition."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cobra_jupyter.brains.base import Finish
from cobra_jupyter.brains.context import Context
from cobra_jupyter.brains.playbook.plan import next_step
from cobra_jupyter.brains.playbook.roles import step_of
from cobra_jupyter.brains.playbook.view import View


class Playbook:
    """Writes the next step of its plan, which follows from the record."""

    name = "playbook"
    finish = Finish()

    async def reply(self, context: Context) -> AsyncIterator[str]:
        step = step_of(View(context), context.task.role) if context.task else next_step(context)
        yield f"## {step.title}\n{_note_for_people(context)}{step.text}\n"
        if step.code:
            yield f"\n```python\n{step.code}\n```\n"


def _note_for_people(context: Context) -> str:
    """A note if a person said or did something since the last turn."""
    since = context.turns[-1].knew if context.turns else -1
    if not context.said_by_people(since):
        return ""
    return (
        "*A person wrote or ran something here. The playbook follows fixed rules and does not read messages, "
        "but it uses candidates, trials and protocols from people's cells like its own.*\n\n"
    )
