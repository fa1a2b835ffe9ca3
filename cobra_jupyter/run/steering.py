"""A person's control of a run: what its states mean for the clock and the agents; its socket; its
workspaces."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.agent.loop import Agent
from cobra_jupyter.agent.workspace import Workspace
from cobra_jupyter.kernel.base import Harness
from cobra_jupyter.kernel.process import started_by_us
from cobra_jupyter.notebook.file import NotebookWriteError
from cobra_jupyter.records.ledger import Ledger, Record
from cobra_jupyter.records.states import HELD
from cobra_jupyter.run.control import LOOK, Control
from cobra_jupyter.run.finish import Finisher
from cobra_jupyter.run.listener import Listener
from cobra_jupyter.run.status import RunStatus
from cobra_jupyter.workbench.harness.ownership import LEAD


class Steering:
    """Connects control and listener with the agents. `workspaces`: those of the agents that work now."""

    def __init__(
        self,
        *,
        finisher: Finisher,
        ledger: Ledger,
        budget: Budget,
        run_status: RunStatus,
        harness: Harness,
        brain: str,
        stop: Callable[[], None],
    ) -> None:
        """`brain`: the name of the leading brain; `stop` ends the run."""
        self._finisher, self._budget, self._run_status = finisher, budget, run_status
        self._harness, self._brain = harness, brain
        self.workspaces: dict[str, Workspace] = {}
        o = finisher.options
        self.control = Control(ledger, self._say, self._hold, self._cut, stop, o.approval)
        self._listener = Listener(
            identity=finisher.id,
            run=o.out.absolute(),
            ledger=ledger,
            control=self.control,
            budget=budget,
            workspaces=self.workspaces,
            run_status=run_status,
            facts=self._facts,
            intruder=started_by_us,
        )

    async def open(self) -> None:
        await self._listener.open()

    async def close(self) -> None:
        await self._listener.close()

    def recorded(self, record: Record) -> None:
        """A new record; called in any thread."""
        self._listener.recorded(record, self._run_status.take(record))

    def add_agent(self, workspace: Workspace, agent: Agent) -> None:
        """Let a person steer an agent from now on."""
        waits = self._waits(agent)

        async def gate() -> None:
            await self._gate(workspace, agent, waits)

        async def approved(cell: str, code: str) -> str | None:
            verdict = await self.control.approved(agent.name, cell, code)
            return None if verdict.yes else verdict.why or "a person declined it"

        agent.gate, agent.approved = gate, approved
        self._listener.add_workspace(workspace)

    def _waits(self, agent: Agent) -> Callable[[], bool]:
        """Whether an agent waits while a person has the run: not if a running cell waits for the agent."""
        lead = self.workspaces.get(LEAD)
        if lead is None or agent.task is None or agent.task.by != LEAD:
            return lambda: True
        by_person = lead.person_cells.open and not lead.works  # a person's cell has called it in
        return lambda: not (lead.works or (by_person and lead.person_cells.open))

    async def _gate(self, workspace: Workspace, agent: Agent, waits: Callable[[], bool]) -> None:
        """Before a turn: wait while a person has the run, then report their actions to the agent."""
        if self.control.state == "pausing":
            with contextlib.suppress(NotebookWriteError):  # tried again as it changes
                await workspace.file.flush()
        waited = await self.control.gate(agent.name, waits)
        # a cell of the agent would wait behind the person's and use up its time
        while workspace.person_cells.open:
            await asyncio.sleep(LOOK)
            waited = await self.control.wait(agent.name, waits) or waited
        if not (waited or workspace.interventions.quiet):
            return
        interventions = workspace.interventions.report("handed back" if waited else "while the agent worked")
        if interventions and waited:
            what = "; ".join(done.brief for done in interventions)
            await agent.say(f"**Handed back.** The agent reads first what a person did here: {what}.")

    def aside(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Wrap work of the lead between two turns, during which another agent may reach the gate first."""

        async def doing() -> None:
            self.control.aside = True
            try:
                await work()
            finally:
                self.control.aside = False

        return doing

    # ---- what the states mean

    def _say(self, state: str, why: str | None) -> None:
        self._finisher.state(state, why, held=state in HELD or self._run_status.state in HELD)

    async def _hold(self, held: bool) -> None:
        if held:
            self._budget.hold()
            await self._harness.hold()
        elif self._budget.held is not None:
            self._budget.proceed()
            await self._harness.hold(self._budget.started)

    async def _cut(self) -> None:
        await asyncio.gather(
            *(workspace.agent.cut() for workspace in self.workspaces.values() if workspace.agent)
        )

    def _facts(self) -> dict[str, Any]:
        """What the run's status says about the run as a whole."""
        o = self._finisher.options
        return {
            "name": o.out.name,
            "competition": self._run_status.competition or o.folder.name,
            "folder": str(o.folder),
            "brain": self._brain,
            "written_by": self._run_status.authors.summary,
            "approval": o.approval,
        }
