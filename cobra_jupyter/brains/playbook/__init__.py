"""The playbook: a brain without a language model. General recipes by kind of data, never by competition."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cobra_jupyter.agent.context import Context
from cobra_jupyter.brains import Finish
from cobra_jupyter.brains.playbook.plan import next_step
from cobra_jupyter.brains.playbook.roles import step_of
from cobra_jupyter.brains.playbook.view import View


class Playbook:
    """Writes the next step of its plan, as the record stands."""

    name = "playbook"
    finish = Finish()

    async def reply(self, context: Context) -> AsyncIterator[str]:
        step = step_of(View(context), context.task.role) if context.task else next_step(context)
        yield f"## {step.title}\n{step.text}\n"
        if step.code:
            yield f"\n```python\n{step.code}\n```\n"
