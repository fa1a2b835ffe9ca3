"""Who wrote a run is summed up as the record says it."""

from __future__ import annotations

from typing import Any

import pytest

from cobra_jupyter.records.authors import Authors
from cobra_jupyter.workbench.rebuild import Line, replay


def authors(lead: str, *records: tuple[str, dict[str, Any]]) -> Authors:
    found = Authors()
    run = ("run", {"brain": lead, "brains": [lead, "playbook"]})
    replay([Line(n, 0.0, kind, data) for n, (kind, data) in enumerate((run, *records))], found)
    return found


def turn(brain: str, attempts: tuple[str, ...] = (), agent: str = "lead") -> tuple[str, dict[str, Any]]:
    tried = [{"brain": name} for name in attempts]
    return "reply", {"agent": agent, "brain": brain, "attempts": tried}


def aside(brain: str, why: str, agent: str = "lead") -> tuple[str, dict[str, Any]]:
    return "decision", {"what": "", "why": why, "set_aside": {"brain": brain, "agent": agent}}


@pytest.mark.parametrize(
    ("records", "summary"),
    [
        ((), "nobody wrote a turn"),
        ((turn("model"), turn("model")), "model (2 turns)"),
        (
            (aside("model", "no answer"), turn("playbook"), turn("playbook")),
            "playbook (2 turns). model, which was asked to lead, wrote none: no answer",
        ),
        (
            (turn("model"), aside("model", "2 dollars are spent"), turn("playbook"), turn("playbook")),
            "playbook (2 turns), model (1 turn). model: 2 dollars are spent",
        ),
        ((turn("playbook", attempts=("model", "model")),), "playbook (1 turn)"),
        ((turn("model"), turn("model", agent="scout-1")), "model (2 turns)"),
        ((aside("model", "late"), turn("model")), "model (1 turn)"),
    ],
    ids=[
        "nobody",
        "one",
        "only a substitute",
        "both",
        "attempts are no turns",
        "scouts count",
        "it came back",
    ],
)
def test_each_turn_counts_for_the_brain_that_wrote_it(records: Any, summary: str) -> None:
    assert authors("model", *records).summary == summary


def test_what_another_brain_wrote_is_not_the_leads() -> None:
    found = authors("model", turn("model"), aside("model", "no answer"), turn("playbook"))
    assert (found.lead, found.latest, found.mixed) == ("model", "playbook", True)
    assert not authors("model", turn("model")).mixed


def test_no_words_of_a_decision_set_a_brain_aside() -> None:
    words = {"what": "model is gone; playbook goes on", "why": "a person wrote this"}
    assert authors("model", ("decision", words), turn("playbook")).gone == {}
