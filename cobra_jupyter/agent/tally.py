"""Cost and results of each agent of a run, and which agents have not returned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from cobra_jupyter.brains.base import taken
from cobra_jupyter.brains.context import Task
from cobra_jupyter.records import kinds
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display import pages
from cobra_jupyter.workbench.rebuild import Line, Rebuilt, replay, takes
from cobra_jupyter.workbench.turns import CALL, EXECUTION, Call, Execution

Request = tuple[str, str, str]  # by whom, role, brief


@dataclass
class Tally:
    """Cost and results of one agent."""

    tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0  # of its executions
    lines: list[int] = field(default_factory=list)  # seqs of the records that its calls made
    candidates: list[str] = field(default_factory=list)
    moved: str | None = None  # where a person moved its notebook


class Tallies(Rebuilt):
    """The tallies of all agents, by name."""

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.of: dict[str, Tally] = defaultdict(Tally)
        self.tasks: list[Task] = []
        self.briefs: list[results.Brief] = []
        self._heard: set[str] = set()  # ids of briefs that reached the requesting agent
        self._found: dict[int, tuple[str, str]] = {}  # seq → id and headline of a result
        replay(lines, self)

    def found(self, agent: str) -> dict[str, str]:
        """An agent's trials, ablations and blends: id → headline."""
        lines = dict.fromkeys(self.of[agent].lines)
        return dict(self._found[line] for line in lines if line in self._found)

    def unfinished(self) -> dict[Request, Task]:
        """Tasks of agents that have not returned."""
        back = {brief["agent"] for brief in self.briefs}
        return {(t.by, t.role, t.brief): t for t in self.tasks if t.agent not in back}

    def unheard(self) -> dict[Request, results.Brief]:
        """Briefs that did not reach the requesting agent because the run ended."""
        return {(b["by"], b["role"], b["asked"]): b for b in self.briefs if b["id"] not in self._heard}

    @takes(kinds.REPLY)
    def take_reply(self, data: kinds.Reply, line: Line) -> None:
        tokens, dollars = taken(data)
        self.of[data["agent"]].tokens += tokens
        self.of[data["agent"]].cost += dollars

    @takes(EXECUTION)
    def take_execution(self, data: Execution, line: Line) -> None:
        self.of[data["agent"]].seconds += data["seconds"]

    @takes(kinds.MOVED)
    def take_moved(self, data: kinds.Moved, line: Line) -> None:
        self.of[data["agent"]].moved = data["path"]

    @takes(CALL)
    def take_call(self, data: Call, line: Line) -> None:
        tally = self.of[data["agent"]]
        if data["record"] is not None:
            tally.lines.append(data["record"])
        if data["call"] == "candidate" and data["args"].get("name") not in tally.candidates:
            tally.candidates.append(str(data["args"].get("name")))
        if data["call"] == "delegate" and data["answer"]:
            self._heard.add(data["answer"]["data"]["id"])

    @takes(results.TRIAL)
    def take_trial(self, data: results.Trial, line: Line) -> None:
        self._result(line)

    @takes(results.ABLATION)
    def take_ablation(self, data: results.Ablation, line: Line) -> None:
        self._result(line)

    @takes(results.BLEND)
    def take_blend(self, data: results.Blend, line: Line) -> None:
        self._result(line)

    def _result(self, line: Line) -> None:
        self._found[line.seq] = (line.data["id"], pages.headline(line.kind, line.data))

    @takes(kinds.AGENT)
    def take_agent(self, data: kinds.Agent, line: Line) -> None:
        self.tasks.append(Task(**data))

    @takes(results.BRIEF)
    def take_brief(self, data: results.Brief, line: Line) -> None:
        self.briefs.append(data)

    @takes(results.JOB)
    def take_job(self, data: results.Job, line: Line) -> None:
        if data["state"] == "done" and data["result"]:
            self._heard.add(data["result"])

    @takes(kinds.RUNG)
    def take_rung(self, data: kinds.Rung, line: Line) -> None:
        if brief := data.get("brief"):
            self._heard.add(brief)
