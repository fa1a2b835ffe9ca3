"""The agents of a run: the lead, and those that are called in. They share harness, record and time; each has a
brain, a notebook and a kernel of its own, and comes back with a brief."""

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
MOST = 0.3  # of the free time: more is not given away
SHORTEST = 8.0  # seconds in which an agent can do anything
REPORT = 1_500  # characters of a brief
_log = logging.getLogger(__name__)


class NoAgent(ValueError):  # noqa: N818
    """Nobody can be called in; the message says why."""


@dataclass
class Team:
    """`session` makes a kernel that talks to a socket; `brains` gives a role's brains, the first to lead; `context`
    tells an agent of the run; `earlier` are the records of earlier lives."""

    run: Path
    ledger: Ledger
    harness: Harness
    session: Callable[[Path, OnForeign], Kernel]
    brains: Callable[[str], Sequence[Brain]]
    context: Callable[[Agent, tuple[Turn, ...]], Awaitable[Context]]
    metadata: Mapping[str, Any]
    budget: Budget
    earlier: tuple[Record, ...] = ()
    recording: Any = None  # of a run that is replayed: its clock is ours
    on_agent: Callable[[Workspace, Agent], None] = lambda workspace, agent: (
        None
    )  # a person may steer it from now on
    id: str = ""  # of the run
    workspaces: dict[str, Workspace] = field(default_factory=dict)  # of those who work now
    agents: dict[str, Agent] = field(default_factory=dict)
    _working: dict[tuple[str, str, str], asyncio.Task[results.Brief]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tallies = Tallies(self.earlier)
        self._unfinished, self._unheard = self._tallies.unfinished(), self._tallies.unheard()
        self._lived = {name: tally.seconds for name, tally in self._tallies.of.items()}  # in earlier lives
        self.ledger.follow(self._tallies.take)

    # ---- a workspace: a notebook, a kernel, a place in the record

    @contextlib.asynccontextmanager
    async def open(self, name: str, role: str, task: Task | None = None) -> AsyncIterator[Agent]:
        """An agent at its place, with the notebook that its record tells of."""
        place_of = self._moved(name) or self.run / notebook_of(name)
        workspace = open_workspace(self.earlier, self.ledger, place_of, self.metadata, name, role, self.id)
        document, file = workspace.document, workspace.file
        try:
            socket = self.harness.socket if name == LEAD else await self.harness.listen(name)
            async with self.session(socket, workspace.on_foreign) as kernel:
                place = Executor(
                    self.harness, kernel, self.ledger.path, lambda e: self._on_kernel_event(name, e), name
                )
                brain, *others = self.brains(role)
                agent = Agent(
                    brain, document, place, self.ledger, lambda turns: self.context(agent, turns), role, name,
                    others=tuple(others), task=task,
                )  # fmt: skip
                workspace.agent, workspace.kernel = agent, kernel
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
            with contextlib.suppress(NotebookWriteError):  # said by flush, or by what ended the work
                await file.close()

    async def _write_at_last(self, file: NotebookFile, name: str) -> None:
        """Where a person has moved a notebook to a place that is gone, it is written where it was before."""
        try:
            await file.flush()
        except NotebookWriteError as error:
            gone, home = file.path, (self.run / notebook_of(name)).resolve()
            if gone == home:
                raise
            file.move(home)
            await file.flush()
            self.ledger.append(kinds.MOVED, kinds.Moved(agent=name, path=str(home)))
            self.ledger.append(kinds.DECISION, kinds.Decision(
                what=f"the notebook of {name} stands at {notebook_of(name)}", why=f"{gone} cannot be written: {error.strerror}",
            ))  # fmt: skip

    async def live(self, agent: Agent, before: AgentHistory, time_left: Callable[[], float]) -> str:
        """An agent's life, taken up where the record leaves it. → why it ended."""
        agent.turns, agent.finished = list(before.turns), before.finished
        if before.turns and (before.finished is None or before.pending):
            await agent.executor.replay(before.accepted, time_left())
        if before.pending:
            await agent.run_reply(before.pending, time_left())
        return await agent.run(time_left)

    def _on_kernel_event(self, name: str, event: str) -> None:
        self.workspaces[
            name
        ].person_cells.died()  # what a person ran there, whoever saw first that the kernel is gone
        turn = len(self.agents[name].turns) + 1
        self.ledger.append(kinds.KERNEL, kinds.Kernel(agent=name, event=event, turn=turn))

    # ---- calling in

    async def delegate(self, role: str, brief: str, by: str) -> results.Brief:
        """Call in an agent and wait for its brief; who asks for the same again while it works waits for the same one.
        Raises NoAgent."""
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
        """Seconds that an agent needs: models think for minutes."""
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
        end = self.budget.used + task.seconds - self._lived.get(task.agent, 0.0)
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
                ended = await self.live(agent, before, left)
        except (disk.DiskFull, asyncio.CancelledError):
            raise
        except Exception as error:  # whatever befalls it, the lead goes on
            if not isinstance(error, KernelError | BrainGone | ConnectionLost | CallError):
                _log.error("%s failed", task.agent, exc_info=error)
            ended = f"{type(error).__name__}: {error}"
        return self._report(task, ended, self.budget.used - began)

    def _report(self, task: Task, ended: str, seconds: float) -> results.Brief:
        agent, tally = self.agents.get(task.agent), self._tallies.of[task.agent]
        said = agent.finished if agent else None
        if said is None:
            said = self._unsaid(task.agent, ended)
        number = 1 + max((int(brief["id"][1:]) for brief in self._tallies.briefs), default=0)
        found = results.Brief(
            id=f"d{number:02d}", agent=task.agent, role=task.role, by=task.by, asked=task.brief,
            report=said[:REPORT], ended="with a report" if agent and agent.finished else ended, results=list(self._tallies.found(task.agent)),
            turns=len(agent.turns) if agent else 0, seconds=round(seconds, 1), tokens=tally.tokens,
            cost=round(tally.cost, 6), notebook=notebook_of(task.agent),
        )  # fmt: skip
        self.ledger.append(results.BRIEF, found)
        return found

    def _unsaid(self, name: str, ended: str) -> str:
        """What an agent would have had to report."""
        agent, shown = self.agents.get(name), list(self._tallies.found(name).values())
        last = agent.turns[-1].markdown.strip()[:300] if agent and agent.turns else ""
        return "\n".join([
            f"It ended without a report ({ended}).", f"Candidates it wrote: {', '.join(self._tallies.of[name].candidates) or 'none'}.",
            *shown[-8:], *([f"Its last words: {last}"] if last else []),
        ])  # fmt: skip

    @property
    def delegates(self) -> list[str]:
        """Everybody who was called in, whether they came back or not."""
        return [task.agent for task in self._tallies.tasks]

    async def close(self) -> None:
        """End those who still work; what they found so far is in the record."""
        working = list(self._working.values())
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    def _moved(self, name: str) -> Path | None:
        """Where a person has moved an agent's notebook, if that is so and it still lies there."""
        found = self._tallies.of[name].moved
        return Path(found) if found is not None and Path(found).exists() else None


def notebook_of(name: str) -> str:
    """Where an agent's notebook lies in the run's folder."""
    return "agent.ipynb" if name == LEAD else f"agents/{name}.ipynb"


def _title(task: Task) -> str:
    return (
        f"# {task.agent}\nCalled in by the {task.by}, for {spoken(task.seconds)} and at most {task.turns} turns:\n\n"
        f"> {task.brief}"
    )
