"""Splits, units, vaults and digests, chosen from the data or by options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter import competition as competitions
from cobra_jupyter.workbench.protocol import protocol
from cobra_jupyter.workbench.protocol.errors import ProtocolError
from cobra_jupyter.workbench.protocol.protocol import Folds, Protocol, subsample
from tests.conftest import make_competition


class Given:
    """A competition from a folder, for which protocols are frozen."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.competition = competitions.read(make_competition(folder, **options))
        self.data = competitions.load(self.competition)

    def freeze(self, **options: Any) -> tuple[Protocol, Folds]:
        arguments = {"number": 1, "seed": 0, **options}
        return protocol.freeze(self.competition, self.data.train, self.data.test, **arguments)


def sound(frozen: Protocol, made: Folds, covered: bool = True) -> None:
    """Checks that no unit is on both sides, no fold uses the vault, and each row is held out once."""
    assert len(made.splits) == frozen.repeats
    seen = np.setdiff1d(np.arange(frozen.rows), made.vault)
    assert len(made.vault) == frozen.vault_rows
    for repeat in made.splits:
        assert len(repeat) == frozen.folds
        for training, held_out in repeat:
            assert not np.intersect1d(training, held_out).size
            assert not np.intersect1d(made.units[training], made.units[held_out]).size
            assert not np.intersect1d(np.concatenate([training, held_out]), made.vault).size
        if covered:
            assert np.array_equal(np.sort(np.concatenate([held for _, held in repeat])), seen)
    assert not np.intersect1d(made.units[made.vault], made.units[seen]).size


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return Given(tmp_path_factory.mktemp("binary"))


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """Rows with a `visit` named patient_visit, a `day` and a `week`; test has other patients."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        test = "y" not in frame
        order = np.arange(len(frame))
        frame["visit"] = [f"{9000 * test + i // 4:04d}_{i % 4:02d}" for i in order]
        frame["day"] = (pd.Timestamp("2024-01-01") + pd.to_timedelta(order, "D")).strftime("%Y-%m-%d")
        frame["week"] = order // 7
        return frame

    return Given(tmp_path_factory.mktemp("grouped"), change=change, rows=240)


def test_classes_are_stratified_and_numbers_are_not(binary: Given, tmp_path: Path) -> None:
    frozen, made = binary.freeze()
    sound(frozen, made)
    assert (frozen.split, frozen.folds) == ("stratified", 5)
    assert "independent" in frozen.reason
    labels = binary.data.train["y"].to_numpy()
    shares = [labels[made.held_out(0, k)].mean() for k in range(5)]
    assert max(shares) - min(shares) < 0.03
    frozen, made = Given(tmp_path, task="regression").freeze()
    sound(frozen, made)
    assert frozen.split == "kfold"


@pytest.mark.parametrize("split", ["kfold", "stratified"])
def test_a_requested_split_is_used(binary: Given, split: str) -> None:
    frozen, made = binary.freeze(split=split, folds=4, repeats=3)
    sound(frozen, made)
    assert (frozen.split, frozen.folds, frozen.repeats, frozen.reason) == (split, 4, 3, "set by option")
    assert not np.array_equal(made.held_out(0, 0), made.held_out(1, 0))


@pytest.mark.parametrize("split", ["group", "stratified_group"])
@pytest.mark.parametrize("groups", ["visit[0]", "week"])
def test_groups_stay_whole(grouped: Given, split: str, groups: str) -> None:
    frozen, made = grouped.freeze(split=split, groups=groups)
    sound(frozen, made)
    assert frozen.groups == groups
    assert f"`{groups}`" in frozen.reason
    assert not np.array_equal(made.held_out(0, 0), made.held_out(1, 0))
    sound(*grouped.freeze(split=split, groups=groups, vault=True))


def test_the_first_part_of_a_column_is_detected_as_a_group(tmp_path: Path) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame["id"] = [f"{9000 * ('y' not in frame) + i // 5:04d}_{i % 5:02d}" for i in range(len(frame))]
        return frame

    frozen, made = Given(tmp_path, change=change).freeze()
    sound(frozen, made)
    assert (frozen.split, frozen.groups, frozen.units) == ("stratified_group", "id[0]", 40)
    assert "a unit is never in both" in frozen.reason


def test_rows_that_share_the_row_key_stay_in_one_fold(tmp_path: Path) -> None:
    """Few of them, so that another column would not make groups."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame.index[:6], "id"] = (
            frame["id"].iloc[6] if "y" in frame and len(frame) > 20 else frame["id"]
        )
        return frame

    given = Given(tmp_path, change=change, rows=240)
    frozen, made = given.freeze()
    assert frozen.groups == "id"
    sound(frozen, made)
    assert made.units[:7].max() == made.units[:7].min()


