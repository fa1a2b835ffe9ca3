"""Whether ids and labels can be worked with: errors that name the file and the cure."""

from __future__ import annotations

import pandas as pd

from . import roles
from .columns import distinct
from .findings import Findings, Tables
from .record import CompetitionError


def same_ids(tables: Tables, key: roles.Key, found: Findings) -> None:
    """Ids are each there once, and those of sample and test are the same. Raises CompetitionError."""
    if not key.name:
        return
    sample = tables.sample_frame[key.name]
    _once(sample, tables.sample.path, key.name)
    test = tables.test_frame
    if test is None or tables.test is None:
        return
    if key.by_position:
        if len(test) != len(sample):
            raise CompetitionError(
                f"{tables.test.path}: has {len(test)} rows, {tables.sample.path} {len(sample)};"
                f" they must agree"
            )
        found.notes.append(
            f"{tables.test.path} has no {key.name}: its rows are taken in the sample submission's order"
        )
        return
    ids = _key_values(test, key)
    _once(ids, tables.test.path, key.name)
    extra, lacking = set(ids) - set(sample), set(sample) - set(ids)
    if extra or lacking:
        example = next(iter(sorted(map(str, lacking or extra))))
        raise CompetitionError(
            f"{tables.sample.path} and {tables.test.path}: their {key.name} differ ({len(lacking)}"
            f" only in the sample,"
            f" {len(extra)} only in the test table, e.g. {example}); make them the same, or give"
            f" the key with --set id=…"
        )


def _key_values(frame: pd.DataFrame, key: roles.Key) -> pd.Series:
    if not key.parts:
        return frame[key.name]
    return frame[key.parts[0]].astype(str) + key.separator + frame[key.parts[1]].astype(str)


def _once(ids: pd.Series, path: str, name: str) -> None:
    if ids.isna().any():
        raise CompetitionError(
            f"{path}: {int(ids.isna().sum())} rows have no {name}; fill it, or give another key"
            f" with --set id=…"
        )
    repeated = ids[ids.duplicated()]
    if len(repeated):
        raise CompetitionError(
            f"{path}: {len(repeated)} rows repeat an earlier {name}, e.g. {repeated.iloc[0]}; keep"
            f" one row each, or give"
            " another key with --set id=…"
        )


def usable_labels(tables: Tables, targets: tuple[str, ...], found: Findings) -> int:
    """Drops rows without a label; returns how many. Raises CompetitionError for labels that teach nothing."""
    train, table = tables.train_frame, tables.labels or tables.train
    if train is None or table is None or not targets:
        return 0
    missing = int(train[list(targets)].isna().any(axis=1).sum())
    if missing:
        found.notes.append(f"{table.path}: {missing} rows without a label are dropped")
        tables.train_frame = train = train.dropna(subset=list(targets)).reset_index(drop=True)
    if len(train) == 0:
        raise CompetitionError(
            f"{table.path}: no row has a label in {', '.join(targets)}; give the label column with"
            f" --set target=…"
        )
    if len(train) == 1:
        raise CompetitionError(
            f"{table.path}: has one labelled row only; at least two are needed, better hundreds"
        )
    constant = [name for name in targets if distinct(train[name]) == 1]
    if len(constant) == len(targets):
        value = train[targets[0]].iloc[0]
        raise CompetitionError(
            f"{table.path}: the label column {', '.join(targets)} has one value only ({value}): one"
            f" class, nothing to"
            " learn; give the label column with --set target=…"
        )
    if constant:
        found.notes.append(f"{table.path}: the label columns {', '.join(constant)} have one value only")
    if len(tables.sample_frame) > len(train):
        found.notes.append(
            f"more rows to predict ({len(tables.sample_frame)}) than to learn from ({len(train)})"
        )
    return missing
