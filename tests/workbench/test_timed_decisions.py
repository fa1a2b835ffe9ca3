"""Decisions that hang on the clock are taken as they were recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench.audit import Clock
from cobra_jupyter.workbench.timed_decisions import TimedDecisions
from tests.conftest import Bench, FakeCall

BODY = """
import time
from pathlib import Path
from sklearn.linear_model import Ridge
FACTORS = {"alpha": [1.0, 50.0], "nap": [0.0, 1.0]}
def fit(train, ctx):
    time.sleep(1.5 * ctx.config["nap"])
    while ctx.config["nap"] and Path("GATE").exists():
        time.sleep(0.02)
    return Ridge(alpha=ctx.config["alpha"]).fit(train[["a", "b"]], train[ctx.targets[0]])
def predict(model, rows, ctx):
    return model.predict(rows[["a", "b"]])
"""


def call(key: str) -> FakeCall:
    made = FakeCall()
    made.key = key  # type: ignore[attr-defined]
    return made


def write(path: Path, records: list[tuple[str, dict[str, Any]]], end: str = "") -> Path:
    lines = [json.dumps({"kind": kind, "data": data}) + "\n" for kind, data in records]
    path.write_text("".join(lines) + end)
    return path


def test_the_later_line_counts_and_a_torn_one_does_not(tmp_path: Path) -> None:
    kept: list[tuple[str, dict[str, Any]]] = []
    for values in ((1, 2), (3, 4)):  # the cell was cut off and ran again
        deciding = TimedDecisions(lambda kind, data: kept.append((kind, data))).of(call("4 scale 1"))
        assert [deciding.take("left", lambda v=v: v) for v in values] == list(values)  # type: ignore[misc]
    again = TimedDecisions(lambda kind, data: None, write(tmp_path / "l", kept, '{"kind": "clo'))
    same, other = again.of(call("4 scale 1")), again.of(call("4 scale 2"))
    assert [same.take("left", lambda: 9) for _ in range(3)] == [3, 4, 9]
    assert other.take("left", lambda: 9) == 9


def test_what_nobody_called_for_is_not_recorded() -> None:
    kept: list[Any] = []
    decisions = TimedDecisions(lambda kind, data: kept.append(data))
    assert decisions.of(FakeCall()).take("left", lambda: 5) == 5
    assert kept == []


def test_an_audit_out_of_time_skips_what_it_skipped() -> None:
    clock = Clock(1000.0, "001")
    assert [clock.spent(0.5) for _ in range(4)] == [False, False, True, False]
    assert clock.answers == "0010"
    assert Clock(0.0, "0").spent(1) is False


def session(bench: Bench, wait: bool, gate: Path) -> dict[str, Any]:
    """A blend while a job runs, or after it has ended unasked for; the job does not end before the gate is
    gone."""
    bench.open(on=call("lead 1 open 1"))
    bench.protocol(folds=2, repeats=1, on=call("1 protocol 1"))
    bench.candidate("ridge", BODY.replace("GATE", str(gate)), on=call("2 candidate 1"))
    job = bench.trial("ridge", {"nap": 1.0}, background=True, on=call("3 trial 1"))
    trials = [
        bench.trial("ridge", {"alpha": alpha}, on=call(f"4 trial {alpha}"))["id"] for alpha in (1.0, 50.0)
    ]
    if wait:
        bench.harness.jobs.wait(None, 60, FakeCall().cancelled)
    return {
        "job": job["id"],
        "trials": trials,
        "jobs": [j["state"] for j in bench.harness.jobs_(call("5 jobs 1"))["data"]["jobs"]],
        "blend": bench.blend(on=call("5 blend 1"))["considered"],
        "table": [row["id"] for row in bench.select(on=call("6 select 1"))["table"]],
        "submitted": bench.submit(on=call("6 submit 1"))["sha256"],
    }


def test_a_job_has_ended_when_it_had_ended_whatever_the_machine(
    benches: Callable[..., Bench], tmp_path: Path
) -> None:
    """Takes long: four sessions, each with a job in the background."""
    gate = tmp_path / "gate"
    for early in (False, True):
        first = benches(task="regression", settings={"slots": 3})
        if not early:
            gate.touch()
        then = session(first, early, gate)
        gate.unlink(missing_ok=True)
        assert then["jobs"] == ["done" if early else "running"]
        assert then["blend"] == (3 if early else 2)
        ledger = write(tmp_path / f"ledger{early}", first.records)
        again = benches(first.public, settings={"slots": 1, "recorded": ledger})
        now = session(again, not early, gate)
        assert now == then
        assert again.harness.resources.slots == 3
        costs = [
            [t["cost"] for k, t in b.records if k == "trial" and t["id"] in then["trials"]]
            for b in (first, again)
        ]
        assert sorted(costs[0]) == sorted(costs[1])
