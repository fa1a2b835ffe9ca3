"""Delegated agents, in runs without processes: called in by lead or ladder, beside the lead, after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cobra_jupyter.brains.base import BrainGone
from cobra_jupyter.brains.context import Context
from cobra_jupyter.records.ledger import Record, read
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.agent.test_loop import Speaker
from tests.conftest import make_competition
from tests.inprocess import UNPROVEN, probe

LOAD = "%load_ext cobra_jupyter"
RIDGE = """%%candidate NAME
from sklearn.linear_model import Ridge
FACTORS = {"alpha": [1.0, 10.0]}
def fit(train, ctx):
    return Ridge(alpha=ctx.config["alpha"]).fit(train[["a", "b"]], train[ctx.targets[0]])
def predict(model, rows, ctx):
    return model.predict(rows[["a", "b"]])"""
START = [
    f"{LOAD}\ncobra.open()\ncobra.protocol(folds=3)",
    RIDGE.replace("NAME", "ridge"),
    'cobra.submit(cobra.trial("ridge").id)',
]
REPORT = 'cobra.finish("t001 stands; nothing else helped")'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_competition(tmp_path_factory.mktemp("competition"), "regression", rows=120, test_rows=30)


def script(**cells: list[str]) -> Speaker:
    """A brain that writes the cells of each agent, one a turn, and then finishes."""

    def say(context: Context) -> str:
        mine = cells.get(context.agent.replace("-", "_"), [LOAD, REPORT])
        place = len(context.turns)
        code = mine[place] if place < len(mine) else 'cobra.finish("the script is over")'
        return f"## {context.agent}, step {place + 1}\nAs written.\n\n```python\n{code}\n```\n"

    return Speaker("script", say)


def play(folder: Path, out: Path, brain: Speaker, budget: float = 400.0, **more: Any) -> list[Record]:
    options = Options(folder, out, brain.name, budget, 0, None, {}, time.time())
    asyncio.run(Runner(options, brain, **{"machinery": UNPROVEN, **more}).run())
    return list(read(out / "ledger.jsonl"))


def of(records: list[Record], kind: str) -> list[dict[str, Any]]:
    return [record.data for record in records if record.kind == kind]


def contexts(brain: Speaker, agent: str) -> list[Context]:
    return [context for context in brain.contexts if context.agent == agent]


def test_a_scout_has_its_own_notebook_kernel_and_clock(folder: Path, tmp_path: Path) -> None:
    mine = (
        'x = 7\nbrief = cobra.delegate("scout", "Try another family.", background=False)\n'
        'print("lead still has", x)'
    )
    scout = [
        LOAD,
        'print("x" in globals())',
        RIDGE.replace("NAME", "other"),
        'cobra.trial("other", {"alpha": 3.0})',
        REPORT,
    ]
    brain = script(lead=[*START, mine], scout_1=scout)
    records = play(folder, tmp_path / "run", brain)
    (brief,) = of(records, "brief")
    assert brief["report"] == "t001 stands; nothing else helped"
    assert brief["results"] == ["t002"]
    assert (brief["turns"], brief["ended"], brief["by"]) == (5, "with a report", "lead")
    outputs = {(e["agent"], e["turn"]): e["output"] for e in of(records, "execution")}
    assert outputs["scout-1", 2].strip() == "False"
    assert "nothing else helped" in outputs["lead", 4]
    assert "lead still has 7" in outputs["lead", 4]
    notebook = nbformat.read(tmp_path / "run" / "agents" / "scout-1.ipynb", as_version=4)
    assert "Try another family." in notebook.cells[0].source
    assert any("## scout-1, step 4" in cell.source for cell in notebook.cells)
    lead = (tmp_path / "run" / "agent.ipynb").read_text()
    assert "scout-1, step" not in lead
    known = contexts(brain, "scout-1")
    assert known[0].clock.budget == pytest.approx(32.0)  # 8 % of 400 s
    assert "Try another family." in known[0].prompt.changing
    assert "- t001 ridge()" in known[0].prompt.changing
    assert "def fit" not in known[0].prompt.changing + known[0].prompt.stable
    assert "scout-1: script" not in known[0].prompt.system
    assert "You are a scout" in known[0].prompt.system


def test_the_workbench_is_loaded_in_the_kernel_of_an_agent_that_is_called_in(
    folder: Path, tmp_path: Path
) -> None:
    ask = 'cobra.delegate("scout", "Look at the standing.", background=False)'
    magic = "%%candidate flat\ndef fit(train, ctx): return 0\ndef predict(model, rows, ctx): return rows['a']"
    scout = ["cobra.status()", magic, REPORT]
    records = play(folder, tmp_path / "run", script(lead=[*START, ask], scout_1=scout))
    done = [e["status"] for e in of(records, "execution") if e["agent"] == "scout-1"]
    assert done == ["ok", "ok", "ok"]
    assert [data["name"] for data in of(records, "candidate")] == ["ridge", "flat"]


def test_the_ladder_is_climbed_rung_by_rung_and_each_is_logged_with_cost_and_gain(
    folder: Path, tmp_path: Path
) -> None:
    """Takes long: a whole run of several agents."""
    worse = [f'cobra.trial("ridge", {{"alpha": {alpha}}})' for alpha in range(1000, 1012)]
    lead = [
        *START,
        RIDGE.replace("NAME", "second").replace("1.0,", "50.0,"),
        'cobra.trial("second")',
        *(f'cobra.trial("second", {{"alpha": {alpha}}})' for alpha in range(2000, 2004)),
        *worse,
        'cobra.trial("second", {"alpha": 0.5})\ncobra.blend()',
        "cobra.status()",
    ]
    brain = script(lead=lead)
    records = play(folder, tmp_path / "run", brain, 2400.0)
    rungs = of(records, "rung")
    assert [(r["rung"], r["state"]) for r in rungs] == [
        ("audit", "begun"),
        ("audit", "ended"),
        ("scout", "begun"),
        ("scout", "ended"),
        ("fusion", "begun"),
        ("fusion", "ended"),
    ]
    assert rungs[0]["why"] == "ridge: 4 new ideas without a gain"
    assert [a["role"] for a in of(records, "agent")] == ["auditor", "scout"]
    ended = [r for r in rungs if r["state"] == "ended"]
    assert all(r["seconds"] > 0 for r in ended[:2])
    assert all(r["tokens"] == 220 and r["cost"] == pytest.approx(0.02) for r in ended[:2])  # two turns each
    assert ended[0]["gain"] == 0.0
    assert rungs[4]["lines"] == ["t001", "t002"]
    asked = [
        c for c in contexts(brain, "lead") if "Fuse the two best lines, t001 and t002" in c.prompt.changing
    ]
    assert asked
    told = next(c for c in contexts(brain, "lead") if "auditor-1 is back" in c.prompt.changing)
    assert "t001 stands; nothing else helped" in told.prompt.changing
    page = (tmp_path / "run" / "agent.ipynb").read_text()
    assert "A auditor is called in" not in page
    assert "An auditor is called in" in page


def test_delegated_agents_cannot_make_the_leads_decisions(folder: Path, tmp_path: Path) -> None:
    tries = [
        LOAD,
        "cobra.protocol(folds=4)",
        "cobra.submit()",
        'cobra.open(metric="mae")',
        'cobra.delegate("scout", "help")',
        REPORT,
    ]
    lead = [*START, 'cobra.delegate("auditor", "Look at the split.")', 'cobra.delegate("king", "Rule.")']
    records = play(folder, tmp_path / "run", script(lead=lead, auditor_1=tries))
    said = [e["evalue"] for e in of(records, "execution") if e["agent"] == "auditor-1"]
    assert [("the lead's to call" in s) for s in said[1:4]] == [True] * 3
    assert "only the lead calls in other agents" in said[4]
    assert len(of(records, "protocol")) == 1
    last = [e for e in of(records, "execution") if e["agent"] == "lead"][4]
    assert "there is no role 'king'; roles are scout, auditor, judge" in last["evalue"]


def test_a_judge_gets_numbers_only(folder: Path, tmp_path: Path) -> None:
    brain = script(lead=[*START, 'cobra.delegate("judge", "Weigh them.")'])
    play(folder, tmp_path / "run", brain)
    prompt = contexts(brain, "judge-1")[0].prompt
    text = prompt.stable + prompt.changing
    assert "- t001 (single): " in text
    assert "protocol 1: 3 folds" in text
    assert "rmse (lower is better)" in text
    assert "ridge" not in text
    assert "Evaluation" not in text  # of the competition's description


def test_an_agent_without_a_brain_or_a_report_still_returns(folder: Path, tmp_path: Path) -> None:
    lead = [
        *START,
        'cobra.delegate("auditor", "Look at the split.")',
        'cobra.delegate("judge", "Weigh them.")',
    ]
    brain = script(lead=lead, judge_1=["x = 1"] * 9)
    gone = Speaker("gone", lambda context: BrainGone("no key"))
    records = play(
        folder, tmp_path / "run", brain, team=lambda role: (gone,) if role == "auditor" else (brain,)
    )
    auditor, judge = of(records, "brief")
    assert auditor["ended"] == "BrainGone: no key"
    assert (judge["turns"], judge["ended"]) == (4, "4 turns were taken")
    assert "It ended without a report (4 turns were taken)" in judge["report"]
    assert of(records, "state")[-1]["state"] == "finished"


def test_a_scout_works_beside_the_lead_if_there_are_enough_cores(folder: Path, tmp_path: Path) -> None:
    four = replace(UNPROVEN, probe=lambda kernel: replace(probe(kernel), cores=4))
    go = tmp_path / "go"
    ask = 'job = cobra.delegate("scout", "Try another family.")'
    lead = [*START, ask, "cobra.status()", f"open({str(go)!r}, 'w').close()\ncobra.wait()"]
    waits = f"import os, time\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.01)"
    brain = script(lead=lead, scout_1=[LOAD, waits, REPORT])
    records = play(folder, tmp_path / "run", brain, machinery=four)
    order = [(r.data["agent"], r.data["turn"]) for r in records if r.kind == "execution" and r.data["turn"]]
    assert order.index(("lead", 5)) < order.index(("scout-1", 2))
    jobs = of(records, "job")
    assert [job["state"] for job in jobs] == ["running", "done"]
    assert jobs[1]["result"] == "d01"
    assert "scout-1 is back (d01): t001 stands" in contexts(brain, "lead")[-1].prompt.changing


@pytest.mark.parametrize("death", ["agent", "reply:5", "cell:6", "brief"])
def test_a_delegated_agent_goes_on_after_the_run_was_killed(death: str, folder: Path, tmp_path: Path) -> None:
    cells = [LOAD, "mark = 5", 'print("mark", mark)', REPORT]
    lead = [
        *START,
        'brief = cobra.delegate("scout", "Try another family.", background=False)',
        "print(brief.id)",
    ]
    kind, _, nth = death.partition(":")
    out = tmp_path / "run"
    pid = os.fork()
    if pid == 0:  # a life of its own, that ends in the middle
        seen = 0

        def end(record: Record, budget: object) -> None:
            nonlocal seen
            seen += record.kind == kind
            if record.kind == kind and seen == int(nth or 1):
                os.kill(os.getpid(), signal.SIGKILL)

        play(folder, out, script(lead=lead, scout_1=cells), on_record=end)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    records = play(folder, out, script(lead=lead, scout_1=cells), resume=True)
    (agent,), (brief,) = of(records, "agent"), of(records, "brief")
    assert (agent["agent"], brief["turns"], brief["ended"]) == ("scout-1", 4, "with a report")
    outputs = {(e["agent"], e["turn"]): e["output"] for e in of(records, "execution")}
    assert outputs["scout-1", 3].strip() == "mark 5"
    assert outputs["lead", 5].strip() == "d01"
    replies = [(r["agent"], r["turn"]) for r in of(records, "reply")]
    assert len(replies) == len(set(replies))
