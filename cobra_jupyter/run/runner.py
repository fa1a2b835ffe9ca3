"""One run: a competition folder in; a notebook, a proof and a valid submission out.

The runner is the only writer of the record and the notebook. It starts the harness and the kernel, lets the
agent work while there is time for new work, then writes `solution.ipynb`, proves it and writes the report.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, cast

from cobra_jupyter.agent import prompt
from cobra_jupyter.agent.budget import Budget, spoken
from cobra_jupyter.agent.history import AgentHistory, RunHistory, ages, recall
from cobra_jupyter.agent.ladder import Ladder
from cobra_jupyter.agent.loop import Agent
from cobra_jupyter.agent.plateau import RunProgress, TimedRecord
from cobra_jupyter.agent.recall import recollection
from cobra_jupyter.agent.team import NoAgent, Team
from cobra_jupyter.brains.base import Brain, BrainGone
from cobra_jupyter.brains.context import TOLD_KINDS, WORKBENCH_KINDS, Clock, Context, Turn
from cobra_jupyter.brains.replay import PATIENT
from cobra_jupyter.kernel import weights
from cobra_jupyter.kernel.base import Harness, Kernel
from cobra_jupyter.kernel.executor import Executor
from cobra_jupyter.kernel.harness import CallError, ConnectionLost
from cobra_jupyter.kernel.pack import digest, pack
from cobra_jupyter.kernel.probe import KernelProbe
from cobra_jupyter.kernel.wire import OnForeign
from cobra_jupyter.notebook.file import NotebookWriteError
from cobra_jupyter.records import kinds
from cobra_jupyter.records.latest import Latest
from cobra_jupyter.records.ledger import Ledger, Record
from cobra_jupyter.run import folders
from cobra_jupyter.run.errors import BadInput
from cobra_jupyter.run.finish import CLOSING, UNPROVEN, Finisher, Result
from cobra_jupyter.run.machinery import PROCESSES, Machinery
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.proof import Proof
from cobra_jupyter.run.registry import identity
from cobra_jupyter.run.status import RunStatus
from cobra_jupyter.run.steering import Steering
from cobra_jupyter.workbench import disk, results
from cobra_jupyter.workbench.harness.ownership import LEAD

__all__ = ["BadInput", "Options", "Result", "Runner"]

T = TypeVar("T")
HARNESS_KINDS = WORKBENCH_KINDS | {"fit", "call", "clock"}
BAD_INPUT = ("CompetitionError", "NotReady", "ProtocolError", "MetricError", "RestoreError")
EARLY = 0.25  # of the budget: a model that finishes with more time left is asked to confirm it
END = "## The end"  # title of the last cell
BESIDE = 4  # cores needed for a scout to work beside the lead


@dataclass
class Runner:
    """One run, or (`resume`) the rest of a run that ended early. `on_record` receives every record (for
    progress); `interrupted` may be set from a signal handler."""

    options: Options
    brain: Brain
    on_record: Callable[[Record, Budget], None] = lambda record, budget: None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    resume: bool = False
    others: tuple[Brain, ...] = ()  # brains that take over, in order
    team: Callable[[str], Sequence[Brain]] | None = None  # brains of other roles; None: the lead's
    secrets: tuple[str, ...] = ()  # never written anywhere
    machinery: Machinery = PROCESSES

    def __post_init__(self) -> None:
        o = self.options
        self.history: RunHistory | None = None
        self.budget = Budget(o.budget, o.started, reserve=min(30.0, 0.2 * o.budget))
        self._recording: Any = getattr(
            self.brain, "recording", None
        )  # the run being replayed: we decide by its clock
        if self._recording:
            self.budget.patience = PATIENT
        self._results: list[Record] = []  # the records that contexts are made of
        self._ages: dict[int, float] = {}  # seq → the run's age, for records before a resumption
        self._warned = False  # whether the lead was asked to confirm that it finishes
        self._defect: Exception | None = None
        self._ready = asyncio.Event()  # set once there is a team
        self._latest = Latest()
        self._run_status = RunStatus()
        self._steering: Steering | None = None

    # ---- the course of a run

    async def run(self) -> Result:
        """Run to the end. Raises BadInput, KernelError, LedgerError, or DiskFull."""
        self._loop = asyncio.get_running_loop()
        if not self.resume:
            self._prepare_folder()
        environment = self.machinery.probe(self.options.kernel)
        earlier: list[Record] = []
        self.ledger = Ledger(self.options.out / "ledger.jsonl", [*_secrets(), *self.secrets], earlier.append)
        if self.resume:
            self._restore_history(earlier)
        for record in earlier:
            self._run_status.take(record)
        self.ledger.follow(self._follow)
        self._id = identity(self.options.out) if self.resume else secrets.token_hex(6)
        self._finisher = Finisher(
            options=self.options,
            ledger=self.ledger,
            budget=self.budget,
            latest=self._latest,
            recording=self._recording,
            id=self._id,
            machinery=self.machinery,
            authors=self._run_status.authors,
        )
        self._write_first_records(environment)
        self._finisher.state("starting", None)
        harness = self._harness(environment)
        self._steering = Steering(
            finisher=self._finisher,
            ledger=self.ledger,
            budget=self.budget,
            run_status=self._run_status,
            harness=harness,
            brain=self.brain.name,
            stop=self.interrupted.set,
        )
        await self._steering.open()
        try:
            return await self._with_harness(harness, environment)
        finally:
            await asyncio.to_thread(harness.stop)
            await self._steering.close()
            self.ledger.close()

    async def _with_harness(self, harness: Harness, environment: KernelProbe) -> Result:
        try:
            await asyncio.to_thread(harness.start, self._on_record, self._on_ask)
            if self.history:
                await asyncio.to_thread(harness.restore, self.ledger.path)
            opened = await self._until_stopped(harness.call("open"))
            card = None if opened.cancelled() else opened.result()
        except CallError as error:
            self._finisher.state("failed", str(error))
            if error.kind in BAD_INPUT:
                raise BadInput(str(error)) from None
            raise
        if card is None:
            return self._finisher.close("interrupted", None, UNPROVEN, ())
        self._description = _description(Path(card["folder"]))
        if card["obstacles"] and self.brain.name == "playbook":  # it follows rules and cannot read
            self._finisher.state("failed", card["obstacles"][0])
            raise BadInput(card["obstacles"][0])
        end, described = await self._work(harness, environment)
        await asyncio.to_thread(harness.stop)
        proof: Proof | None = UNPROVEN
        if described:
            self._finisher.state("running", "Proving the submission")
            proven = await self._until_stopped(self._finisher.prove(described))
            proof = None if proven.cancelled() else proven.result()
        if described and proof is None:
            self._finisher.write_solution(described, retrain=True)
            proof = Proof("not run", "the run was interrupted", 0.0, False)
        assert proof is not None
        result = self._finisher.close(
            end, described, proof, self._team.delegates, failed=self._defect is not None
        )
        if self._defect is not None:
            raise self._defect
        return result

    async def _until_stopped(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Wait for `work`, or cancel it when the run is stopped. → the future, done or cancelled."""
        doing, stop = asyncio.ensure_future(work), asyncio.ensure_future(self.interrupted.wait())
        try:
            await asyncio.wait({doing, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (doing, stop):
                task.cancel()
            await asyncio.gather(doing, stop, return_exceptions=True)
        return doing

    async def _work(self, harness: Harness, environment: KernelProbe) -> tuple[str, results.Solution | None]:
        """Let the agents work. → why they ended, the submitted solution (for the proof)."""
        script = self._recording if self._recording and self._recording.ledger else None
        steering = self._steering
        assert steering
        team = self._team = Team(
            run=self.options.out,
            ledger=self.ledger,
            harness=harness,
            session=self._session,
            brains=self._brains,
            context=self._context,
            metadata=_notebook_metadata(environment),
            budget=self.budget,
            earlier=self.history.records if self.history else (),
            recording=script,
            on_agent=steering.add_agent,
            id=self._id,
            workspaces=steering.workspaces,
        )
        self._ready.set()
        async with team.open(LEAD, LEAD) as agent:
            self.agent = agent
            self._ladder = Ladder(
                team=team,
                ledger=self.ledger,
                progress=self._progress,
                beside=environment.cores >= BESIDE or len(environment.gpus) > 1,
                say=agent.say,
                recording=script,
                turn=lambda: len(agent.turns) + 1,
            )
            agent.between = steering.aside(self._ladder.climb)
            await self._open_notebook(agent)
            await steering.control.begin()
            work = await self._until_stopped(self._live(agent))
            await steering.control.close()
            await self._ladder.close()
            await team.close()
            if work.cancelled():
                return "interrupted", await self._describe(agent.executor)
            end = self._end_of(work)
            await self._submit_at_last(end)
            if not self._has_ended(agent):
                await self._say_end(agent, end)
            return end, await self._describe(agent.executor)

    def _end_of(self, work: asyncio.Future[str]) -> str:
        """Why the lead's work ended. A defect is raised only after the best result has been submitted."""
        error = work.exception()
        if error is None:
            return work.result()
        if isinstance(error, BrainGone | disk.DiskFull) or not isinstance(error, Exception):
            raise error
        self._defect = error
        return f"a defect, {type(error).__name__}: {error}"

    def _brains(self, role: str) -> Sequence[Brain]:
        """The brains of a role, the leading one first."""
        if role == LEAD or self.team is None:
            return (self.brain, *self.others)
        return self.team(role)

    def _session(self, socket: Path, on_foreign: OnForeign) -> Kernel:
        variables = {"COBRA_SOCKET": str(socket)}
        return self.machinery.kernel(
            self.options.kernel,
            self.options.out,
            paths=[self._pack],
            variables=variables,
            on_foreign=on_foreign,
            clock=lambda: self.budget.used,  # a cell may wait for an agent whose cell waits for a person
        )

    async def _open_notebook(self, agent: Agent) -> None:
        """Write the notebook's title and file before the run is announced as running."""
        if len(agent.document) == 0:
            await agent.say(self._title())
        with contextlib.suppress(NotebookWriteError):  # tried again as it grows
            await self._team.workspaces[LEAD].file.settle()

    async def _live(self, agent: Agent) -> str:
        """Let the lead work. → why it ended."""
        before = self.history.lead if self.history else AgentHistory()
        return await self._team.work(agent, before, lambda: self._time_left(agent, self.budget.free))

    def _time_left(self, agent: Agent, left: float) -> float:
        """Seconds that an agent has for new work; in a replay, for the turn that comes next."""
        if self._recording:
            return float(self._recording.time_left(agent.name, len(agent.turns)))
        return left

    def _progress(self) -> RunProgress:
        """The run so far, as the ladder reads it."""
        started = self.budget.started
        records = [
            TimedRecord(self._ages.get(r.seq, r.time - started), r.kind, r.data) for r in list(self._results)
        ]
        return RunProgress(records, self.budget.seconds, self.budget.used, self.budget.free, self._team.least)

    def _title(self) -> str:
        o, card = self.options, self._latest[results.CARD]
        return (
            f"# {card['name']}\n"
            f"A run of Cobra within {spoken(o.budget)} (seed {o.seed}); {self.brain.name} is asked to lead. "
            "If another brain writes, a note says so, and the last cell sums it up. Every score comes from "
            "the harness, which alone holds the labels; `report.html` tells the story, `solution.ipynb` "
            "repeats the result."
        )

    async def _submit_at_last(self, end: str) -> None:
        """Select and submit by the rule if the agent did not submit its latest results."""
        trials = [r for r in self._results if r.kind == "trial"]
        scored = [r for r in trials if r.data["score"] is not None]
        full = [r for r in scored if r.data["full"] or r.data["reduced"]]
        last = self._latest.get(results.SUBMISSION)
        decided = max((r.seq for r in self._results if r.kind == "submission"), default=-1)
        due = bool(scored) if last is None else bool(full) and full[-1].seq > decided
        due = due and self.budget.left > CLOSING
        if self._recording and self._recording.closing is not None:
            due = self._recording.closing
        if due:
            self.ledger.append(kinds.DECISION, kinds.Decision(what="closing submission", why=end))
            note = f"## Closing\nThe agent stopped: {end}. The best by the rule is submitted."
            await self.agent.say(note, "cobra.select()\ncobra.submit()", max(1.0, 0.5 * self.budget.left))

    @staticmethod
    def _has_ended(agent: Agent) -> bool:
        """Whether a run that is resumed had written its last cell."""
        last = [agent.document.source_of(cell) for cell in agent.document.last(1)]
        return any(source.startswith(END) for source in last)

    async def _say_end(self, agent: Agent, end: str) -> None:
        """Say why to doubt the submission, who wrote the run, and why it ends with time left."""
        if suspect := self._finisher.suspect:
            reasons = "\n".join(f"- {reason}" for reason in suspect)
            await agent.say(f"## The submission is suspect\n{reasons}")
        unused = self.budget.free - self.budget.patience
        left = f"{spoken(unused)} for new work are left. " if unused > 0 else ""
        authors = self._run_status.authors.summary
        await agent.say(f"{END}\n{left}The run ends: {end}.\n\nWritten by: {authors}.")

    async def _describe(self, executor: Executor) -> results.Solution | None:
        """The submitted solution as the harness describes it; None if there is none."""
        if results.SUBMISSION not in self._latest:
            return None
        try:
            return cast("results.Solution", await executor.call("solution"))
        except (CallError, ConnectionLost):
            return None

    # ---- the parts

    def _prepare_folder(self) -> None:
        out = self.options.out
        if folders.was_refused(out):
            shutil.rmtree(out)  # it holds nothing but the refusal, and the command was mended
        if (out / "ledger.jsonl").exists() or (out.is_dir() and any(out.iterdir())):
            raise BadInput(f"{out} is not empty: give another folder with --out")
        if out.resolve().is_relative_to(self.options.folder.resolve()):
            raise BadInput(
                f"{out} lies in the competition's folder, which stays as it is: give another with --out"
            )
        try:
            (out / "logs").mkdir(parents=True)
            self._pack = pack(out)
        except OSError as error:
            raise BadInput(
                f"{out} cannot be written ({error.strerror}): give another folder with --out"
            ) from error

    def _restore_history(self, records: Sequence[Record]) -> None:
        """Restore what the record holds, and set the clock to the time used. Raises NothingRecorded."""
        history = recall(records, self.options.out)
        if history.state == "finished":  # it is resumed with more time
            history = replace(history, lead=replace(history.lead, finished=None))
        self.history, self._ages = history, ages(history.config["started"], history.records)
        self.budget.started = time.time() - history.used
        for record in history.records:
            self._latest.take(record)
        self._results = [record for record in history.records if record.kind in TOLD_KINDS]
        self._pack = self.options.out / "pack"
        if not self._pack.is_dir():
            self._pack = pack(self.options.out)

    def _write_first_records(self, environment: KernelProbe) -> None:
        o = self.options
        self._weights = [found.to_json() for found in weights.find(o.weights)]
        facts = {**environment.to_json(), "pack": digest(self._pack), "weights": self._weights}
        found = cast("kinds.Environment", facts)
        if self.history:
            cut, used = self.ledger.cut, round(self.history.used, 3)
            why = f"a torn last line of {cut} bytes was cut" if cut else None
            self.ledger.append(kinds.STATE, kinds.State(state="resumed", why=why, used=used, budget=o.budget))
            if found != self._latest.get(kinds.ENVIRONMENT):
                self.ledger.append(kinds.ENVIRONMENT, found)
            return
        self.ledger.append(kinds.RUN, self._config())
        self.ledger.append(kinds.ENVIRONMENT, found)

    def _config(self) -> kinds.Run:
        """The first record: the run's configuration."""
        o = self.options
        return kinds.Run(
            run=o.out.name,
            folder=str(o.folder),
            brain=o.brain,
            budget=o.budget,
            seed=o.seed,
            brains=[brain.name for brain in (self.brain, *self.others)],
            kernel=o.kernel,
            settings=dict(o.settings),
            started=o.started,
            version=metadata.version("cobra_jupyter"),
            weights=list(o.weights),
            prompts=prompt.hashes(),
            model=dict(o.model),
            approval=o.approval,
        )

    def _harness(self, environment: KernelProbe) -> Harness:
        memory = min(environment.memory_bytes, environment.memory_limit_bytes or environment.memory_bytes)
        self._resources = {
            "cores": environment.cores,
            "memory_mb": memory // 2**20,
            "gpus": len(environment.gpus),
            "libraries": environment.libraries,
            "weights": self._weights,
        }
        o = self.options
        facts = {
            "folder": str(o.out.resolve()),
            "competition": str(o.folder.resolve()),
            "options": dict(o.settings),
            "seed": o.seed,
            "slots": environment.cores,
            "memory_bytes": int(0.8 * memory / environment.cores),
            "gpus": len(environment.gpus),
            "started": self.budget.started,
            "budget": o.budget - CLOSING,
            "recorded": str(self._recording.ledger) if self._recording and self._recording.ledger else None,
        }
        return self.machinery.harness(
            environment.python, self._pack, o.out / "logs" / "harness.log", facts, os.environ
        )

    async def _context(self, agent: Agent, turns: tuple[Turn, ...]) -> Context:
        status = await agent.executor.call("status")
        self.budget.reserve = float(status["reserve"]) + CLOSING
        clock = agent.clock or Clock(self.budget.seconds, self.budget.left, self.budget.reserve)
        results = list(self._results)
        return Context(
            clock=clock,
            resources={**self._resources, "submit": status.get("submit")},
            turns=turns,
            records=tuple((r.kind, r.data) for r in results),
            role=agent.role,
            description=self._description,
            lines=tuple(r.seq for r in results),
            agent=agent.name,
            task=agent.task,
            render=prompt.render,
        )

    # ---- calls from the harness, in its threads

    def _follow(self, record: Record) -> None:
        self._latest.take(record)
        if record.kind in TOLD_KINDS:
            self._results.append(record)
        if self._steering is None:
            self._run_status.take(record)
        else:
            self._steering.recorded(record)
        self.on_record(record, self.budget)

    def _on_record(self, kind: str, data: dict[str, Any]) -> int:
        """Write a record of the harness. → its seq."""
        if kind not in HARNESS_KINDS:
            raise ValueError(f"{kind} is no kind of record a harness may write")
        return self.ledger.write(kind, data).seq

    def _on_ask(self, what: str, args: dict[str, Any]) -> Any:
        if what == "finish":
            return self._finish(args)
        if what == "recall":
            turns = self._team.agents[args["agent"]].turns
            return recollection(str(args.get("id")), self._results, self.options.out, turns)
        if what == "delegate":
            return asyncio.run_coroutine_threadsafe(self._delegate(args), self._loop).result()
        raise RuntimeError(f"a run cannot answer {what!r}")

    def _finish(self, args: dict[str, Any]) -> str:
        """An agent is done, or the lead is asked to confirm. → the answer for its cell."""
        agent = self._team.agents[args["agent"]]
        if agent.name == LEAD and (why := self._not_yet(agent)):
            self._warned = True
            return why
        if awaited := agent.hand_over():
            return f"not yet: {awaited.said} and goes on from here; until then nothing runs but running jobs"
        self.ledger.append(kinds.FINISH, kinds.Finish(agent=agent.name, why=str(args.get("why") or "")))
        self._loop.call_soon_threadsafe(setattr, agent, "finished", args.get("why") or "the agent is done")
        if agent.name != LEAD:
            return "your work ends after this cell; this is your report"
        return f"the run ends after this cell; {self.budget.said} were left"

    def _not_yet(self, agent: Agent) -> str | None:
        """What to ask a model, once, that stops early; None if it may finish."""
        if self._recording:  # as in the recorded run
            early = len(agent.turns) + 1 < self._recording.last(LEAD)
        else:
            left = self.budget.free > EARLY * self.budget.seconds or results.SUBMISSION not in self._latest
            early = agent.reads and left and not self._warned and self.budget.free > 0
        if not early:
            return None
        without = "" if results.SUBMISSION in self._latest else " and nothing is submitted yet"
        return (
            f"not yet: {self.budget.said} are left{without}. Try something that differs in kind, or call "
            "cobra.finish again: then the run ends at once, running jobs included"
        )

    async def _delegate(self, args: dict[str, Any]) -> results.Brief:
        if args["agent"] != LEAD:
            raise NoAgent("only the lead calls in other agents; say what you need in your report")
        await self._ready.wait()
        return await self._team.delegate(str(args["role"]), str(args["brief"]), LEAD)


def _description(folder: Path) -> str:
    """The competition's description, shortened for a prompt."""
    for path in sorted(folder.glob("description*.md")):
        return path.read_text(encoding="utf-8", errors="replace")[:50_000]
    return ""


def _secrets() -> list[str]:
    """Values of environment variables with names like secrets: never written anywhere."""
    from cobra_jupyter.brains import keys
    from cobra_jupyter.kernel.process import scrubbed

    harmless = {*scrubbed(os.environ), *keys.SETTINGS}
    return [value for name, value in os.environ.items() if name not in harmless and value]


def _notebook_metadata(environment: KernelProbe) -> dict[str, Any]:
    return {
        "kernelspec": {
            "name": environment.kernel_name,
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
        },
        "language_info": {"name": "python", "version": environment.python_version},
    }
