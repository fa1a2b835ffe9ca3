"""Groups and weights that a cell gives: a column of another table, or a Series.

A Series is stored in the run's folder as a table with the row key, `series/<setting>_<hash>.csv`. So it is
read like any other table: after a restart, in a replay and in the exported solution."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from cobra_jupyter import competition as competitions
from cobra_jupyter.competition.loading import key_text

FOLDER = "series"
DIGITS = 16  # of the hash


class Sent(TypedDict):
    """A Series as the client sends it: the SHA-256 of the csv file beside the socket, and its name."""

    series: str
    name: str


class Given:
    """Stores given Series in the run's `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def settings(
        self,
        groups: str | Sent | None,
        weights: str | Sent | None,
        competition: competitions.Competition,
        train: pd.DataFrame,
        beside: Path | None,
    ) -> dict[str, str]:
        """Return the settings that the competition must be opened with for these; columns of train need none
        for groups. `beside`: the folder with Series that were sent. Raises ValueError."""
        found: dict[str, str] = {}
        for name, value in (("groups", groups), ("weights", weights)):
            if isinstance(value, Mapping):
                found[name] = self._stored(name, value, competition.id, train, beside)
            elif value and (name == "weights" or (":" in value and value not in train)):
                found[name] = value
        return found

    def resolved(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return settings with the full paths of stored Series. Raises ValueError if one was changed."""
        found = dict(settings)
        for name in ("groups", "weights"):
            path, _, column = found.get(name, "").rpartition(":")
            if not path.startswith(f"{FOLDER}/{name}_"):
                continue
            stored = self._folder / path
            if not stored.is_file():
                continue  # a file of the competition, if any
            if hashlib.sha256(stored.read_bytes()).hexdigest()[:DIGITS] != stored.stem.rpartition("_")[2]:
                raise ValueError(f"{path} was changed after it was given")
            found[name] = f"{stored.resolve()}:{column}"
        return found

    def _stored(self, setting: str, sent: Sent, key: str, train: pd.DataFrame, beside: Path | None) -> str:
        if beside is None:
            raise ValueError(f"{setting}: a Series can be given in a cell only")
        raw = (beside / f"{sent['series']}.csv").read_bytes()
        given = pd.read_csv(io.BytesIO(raw), dtype="str", keep_default_na=False, na_values=[""])
        if not key or key not in train.columns:
            raise ValueError(f"{setting}: train has no row key for a Series; give a column of train")
        values = _of_rows(setting, given, train[key])
        if setting == "groups":  # only equality counts, and numbers need no care in a file
            values = pd.Series(pd.factorize(values)[0])
        column = f"{setting[:-1]}_{sent['name']}" if sent["name"].isidentifier() else setting[:-1]
        text = pd.DataFrame({key: train[key].astype(str), column: values.to_numpy()}).to_csv(index=False)
        digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
        path = self._folder / FOLDER / f"{setting}_{digest}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return f"{FOLDER}/{path.name}:{column}"


def _of_rows(setting: str, given: pd.DataFrame, keys: pd.Series) -> pd.Series:
    """Return the given values in the order of the rows of train: by the key, else by the order of rows."""
    index, wanted = given["index"].astype(str), keys.astype(str)
    if index.duplicated().any():
        twice = index[index.duplicated()].iloc[0]
        raise ValueError(f"{setting}: the Series has {twice!r} twice in its index; keep one of each")
    if not set(wanted) <= set(index) and not key_text(index).duplicated().any():
        index, wanted = key_text(index), key_text(wanted)  # 301.0 for 301
    by_key = set(wanted) <= set(index)
    in_order = list(index) == [str(number) for number in range(len(keys))]
    if by_key and in_order and list(index) != list(wanted):
        raise ValueError(
            f"{setting}: the index 0 … {len(keys) - 1} may be the row key or the order of rows; "
            f"give it the key: series.set_axis(train[{str(keys.name)!r}])"
        )
    if by_key:
        values = given.set_index(index)["value"].loc[wanted]
    elif in_order:
        values = given["value"]
    else:
        lost = next(key for key in wanted if key not in set(index))
        raise ValueError(
            f"{setting}: the index of the Series is neither {keys.name} (it lacks {lost!r}) nor 0 … "
            f"{len(keys) - 1}, the order of the rows of train"
        )
    values = values.reset_index(drop=True)
    if values.isna().any():
        row = int(np.flatnonzero(values.isna())[0])
        raise ValueError(f"{setting}: the Series has no value for {keys.name} {keys.iloc[row]}; fill it")
    return values if setting == "groups" else _numbers(setting, values)


def _numbers(setting: str, values: Any) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any():
        raise ValueError(f"{setting}: {values[numbers.isna()].iloc[0]!r} of the Series is no number")
    return pd.Series(numbers)
