"""A record reads the same everywhere: in the log, in the report's trail, in a prompt, in a cell."""

from __future__ import annotations

from typing import Any

import pytest

from cobra_jupyter.agent import summary
from cobra_jupyter.records import describe, kinds
from cobra_jupyter.records.schema import types_of
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display import pages
from cobra_jupyter.workbench.display.pages import describe as in_words
from cobra_jupyter.workbench.rebuild import Line
from tests.workbench.samples import SHA, failed
from tests.workbench.samples import results as samples

CELLS = {"markdown": "a", "code": "b"}
SAID: list[tuple[str, dict[str, Any], str]] = [
    ("state", {"state": "paused", "why": "asked to"}, "Paused: asked to"),
    ("state", {"state": "resumed", "why": None}, "Goes on where it ended"),
    ("run", {"brain": "playbook", "budget": 600.0, "seed": 3}, "brain playbook, budget 10 min 00 s, seed 3"),
    (
        "environment",
        {"python_version": "3.12.1", "cores": 2, "memory_bytes": 8e9},
        "Python 3.12.1, 2 cores, 8.0 GB of memory",
    ),
    ("cell", {"source": "a = 1\nb = 2"}, "2 lines"),
    (
        "execution",
        {"status": "error", "seconds": 2.0, "ename": "NameError", "evalue": "no y"},
        "error in 2.0 s, NameError: no y",
    ),
    ("execution", {"status": "ok", "seconds": 2.0, "ename": "", "evalue": ""}, "ok in 2.0 s"),
    ("note", {"text": "## Closing\nThe rest.", "cells": CELLS}, "Closing"),
    (
        "agent",
        {"agent": "scout-1", "by": "ladder", "seconds": 30.0},
        "scout-1, called in by the ladder, for 30 s",
    ),
    ("rung", {"rung": "scout", "state": "begun", "why": "no gain"}, "scout begun: no gain"),
    (
        "idea",
        {"id": "t2", "family": "ridge", "gain": 0.03, "se": 0.01, "best": "t1", "progress": True},
        "t2 in the family ridge: +0.030 ± 0.010 against t1, progress",
    ),
    ("message", {"text": "try  trees"}, "a person says: try trees"),
    (
        "handback",
        {"why": "handed back", "interventions": [{}, {}]},
        "the agent is told what a person did (handed back): 2 cells",
    ),
    ("ran", {"status": "error", "error": "KeyError: 1"}, "a person ran a cell: error KeyError: 1"),
    ("edit", {"edits": [{"edit": "delete"}]}, "1 edit by a person"),
    ("human", {"what": "approve", "why": ""}, "a person: approve"),
    ("file", {"path": "report.html", "sha256": SHA}, f"report.html, SHA-256 {SHA[:16]}…"),
    ("decision", {"what": "closing submission", "why": "no time"}, "closing submission: no time"),
    ("kernel", {"agent": "lead", "event": "restarted"}, "restarted"),
    ("proof", {"outcome": "equal", "detail": "within 1e-6"}, "equal: within 1e-6"),
    ("finish", {"agent": "lead", "why": "all is done"}, "all is done"),
]


@pytest.mark.parametrize(
    ("kind", "data", "said"), SAID, ids=[f"{kind} {n}" for n, (kind, *_) in enumerate(SAID)]
)
def test_a_record_of_the_runner_is_described_in_one_line(kind: str, data: dict[str, Any], said: str) -> None:
    assert describe.line(Line(0, 0.0, kind, data)) == said


def test_every_kind_of_the_runner_is_described() -> None:
    assert set(types_of(kinds)) - {kind for kind, *_ in SAID} == {
        "reply",
        "moved",
    }  # said by heading, by path
    assert describe.line(Line(0, 0.0, "moved", {"agent": "lead", "path": "/a.ipynb"})).count("/a.ipynb") == 1


@pytest.mark.parametrize("kind", sorted(set(samples()) & set(pages.KINDS) - {"finish"}))
def test_a_result_reads_the_same_in_the_record_and_its_cell(kind: str) -> None:
    data = samples()[kind]
    said = describe.line(Line(0, 0.0, kind, data))
    assert pages.text(kind, data).startswith(said.removesuffix("…"))


def records(*found: tuple[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [("protocol", samples()["protocol"]), *found]


def test_a_prompt_describes_trials_and_effects_like_their_pages() -> None:
    trial = samples()["trial"]
    (line, *_) = summary.ideas(records(("trial", trial)))
    assert line == f"- {in_words.trial(trial)}"
    assert pages.headline("trial", trial).startswith(f"trial {in_words.trial(trial)}; ")
    ablation = samples()["ablation"]
    measured = [effect for effect in ablation["effects"] if effect["gain"] is not None]
    told = list(summary.lessons(records(("ablation", ablation))))
    assert len(told) == len(measured)
    for effect in measured:
        assert f"- {in_words.effect(effect, ablation)}" in told


def test_a_failure_keeps_its_reason_within_the_room_there_is() -> None:
    trial = failed()
    trial["failure"]["message"] = "long " * 100
    (line,) = summary.ideas(records(("trial", trial)))
    assert "FAILED" in line
    assert len(line) < 600
    assert in_words.why(trial["failure"]).count("long") == 100


def test_a_score_reads_the_same_for_trial_blend_and_submission() -> None:
    shown = {
        in_words.score({**samples()[kind], "score": 0.81, "se": 0.004})
        for kind in ("trial", "blend", "submission")
    }
    assert shown == {"0.81000 ± 0.00400"}
    assert results.score_of(samples()["blend"]) == samples()["blend"]["score"]
    with pytest.raises(ValueError, match="has no score"):
        results.score_of(failed())
