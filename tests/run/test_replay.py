"""A recorded run replays to the same notebook, whatever the clock says, and its replies alone can be kept
too."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cobra_jupyter.brains import recording
from cobra_jupyter.brains.base import Brain, Finish
from cobra_jupyter.brains.context import Context
from cobra_jupyter.brains.replay import Recording, replays
from cobra_jupyter.cli import main as cli
from cobra_jupyter.notebook.normalise import differences, normalised
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.run import folders
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.conftest import make_competition
from tests.fakes.recorded import RecordedRun
from tests.fakes.scripted import Scripted
from tests.inprocess import MACHINERY
from tests.run.ends import of, sha256

RIDGE = """%%candidate ridge
import os
import time
import numpy as np
from sklearn.linear_model import Ridge
FACTORS = {"alpha": [1000.0, 1.0, 30.0], "bend": [False, True]}
def numbers(rows, ctx):
    X = rows[["a", "b"]].to_numpy()
    return np.column_stack([X, X**2]) if ctx.config["bend"] else X
def pause(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:  # in pieces, so that a fit in a thread can be ended
        time.sleep(0.02)
def fit(train, ctx):
    pause(float(os.environ.get("TEST_PACE", "0.02")))
    noise = np.random.default_rng(ctx.seed).normal(scale=0.01, size=len(train))
    return Ridge(alpha=ctx.config["alpha"]).fit(numbers(train, ctx), train[ctx.targets[0]] + noise)
def predict(model, rows, ctx):
    return model.predict(numbers(rows, ctx))"""
LAZY = (
    RIDGE.replace("%%candidate ridge", "%%candidate lazy")
    .replace('FACTORS = {"alpha": [1000.0, 1.0, 30.0]', 'FACTORS = {"nap": [0.0, 60.0], "alpha": [5.0, 50.0]')
    .replace("    pause(", '    pause(ctx.config["nap"] * float(os.environ.get("TEST_NAP", "1")) + ')
)
CELLS = [
    "%load_ext cobra_jupyter\ncobra.open()",
    "cobra.protocol(folds=3)",
    RIDGE,
    LAZY,
    'first = cobra.trial("ridge")',
    'effects = cobra.ablate("ridge", seconds=24)',
    (
        'lazy = cobra.ablate("lazy", {"alpha": [5.0, 50.0], "nap": [0.0, 60.0]},'
        " seconds=5, fraction=0.5, folds=[0])"
    ),
    'late = cobra.trial("lazy", {"nap": 60.0}, timeout=1.0, folds=1)',
    'job = cobra.scale("ridge", effects.best, background=True)',
    "1 / 0",
    "cobra.wait()\ncobra.status()",
    'cobra.scale("ridge", {"alpha": 30.0}, seed=7)\nblend = cobra.blend()',
    "cobra.audit()",
    "selection = cobra.select()\ncobra.submit()\nprint(first.id, selection.chosen)",
]
FAST = {"TEST_PACE": "0.02", "TEST_NAP": "1"}
OTHER = {"TEST_PACE": "0.5", "TEST_NAP": "0"}  # what was fast is slow, what took too long is done at once


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_competition(tmp_path_factory.mktemp("competition"), "regression", rows=240, test_rows=60)


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything that may depend on the clock, and a file of its replies."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    (brain,) = recording.recorded([Scripted(CELLS)], out.parent / "replies.jsonl", ["the script is over"])
    live(Options(folder, out, "scripted", 150.0, 3, None, {}, time.time()), brain)
    return out


def live(options: Options, lead: Brain, *others: Brain, resume: bool = False) -> None:
    """A run with kernel, harness and workers in this process, with its variables."""
    asyncio.run(Runner(options, lead, others=others, resume=resume, machinery=MACHINERY).run())


def replay_of(source: Path, folder: Path, out: Path) -> Options:
    return Options(folder, out, "replay", 150.0, 3, None, {}, time.time(), (), {"source": str(source)})


def seen(out: Path) -> dict[str, Any]:
    return normalised(nbformat.read(out / "agent.ipynb", as_version=4), out)


def same(out: Path, whole: Path) -> None:
    assert differences(seen(whole), seen(out)) == []
    assert sha256(out / "submission.csv") == sha256(whole / "submission.csv")
    assert [e["status"] for e in of(out, "execution")] == [e["status"] for e in of(whole, "execution")]


def test_a_recorded_run_has_what_a_replay_is_to_meet(whole: Path) -> None:
    ridge, lazy = of(whole, "ablation")
    assert (ridge["fraction"], ridge["folds"]) == (1.0, 3)
    assert {e["verdict"] for e in lazy["effects"] if e["factor"] == "nap"} == {"not tried"}
    assert [t["failure"]["kind"] for t in of(whole, "trial") if t["failure"]] == ["timeout"]
    assert {e["status"] for e in of(whole, "execution")} == {"ok", "error"}
    assert of(whole, "proof")[-1]["outcome"] == "identical"


@pytest.mark.parametrize(
    "clock",
    [pytest.param(FAST, id="same clock", marks=pytest.mark.full), pytest.param(OTHER, id="other clock")],
)
def test_a_recorded_run_replays_to_the_same_notebook_and_submission(
    clock: dict[str, str], folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes long: a whole run once more."""
    for name, value in clock.items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "again"
    live(replay_of(whole, folder, out), *replays(Recording(whole)))
    same(out, whole)


def test_the_command_replays_a_run_of_processes(
    recorded: RecordedRun, tmp_path: Path, in_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Takes long: a whole run with two ablations."""
    out = tmp_path / "again"
    words = ["run", recorded.competition, "--brain", "replay", "--replay", recorded.whole, "--out", out]
    assert cli.main([*map(str, words)]) == cli.OK, capsys.readouterr().err
    same(out, recorded.whole)
    assert of(out, "run")[0]["brain"] == "replay"


def test_a_replay_has_the_budget_and_seed_of_its_recording(folder: Path, whole: Path, tmp_path: Path) -> None:
    given = replace(replay_of(whole, folder, tmp_path / "again"), budget=600.0, seed=0)
    asked = cli._as_recorded(given)
    assert (asked.budget, asked.seed) == (150.0, 3)


def test_a_replay_that_was_stopped_is_resumed_to_the_same_notebook(
    folder: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    lead, *others = replays(Recording(whole))
    runner: Runner | None = None

    def on_record(record: Record, budget: object) -> None:
        if record.kind == "ablation" and runner is not None:
            runner.interrupted.set()

    runner = Runner(replay_of(whole, folder, out), lead, on_record, others=tuple(others), machinery=MACHINERY)
    asyncio.run(runner.run())
    options = folders.options_of(folders.load(str(out)), None)
    live(options, *replays(Recording(Path(options.model["source"]))), resume=True)
    same(out, whole)


def test_a_file_of_replies_replays_and_one_changed_reply_shows_in_its_cell(
    folder: Path, whole: Path, tmp_path: Path
) -> None:
    text = (whole.parent / "replies.jsonl").read_text()
    assert "the script is over" not in text
    lines = text.splitlines(keepends=True)[:6]
    lines[5] = lines[5].replace('trial(\\"ridge\\"', 'trial(\\"ridge\\", {\\"alpha\\": 999.0}')
    (tmp_path / "few.jsonl").write_text("".join(lines))
    out = tmp_path / "again"
    live(replay_of(tmp_path / "few.jsonl", folder, out), *replays(Recording(tmp_path / "few.jsonl")))
    before, after = seen(whole), seen(out)
    changed = [n for n, (a, b) in enumerate(zip(before["cells"], after["cells"], strict=False)) if a != b]
    assert changed[0] == 2 * 4 + 2  # the title, four whole turns, then the fifth turn's code
    shown = [cell["outputs"][0]["data"]["text/plain"] for cell in (before["cells"][10], after["cells"][10])]
    assert shown[0] != shown[1]
    assert "the time for new work is over" in after["cells"][-3]["source"]  # it ends with its recording
    assert of(out, "submission")


def test_an_invalid_recording_is_refused_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.txt").write_text("nothing\n")
    (tmp_path / "none.jsonl").write_text(json.dumps({"brains": ["a"]}) + "\n")
    for source in ("words.txt", "none.jsonl", "absent"):
        words = ["run", str(folder), "--brain", "replay", "--replay", str(tmp_path / source)]
        assert cli.main([*words, "--out", str(tmp_path / "run")]) == cli.BAD_INPUT
        said = capsys.readouterr().err
        assert said.startswith("cobra: --replay ")
        assert said.count("\n") == 1


# ---- several agents


class Several:
    """Replies to each agent with its given cells."""

    name = "several"

    def __init__(self, cells: dict[str, list[str]]) -> None:
        self._cells, self.finish = cells, Finish()

    async def reply(self, context: Context) -> AsyncIterator[str]:
        known = self._cells.get(context.agent, ["%load_ext cobra_jupyter"])
        code = [*known, 'cobra.finish("that is all")'][len(context.turns)]
        yield f"## A step of {context.agent}\n\n```python\n{code}\n```\n"


def trial(alpha: float) -> str:
    return f'cobra.trial("ridge", {{"alpha": {alpha}}})'


AGENTS = {
    "lead": [
        "%load_ext cobra_jupyter\ncobra.open()\ncobra.protocol(folds=3)",
        RIDGE,
        'cobra.trial("ridge", {"alpha": 1.0})\ncobra.submit()',
        'job = cobra.delegate("scout", "Try small penalties.", background=True)',
        "\n".join(map(trial, (3000.0, 5000.0, 7000.0))),
        "cobra.wait()",
        trial(9000.0),
        trial(11000.0),
        trial(13000.0),
        trial(15000.0),
        "cobra.blend()\ncobra.submit()",
    ],
    "scout-1": [
        "%load_ext cobra_jupyter",
        *map(trial, (0.5, 0.7, 0.9)),
        'cobra.finish("Small penalties do no harm.")',
    ],
    "auditor-1": ["%load_ext cobra_jupyter\ncobra.audit()", 'cobra.finish("The split holds.")'],
}


def test_a_run_of_several_agents_replays_to_the_same_notebooks(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes long: two whole runs, of which one waits for slow fits."""
    notebooks = ("agent.ipynb", "agents/scout-1.ipynb", "agents/auditor-1.ipynb")
    seen_of: list[list[dict[str, Any]]] = []
    out = tmp_path / "whole"
    brains: tuple[Brain, ...] = (Several(AGENTS),)
    for clock in (FAST, {"TEST_PACE": "0.3"}):
        for name, value in clock.items():
            monkeypatch.setenv(name, value)
        options = Options(folder, out, "several", 2400.0, 0, None, {}, time.time())
        live(options, *brains)
        found = [nbformat.read(out / name, as_version=4) for name in notebooks]
        seen_of.append([normalised(notebook, out) for notebook in found])
        brains, out = replays(Recording(out)), tmp_path / "again"
    assert [differences(*pair) for pair in zip(*seen_of, strict=True)] == [[], [], []]
    assert [r["rung"] for r in of(tmp_path / "whole", "rung")][:2] == ["audit", "audit"]
