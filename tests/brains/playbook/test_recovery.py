"""The playbook when progress stalls: as lead, and as each of those that are called in."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.agent import ladder
from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.agent.plateau import Rung, RunProgress, lines
from cobra_jupyter.brains.base import BrainGone
from cobra_jupyter.brains.context import Context, Task, Turn
from cobra_jupyter.brains.playbook import Playbook
from cobra_jupyter.brains.playbook.plan import next_step
from cobra_jupyter.brains.playbook.roles import step_of
from cobra_jupyter.brains.playbook.step import Step
from cobra_jupyter.brains.playbook.view import View
from cobra_jupyter.records.ledger import Record, read
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.agent.test_loop import Speaker
from tests.brains.playbook.test_plan import PROTOCOL, context, full
from tests.conftest import make_competition
from tests.inprocess import UNPROVEN

Data = tuple[str, dict[str, Any]]
FROZEN: Data = ("protocol", {**PROTOCOL, "asked": {"groups": None}})
LOADED = Turn(1, "## The competition\n", "%load_ext cobra_jupyter\ncard = cobra.open()", "ok")


def finding(check: str, severity: str, protocol: dict[str, Any] | None) -> dict[str, Any]:
    words = {
        "evidence": "The folds cut through sites.",
        "proposal": "Keep sites whole.",
        "columns": [],
        "scores": None,
    }
    return {"check": check, "severity": severity, "protocol": protocol, **words}


def audited(*findings: dict[str, Any]) -> Data:
    return "audit", {"findings": list(findings), "probed": None, "leaking": []}


BRIEF: Data = ("brief", {"id": "d01", "agent": "auditor-1", "results": [], "report": "…"})


def lead(*records: Data) -> Context:
    return replace(context(records=(FROZEN, ("submission", {"what": "t001"}), *records)), turns=(LOADED,))


def called(role: str, *records: Data) -> Context:
    task = Task(f"{role}-1", role, "Look.", 60.0, 9, "ladder")
    return replace(context(60, 60, 0, (FROZEN, *records)), role=role, agent=task.agent, task=task)


def steps(start: Context, role: str) -> list[Step]:
    """All steps of one that was called in, whose cells do nothing but be done."""
    found: list[Step] = []
    while not found or "cobra.finish" not in found[-1].code:
        step = step_of(View(start), role)
        found.append(step)
        turn = Turn(len(start.turns) + 1, f"## {step.title}\n{step.text}", step.code, "ok")
        start = replace(start, turns=(*start.turns, turn))
        assert len(found) < 12
    return found


def test_a_defect_that_an_auditor_found_leads_to_a_better_protocol_and_finalists_trained_again() -> None:
    twice = [
        finding("drift", "warning", {"groups": "site"}),
        finding("groups", "warning", {"groups": "site"}),
    ]
    records = (full("boosting", 0.5, {"a": 1}), audited(*twice), BRIEF)
    step = next_step(lead(*records))
    assert (step.title, step.code) == ("Protocol 2", "protocol = cobra.protocol(groups='site')")
    second: Data = ("protocol", {**PROTOCOL, "number": 2, "asked": {"groups": "site"}})
    trial = {**full("boosting", 0.5, {"a": 1})[1], "candidate": "boosting_v1", "label": "boosting(a=1)"}
    again = next_step(lead(("trial", trial), audited(*twice), BRIEF, second))
    assert again.title == "Again under protocol 2: boosting"
    assert again.code == "cobra.scale(\"boosting_v1\", {'a': 1})"


@pytest.mark.parametrize(
    "findings",
    [
        [],
        [finding("drift", "warning", {"groups": "site"})],
        [finding("groups", "leak", None)],
        [finding("groups", "leak", {"groups": None})],
    ],
)
def test_a_single_warning_or_what_is_in_force_already_changes_no_protocol(
    findings: list[dict[str, Any]],
) -> None:
    step = next_step(lead(full("boosting", 0.5, {"a": 1}), audited(*findings), BRIEF))
    assert not step.title.startswith("Protocol")


def test_the_auditor_reports_the_cure_or_that_the_split_holds() -> None:
    cure = called("auditor", audited(finding("groups", "leak", {"groups": "site"})))
    assert "Cure: cobra.protocol(groups='site')" in steps(cure, "auditor")[-1].code
    assert "The split holds" in steps(called("auditor", audited()), "auditor")[-1].code


def test_the_judge_blends_the_best_three_and_says_what_the_numbers_say() -> None:
    trials = [full("boosting", 0.4 + n / 10, {"a": n}, n) for n in range(1, 5)]
    few = {
        "id": "b02",
        "score": 0.39,
        "se": 0.05,
        "protocol": 1,
        "members": [{"trial": "t001"}, {"trial": "t002"}],
    }
    many = {**few, "id": "b01", "score": 0.38, "members": [{"trial": f"t00{n}"} for n in range(1, 5)]}
    found = steps(called("judge", *trials, ("blend", many), ("blend", few)), "judge")
    assert '["t001", "t002", "t003"]' in found[0].code
    assert (
        "b02, of at most three members, is 0.01000 behind: less than half a standard error" in found[-1].code
    )


def test_a_scout_takes_the_family_least_tried_and_stays_with_it() -> None:
    trials = [full(name, 0.5, {"a": 1}) for name in ("boosting", "linear", "neighbours")]
    titles = [
        step.title
        for step in steps(called("scout", ("shared", {"name": "columns", "columns": []}), *trials), "scout")
    ]
    assert titles == ["A fresh start", "Candidate: trees", "From the far end: trees", "Report"]


def test_a_fusion_of_candidates_that_the_playbook_does_not_know_is_a_blend_of_the_two() -> None:
    rung: Data = ("rung", {"rung": "fusion", "state": "begun", "number": 3, "lines": ["t001", "t002"]})
    trials = (full("mine", 0.5, {"a": 1}, 1), full("yours", 0.6, {"b": 2}, 2))
    step = next_step(lead(*trials, rung))
    assert (step.title, step.code) == ("Fusion 3: mine and yours", 'blend = cobra.blend(["t001", "t002"])')


# ---- a whole run


def with_sites(frame: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(len(frame))
    codes = rng.integers(0, 12, len(frame)) + (0 if "y" in frame else 50)
    frame = frame.assign(site=[f"s{code}" for code in codes])
    return frame.assign(y=frame["y"] + 3 * np.sin(codes)) if "y" in frame else frame


def rung_by_rung(story: RunProgress) -> Rung | None:
    """Each rung as soon as it makes sense, without waiting for a plateau."""
    begun = sum(moment.data["state"] == "begun" for moment in story.of("rung"))
    ready = len(lines(story)) > 1
    if begun == 0 and story.of("submission"):
        return Rung("audit", "as the test wants it", 30.0)
    if begun == 1 and story.of("protocol")[-1].data["number"] == 2 and ready:
        return Rung("scout", "as the test wants it", 30.0)
    return Rung("fusion", "as the test wants it", 0.0) if begun == 2 and ready else None


@pytest.mark.full
def test_the_playbook_takes_over_redesigns_the_split_and_climbs_every_rung(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes long: a whole run of the playbook, with two protocols and the agents it calls in."""
    public = make_competition(tmp_path, "regression", rows=240, test_rows=60, change=with_sites)
    begin = ["%load_ext cobra_jupyter\ncobra.open()", 'cobra.protocol(split="kfold", folds=3, repeats=1)']

    def say(told: Context) -> str | Exception:
        if len(told.turns) < len(begin):
            return f"## Begin\n\n```python\n{begin[len(told.turns)]}\n```\n"
        return BrainGone("no tokens are left")

    monkeypatch.setattr(ladder, "due", rung_by_rung)

    def on_record(record: Record, _: Budget) -> None:
        if record.kind == "rung" and (record.data["rung"], record.data["state"]) == ("fusion", "ended"):
            runner.interrupted.set()  # all that is looked for here has happened

    options = Options(public, tmp_path / "run", "speaker", 300.0, 0, None, {}, time.time())
    runner = Runner(
        options,
        Speaker("speaker", say),
        on_record,
        others=(Playbook(),),
        team=lambda role: (Playbook(),),
        machinery=UNPROVEN,
    )
    result = asyncio.run(runner.run())
    assert result.submission is not None
    records = list(read(tmp_path / "run" / "ledger.jsonl"))
    rungs = of(records, "rung")
    assert [(rung["rung"], rung["state"]) for rung in rungs[:6]] == [
        ("audit", "begun"),
        ("audit", "ended"),
        ("scout", "begun"),
        ("scout", "ended"),
        ("fusion", "begun"),
        ("fusion", "ended"),
    ]
    assert [protocol["split"] for protocol in of(records, "protocol")] == ["kfold", "group"]
    assert "Cure: cobra.protocol(groups='site')" in of(records, "brief")[0]["report"]
    assert of(records, "submission")[-1]["protocol"] == 2
    assert [e["evalue"] for e in of(records, "execution") if e["status"] == "error"] == []


def of(records: list[Record], kind: str) -> list[dict[str, Any]]:
    return [record.data for record in records if record.kind == kind]
