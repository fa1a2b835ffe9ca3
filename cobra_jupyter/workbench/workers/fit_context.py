"""The context object `ctx` that a candidate gets along with its rows."""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


@dataclass
class Context:
    """`ctx` in `fit(train, ctx)`, `predict(model, rows, ctx)` and `make(rows, ctx)`.

    `tables` has the options of ``pd.read_csv`` for the csv tables of train and test, by their names in
    `data`. `weights` (n,) say how much each row of `fit` weighs, 1 on average; None if all weigh the same."""

    config: dict[str, Any]
    targets: list[str]
    id: str
    task: str
    classes: list[Any]
    columns: dict[str, str]
    tables: dict[str, dict[str, Any]]
    metric: str
    direction: str
    seed: int
    n_jobs: int
    device: str
    weight_column: str | None
    out: Path
    deadline: float
    side: str = "train"
    weights: np.ndarray[Any, Any] | None = None
    _units: Any = None
    _time_ordered: bool = False
    _data: Callable[[], Path] | None = None
    _tables: dict[str, Path] = field(default_factory=dict)
    _shared: dict[str, list[Path]] = field(default_factory=dict)
    _read_frame: Callable[[Path], Any] | None = None
    _cache: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds_left(self) -> float:
        """Seconds until this fit is stopped."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def data(self) -> Path:
        """A read-only copy of the competition folder without labels of held-out rows, made on first use."""
        if self._data is None:
            raise RuntimeError("this step has no data folder")
        if "data" not in self._cache:
            self._cache["data"] = self._data()
        return Path(self._cache["data"])

    def inner(self, share: float = 0.2) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Splits the rows of `fit` for early stopping. Returns (training positions, validation positions).

        Units stay whole. With a split by time, the latest rows are for validation."""
        n = len(self._units)
        if self._time_ordered:  # then units are ranks in time: whole periods
            first = np.sort(self._units)[max(1, int(n * (1 - share)))]
            late = self._units >= max(first, self._units.min() + 1)
            late = late if late.any() else np.arange(n) >= max(1, int(n * (1 - share)))  # all of one time
            return np.flatnonzero(~late), np.flatnonzero(late)
        names = np.unique(self._units)
        held = np.random.default_rng(self.seed).permutation(names)[: max(1, round(share * len(names)))]
        valid = np.isin(self._units, held)
        return np.flatnonzero(~valid), np.flatnonzero(valid)

    def save(self, model: Any) -> None:
        """Saves a snapshot. If time runs out, the last snapshot predicts and the trial counts as partial."""
        part = self.out / "snapshot.part"
        part.write_bytes(pickle.dumps(model, protocol=5))
        part.replace(self.out / "snapshot.pkl")

    def table(self, side: str) -> pd.DataFrame:
        """Returns all rows of "train" or "test" as they were loaded, without labels; in `make` only."""
        if side not in self._tables or self._read_frame is None:
            raise KeyError(f"there is no table {side!r} here; in make(rows, ctx), there are train and test")
        return self._read_frame(self._tables[side])

    def shared(self, name: str) -> pd.DataFrame:
        """Returns a `%%shared` artefact, indexed by row number: `ctx.shared("x").loc[rows.index]`."""
        if name not in self._cache:
            if name not in self._shared or self._read_frame is None:
                known = ", ".join(self._shared) or "none"
                raise KeyError(
                    f"there is no shared artefact {name!r} (known: {known}); make it with a %%shared cell"
                )
            self._cache[name] = pd.concat([self._read_frame(path) for path in self._shared[name]])
        return self._cache[name]


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
