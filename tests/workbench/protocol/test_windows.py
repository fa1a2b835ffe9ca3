"""Windows of a split by time: whole periods, as long as the test, with the same pause before."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench.protocol.errors import ProtocolError
from cobra_jupyter.workbench.protocol.windows import Window, windows


def days(first: str, count: int, each: int = 1, step: str = "D") -> pd.Series:
    return pd.Series(np.repeat(pd.date_range(first, periods=count, freq=step), each).strftime("%Y-%m-%d"))


def lengths(found: tuple[Window, ...]) -> list[int]:
    return [(pd.Timestamp(w.end) - pd.Timestamp(w.begin)).days + 1 for w in found]


def test_windows_are_as_long_as_the_test_and_end_where_the_next_begins() -> None:
    found, why = windows(days("2023-01-01", 200, each=6), days("2023-07-20", 28, each=6))
    assert len(found) == 5
    assert lengths(found) == [28] * 5
    assert found[-1].end == "2023-07-19 00:00:00"
    for earlier, later in itertools.pairwise(found):
        assert pd.Timestamp(later.begin) - pd.Timestamp(earlier.end) == pd.Timedelta("1D")
    for window in found:
        assert pd.Timestamp(window.begin) - pd.Timestamp(window.until) == pd.Timedelta("1D")
    assert "as long as test's time" in why


def test_a_pause_between_train_and_test_stands_before_each_window() -> None:
    found, why = windows(days("2023-01-01", 300, each=3), days("2023-11-06", 20, each=3))  # 9 days unseen
    for window in found:
        assert pd.Timestamp(window.begin) - pd.Timestamp(window.until) == pd.Timedelta("10D")
    assert "same pause" in why


def test_a_gap_may_be_asked_for() -> None:
    train, test = days("2023-01-01", 200), days("2023-07-20", 10)
    for window in windows(train, test, gap=7)[0]:
        assert pd.Timestamp(window.begin) - pd.Timestamp(window.until) == pd.Timedelta("8D")
    with pytest.raises(ProtocolError, match="smaller gap"):
        windows(train, test, gap=400)


def test_months_count_as_periods_although_they_differ_in_length() -> None:
    found, _ = windows(days("2018-01-01", 48, each=20, step="MS"), days("2022-01-01", 3, each=20, step="MS"))
    begins = [window.begin[:7] for window in found]
    assert begins[-3:] == ["2021-04", "2021-07", "2021-10"]
    assert [window.end[:7] for window in found][-1] == "2021-12"


def test_numbers_are_times_too() -> None:
    train = pd.Series(np.repeat(np.arange(100), 4))
    found, _ = windows(train, pd.Series(np.arange(100, 110)))
    assert [(w.until, w.begin, w.end) for w in found][-2:] == [(79, 80, 89), (89, 90, 99)]


def test_a_short_history_gets_fewer_then_shorter_windows() -> None:
    found, _ = windows(days("2023-01-01", 100, each=9), days("2023-04-11", 28, each=9))
    assert lengths(found) == [28, 28]
    found, why = windows(days("2023-01-01", 60, each=9), days("2023-03-02", 59, each=9))
    assert len(found) == 3
    assert "train is short" in why


def test_events_at_irregular_moments_are_windowed_by_time() -> None:
    rng = np.random.default_rng(0)
    moments = pd.Timestamp("2023-01-01") + pd.to_timedelta(
        np.sort(rng.exponential(3600, 4000)).cumsum() / 90, "s"
    )
    train, test = pd.Series(moments[:3000]), pd.Series(moments[3000:])
    asked = test.max() - test.min()
    found, _ = windows(train, test, folds=2)
    for window in found:
        assert pd.Timestamp(window.until) < pd.Timestamp(window.begin)
        assert pd.Timestamp(window.end) - pd.Timestamp(window.begin) <= asked * 1.1


def test_a_test_that_is_not_later_gives_windows_of_equal_length() -> None:
    train = days("2023-01-01", 120, each=2)
    found, why = windows(train, train)
    assert lengths(found) == [20] * 5
    assert "equal length" in why


def test_too_few_times_are_refused() -> None:
    with pytest.raises(ProtocolError, match="2 distinct times"):
        windows(pd.Series([1, 1, 2]), None)
