"""The agents of a run: the lead and those it delegates to. They share harness, record and time. Each has its
own brain, notebook and kernel; a delegated agent returns a brief."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.budget import Budget, spoken
from cobra_jupyter.agent.history import AgentHistory, agent_history
from cobra_jupyter.agent.loop import Agent
from cobra_jupyter.agent.plateau import LEAST, LEAST_READING, SHARES
from cobra_jupyter.agent.tally import Tallies
from cobra_jupyter.agent.workspace import Workspace, open_workspace
from cobra_jupyter.brains.base import Brain, BrainGone
from cobra_jupyter.brains.context import Context, Task, Turn
from cobra_jupyter.kernel.base import Harness, Kernel
from cobra_jupyter.kernel.errors import KernelError
from cobra_jupyter.kernel.executor import Executor
from cobra_jupyter.kernel.harness import CallError, ConnectionLost
from cobra_jupyter.kernel.wire import OnForeign
from cobra_jupyter.notebook.file import NotebookFile, NotebookWriteError
from cobra_jupyter.records import kinds
from cobra_jupyter.records.ledger import Ledger, Record
from cobra_jupyter.workbench import disk, results
from cobra_jupyter.workbench.harness.ownership import LEAD
from cobra_jupyter.workbench.kind import as_record

TURNS = {"scout": 40, "auditor": 8, "judge": 4}  # at most, by role
SHARE = {"scout": SHARES["scout"], "auditor": SHARES["audit"], "judge": SHARES["judge"]}  # of the budget
MOST = 0.3  # of the free time: the most that one delegated agent gets
SHORTEST = 8.0  # seconds below which an agent is not started
REPORT = 1_500  # characters of a brief
_log = logging.getLogger(__name__)


class NoAgent(ValueError):  # noqa: N818
    """No agent can be called in; the message says why."""


def _nothing(workspace: Workspace, agent: Agent) -> None:
    """Nobody steers the agents."""


@dataclass(kw_only=True)
class Team:
    """`session` makes a kernel that talks to a socket. `brains` returns a role's brains, the leading one
    first. `context` makes the context of an agent's next turn. `earlier` holds the records before the run was
    resumed."""

    run: Path
    ledger: Ledger
    harness: Harness
    session: Callable[[Path, OnForeign], Kernel]
    brains: Callable[[str], Sequence[Brain]]
    context: Callable[[Agent, tuple[Turn, ...]], Awaitable[Context]]
    metadata: Mapping[str, Any]
    budget: Budget
    earlier: tuple[Record, ...] = ()
    recording: Any = None  # the run being replayed: we decide by its clock
    on_agent: Callable[[Workspace, Agent], None] = _nothing  # called with each agent before its first turn
    id: str = ""  # of the run
    workspaces: dict[str, Workspace] = field(default_factory=dict)  # of the agents that work now
    agents: dict[str, Agent] = field(default_factory=dict)
    _working: dict[tuple[str, str, str], asyncio.Task[results.Brief]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tallies = Tallies(self.earlier)
        self._unfinished, self._unheard = self._tallies.unfinished(), self._tallies.unheard()
        self._seconds_before = {name: tally.seconds for name, tally in self._tallies.of.items()}
        self.ledger.follow(self._tallies.take)

    # ---- workspaces

    @contextlib.asynccontextmanager
    async def open(self, name: str, role: str, task: Task | None = None) -> AsyncIterator[Agent]:
        """Open an agent's workspace, with its notebook rebuilt from the record and a fresh kernel."""
        path = self._moved(name) or self.run / notebook_of(name)
        workspace = open_workspace(self.earlier, self.ledger, path, self.metadata, name, role, self.id)
        document, file = workspace.document, workspace.file
        try:
            socket = self.harness.socket if name == LEAD else await self.harness.listen(name)
            async with self.session(socket, workspace.on_foreign) as kernel:
                executor = Executor(
                    self.harness, kernel, self.ledger.path, lambda e: self._on_kernel_event(name, e), name
                )
                brain, *others = self.brains(role)
                agent = Agent(
                    brain=brain,
                    document=document,
                    executor=executor,
                    ledger=self.ledger,
                    context=lambda turns: self.context(agent, turns),
                    role=role,
                    name=name,
                    others=tuple(others),
                    task=task,
                )
                workspace.agent, workspace.kernel = agent, kernel
                if name != LEAD:  # it is called in when the competition is open
                    await executor.prepare()
                self.agents[name], self.workspaces[name] = agent, workspace
                self.on_agent(workspace, agent)
                tending = asyncio.create_task(workspace.tend())
                try:
                    yield agent
                finally:
                    tending.cancel()
                    await asyncio.gather(tending, return_exceptions=True)
            await self._write_at_last(file, name)
        finally:
            self.workspaces.pop(name, None)
            workspace.person_cells.died()
            workspace.interventions.close()
            with contextlib.suppress(NotebookWriteError):  # flush, or the error that ended the work, said so
                await file.close()

    async def _write_at_last(self, file: NotebookFile, name: str) -> None:
        """Write the notebook; if a person moved it to a folder that is gone, write it where it was before."""
        try:
            await file.flush()
        except NotebookWriteError as error:
            gone, home = file.path, (self.run / notebook_of(name)).resolve()
            if gone == home:
                raise
            file.move(home)
            await file.flush()
            self.ledger.append(kinds.MOVED, kinds.Moved(agent=name, path=str(home)))
            what = f"the notebook of {name} is at {notebook_of(name)} again"
            why = f"{gone} cannot be written: {error.strerror}"
            self.ledger.append(kinds.DECISION, kinds.Decision(what=what, why=why))

    async def work(self, agent: Agent, before: AgentHistory, time_left: Callable[[], float]) -> str:
        """Let an agent work, from where the record ends. → why it ended."""
        agent.turns, agent.finished = list(before.turns), before.finished
        if before.turns and (before.finished is None or before.pending):
            await agent.executor.replay(before.accepted, time_left())
        if before.pending:
            await agent.run_reply(before.pending, time_left())
        return await agent.run(time_left)

    def _on_kernel_event(self, name: str, event: str) -> None:
        self.workspaces[name].person_cells.died()  # whoever noticed first that the kernel is gone
        turn = len(self.agents[name].turns) + 1
        self.ledger.append(kinds.KERNEL, kinds.Kernel(agent=name, event=event, turn=turn))

    # ---- calling in

    async def delegate(self, role: str, brief: str, by: str) -> results.Brief:
        """Call in an agent and wait for its brief. The same request again, while the agent works, waits for
        the same brief. Raises NoAgent."""
        key = (by, role, brief)
        if heard := self._unheard.pop(key, None):
            return heard
        if key not in self._working:
            task = self._unfinished.pop(key, None) or self._new(role, brief, by)
            self._working[key] = asyncio.ensure_future(self._work(task))
            self._working[key].add_done_callback(lambda _: self._working.pop(key, None))
        return await asyncio.shield(self._working[key])

    @property
    def least(self) -> float:
        """Seconds that an agent needs at least: models think for minutes."""
        lead = self.agents.get(LEAD)
        return LEAST_READING if lead is not None and lead.reads else LEAST

    def _new(self, role: str, brief: str, by: str) -> Task:
        if role not in TURNS:
            raise NoAgent(f"there is no role {role!r}; roles are {', '.join(TURNS)}")
        if not brief.strip():
            raise NoAgent("the brief is empty: say what is to be found out")
        seconds = min(max(self.least, SHARE[role] * self.budget.seconds), MOST * self.budget.free)
        name = f"{role}-{1 + sum(task.role == role for task in self._tallies.tasks)}"
        if self.recording is not None:
            seconds = self.recording.agents.get(name, 0.0)
        if seconds < SHORTEST:
            raise NoAgent(f"no time is left for a {role}: {spoken(self.budget.free)} before the reserve")
        task = Task(name, role, brief.strip()[:4_000], round(seconds, 1), TURNS[role], by)
        self.ledger.append(kinds.AGENT, as_record(kinds.Agent, task))
        return task

    async def _work(self, task: Task) -> results.Brief:
        before = agent_history(self.earlier, task.agent)
        end = self.budget.used + task.seconds - self._seconds_before.get(task.agent, 0.0)
        began, ended = self.budget.used, ""

        def left() -> float:
            if self.recording is not None:
                return float(self.recording.time_left(task.agent, len(self.agents[task.agent].turns)))
            return min(end - self.budget.used, self.budget.free)

        try:
            async with self.open(task.agent, task.role, task) as agent:
                agent.most_turns, agent.left = task.turns, lambda: end - self.budget.used
                if not len(agent.document):
                    await agent.say(_title(task))
                ended = await self.work(agent, before, left)
        except (disk.DiskFull, asyncio.CancelledError):
            raise
        except Exception as error:  # the lead goes on whatever happens to the agent
            if not isinstance(error, KernelError | BrainGone | ConnectionLost | CallError):
                _log.error("%s failed", task.agent, exc_info=error)
            ended = f"{type(error).__name__}: {error}"
        return self._report(task, ended, self.budget.used - began)

    def _report(self, task: Task, ended: str, seconds: float) -> results.Brief:
        agent, tally = self.agents.get(task.agent), self._tallies.of[task.agent]
        report = agent.finished if agent else None
        if report is None:
            report = self._substitute_report(task.agent, ended)
        brief = results.Brief(
            id=f"d{self._number(task.agent):02d}",
            agent=task.agent,
            role=task.role,
            by=task.by,
            asked=task.brief,
            report=report[:REPORT],
            ended="with a report" if agent and agent.finished else ended,
            results=list(self._tallies.found(task.agent)),
            turns=len(agent.turns) if agent else 0,
            seconds=round(seconds, 3),
            tokens=tally.tokens,
            cost=round(tally.cost, 6),
            notebook=notebook_of(task.agent),
        )
        self.ledger.append(results.BRIEF, brief)
        return brief

    def _number(self, name: str) -> int:
        """How many agents were called in up to this one, in this run or in the one that is replayed: which of
        two ends first depends on the machine."""
        return 1 + (list(self.recording.agents) if self.recording is not None else self.delegates).index(name)

    def _substitute_report(self, name: str, ended: str) -> str:
        """A report for an agent that wrote none: its candidates, results and last words."""
        agent, found = self.agents.get(name), list(self._tallies.found(name).values())
        last = agent.turns[-1].markdown.strip()[:300] if agent and agent.turns else ""
        candidates = ", ".join(self._tallies.of[name].candidates) or "none"
        report = [f"It ended without a report ({ended}).", f"Candidates it wrote: {candidates}.", *found[-8:]]
        if last:
            report.append(f"Its last words: {last}")
        return "\n".join(report)

    @property
    def delegates(self) -> list[str]:
        """Names of all agents that were called in, with or without a brief."""
        return [task.agent for task in self._tallies.tasks]

    async def close(self) -> None:
        """Stop the agents that still work; their results so far are in the record."""
        working = list(self._working.values())
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    def _moved(self, name: str) -> Path | None:
        """Where a person has moved an agent's notebook; None if not, or if it is no longer there."""
        found = self._tallies.of[name].moved
        return Path(found) if found is not None and Path(found).exists() else None


def notebook_of(name: str) -> str:
    """Path of an agent's notebook in the run's folder."""
    return "agent.ipynb" if name == LEAD else f"agents/{name}.ipynb"


def _title(task: Task) -> str:
    limits = f"for {spoken(task.seconds)} and at most {task.turns} turns"
    return f"# {task.agent}\nCalled in by the {task.by}, {limits}:\n\n> {task.brief}"
