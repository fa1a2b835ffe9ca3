"""The sample of rows that an audit uses, with columns as numbers, and the clock that limits its time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.audit import encoding
from cobra_jupyter.workbench.protocol.protocol import Folds, Positions, Protocol

Array = np.ndarray[Any, Any]
ROWS = 6_000  # sampled train rows
TEST_ROWS = 4_000
COLUMNS = 300  # checked columns
MODEL_COLUMNS = 40  # columns of a quick model
QUICK_FOLDS = 3


class OutOfTime(Exception):  # noqa: N818
    """The audit's time has run out."""


class Clock:
    """Measures an audit's seconds: CPU time of this thread, or a third of the wall time if that is more.

    So a busy machine does not skip important checks at once."""

    def __init__(self, seconds: float, known: str | None = None) -> None:
        """`known`: the answers of the clock in the run that is replayed."""
        self._worked, self._started, self._seconds = time.thread_time(), time.monotonic(), seconds
        self._known, self.answers = known or "", ""  # 1 for each yes, 0 for each no

    def spent(self, share: float) -> bool:
        """Whether this share of the seconds has been used."""
        if len(self.answers) < len(self._known):
            self.answers += self._known[len(self.answers)]
        else:
            self.answers += "1" if self._measured(share) else "0"
        return self.answers[-1] == "1"

    def _measured(self, share: float) -> bool:
        worked, passed = time.thread_time() - self._worked, time.monotonic() - self._started
        return max(worked, passed / 3) > share * self._seconds

    def check(self) -> None:
        """Raises OutOfTime if no time is left."""
        if self.spent(1):
            raise OutOfTime


class Sample:
    """Rows of train and test, drawn with a fixed seed.

    `rows` are positions in the whole train table, `train` and `test` the drawn rows, `truth` their labels
    ((n,) codes or (n, T) floats; empty if the task has no labels yet). `features` are the columns in both
    train and test, without id, targets and columns that the protocol leaves out. Models do not use
    `suspects`, which the column checks fill."""

    def __init__(
        self,
        competition: Any,
        train: pd.DataFrame,
        test: pd.DataFrame,
        truth: Any,
        protocol: Protocol | None,
        folds: Folds | None,
        clock: Clock,
    ) -> None:
        self.competition, self.protocol, self.folds, self.clock = competition, protocol, folds, clock
        self.task = protocol.task if protocol else competition.task
        self.whole_train, self.whole_test, self.whole_truth = train, test, truth
        self.rows = self._draw(len(train))
        self.train = train.iloc[self.rows]
        new = np.sort(np.random.default_rng(1).permutation(len(test))[:TEST_ROWS])
        self.test = test.iloc[new]
        self.labelled = truth is not None
        self.truth: Array = np.empty(0)
        if truth is not None:
            self.truth = np.asarray(truth)[self.rows]
        left_out = getattr(protocol, "leave_out", None) or ()
        known = {competition.id, *competition.targets, *left_out}
        self.features = [str(c) for c in train.columns if c in test.columns and c not in known][:COLUMNS]
        self.extra = [str(c) for c in train.columns if c not in test.columns and c not in known][:COLUMNS]
        self.suspects: set[str] = set()
        self._blocks: dict[str, tuple[Array, Array]] = {}
        self._kinds: dict[str, str] = {}

    def _draw(self, count: int) -> Positions:
        """Draws train rows: whole units if the protocol has groups, none from the vault."""
        rng = np.random.default_rng(0)
        rows = np.arange(count)
        if self.folds is not None and len(self.folds.vault):
            rows = np.setdiff1d(rows, self.folds.vault)
        if len(rows) <= ROWS:
            return rows
        if self.folds is not None and self.protocol is not None and self.protocol.groups:
            units, codes = np.unique(self.folds.units[rows], return_inverse=True)
            rank = rng.permutation(len(units))[codes]
            return np.sort(rows[np.argsort(rank, kind="stable")[:ROWS]])
        return np.sort(rng.permutation(rows)[:ROWS])

    # ---- columns as numbers

    def kind(self, name: str) -> str:
        if name not in self._kinds:
            self._kinds[name] = encoding.kind(name, self.whole_train[name], self.competition.columns)
        return self._kinds[name]

    def block(self, name: str) -> tuple[Array, Array]:
        """Returns a column's train and test rows as numbers; the test block is empty if test lacks it."""
        if name not in self._blocks:
            self.clock.check()
            new = self.test[name] if name in self.test.columns else self.train[name].iloc[:0]
            self._blocks[name] = encoding.encode(self.train[name], new, self.kind(name))
        return self._blocks[name]

    def set_block(self, name: str, block: Array) -> None:
        """Adds numbers for the train rows under a new name, for example an id's digits."""
        self._blocks[name] = (block.reshape(len(self.rows), -1), np.empty((0, 1)))

    def matrix(self, names: Sequence[str], side: int = 0) -> Array:
        """Returns the blocks of some columns side by side (`side` 0: train rows, 1: test rows)."""
        blocks = [self.block(name)[side] for name in names]
        count = len(self.test if side else self.train)
        return np.hstack(blocks).astype(np.float32) if blocks else np.empty((count, 0), np.float32)

    @property
    def trusted(self) -> list[str]:
        """The features of a quick model: no suspects, no ids, and at most two texts, which are expensive."""
        chosen, texts = [], 0
        for name in self.features:
            if name in self.suspects or (what := self.kind(name)) == "id":
                continue
            texts += what == "text"
            if what != "text" or texts <= 2:
                chosen.append(name)
        return chosen[:MODEL_COLUMNS]

    # ---- folds

    def splits(self) -> list[tuple[Positions, Positions]]:
        """Returns (training, held-out) positions in the sample: three folds, of the protocol or random."""
        if self.folds is None:
            return self.random_splits()
        found = []
        for training, held_out in self.folds.splits[0][-QUICK_FOLDS:]:
            a, b = (np.flatnonzero(np.isin(self.rows, side)) for side in (training, held_out))
            if len(a) >= 20 and len(b) >= 5:
                found.append((a, b))
        return found or self.random_splits()

    def random_splits(self, folds: int = QUICK_FOLDS) -> list[tuple[Positions, Positions]]:
        """Returns random folds, which ignore groups and time."""
        order = np.random.default_rng(2).permutation(len(self.rows))
        return complements(np.array_split(order, folds), len(self.rows))

    def group_splits(self, codes: Positions, folds: int = QUICK_FOLDS) -> list[tuple[Positions, Positions]]:
        """Returns folds of about equal size that keep rows with the same code together."""
        names, positions = np.unique(codes, return_inverse=True)
        sizes = np.bincount(positions)
        order = np.random.default_rng(3).permutation(len(names))
        ends = np.cumsum(sizes[order])
        fold = np.empty(len(names), np.int64)
        fold[order] = np.minimum((ends - 1) * folds // max(len(codes), 1), folds - 1)
        parts = [np.flatnonzero(fold[positions] == k) for k in range(folds)]
        return complements([part for part in parts if len(part)], len(codes))


def complements(parts: Sequence[Positions], count: int) -> list[tuple[Positions, Positions]]:
    """Returns (all but a part, that part) for each part of 0 … count-1, sorted."""
    everything = np.arange(count)
    return [(np.setdiff1d(everything, part), np.sort(part)) for part in parts]
