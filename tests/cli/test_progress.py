"""The progress of a run that is resumed goes on from its record."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.cli.progress import Progress
from cobra_jupyter.records.ledger import Record
from tests.workbench.samples import results, trial


def record(kind: str, data: dict[str, Any]) -> Record:
    return Record(0, time.time(), kind, data, "", "")


def scored(score: float) -> Record:
    return record("trial", trial(score=score, full=True))


def reply(brain: str) -> Record:
    return record("reply", {"agent": "lead", "turn": 2, "brain": brain, "text": "## Next", "usage": None})


def resumed(direction: str, *scores: float) -> tuple[Progress, io.StringIO]:
    shown = io.StringIO()
    progress = Progress(shown)
    protocol = record("protocol", {**results()["protocol"], "direction": direction})
    progress.take_up(
        [record("run", {"brain": "model", "started": time.time()}), protocol, *map(scored, scores)]
    )
    return progress, shown


@pytest.mark.parametrize(
    ("direction", "later", "best"),
    [
        ("minimize", 0.9, "0.3000"),
        ("minimize", 0.2, "0.2000"),
        ("maximize", 0.1, "0.5000"),
        ("maximize", 0.7, "0.7000"),
    ],
)
def test_the_best_of_the_record_stands_until_a_better_one_comes(
    direction: str, later: float, best: str
) -> None:
    progress, shown = resumed(direction, 0.5, 0.3)
    assert shown.getvalue() == ""
    progress.record(scored(later), Budget(600.0, time.time()))
    progress.record(reply("model"), Budget(600.0, time.time()))
    last = shown.getvalue().splitlines()[-1]
    assert best in last
    assert "3 trials" in last


def test_the_line_names_the_brain_that_writes_where_it_was_not_asked_to_lead() -> None:
    progress, shown = resumed("minimize", 0.5)
    progress.record(reply("model"), Budget(600.0, time.time()))
    progress.record(reply("playbook"), Budget(600.0, time.time()))
    assert ["(model)" in line for line in shown.getvalue().splitlines()] == [False, False]
    assert shown.getvalue().splitlines()[-1].startswith("Next (playbook) · ")


def test_a_brain_that_is_set_aside_is_told() -> None:
    progress, shown = resumed("minimize", 0.5)
    what, why = "model is gone; playbook goes on", "no answer"
    progress.record(record("decision", {"what": "closing submission", "why": why}), Budget(600.0, 0.0))
    assert shown.getvalue() == ""
    aside = {"what": what, "why": why, "set_aside": {"brain": "model", "agent": "lead"}}
    progress.record(record("decision", aside), Budget(600.0, 0.0))
    assert shown.getvalue().strip() == f"{what}: {why}"
