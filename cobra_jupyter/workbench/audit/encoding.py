"""Encodes columns as numbers for quick models: categories as codes, texts as a few components."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.competition.columns import kind as kind_of
from cobra_jupyter.competition.columns import parts_of
from cobra_jupyter.workbench.protocol.dates import timestamps

Array = np.ndarray[Any, Any]
TEXT_COMPONENTS = 12
PLACEHOLDERS = ("", "n/a", "na", "nan", "none", "null", "unknown", "missing", "-", "?")


def encode(old: pd.Series, new: pd.Series, kind: str) -> tuple[Array, Array]:
    """Returns a column of train and test as float blocks (n, k), (m, k), with NaN for missing values.

    `kind` is the kind in `competition.columns`. Categories get codes over train and test together, in sorted
    order."""
    cut = len(old)
    both = pd.concat([old, new], ignore_index=True)
    block = _block(both, kind, cut)
    return block[:cut], block[cut:]


def kind(name: str, values: pd.Series, known: dict[str, str]) -> str:
    """Returns the kind of a column from the competition's card, or else from its values."""
    try:
        return known.get(name) or kind_of(values)
    except TypeError:  # lists, dictionaries
        return "text"


def present(values: pd.Series) -> Array:
    """Returns which rows have a value: neither missing nor a placeholder such as N/A."""
    there: Array = np.asarray(values.notna(), bool)
    if values.dtype.kind in "iufb":
        return there
    words = values.astype(str).str.strip().str.lower()
    return np.asarray(there & ~words.isin(PLACEHOLDERS).to_numpy())


def numbers_in(values: pd.Series) -> Array:
    """Returns the last number in each value (`row_0042` → 42), or NaN."""
    digits = values.astype(str).str.extract(r"(\d+)\D*$", expand=False).str[-15:]
    return np.asarray(pd.to_numeric(digits, errors="coerce"), float)


def _block(both: pd.Series, kind: str, cut: int) -> Array:
    if both.dtype.kind in "iufb":
        return np.asarray(both, float).reshape(-1, 1)
    if kind in ("number", "flag"):
        numbers = pd.to_numeric(both, errors="coerce")
        if numbers.notna().sum() >= 0.9 * both.notna().sum():
            return np.asarray(numbers, float).reshape(-1, 1)
    if kind == "date":
        return _dates(both)
    if kind == "text":
        return texts(both.fillna("").astype(str))
    if kind == "compound" and (parts := _parts(both)) is not None:
        return parts
    if kind == "id":
        return numbers_in(both).reshape(-1, 1)
    return codes(both).reshape(-1, 1)


def codes(values: pd.Series) -> Array:
    """Returns codes (n,) in sorted order, NaN for missing values."""
    found = pd.factorize(values.where(values.isna(), values.astype(str)), sort=True)[0].astype(float)
    found[found < 0] = np.nan
    return np.asarray(found)


def _dates(both: pd.Series) -> Array:
    when = timestamps(both)
    if when.dtype.kind in "iuf":
        return np.asarray(when, float).reshape(-1, 1)
    seconds = (when - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return np.column_stack(
        [np.asarray(part, float) for part in (seconds, when.dt.month, when.dt.day_of_week)]
    )


def _parts(both: pd.Series) -> Array | None:
    found = parts_of(both.dropna().astype(str))
    if found is None:
        return None
    split = both.astype(object).where(both.notna(), "").astype(str).str.split(re.escape(found[1]), regex=True)
    columns = []
    for place in range(min(found[0], 4)):
        part = split.str[place].where(both.notna())
        numbers = pd.to_numeric(part, errors="coerce")
        whole = numbers.notna().sum() >= 0.9 * both.notna().sum()
        columns.append(np.asarray(numbers, float) if whole else codes(part))
    return np.column_stack(columns)


def texts(values: pd.Series) -> Array:
    """Encodes texts as the first components of their hashed words, and their length."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    cut = values.str[:2000]
    length = np.log1p(values.str.len().to_numpy(float)).reshape(-1, 1)
    words = HashingVectorizer(n_features=2**14, alternate_sign=False, norm=None).transform(cut)
    if words.nnz == 0 or len(values) <= TEXT_COMPONENTS:
        return np.asarray(length)
    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(words)
    reduced = TruncatedSVD(TEXT_COMPONENTS, n_iter=2, random_state=0).fit_transform(weighted)
    return np.hstack([length, reduced])
