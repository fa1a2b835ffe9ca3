"""The windows of a split by time: each fold predicts a stretch of time like that of the test rows.

A window holds whole periods (all rows of one time), is as long as the time that the test rows span, and its
training rows end as long before it as train ends before test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.protocol.dates import timestamps
from cobra_jupyter.workbench.protocol.errors import ProtocolError

Array = np.ndarray[Any, Any]
USUAL = 5  # windows
LEAST_TRAINING = 0.2  # share of the time that the first window's training rows span
LEAST_HELD_OUT = 500  # rows in all windows together; at most a tenth of the rows
REGULAR = 1.5  # nearly all steps are at most this many times the usual one
DAY = 86_400 * 10**9  # nanoseconds


@dataclass(frozen=True)
class Window:
    """One fold: it trains on rows up to `until` and predicts those from `begin` to `end`, all included."""

    until: Any
    begin: Any
    end: Any


@dataclass(frozen=True)
class _Line:
    """The distinct times of train, as numbers, and what the test rows ask for.

    `place` counts periods where these follow each other regularly (months differ in length), else it is the
    time itself. `length` is the test's, `ahead` the way from train's last time to test's first; both are in
    the units of `place`, and None where test is not later."""

    times: Array
    rows: Array  # at each time
    place: Array
    step: float
    length: float | None
    ahead: float


def windows(
    train: pd.Series, test: pd.Series | None, folds: int | None = None, gap: float | None = None
) -> tuple[tuple[Window, ...], str]:
    """Returns the windows, the earliest first, and how they were chosen in words.

    `train` and `test` are columns of times. `gap`: training rows are more than so many days (of a column of
    numbers: units) earlier than their window. Raises ProtocolError if no two windows fit."""
    dates = train.dtype.kind not in "iuf"
    line = _line(train, test, dates)
    count, length, ahead, why = _plan(line, folds)
    found = []
    for nth in range(count):
        last = line.place[-1] - nth * length
        inside = np.flatnonzero((line.place > last - length + 1e-9 * length) & (line.place <= last))
        if not len(inside):
            continue  # no row is from that time
        before = line.place < line.place[inside[0]]
        if ahead > REGULAR * line.step:
            before &= line.place <= line.place[inside[0]] - ahead
        if gap:
            before &= line.times < line.times[inside[0]] - gap * (DAY if dates else 1)
        if before.any():
            ends = (np.flatnonzero(before)[-1], inside[0], inside[-1])
            found.append(Window(*(_written(line.times[i], dates, train.dtype.kind) for i in ends)))
    if len(found) < 2:
        raise ProtocolError(
            "this split is impossible: no two windows with earlier training rows fit the times of train; "
            "ask for a smaller gap, or for another split"
        )
    if len(found) < count:
        why += f"; {count - len(found)} of them left out: no row of theirs, or no earlier training row"
    if gap:
        why += f"; training ends {gap:g} {'days' if dates else 'units'} before a window"
    return tuple(reversed(found)), why


def _line(train: pd.Series, test: pd.Series | None, dates: bool) -> _Line:
    times, rows = np.unique(_numbers(timestamps(train), dates), return_counts=True)
    if len(times) < 3:
        raise ProtocolError(f"this split is impossible: train has {len(times)} distinct times")
    steps = np.diff(times)
    step = float(np.median(steps))
    regular = bool(np.quantile(steps, 0.9) <= REGULAR * step)
    asked = np.unique(_numbers(timestamps(test, train), dates)) if test is not None else times[:0]
    place = np.arange(len(times), dtype=float) if regular else times.astype(float)
    if not len(asked) or asked[0] <= times[-1]:
        return _Line(times, rows, place, 1.0 if regular else step, None, 0.0)
    ahead = float(asked[0] - times[-1])
    if regular:
        return _Line(times, rows, place, 1.0, float(len(asked)), max(1.0, round(ahead / step)))
    return _Line(times, rows, place, step, float(asked[-1] - asked[0]) + step, ahead)


def _plan(line: _Line, folds: int | None) -> tuple[int, float, float, str]:
    """Returns the number of windows, their length, the way ahead, and the reasons."""
    span = float(line.place[-1] - line.place[0]) + line.step
    if line.length is None:
        count = folds or USUAL
        return count, span / (count + 1), 0.0, f"{count} windows of equal length"
    length, ahead, notes = line.length, line.ahead, []
    if ahead > span / 2:
        ahead = 0.0
        notes.append("test begins so long after train that no fold could show it")
    skipped = ahead - line.step if ahead > REGULAR * line.step else 0.0
    room = span - skipped - max(length, LEAST_TRAINING * span)
    count = min(folds or USUAL, int(room / length + 1e-9)) if length > 0 else 0
    if count < min(2, folds or 2) or (folds and count < folds):
        count = folds or 3
        length = (1 - LEAST_TRAINING) * (span - skipped) / (count + 1)
        notes.append("shorter than test's time, because train is short")
    else:
        held = int(line.rows[line.place > line.place[-1] - count * length].sum())
        wanted = min(LEAST_HELD_OUT, line.rows.sum() / 10)
        longest = room / (count * length)
        times = int(min(np.ceil(wanted / max(held, 1)), longest))
        if times > 1:
            length *= times
            notes.append(f"{times} times as long as test's time, for enough rows")
        else:
            notes.append("as long as test's time")
    if skipped:
        notes.append("with the same pause before each as between train and test")
    return count, length, ahead, f"{count} windows {', '.join(notes)}"


def _numbers(values: pd.Series, dates: bool) -> Array:
    """Returns the known times as numbers; dates in nanoseconds."""
    known = values.dropna()
    if not dates:
        return np.asarray(known)
    if known.dt.tz is not None:
        known = known.dt.tz_localize(None)
    return np.asarray(known.to_numpy("datetime64[ns]").astype(np.int64))


def _written(value: Any, dates: bool, kind: str) -> Any:
    """Returns a time as code writes it: a date as text, a number as a number."""
    if dates:
        return str(pd.Timestamp(int(value)))
    return int(value) if kind in "iu" else float(value)


def window_code(found: Iterable[Window], when: str) -> list[str]:
    """Returns the lines of code that make folds of windows. `when` is the code of the rows' times."""
    listed = [f"    ({each.until!r}, {each.begin!r}, {each.end!r})," for each in found]
    return [
        f"when = {when}",
        "windows = [  # a fold trains on rows up to the first time; it predicts from the second to the third",
        *listed,
        "]",
        "folds.append([",
        "    (np.flatnonzero(when <= until), np.flatnonzero((when >= begin) & (when <= end)))",
        "    for until, begin, end in windows",
        "])",
    ]