def test_rows_without_a_group_form_one_unit(grouped: Given) -> None:
    train = grouped.data.train.copy()
    train["week"] = train["week"].astype(float).mask(np.arange(len(train)) < 30)
    frozen, made = protocol.freeze(
        grouped.competition, train, grouped.data.test, number=1, seed=0, groups="week"
    )
    sound(frozen, made)
    assert made.units.min() >= 0
    assert len(np.unique(made.units)) == frozen.units


def test_twins_that_only_train_has_stay_in_one_fold(tmp_path: Path) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        if "y" in frame:
            source = np.arange(len(frame)) % (len(frame) // 2)
            for name in ("a", "b", "colour"):
                frame[name] = frame[name].to_numpy()[source]
        return frame

    frozen, made = Given(tmp_path, change=change).freeze()
    sound(frozen, made)
    assert (frozen.split, frozen.groups) == ("stratified_group", "duplicates")
    assert "twin" in frozen.reason


def test_duplicates_ignore_a_column_that_only_test_has(binary: Given) -> None:
    test = binary.data.test.assign(extra=1)
    frozen, made = protocol.freeze(
        binary.competition, binary.data.train, test, number=1, seed=0, groups="duplicates"
    )
    sound(frozen, made)


def test_folds_predict_later_rows_if_test_is_later(tmp_path: Path) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        first = "2024-01-01" if "y" in frame else "2025-01-01"
        days = np.random.default_rng(0).permutation(len(frame))
        frame["day"] = (pd.Timestamp(first) + pd.to_timedelta(days, "D")).strftime("%Y-%m-%d")
        return frame

    given = Given(tmp_path, change=change)
    frozen, made = given.freeze()
    sound(frozen, made, covered=False)
    assert (frozen.split, frozen.time, frozen.repeats) == ("time", "day", 1)
    assert "later" in frozen.reason
    day = given.data.train["day"].to_numpy()
    for training, held_out in made.splits[0]:
        assert day[training].max() < day[held_out].min()


def test_the_time_column_may_be_numeric_and_have_missing_values(grouped: Given) -> None:
    train = grouped.data.train
    frozen, made = grouped.freeze(split="time", time="week", folds=3)
    sound(frozen, made, covered=False)
    for training, held_out in made.splits[0]:
        assert train["week"].iloc[training].max() <= train["week"].iloc[held_out].min()
    gaps = train.assign(day=train["day"].mask(np.arange(len(train)) % 50 == 0))
    frozen, made = protocol.freeze(grouped.competition, gaps, grouped.data.test, number=1, seed=0, time="day")
    for training, held_out in made.splits[0]:
        assert gaps["day"].iloc[training].dropna().max() < gaps["day"].iloc[held_out].dropna().min()


@pytest.mark.parametrize("ways", [("%d.%m.%Y",), ("%d/%m/%Y", "%Y-%m-%d", "%d %b %Y")])
def test_dates_may_have_several_formats_and_begin_with_the_day(tmp_path: Path, ways: tuple[str, ...]) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame["nth"] = np.random.default_rng(0).permutation(len(frame))
        days = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["nth"], "D")
        frame["day"] = [day.strftime(ways[i % len(ways)]) for i, day in enumerate(days)]
        return frame

    given = Given(tmp_path, change=change)
    frozen, made = given.freeze(time="day")
    sound(frozen, made, covered=False)
    nth = given.data.train["nth"].to_numpy()
    for training, held_out in made.splits[0]:
        assert nth[training].max() < nth[held_out].min()


@pytest.mark.parametrize(
    ("rows", "split", "folds"),
    [([0, 1], "kfold", 2), ([0, 0, 1], "stratified", 2), ([0, 0, 0, 1, 1], "stratified", 3)],
)
def test_very_few_rows_get_as_many_folds_as_possible(
    binary: Given, rows: list[int], split: str, folds: int
) -> None:
    train = binary.data.train.head(len(rows)).assign(y=rows)
    frozen, made = protocol.freeze(binary.competition, train, binary.data.test, number=1, seed=0)
    sound(frozen, made)
    assert (frozen.split, frozen.folds) == (split, folds)


def test_a_split_by_time_keeps_units_whole_too(grouped: Given) -> None:
    frozen, made = grouped.freeze(time="day", groups="visit[0]")
    sound(frozen, made, covered=False)
    assert frozen.split == "time"


@pytest.mark.parametrize(("rows", "repeats"), [(200, 4), (1_000, 2), (4_200, 1)])
def test_small_data_gets_repeats(tmp_path: Path, rows: int, repeats: int) -> None:
    assert Given(tmp_path, rows=rows).freeze()[0].repeats == repeats


def test_no_fold_sees_the_vault(binary: Given) -> None:
    frozen, made = binary.freeze(vault=True)
    sound(frozen, made)
    assert 5 <= frozen.vault_rows <= 15
    assert binary.freeze()[0].vault_rows == 0


