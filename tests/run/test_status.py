"""The status of a run, from its record."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.agent.history import ages
from cobra_jupyter.records import ledger as ledger_module
from cobra_jupyter.records.ledger import Ledger, Record, read
from cobra_jupyter.records.states import HELD
from cobra_jupyter.run.status import MOST, RunStatus
from tests.workbench.samples import results, trial

NOW = 1_000_000.0
PROTOCOL = results()["protocol"]
CELLS = {"markdown": "m", "code": "c"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(tmp_path, monkeypatch)


class Run:
    """A record with its own clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        monkeypatch.setattr(ledger_module.time, "time", lambda: self.now)
        self.ledger = Ledger(folder / "ledger.jsonl")
        self.budget = Budget(600.0, NOW)
        self.standing = RunStatus()
        self.ledger.follow(self.standing.take)
        self.say("run", started=NOW, budget=600.0)

    def say(self, kind: str, **data: Any) -> None:
        self.ledger.append(kind, data)

    def state(self, state: str, why: str | None = None, **more: Any) -> None:
        """As control and finisher write it."""
        held = state in HELD or self.standing.state in HELD
        if state in HELD:
            self.budget.hold()
        else:
            self.budget.proceed()
        used = {"used": round(self.budget.used, 3)} if held else {}
        self.say("state", state=state, why=why, **{**used, **more})

    def reply(self, text: str, turn: int = 1, agent: str = "lead", **more: Any) -> None:
        self.say("reply", agent=agent, turn=turn, text=text, cells=CELLS, **more)

    def protocol(self, direction: str) -> None:
        self.say("protocol", **{**PROTOCOL, "direction": direction})

    def trial(self, score: float | None, full: bool = True, **more: Any) -> None:
        self.say("trial", **trial(**{"score": score, "full": full, **more}))

    def records(self) -> list[Record]:
        return list(read(self.ledger.path))

    @property
    def best(self) -> float | None:
        return self.standing.best["score"] if self.standing.best else None


@pytest.mark.parametrize(
    ("direction", "bests"), [("maximize", [0.5, 0.5, 0.7, 0.7, 0.7]), ("minimize", [0.5, 0.4, 0.4, 0.3, 0.3])]
)
def test_the_best_score_is_the_highest_or_the_lowest_by_the_metrics_direction(
    run: Run, direction: str, bests: list[float]
) -> None:
    run.protocol(direction)
    found = []
    for score in (0.5, 0.4, 0.7, 0.3, None):
        run.trial(score)
        found.append(run.best)
    assert found == bests
    assert run.standing.best is not None
    assert run.standing.best["direction"] == direction
    assert run.standing.trials == 5


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_of_equal_scores_the_first_is_the_best(run: Run, direction: str) -> None:
    run.protocol(direction)
    for label in ("first", "second"):
        run.trial(0.5, label=label)
    assert run.standing.best is not None
    assert run.standing.best["what"] == "first"


def test_a_new_protocol_resets_the_best_score(run: Run) -> None:
    run.protocol("maximize")
    run.trial(0.9)
    run.protocol("minimize")
    assert run.best is None
    run.trial(0.95)
    run.trial(0.93)
    assert run.best == 0.93
    assert run.standing.trials == 3


def test_a_trial_on_part_of_the_data_sets_no_score_and_is_not_in_the_log(run: Run) -> None:
    run.protocol("maximize")
    before = len(run.standing.log)
    run.trial(0.9, full=False)
    assert run.best is None
    assert run.standing.trials == 1
    assert len(run.standing.log) == before


def test_phase_turn_tokens_and_cost_are_those_of_replies(run: Run) -> None:
    usage = {"input": 100, "output": 10, "thoughts": 1, "cost": 0.5}
    run.reply("## Look at the data\nwords", 3, usage=usage, attempts=[{"usage": usage}])
    run.reply("Scouting", 9, "scout-1", usage=None)
    standing = run.standing
    assert (standing.turn, standing.phase, standing.tokens, standing.cost) == (
        3,
        "scout-1: Scouting",
        222,
        1.0,
    )
    run.say("agent", agent="scout-1", role="scout", by="lead", seconds=60)
    assert standing.agents == {"lead": "lead", "scout-1": "scout"}


def test_the_submission_is_in_the_status(run: Run) -> None:
    run.protocol("maximize")
    run.say("submission", **results()["submission"])
    assert run.standing.submitted is not None
    assert run.standing.submitted["score"] == results()["submission"]["score"]


