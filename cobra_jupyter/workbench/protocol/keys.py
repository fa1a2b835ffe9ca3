"""The key on whose density a factor may live: a column whose values repeat in few rows each.

Mean labels, lags and counts of a key change with the number of its rows, so a sample keeps keys whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.protocol.protocol import Positions

KINDS = ("id", "category", "compound")
REPEATED = 0.5  # share of the rows whose value occurs again
LEAST_KEYS = 50
MOST_EACH = 50  # rows of a key on average; a sample of more frequent keys keeps enough of each


def key_codes(train: pd.DataFrame, kinds: Mapping[str, str], id: str) -> Positions | None:
    """Returns the code (n,) of each row's key, of the column with the most keys; None without such one."""
    found: list[tuple[int, str]] = []
    for name in train.columns:
        whole = train[name].dtype.kind in "iu" and name in kinds
        if (name == id or kinds.get(name) in KINDS or whole) and train[name].dtype.kind != "f":
            count = _keys(train[name])
            if count:
                found.append((count, name))
    if not found:
        return None
    return np.asarray(pd.factorize(_text(train[max(found)[1]]), use_na_sentinel=False)[0], np.int64)


def _keys(values: pd.Series) -> int:
    """Returns the number of keys, or 0 if the values are none."""
    sizes: Any = _text(values).value_counts().to_numpy()
    repeated = sizes[sizes > 1].sum() / max(len(values), 1)
    each = len(values) / max(len(sizes), 1)
    return len(sizes) if len(sizes) >= LEAST_KEYS and repeated >= REPEATED and each <= MOST_EACH else 0


def _text(values: pd.Series) -> pd.Series:
    return values if values.dtype.kind in "iu" else values.astype(str)