def test_large_data_has_a_vault_unless_it_is_turned_off(tmp_path: Path) -> None:
    given = Given(tmp_path, rows=20_500)
    frozen, made = given.freeze()
    sound(frozen, made)
    assert frozen.vault_rows > 900
    assert given.freeze(vault=False)[0].vault_rows == 0


@pytest.mark.parametrize(
    "options",
    [{}, {"split": "kfold"}, {"vault": True}, {"groups": "visit[0]"}, {"split": "group", "groups": "week"},
     {"groups": "duplicates"}, {"time": "day"}, {"time": "week", "groups": "visit[0]"}],
)  # fmt: skip
def test_the_code_alone_gives_the_same_folds(grouped: Given, options: dict[str, Any]) -> None:
    frozen, made = grouped.freeze(**options)
    names: dict[str, Any] = {"DATA": grouped.competition.folder, "ID": grouped.competition.id}
    exec("import numpy as np\n" + competitions.load_code(grouped.competition) + frozen.code, names)
    assert np.array_equal(names["units"], made.units)
    assert np.array_equal(names["vault"], made.vault)
    for from_code, expected in zip(names["folds"], made.splits, strict=True):
        for (a, b), (c, d) in zip(from_code, expected, strict=True):
            assert np.array_equal(a, c)
            assert np.array_equal(b, d)


def test_digests_differ_exactly_if_anything_else_differs(grouped: Given) -> None:
    options: list[dict[str, Any]] = [
        {}, {"number": 2}, {"seed": 1}, {"folds": 4}, {"repeats": 1}, {"split": "kfold"}, {"vault": True},
        {"groups": "week"}, {"groups": "visit[0]"}, {"time": "day"}, {"split": "group", "groups": "week"},
    ]  # fmt: skip
    digests = [grouped.freeze(**option)[0].digest for option in options]
    assert len(set(digests)) == len(options)
    assert grouped.freeze()[0].digest == digests[0]
    other = replace(grouped.competition, metric="roc_auc", direction="maximize")
    base = {"number": 1, "seed": 0}
    assert protocol.freeze(other, grouped.data.train, grouped.data.test, **base)[0].digest not in digests
    fewer = grouped.data.train.iloc[:-1]
    assert protocol.freeze(grouped.competition, fewer, grouped.data.test, **base)[0].digest not in digests


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "diagonal"}, "diagonal is unknown; known: kfold"),
        ({"folds": 1}, "2 or more"),
        ({"folds": 0}, "2 or more"),
        ({"repeats": 0}, "1 or more"),
        ({"folds": 1000}, "1000 folds of 60 units"),
        ({"folds": 100, "groups": "week"}, "100 folds of 35 units"),
        ({"folds": 99}, "99 folds of 60 units"),
        ({"groups": "nowhere"}, "groups=nowhere: the train table has no such column; it has id, a, b"),
        ({"time": "nowhere"}, "time=nowhere"),
        ({"groups": "nowhere[0]"}, "no such column"),
    ],
)
def test_an_impossible_protocol_raises_a_clear_error(
    grouped: Given, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProtocolError, match=words):
        grouped.freeze(**options)


def test_time_and_groups_need_columns(binary: Given, grouped: Given) -> None:
    assert grouped.freeze(split="time")[0].time == "day"
    with pytest.raises(ProtocolError, match="no date column"):
        binary.freeze(split="time")
    with pytest.raises(ProtocolError, match="needs groups=COLUMN"):
        binary.freeze(split="group")


def test_a_subsample_keeps_class_shares_and_is_reproducible() -> None:
    truth = np.array([0] * 900 + [1] * 100)
    positions = np.arange(0, 1_000, 2)
    taken = subsample(np.arange(1_000), positions, truth, 0.2, seed=3)
    assert np.array_equal(taken, subsample(np.arange(1_000), positions, truth, 0.2, seed=3))
    assert not np.array_equal(taken, subsample(np.arange(1_000), positions, truth, 0.2, seed=4))
    assert np.isin(taken, positions).all()
    assert (np.diff(taken) > 0).all()
    assert len(taken) == 100
    assert truth[taken].mean() == pytest.approx(0.1)


def test_a_subsample_keeps_units_whole() -> None:
    units, truth = np.arange(1_000) // 7, np.zeros((1_000, 2))
    taken = subsample(units, np.arange(1_000), truth, 0.3, seed=0)
    assert 0.25 < len(taken) / 1_000 < 0.35
    assert not np.intersect1d(units[taken], np.setdiff1d(np.arange(1_000), taken) // 7).size


def test_a_subsample_never_loses_a_class() -> None:
    truth = np.array([0] * 500 + [1] * 3)
    taken = subsample(np.arange(503), np.arange(503), truth, 0.01, seed=0)
    assert set(truth[taken]) == {0, 1}
