"""Notes oddities in the tables that do not stop the run, and says how each is handled."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from cobra_jupyter.competition.columns import listed, some
from cobra_jupyter.competition.findings import Tables
from cobra_jupyter.competition.keys import Key
from cobra_jupyter.competition.labels import Labels
from cobra_jupyter.competition.loading import INFINITE
from cobra_jupyter.competition.tables import Table

WIDE = 1000
POWERS_OF_TEN = 6


def notes(tables: Tables, key: Key, labels: Labels, kinds: Mapping[str, str]) -> Iterator[str]:
    """Yields notes on ids, labels and feature columns, in that order."""
    train, table = tables.train_frame, tables.labels or tables.train
    yield from _ids(tables, key)
    if train is None or table is None or tables.train is None:
        return
    yield from _labels(train, table.path, labels)
    for found, frame in ((tables.train, train), (tables.test, tables.test_frame)):
        if found is not None and frame is not None:
            yield from _infinite(found, frame, kinds)
            yield from _empty_texts(found, frame, kinds)
    yield from _dates(tables.train, train, kinds)
    if len(kinds) > WIDE:
        yield f"{tables.train.path}: {len(kinds):,} feature columns; all are used, and every fit takes longer"


def _ids(tables: Tables, key: Key) -> Iterator[str]:
    ids = tables.sample_frame[key.sample_name].astype(str) if key.sample_name else pd.Series(dtype=str)
    if ids.str.contains(r"\s").any() or not ids.map(str.isascii).all():
        yield (
            f"{tables.sample.path}: values of {key.sample_name} hold spaces or letters beyond ASCII; "
            "they stay unchanged"
        )


def _labels(train: pd.DataFrame, path: str, labels: Labels) -> Iterator[str]:
    if labels.task in ("binary", "multiclass"):
        counts = train[labels.targets[0]].astype(str).value_counts()
        lone = list(counts.index[counts == 1])
        if lone:
            verb = "has" if len(lone) == 1 else "have"
            yield (
                f"{path}: {listed(lone, 5)} of {labels.targets[0]} {verb} one row only, so no fold both"
                " learns and judges it"
            )
    if labels.task == "regression":
        for name in labels.targets:
            size = train[name][train[name] != 0].abs()
            powers = float(np.log10(size.max() / size.min())) if len(size) and size.min() > 0 else 0.0
            if powers > POWERS_OF_TEN and size.quantile(0.95) > 1e3 * size.median():
                yield (
                    f"{path}: {name} spans {powers:.0f} powers of ten, so few rows decide the score; models"
                    " are trained on it centred and scaled, and its logarithm is worth a try"
                )


def _infinite(table: Table, frame: pd.DataFrame, kinds: Mapping[str, str]) -> Iterator[str]:
    numbers = frame[[name for name in kinds if name in frame.columns]].select_dtypes("float")
    share = numbers.isin(INFINITE).mean()
    found = [str(name) for name in share.index[share > 0]]
    if found:
        yield f"{table.path}: infinite values in {listed(found, 5)}; the playbook treats them as missing"


def _empty_texts(table: Table, frame: pd.DataFrame, kinds: Mapping[str, str]) -> Iterator[str]:
    texts = {name: frame[name] for name, kind in kinds.items() if kind == "text" and name in frame.columns}
    empty = {name: int((column.isna() | column.map(_blank)).sum()) for name, column in texts.items()}
    found = [f"{name} ({count:,} of {len(frame):,})" for name, count in empty.items() if count]
    if found:
        yield f"{table.path}: empty texts in {listed(found, 5)}; each counts as a text without words"


def _blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


def _dates(table: Table, frame: pd.DataFrame, kinds: Mapping[str, str]) -> Iterator[str]:
    for name, kind in kinds.items():
        if kind != "date" or not frame[name].notna().any():
            continue
        strings = some(frame[name].dropna())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lost = pd.to_datetime(strings, errors="coerce", utc=True).isna()
        if lost.any() and not lost.all():
            examples = f"{strings.iloc[0][:30]}, {strings[lost].iloc[0][:30]}"
            yield f"{table.path}: {name} writes dates in several ways ({examples}); each is parsed by itself"
