"""A harness made anew from a record is what the one before it was, in what a resumed run builds upon."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench.harness.restore import RestoreError, restore
from tests.conftest import Bench, FakeCall
from tests.inprocess.pool import InProcessPool
from tests.workbench.audit.test_leaving_out import tell
from tests.workbench.scoring.test_scorer import CUSTOM
from tests.workbench.sources import LINEAR


@pytest.fixture
def again() -> Iterator[Callable[[Bench], Bench]]:
    """Makes a bench on the folder of another, restored from its records."""
    made: list[Bench] = []

    def make(old: Bench) -> Bench:
        made.append(Bench(old.run, old.public, InProcessPool))
        restore(made[-1].harness, old.lines, FakeCall())
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def test_columns_that_an_audit_found_leaking_stay_out_of_a_protocol_frozen_after_it(
    light_benches: Callable[..., Bench], again: Callable[[Bench], Bench]
) -> None:
    old = light_benches(rows=400, change=tell)
    old.open()
    assert old.audit()["leaking"] == ["told"]
    new = again(old)
    assert new.kinds() == [], "nothing is recorded twice"
    assert new.protocol()["leave_out"] == ["told"]


def test_a_protocol_with_columns_left_out_is_the_same_again(
    light_benches: Callable[..., Bench], again: Callable[[Bench], Bench]
) -> None:
    old = light_benches(rows=400, change=tell)
    old.open()
    old.audit()
    old.protocol(repeats=1)
    new = again(old)
    assert new.harness.scope.scorer.protocol == old.harness.scope.scorer.protocol
    assert "told" not in new.harness.scope.context()["columns"]


def test_a_metric_of_ones_own_judges_as_before(
    light_benches: Callable[..., Bench], again: Callable[[Bench], Bench]
) -> None:
    old = light_benches(task="regression")
    old.open()
    old.metric("my_rmse", CUSTOM)
    old.protocol(repeats=1)
    old.candidate("linear", LINEAR)
    before = old.trial("linear")
    new = again(old)
    assert new.trial("linear")["id"] == before["id"], "it is known"
    other = new.trial("linear", seed=1)
    assert other["id"] == "t002"
    assert other["score"] == pytest.approx(before["score"], rel=0.05)


def test_trials_stay_with_the_protocol_they_were_judged_by(
    light_benches: Callable[..., Bench], again: Callable[[Bench], Bench]
) -> None:
    old = light_benches(task="regression").ready(repeats=1)
    old.candidate("linear", LINEAR)
    first = old.trial("linear")
    old.protocol(repeats=1, metric="mae")
    second = old.trial("linear")
    new = again(old)
    assert [len(scope.trials.finished()) for scope in new.harness.scopes.values()] == [1, 1]
    assert new.trial("linear")["id"] == second["id"] != first["id"]
    assert new.harness.scope.scorer.protocol.number == 2


def test_what_was_changed_meanwhile_is_refused_by_name(
    light_benches: Callable[..., Bench], again: Callable[[Bench], Bench]
) -> None:
    old = light_benches(task="regression")
    old.open()
    old.metric("my_rmse", CUSTOM)
    old.protocol(repeats=1)
    old.candidate("linear", LINEAR)
    old.trial("linear")
    for path, change in (
        ("code/metric_my_rmse_v1.py", lambda text: text.replace("** 2", "** 4")),
        ("code/linear_v1.py", lambda text: text + "\n"),
    ):
        whole = (old.run / path).read_text()
        (old.run / path).write_text(change(whole))
        with pytest.raises(RestoreError, match=path):
            again(old)
        (old.run / path).write_text(whole)
    raw = next(old.run.glob("trials/*/raw0.npy"))
    np.save(raw, np.load(raw) + 1)
    with pytest.raises(RestoreError, match=r"fit|trial"):
        again(old)


@pytest.mark.parametrize("name", ["train.csv", "test.csv", "sample_submission.csv"])
def test_tables_that_changed_meanwhile_are_refused_by_name(
    name: str, light_benches: Callable[..., Bench], again: Callable[[Bench], Bench]
) -> None:
    """Even where folds and labels are the same: predictions of both sides could not be told apart."""
    old = light_benches(task="regression").ready(repeats=1)
    table = pd.read_csv(old.public / name)
    table["a" if "a" in table else "y"] += 1
    table.to_csv(old.public / name, index=False)
    with pytest.raises(RestoreError, match=name):
        again(old)


def test_a_job_starts_again_with_the_artefacts_it_knew(
    light_benches: Callable[..., Bench], again: Callable[[Bench], Bench]
) -> None:
    """And not with those that were made while it ran."""
    old = light_benches(task="regression").ready(repeats=1)
    old.candidate("linear", f'SHARED = ["extra"]\n{LINEAR}')
    old.trial("linear", background=True)
    old.shared("extra", "def make(rows, ctx):\n    return rows[['a']] * 2")
    old.wait()
    old.records = [  # as where the run had ended before the job
        (kind, data)
        for kind, data in old.records
        if kind not in ("fit", "trial") and not (kind == "job" and data["state"] == "done")
    ]
    new = again(old)
    new.wait()
    (trial,) = [data for kind, data in new.records if kind == "trial"]
    assert trial["shared"] == {}
    assert new.trial("linear", seed=1)["shared"] != {}
