"""Writes the data that one fold may see: labelled rows, rows to predict, a data folder without held-out
labels.

All files are in one private folder. They are written when first needed and mapped by the workers. A worker
may only open its own view."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.protocol.dates import timestamps
from cobra_jupyter.workbench.protocol.keys import key_codes
from cobra_jupyter.workbench.protocol.protocol import ALL, Folds, Positions, Protocol, subsample
from cobra_jupyter.workbench.workers.frames import write_frame

Key = tuple[int, int]  # (repeat, fold); fold ALL: a refit on all rows, by its number


class Views:
    """The views of one protocol."""

    def __init__(
        self,
        folder: Path,
        competition: Any,
        train: pd.DataFrame,
        test: pd.DataFrame,
        truth: Any,
        protocol: Protocol,
        folds: Folds,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._competition = competition
        self._train, self._test, self._truth = train, test, truth
        self._protocol, self._folds = protocol, folds
        self._lock = threading.RLock()
        self.time_ordered = protocol.split == "time"
        self.look_ahead = folds.look_ahead
        # shared artefacts may be reused only for the same rows
        self.rows = f"{train.shape} {test.shape} {list(train)} {competition.targets}"
        self._unit_codes = self._time_ranks() if self.time_ordered else folds.units

    @cached_property
    def keys(self) -> Positions | None:
        """The code of each row's key, where rows that share one must stay together in a sample, or None."""
        if self.time_ordered or self._protocol.groups:
            return None  # a sample of these keeps the latest rows, or whole units
        return key_codes(self._train, self._competition.columns, self._competition.id)

    def known(self, key: Key, fraction: float, seed: int) -> Positions:
        """Returns the held-out rows that a small-data trial can judge: keys of theirs are in its sample."""
        held_out = self._folds.held_out(*key)
        positions = self.positions(key, fraction, seed)
        if positions is None or self.keys is None:
            return held_out
        chosen = self._folds.training(*key)[np.load(positions)]
        return held_out[np.isin(self.keys[held_out], self.keys[chosen])]

    def _time_ranks(self) -> Positions:
        when = timestamps(self._train[self._protocol.time])
        return np.asarray(when.rank(method="dense", na_option="top"), np.int64)

    def train(self, key: Key) -> Path:
        """Returns the labelled training rows of a fold."""
        return self._frame(f"train-{_name(key)}", lambda: self._train.iloc[self._folds.training(*key)])

    def units(self, key: Key) -> Path:
        return self._array(f"units-{_name(key)}", lambda: self._unit_codes[self._folds.training(*key)])

    def positions(self, key: Key, fraction: float, seed: int) -> Path | None:
        """Returns the positions of the training rows that a small-data trial uses; None for all."""
        if fraction >= 1:
            return None

        def choose() -> Any:
            training = self._folds.training(*key)
            if self.time_ordered:  # the most recent rows
                order = training[np.argsort(self._unit_codes[training], kind="stable")]
                chosen = np.sort(order[-max(2, round(fraction * len(order))) :])
            else:
                units = self._folds.units if self.keys is None else self.keys
                chosen = subsample(units, training, self._truth, fraction, seed)
            return np.searchsorted(training, chosen) if _sorted(training) else _locate(training, chosen)

        return self._array(f"positions-{key[0]}-{key[1]}-{fraction:g}-{seed}", choose)

    def without(self, key: Key, fold: int) -> Path:
        """Returns the positions of a fold's training rows that another fold does not hold out."""
        training, held_out = self._folds.training(*key), self._folds.held_out(key[0], fold)
        name = f"positions-{key[0]}-{key[1]}-without-{fold}"
        return self._array(name, lambda: np.flatnonzero(~np.isin(training, held_out)))

    def asked(self, key: Key) -> Path:
        """Returns the rows that a fit predicts, without labels: held-out rows, or test's of a refit."""
        if key[1] == ALL:
            return self.test()
        return self._frame(
            f"rows-{key[0]}-{key[1]}", lambda: self._unlabelled(self._train).iloc[self._folds.held_out(*key)]
        )

    def count_asked(self, key: Key) -> int:
        """Returns the number of rows that a fit predicts."""
        return len(self._test) if key[1] == ALL else len(self._folds.held_out(*key))

    def vault(self) -> Path:
        return self._frame("vault", lambda: self._unlabelled(self._train).iloc[self._folds.vault])

    def test(self) -> Path:
        return self._frame("test", lambda: self._test)

    def all_rows(self) -> Path:
        """Returns all train rows without labels, for shared artefacts."""
        return self._frame("all", lambda: self._unlabelled(self._train))

    def data_path(self, key: Key | None) -> Path:
        return self.folder / f"data-{'unlabelled' if key is None else _name(key)}"

    def data(self, key: Key | None) -> Path:
        """Returns the competition folder as a fold may see it.

        Files with labels contain only the fold's training rows (key None: no labels). All others are
        links."""
        target = self.data_path(key)
        with self._lock:
            if not target.exists():
                part = target.with_name(target.name + ".part")
                part.mkdir()
                self._link(part, key)
                part.replace(target)
        return target

    def data_at(self, path: Path) -> Path:
        """Returns the data folder at a `data_path`; makes it if necessary."""
        if path == self.data_path(None):
            return self.data(None)
        if path == self.data_path((0, ALL)):
            return self.data((0, ALL))
        _, repeat, fold = path.name.split("-")
        return self.data((int(repeat), int(fold)))

    def _link(self, part: Path, key: Key | None) -> None:
        table = self._competition.train
        own = {table.path} if table is not None else set()  # rewritten below, so not linked
        competition = self._competition
        left_out = {"private", *own, *competition.label_sources, *competition.links}
        _link_without(competition.folder, part, left_out)
        if table is not None and not table.member:
            rows = (
                self._unlabelled(self._train) if key is None else self._train.iloc[self._folds.training(*key)]
            )
            _write_table(rows, part / table.path, table.options)

    def _unlabelled(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.drop(columns=list(self._competition.targets))

    def _frame(self, name: str, make: Any) -> Path:
        path = self.folder / f"{name}.frame"
        with self._lock:
            if not path.exists():
                write_frame(make(), path)
        return path

    def _array(self, name: str, make: Any) -> Path:
        path = self.folder / f"{name}.npy"
        with self._lock:
            if not path.exists():
                part = path.with_suffix(".part.npy")
                np.save(part, make())
                part.replace(path)
        return path


def _name(key: Key) -> str:
    return "all" if key[1] == ALL else f"{key[0]}-{key[1]}"


def _sorted(values: Positions) -> bool:
    return bool((values[1:] >= values[:-1]).all())


def _locate(values: Positions, wanted: Positions) -> Positions:
    order = np.argsort(values)
    return np.sort(order[np.searchsorted(values[order], wanted)])


def _link_without(source: Path, target: Path, left_out: Iterable[str]) -> None:
    """Links everything in `source` except the paths left out. Folders that contain one are made new."""
    left_out = set(left_out)
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        within = {name.removeprefix(path.name + "/") for name in left_out if name.startswith(path.name + "/")}
        if path.name in left_out or path.is_symlink():
            continue
        if within:
            _link_without(path, target / path.name, within)
        else:
            (target / path.name).symlink_to(path.resolve())


def _write_table(rows: pd.DataFrame, path: Path, options: dict[str, Any]) -> None:
    """Writes rows in the format of the original; writes nothing if the format's library is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    suffixes = "".join(path.suffixes[-2:]).lower()
    if ".jsonl" in suffixes or ".ndjson" in suffixes or options.get("lines"):
        rows.to_json(path, orient="records", lines=True)
    elif ".json" in suffixes:
        rows.to_json(path, orient="records")
    elif ".parquet" in suffixes:
        try:
            rows.to_parquet(path, index=False)
        except ImportError:
            return
    else:
        csv_options = {name: options[name] for name in ("sep", "decimal", "encoding") if name in options}
        rows.to_csv(path, index=False, **csv_options)
