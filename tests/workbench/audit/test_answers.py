"""Every finding has a consequence: acted on, let in by a person, compared, or answered with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import CompetitionError
from tests.conftest import Bench, make_competition


def peculiar(frame: pd.DataFrame) -> pd.DataFrame:
    """`closed` has a value for some rows of one class only; `same` is constant."""
    rng = np.random.default_rng(4)
    label = frame["y"] if "y" in frame else rng.integers(0, 2, len(frame))
    closed = np.where((label == 1) & (rng.random(len(frame)) < 0.4), "done", None)
    return frame.assign(closed=closed, same=3)


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_competition(tmp_path_factory.mktemp("peculiar"), rows=400, change=peculiar)


def frozen(bench: Bench) -> tuple[dict[str, Any], dict[str, Any]]:
    """Open, audit and freeze. Returns the protocol and its answers by check."""
    bench.open()
    audit = bench.audit()
    record = bench.protocol()
    assert len(record["answers"]) == len(audit["findings"]), "no finding stays without an answer"
    assert all(answer["reason"] for answer in record["answers"])
    return record, {answer["check"]: answer for answer in record["answers"]}


def last_card(bench: Bench) -> dict[str, Any]:
    return next(data for kind, data in reversed(bench.records) if kind == "card")


def test_what_looks_like_a_leak_is_left_out_and_the_card_has_both_scores(
    light_benches: Callable[..., Bench], public: Path
) -> None:
    bench = light_benches(public)
    record, answers = frozen(bench)
    assert record["leave_out"] == ["closed"]
    assert answers["presence tells"]["answer"] == "acted on"
    assert answers["constant columns"]["answer"] == "answered"
    (note,) = [note for note in last_card(bench)["notes"] if "closed" in note]
    assert "with it" in note
    assert "without" in note
    assert "--set use=closed lets it in" in note


def test_a_person_lets_it_in_as_the_card_says(light_benches: Callable[..., Bench], public: Path) -> None:
    bench = light_benches(public, settings={"options": {"use": "closed"}})
    record, answers = frozen(bench)
    assert record["leave_out"] == []
    assert answers["presence tells"]["answer"] == "let in"
    assert "closed" in bench.harness.scope.context()["columns"]
    assert bench.audit()["leaking"] == []


def test_a_column_to_let_in_must_exist(light_benches: Callable[..., Bench], public: Path) -> None:
    bench = light_benches(public, settings={"options": {"use": "close"}})
    with pytest.raises(CompetitionError, match=r"use=close: .*did you mean closed\?"):
        bench.open()


def test_a_split_that_a_leak_calls_for_is_the_default_unless_one_is_asked_for() -> None:
    from cobra_jupyter.workbench import audit

    leak: Any = {
        "check": "groups across folds",
        "severity": "leak",
        "evidence": "",
        "proposal": "",
        "protocol": {"groups": "patient"},
        "columns": ["patient"],
        "scores": None,
    }
    drop = {**leak, "protocol": {"leave_out": ["x"]}}
    assert audit.cures([drop, leak]) == {"groups": "patient"}
    assert audit.cures([{**leak, "severity": "warning"}]) == {}


def test_the_harness_splits_as_a_leak_asks(light_benches: Callable[..., Bench]) -> None:
    bench = light_benches(rows=400)
    bench.open()
    finding = {"check": "time", "severity": "leak", "evidence": "e", "proposal": "p", "columns": ["a"]}
    bench.harness.findings = [{**finding, "protocol": {"split": "time", "time": "a"}, "scores": None}]
    record = bench.protocol()
    assert (record["split"], record["time"]) == ("time", "a")
    assert [answer["answer"] for answer in record["answers"]] == ["acted on"]
    record = bench.protocol(split="kfold")
    assert record["split"] == "kfold"
    assert [answer["answer"] for answer in record["answers"]] == ["compared"]
