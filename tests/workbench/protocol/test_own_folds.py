"""Folds from a `%%protocol` cell: made without labels, checked, repeated by the notebook's code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cobra_jupyter import competition as competitions
from tests.conftest import Bench, FakeCall
from tests.workbench.sources import CONSTANT

SEASONS = """
import numpy as np

def folds(units, test):
    assert "y" not in units.columns, "labels"
    parts = np.array_split(np.argsort(units["a"].to_numpy(), kind="stable"), 4)
    return [(np.concatenate(parts[:k]), parts[k]) for k in (1, 2, 3)]
"""


@pytest.fixture(scope="module")
def bench(light_benches: Callable[..., Bench]) -> Bench:
    bench = light_benches(rows=120)
    bench.open()
    return bench


def test_a_cell_makes_the_folds(bench: Bench) -> None:
    record = bench.protocol(name="seasons", cell=SEASONS)
    assert (record["split"], record["folds"], record["repeats"]) == ("own", 3, 1)
    assert "%%protocol seasons" in record["reason"]
    scope = bench.harness.scope
    a = bench.harness._data.train["a"].to_numpy()
    for training, held_out in scope.scorer.folds.splits[0]:
        assert a[training].max() < a[held_out].min()
    bench.candidate("constant", CONSTANT)
    trial = bench.trial("constant")
    assert (trial["rows"], trial["full"]) == (90, True)
    assert "all rows train" in bench.submit(trial["id"])["training"]


def test_its_code_alone_makes_the_same_folds(bench: Bench) -> None:
    record = bench.protocol(name="seasons", cell=SEASONS)
    competition = bench.harness._competition
    names = {"DATA": competition.folder, "ID": competition.id}
    exec("import numpy as np\n" + competitions.load_code(competition) + record["code"], names)
    for (a, b), (c, d) in zip(names["folds"][0], bench.harness.scope.scorer.folds.splits[0], strict=True):
        assert np.array_equal(a, c)
        assert np.array_equal(b, d)


def test_a_restored_run_has_the_same_folds(bench: Bench) -> None:
    from cobra_jupyter.workbench.harness.restore import restore

    record = bench.protocol(name="seasons", cell=SEASONS)
    again = Bench(bench.run.with_name("again"), bench.public, type(bench.harness.pool))
    lines = [line for line in bench.lines if line.kind in ("card", "protocol")]
    restore(again.harness, lines, FakeCall())
    assert again.harness.scope.protocol.digest == record["digest"]
    again.close()


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("[([0, 1], [2])]", "returned 1 folds"),
        ("[([0, 1], [1, 2]), ([3], [4])]", "fold 0: rows are in training and held out"),
        ("[([0], [1]), ([2], [1])]", "fold 1: rows are held out that another"),
        ("[([0], [1]), ([2], [120])]", "leave 0 … 119"),
        ("[([0], [1]), ([2, 2], [3])]", "fold 1: the training positions name a row twice"),
        ("[([0], [1]), ([], [3])]", "fold 1: the training positions are no list of whole numbers, or empty"),
        ("units['y']", "KeyError"),
    ],
)
def test_what_it_returns_is_checked(bench: Bench, made: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        bench.protocol(name="wrong", cell=f"def folds(units, test):\n    return {made}\n")


def test_a_cell_without_the_function_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match=r"define folds\(units, test\)"):
        bench.protocol(name="empty", cell="x = 1")


GROUPED = """
import numpy as np

GROUPS = "colour"
REPEATS = 2

def folds(units, test, repeat):
    colours = np.random.default_rng(repeat).permutation(sorted(units["colour"].unique()))
    held_out = [np.flatnonzero(units["colour"] == colour) for colour in colours]
    return [(np.setdiff1d(np.arange(len(units)), rows), rows) for rows in held_out]
"""


def test_groups_and_repeats_of_a_cell_are_those_of_the_protocol(bench: Bench) -> None:
    record = bench.protocol(name="colours", cell=GROUPED)
    assert (record["groups"], record["units"], record["folds"], record["repeats"]) == ("colour", 3, 3, 2)
    competition, folds = bench.harness._competition, bench.harness.scope.scorer.folds
    names = {"DATA": competition.folder, "ID": competition.id}
    exec("import numpy as np\n" + competitions.load_code(competition) + record["code"], names)
    assert np.array_equal(names["units"], folds.units)
    assert [[b.tolist() for _, b in repeat] for repeat in names["folds"]] == [
        [b.tolist() for _, b in repeat] for repeat in folds.splits
    ]
    first, second = ([b.tolist() for _, b in repeat] for repeat in folds.splits)
    assert first != second, "each repeat has its own number"
    bench.candidate("constant", CONSTANT)
    assert bench.trial("constant", repeats=2)["rows"] == 120


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('GROUPS = "colour"', 'GROUPS = "hue"'), "GROUPS = 'hue' is no column of train"),
        (("REPEATS = 2", "REPEATS = 0"), "REPEATS = 0 must be a number from 1 to 20"),
        (("for rows in held_out", "for rows in held_out[repeat:]"), r"\[3, 2\] folds, not as many"),
        (
            ("return [", "return [(a[1:], a[:1]) for a in np.array_split(np.arange(len(units)), 2)]\n    ["),
            "rows of one colour are in training and held out",
        ),
    ],
)
def test_what_a_cell_says_of_groups_and_repeats_is_checked(
    change: tuple[str, str], words: str, bench: Bench
) -> None:
    with pytest.raises(ValueError, match=words):
        bench.protocol(name="colours", cell=GROUPED.replace(*change))
