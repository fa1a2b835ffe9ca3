"""The end of a run: its proof, its report, its last records; and run.json, the run's current state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.agent.team import notebook_of
from cobra_jupyter.notebook import report, solution
from cobra_jupyter.records import kinds
from cobra_jupyter.records.authors import Authors
from cobra_jupyter.records.files import write_json
from cobra_jupyter.records.latest import Latest
from cobra_jupyter.records.ledger import Ledger, read
from cobra_jupyter.run.machinery import PROCESSES, Machinery
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.proof import Proof
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.harness.ownership import LEAD
from cobra_jupyter.workbench.harness.resources import SECOND_PROOF
from cobra_jupyter.workbench.hashing import sha256

CLOSING = 4.0  # seconds for the report, the last writes and the exit
UNPROVEN = Proof("not run", "nothing was submitted", 0.0, False)
UNTRAINED = "no trial was submitted: submission.csv is a placeholder, {why}"


@dataclass(frozen=True)
class Result:
    """The result of a run. `submission` is None if there is none; scores are cross-validated. `suspect`: the
    reasons to doubt the submission."""

    run: str
    competition: str
    metric: str | None
    direction: str | None
    protocol: str | None
    cv: float | None
    cv_se: float | None
    submission: str | None
    suspect: tuple[str, ...]
    notebook: str
    solution: str | None
    report: str
    proof: Proof
    seconds: float
    budget: float
    written_by: str
    ended: str  # why
    assumed: tuple[results.Assumption, ...] = ()

    def record(self) -> dict[str, Any]:
        return {**asdict(self), "proof": self.proof.outcome, "seconds": round(self.seconds, 1)}


@dataclass
class Finisher:
    """Writes states, proof and report. `latest`: the latest record of each kind; `recording`: the run being
    replayed, if any."""

    options: Options
    ledger: Ledger
    budget: Budget
    latest: Latest
    recording: Any = None
    id: str = ""  # of the run
    machinery: Machinery = PROCESSES
    authors: Authors = field(default_factory=Authors)

    async def prove(self, described: results.Solution) -> Proof:
        """Write `solution.ipynb`, run it in a fresh kernel, compare. It trains the models again; if that
        takes too long, it predicts with the saved models; if that does too, there is no proof."""
        left = self.budget.left - CLOSING
        quick = 1.3 * (described["overhead"] + self.latest[results.SUBMISSION]["seconds"])  # saved models
        second_proof = max(SECOND_PROOF, quick + CLOSING)
        if quick > left and not self.recording:
            return self._unproven(f"it would take about {quick:.0f} s and {max(left, 0):.0f} s are left")
        cost = sum(member["cost"] for member in described["members"]) / described["slots"]
        saved = all(
            (self.options.out / model["path"]).exists()
            for member in described["members"]
            for model in member["models"]
        )
        retrain = not saved or cost * 1.3 + described["overhead"] + 8 + second_proof < left
        if self.recording and self.recording.retrained is not None:
            retrain = self.recording.retrained
        second = second_proof if retrain and saved else 0.0
        limit = left - second
        proof = await self._prove(described, retrain, limit)
        if second and proof.outcome == "failed" and proof.seconds >= limit:
            again = await self._prove(described, False, self.budget.left - CLOSING)
            proof = replace(again, detail=f"{again.detail}; training anew did not end within {limit:.0f} s")
        if proof.outcome == "failed" and self.budget.left - CLOSING <= 1:
            return self._unproven(f"it did not end within {limit:.0f} s")
        self.ledger.append(kinds.PROOF, proof.record())
        return proof

    def _unproven(self, why: str) -> Proof:
        """There was no time: that is no failure of the notebook."""
        proof = Proof("not run", f"{why}; `cobra verify --rerun` makes up for it", 0.0, False)
        self.ledger.append(kinds.PROOF, proof.record())
        return proof

    async def _prove(self, described: results.Solution, retrain: bool, seconds: float) -> Proof:
        out, path = self.options.out, self.write_solution(described, retrain)
        return await self.machinery.prove(
            path, out / "submission.csv", out / "proof", self.options.kernel, max(seconds, 1.0), retrain
        )

    def write_solution(self, described: results.Solution, retrain: bool) -> Path:
        submitted, path = self.latest[results.SUBMISSION], self.options.out / "solution.ipynb"
        facts = {
            "competition": self.latest[results.CARD]["name"],
            "score": submitted["score"],
            "se": submitted["se"],
        }
        write_json(path, solution.build(described, retrain, facts))
        return path

    def close(
        self,
        end: str,
        described: results.Solution | None,
        proof: Proof,
        agents: Sequence[str],
        failed: bool = False,
    ) -> Result:
        """Write the last records, the report and run.json. `agents`: names of the delegated agents."""
        out = self.options.out
        names = [*map(notebook_of, (LEAD, *agents)), "studies.db"]
        submitted, placeholder = self.latest.get(results.SUBMISSION), self.latest.get(results.PLACEHOLDER)
        names += ["submission.csv"] if submitted or placeholder else []
        names += ["solution.ipynb"] if described else []
        for name in names:
            if (out / name).exists():
                self.ledger.append(kinds.FILE, kinds.File(path=name, sha256=sha256(out / name)))
        card, protocol = self.latest.get(results.CARD), self.latest.get(results.PROTOCOL)
        scored_by = protocol or card
        result = Result(
            run=str(out),
            competition=self._competition,
            metric=scored_by["metric"] if scored_by else None,
            direction=scored_by["direction"] if scored_by else None,
            protocol=protocol["digest"] if protocol else None,
            cv=submitted["score"] if submitted else None,
            cv_se=submitted["se"] if submitted else None,
            submission=str(out / "submission.csv") if submitted or placeholder else None,
            suspect=self.suspect,
            notebook=str(out / "agent.ipynb"),
            solution=str(out / "solution.ipynb") if (out / "solution.ipynb").exists() else None,
            report=str(out / "report.html"),
            proof=proof,
            seconds=self.budget.used,
            budget=self.options.budget,
            written_by=self.authors.summary,
            ended=end,
            assumed=tuple(card.get("assumed", ())) if card else (),
        )
        state = "failed" if failed else "stopped" if end == "interrupted" else "finished"
        run = self._run_json(state, end, result)
        report.write(out / "report.html", run, list(read(out / "ledger.jsonl")))
        self.ledger.append(kinds.FILE, kinds.File(path="report.html", sha256=sha256(out / "report.html")))
        self.state(run["state"], end, result)
        return result

    def state(self, state: str, why: str | None, result: Result | None = None, held: bool = False) -> None:
        """Write a state of the run into the record and run.json. `held`: the clock stops or restarts here."""
        record = kinds.State(state=state, why=why)
        if held:
            record["used"] = round(self.budget.used, 3)
        self.ledger.append(kinds.STATE, record)
        write_json(self.options.out / "run.json", self._run_json(state, why, result))

    @property
    def suspect(self) -> tuple[str, ...]:
        """The reasons to doubt the submission that stands."""
        return suspicions(self.latest.get(results.SUBMISSION), self.latest.get(results.PLACEHOLDER))

    @property
    def _competition(self) -> str:
        card = self.latest.get(results.CARD)
        return card["name"] if card else self.options.folder.name

    def _run_json(self, state: str, why: str | None, result: Result | None) -> dict[str, Any]:
        o = self.options
        return {
            "id": self.id,
            "run": o.out.name,
            "competition": self._competition,
            "state": state,
            "why": why,
            "pid": os.getpid(),
            "started": o.started,
            "seconds": round(self.budget.used, 1),
            "budget": o.budget,
            "seed": o.seed,
            "brain": o.brain,
            "head": self.ledger.head,
            "length": self.ledger.length,
            "environment": self.latest.get(kinds.ENVIRONMENT) or {},
            "result": result.record() if result else None,
            "proof": result.proof.record() if result else None,
        }


def suspicions(
    submitted: results.Submission | None, placeholder: results.Placeholder | None
) -> tuple[str, ...]:
    """The reasons to doubt what stands in submission.csv."""
    if submitted is not None:
        return tuple(submitted["suspect"])
    return (UNTRAINED.format(why=placeholder["why"]),) if placeholder is not None else ()
