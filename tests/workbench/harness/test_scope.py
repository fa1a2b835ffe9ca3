"""What a call finds belongs to the protocol that was in force when it began, whatever is frozen meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cobra_jupyter.workbench import audit
from cobra_jupyter.workbench.ensemble import blending, finalists, submission
from cobra_jupyter.workbench.harness.restore import restore
from tests.conftest import Bench, FakeCall
from tests.workbench.sources import LINEAR, body


class Overtaken(FakeCall):
    """A call in whose midst somebody freezes another protocol."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench

    def progress(self, **news: Any) -> None:
        super().progress(**news)
        if self.bench.harness.scope.number == 1:
            self.bench.protocol(repeats=1, folds=3, metric="mae")


def overtake(bench: Bench, module: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another protocol is frozen when this function is called next."""
    function = getattr(module, name)

    def first(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(module, name, function)
        bench.protocol(repeats=1, folds=3, metric="mae")
        return function(*args, **options)

    monkeypatch.setattr(module, name, first)


@pytest.fixture
def bench(benches: Callable[..., Bench]) -> Bench:
    bench = benches(task="regression").ready(repeats=1)
    bench.candidate("linear", LINEAR)
    return bench


def since(bench: Bench, kind: str) -> list[int]:
    return [data["protocol"] for known, data in bench.records if known == kind]


def test_an_ablation_its_trials_and_its_idea_stay_with_the_protocol_it_began_under(
    bench: Bench, benches: Callable[..., Bench]
) -> None:
    table = bench.ablate("linear", ["use"], seconds=20, on=Overtaken(bench))
    assert (table["protocol"], table["metric"]) == (1, "rmse")
    assert bench.harness.scope.number == 2
    assert since(bench, "ablation") == [1]
    assert set(since(bench, "trial")) == set(since(bench, "idea")) == {1}
    assert bench.effects()["effects"] == [], "nothing was measured under the second"
    assert [len(scope.ablations) for scope in bench.harness.scopes.values()] == [1, 0]


def test_a_full_size_trial_is_a_finalist_of_the_protocol_it_began_under(bench: Bench) -> None:
    trial = bench.scale("linear", on=Overtaken(bench))
    assert (trial["protocol"], trial["full"]) == (1, True)
    assert [len(scope.trials.finished()) > 0 for scope in bench.harness.scopes.values()] == [True, False]
    assert since(bench, "idea") == [1]


def test_a_blend_a_selection_and_a_submission_are_of_the_protocol_they_began_under(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (module, name, call) in enumerate(
        ((blending, "find", "blend"), (finalists, "rank", "select"), (submission, "write", "submit")), 1
    ):
        bench.trial("linear")
        overtake(bench, module, name, monkeypatch)
        assert getattr(bench, call)()["protocol"] == number
        assert bench.harness.scope.number == number + 1
    assert [len(scope.finalists.blends) for scope in bench.harness.scopes.values()] == [1, 0, 0, 0]
    assert since(bench, "selection") == [2, 3]
    assert bench.solution()["protocol"] == 3


def test_an_audit_reads_the_trials_of_the_protocol_it_began_under(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.trial("linear")
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(
        audit, "of_trials", lambda scorer, trials, _: seen.append((scorer.protocol.number, len(trials))) or []
    )
    overtake(bench, audit, "findings", monkeypatch)
    bench.audit()
    assert bench.harness.scope.number == 2
    assert seen == [(1, 1)]


def test_an_artefact_that_was_being_made_is_there_for_the_next_protocol_of_the_same_rows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtake(bench, bench.harness.pool, "run", monkeypatch)
    made = bench.shared("plain", "def make(rows, ctx):\n    return rows[['a']]\n")
    assert made["protocol"] == 1
    assert list(bench.harness.scope.artefacts.paths()) == ["plain"]
    bench.protocol(repeats=1, leave_out=["b"])
    assert list(bench.harness.scope.artefacts.paths()) == [], "these rows have other columns"


def test_a_record_of_two_protocols_restores_each_with_its_own(bench: Bench) -> None:
    bench.trial("linear")
    bench.ablate("linear", ["use"], seconds=20, on=Overtaken(bench))
    bench.trial("linear")
    again = Bench(bench.run, bench.public)
    try:
        restore(again.harness, bench.lines, FakeCall())
        for old, new in zip(bench.harness.scopes.values(), again.harness.scopes.values(), strict=True):
            assert [t.id for t in new.trials.finished()] == [t.id for t in old.trials.finished()]
            assert [table.id for table in new.ablations] == [table.id for table in old.ablations]
    finally:
        again.close()


def test_a_job_that_the_end_cut_off_starts_again_under_its_own_protocol(bench: Bench) -> None:
    bench.candidate("slow", body("time.sleep(1.5); return None", "return np.zeros(len(rows))"))
    bench.trial("slow", folds=0, background=True)
    bench.protocol(repeats=1, folds=3, metric="mae")
    lines = bench.lines
    bench.harness.jobs.cancel_all()
    again = Bench(bench.run, bench.public)
    try:
        restore(again.harness, lines, FakeCall())
        (job,) = again.wait(seconds=20)["jobs"]
        assert job["state"] == "done"
        assert [data["protocol"] for kind, data in again.records if kind == "trial"] == [1]
    finally:
        again.close()