def test_the_log_tells_what_matters_in_one_line_each(run: Run) -> None:
    run.state("running")
    run.now += 10
    run.reply("## Step one\n" + "words\n" * 1000)
    execution = {
        "agent": "lead",
        "turn": 1,
        "cell": "c",
        "seconds": 1.0,
        "ename": "ValueError",
        "evalue": "no",
    }
    run.say("execution", status="ok", **execution)
    run.say("execution", status="error", **execution)
    run.say("human", what="pause", why="")
    run.state("pausing", "a person asked for it")
    run.say("message", text="look at the dates")
    run.say("ran", agent="lead", cell="d", status="error", error="ValueError: no")
    run.say("handback", agent="lead", why="handed back", text="", interventions=[{}, {}])
    run.say("edit", agent="lead", edits=[])
    run.say("file", path="x", sha256="y")
    told = [(entry["kind"], entry["text"], entry.get("cell")) for entry in run.standing.log]
    assert told == [
        ("state", "Running", None),
        ("step", "Step one", "m"),
        ("error", "error in 1.0 s, ValueError: no", "c"),
        ("human", "a person: pause", None),
        ("state", "Pausing after this cell: a person asked for it", None),
        ("human", "a person says: look at the dates", None),
        ("human", "a person ran a cell: error ValueError: no", "d"),
        ("human", "the agent is told what a person did (handed back): 2 cells", None),
    ]
    lines = [entry["line"] for entry in run.standing.log]
    assert lines == sorted(set(lines))
    assert [entry["at"] for entry in run.standing.log][:2] == [0.0, 10.0]


def test_the_log_names_the_brain_that_wrote_each_step(run: Run) -> None:
    run.reply("# First", brain="model")
    run.reply("# Second", 2, brain="playbook")
    run.trial(0.5)
    steps = [(entry["text"], entry.get("written_by")) for entry in run.standing.log]
    assert steps[:2] == [("First", "model"), ("Second", "playbook")]
    assert [by for _, by in steps[2:]] == [None]


def test_the_log_is_bounded(run: Run) -> None:
    for number in range(MOST + 100):
        run.reply(f"# {number}")
    assert len(run.standing.log) == MOST
    assert run.standing.log[-1]["text"] == str(MOST + 99)


def test_every_state_of_a_run_is_in_the_status(run: Run) -> None:
    for state in (
        "starting",
        "running",
        "pausing",
        "paused",
        "human",
        "running",
        "waiting",
        "stopped",
        "finished",
        "failed",
    ):
        run.state(state, "why")
        assert (run.standing.state, run.standing.why) == (state, "why")
    run.say("state", state="resumed", why=None, used=5.0, budget=60.0)
    assert run.standing.state == "running"
    assert run.standing.log[-1]["text"] == "Goes on where it ended"


def test_the_clock_stops_while_a_person_has_the_run_and_at_its_end(run: Run) -> None:
    age = run.standing.age
    run.state("running")
    run.now += 10
    run.state("pausing")
    run.now += 5
    assert age(run.now) == pytest.approx(15)
    run.state("paused")
    run.now += 100
    assert age(run.now) == pytest.approx(15)
    run.state("human")
    run.now += 1000
    run.state("running")
    run.now += 1
    assert age(run.now) == pytest.approx(16)
    run.state("finished")
    assert age(run.now + 10_000) == pytest.approx(16)
    run.now += 500
    run.say("state", state="resumed", why=None, used=16.0, budget=60.0)
    assert age(run.now + 4) == pytest.approx(20)


@pytest.mark.parametrize("seed", range(10))
def test_the_age_agrees_with_a_resumption_whatever_pauses_there_were(run: Run, seed: int) -> None:
    chance = random.Random(seed)
    found: dict[int, float] = {}
    for _ in range(60):
        run.now += chance.random() * 20
        if chance.random() < 0.5:
            run.state(chance.choice(["running", "pausing", "paused", "human", "waiting"]))
        elif chance.random() < 0.1:
            used = round(run.standing.age(run.now), 3)
            run.budget.held, run.budget.started = None, run.now - used
            run.say("state", state="resumed", why=None, used=used, budget=60.0)
        else:
            run.say("note", agent="lead", text="x", cells=CELLS)
        found[run.ledger.length - 1] = run.standing.age(run.now)
    old = ages(NOW, run.records())
    assert {line: old[line] for line in found} == pytest.approx(found, abs=0.05)


def test_a_record_read_again_comes_to_the_same(run: Run) -> None:
    run.protocol("minimize")
    for score in (0.5, 0.3):
        run.reply("# Step")
        run.trial(score)
    run.state("paused")
    assert RunStatus.of(run.records()) == run.standing
