"""Trials that left the race lose their models, then their predictions, and nothing else is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cobra_jupyter.workbench.harness.restore import restore
from cobra_jupyter.workbench.search import storage
from tests.conftest import Bench, FakeCall
from tests.inprocess.pool import InProcessPool
from tests.workbench.sources import LINEAR

SMALL = {"fraction": 0.5, "folds": [0]}


@pytest.fixture
def bench(light_benches: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Five trials: t001 is submitted, t002 is its like, t003 is best, t004 is worse, t005 is small."""
    bench = light_benches().ready(repeats=1)
    bench.candidate("linear", LINEAR)
    bench.trial("linear")
    bench.submit("t001")
    bench.trial("linear", {"idle": 2})
    bench.trial("linear", {"use": "a"})
    bench.trial("linear", {"use": "b"})
    bench.trial("linear", {"use": "b"}, **SMALL)
    monkeypatch.setattr(storage, "KEPT", 1)
    bench.records.clear()
    return bench


def stored(bench: Bench, name: str) -> dict[str, int]:
    """How many fits of each trial have this file."""
    trials = bench.harness.scope.trials.finished()
    return {t.id: sum((Path(fit.folder) / name).exists() for fit in t.fits) for t in trials}


def room(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Let trials take this share of what they take."""
    monkeypatch.setattr(storage.Room, "on", lambda folder, stored: storage.Room(int(share * stored)))
    monkeypatch.setattr(storage, "DOWN_TO", 1.0)


def again(bench: Bench) -> Bench:
    new = Bench(bench.run, bench.public, InProcessPool)
    restore(new.harness, bench.lines, FakeCall())
    return new


def test_nothing_is_dropped_while_there_is_room(bench: Bench) -> None:
    bench.trial("linear", {"use": "a"}, seed=1)
    assert "discard" not in bench.kinds()


def test_models_go_before_predictions_and_both_before_anything_that_is_in_the_race(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    room(monkeypatch, 0.97)
    bench.trial("linear", {"use": "a"}, seed=1)
    (first,) = [data for kind, data in bench.records if kind == "discard"]
    assert first["models"][0] == "t004", "the worst full-size trial: the small one stores no model"
    assert first["predictions"] == []
    assert stored(bench, "model.pkl")["t001"] == 5
    room(monkeypatch, 0.01)
    bench.trial("linear", {"use": "a"}, seed=2)
    second = [data for kind, data in bench.records if kind == "discard"][-1]
    assert second["predictions"][0] == "t004"
    assert second["predictions"][-1] == "t005", "small-data trials go last"
    left = stored(bench, "raw0.npy")
    assert (left["t001"], left["t004"], left["t005"]) == (5, 0, 0)
    assert [t.score is not None for t in bench.harness.scope.trials.finished()] == [True] * 7


def test_too_many_predictions_in_memory_are_dropped_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = bench.harness.scope.trials
    monkeypatch.setattr(storage.Room, "on", lambda folder, stored: storage.Room(2**40, 1))
    bench.trial("linear", {"use": "a"}, seed=1)
    assert {t.id for t in trials.finished() if t.oof is not None} == {"t001", "t003", "t006"}
    assert stored(bench, "model.pkl")["t004"] == 0, "a model goes with its predictions"


def test_a_dropped_trial_is_refused_by_name_and_fitted_again_when_it_is_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {t.id: t for t in bench.harness.scope.trials.finished()}["t004"].record()
    room(monkeypatch, 0.01)
    bench.trial("linear", {"use": "a"}, seed=1)
    for refused in (
        lambda: bench.submit("t004"),
        lambda: bench.blend(["t001", "t004"]),
        lambda: bench.oof("t004"),
    ):
        with pytest.raises(ValueError, match="t004: its predictions were dropped to make room; run it again"):
            refused()
    monkeypatch.undo()
    made = bench.trial("linear", {"use": "b"})
    assert made["id"] == "t007"
    assert made["score"] == before["score"]
    assert [fit["sha256"] for fit in made["fits"]] == [fit["sha256"] for fit in before["fits"]]
    assert bench.submit("t007", force=True)["what"] == "t007"


def test_a_trial_without_its_models_is_submitted_after_another_fit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bench.submit("t004", force=True)["sha256"]
    bench.submit("t001", force=True)
    monkeypatch.setattr(bench.harness.scope.finalists, "_used", {})
    for folder in bench.run.glob("trials/*/test"):
        (folder / "done").unlink()
    room(monkeypatch, 0.97)
    bench.blend(["t001", "t002"])
    assert stored(bench, "model.pkl")["t004"] == 0
    assert bench.submit("t004", force=True)["sha256"] == whole


def test_a_fit_that_a_kept_trial_shares_stays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.trial("linear", folds=[0, 1])  # two of the fits of t001
    room(monkeypatch, 0.01)
    bench.trial("linear", {"use": "a"}, seed=1)
    assert "t006" in bench.harness.scope.trials.dropped
    assert stored(bench, "raw0.npy")["t001"] == 5


def test_models_that_a_kept_trial_shares_are_not_dropped_again_and_again(
    light_benches: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = light_benches().ready(repeats=1)
    bench.candidate("linear", LINEAR)
    bench.trial("linear")
    bench.trial("linear", folds=[0, 1])
    monkeypatch.setattr(storage, "KEPT", 1)
    monkeypatch.setattr(storage.Room, "on", lambda folder, stored: storage.Room(1))
    for seed in (1, 2):
        bench.trial("linear", folds=[0], seed=seed)
    discards = [data for kind, data in bench.records if kind == "discard"]
    assert [data["predictions"] for data in discards] == [["t002"], ["t003"]]


def test_nothing_is_dropped_while_an_ablation_compares_its_trials(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    room(monkeypatch, 0.01)
    with bench.harness.room.kept():
        bench.trial("linear", {"use": "a"}, seed=1)
    assert "discard" not in bench.kinds()


def test_a_restored_run_lacks_what_was_dropped_and_goes_on(
    light_benches: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = light_benches().ready(repeats=1)
    old.candidate("linear", LINEAR)
    old.trial("linear")
    old.trial("linear", {"use": "b"})
    monkeypatch.setattr(storage, "KEPT", 1)
    room(monkeypatch, 0.01)
    old.trial("linear", {"use": "a"})
    monkeypatch.undo()
    new = again(old)
    known = {t.id: t for t in new.harness.scope.trials.finished()}
    assert known["t002"].dropped
    assert known["t002"].score == {t.id: t for t in old.harness.scope.trials.finished()}["t002"].score
    with pytest.raises(ValueError, match="t002: its predictions were dropped"):
        new.submit("t002")
    assert new.trial("linear", {"use": "b"})["id"] == "t004"
    assert new.trial("linear")["id"] == "t001"
    new.close()
