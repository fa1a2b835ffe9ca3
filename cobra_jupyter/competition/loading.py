"""Loads the competition's tables as frames, and writes plain pandas code that does the same."""

from __future__ import annotations

import pandas as pd

from cobra_jupyter.competition.record import Competition, Data
from cobra_jupyter.competition.tables import Table, python

INFINITE = [float("inf"), -float("inf")]


def load(competition: Competition) -> Data:
    """Reads the tables. Drops train rows without a label and orders the test rows like the sample submission.

    ``train.index`` is 0..n-1 and ``test.index`` n..n+m-1. Without a test table, ``test`` has the sample's
    columns except ``outputs``. Without a training table, ``train`` has no rows."""
    c = competition
    sample = _frame(c, c.sample)
    if c.test is None:
        test = sample.drop(columns=list(c.outputs))
    else:
        test = with_id(c, _frame(c, c.test))
        if c.id and c.id not in test.columns:
            test.insert(0, c.id, sample[c.id].to_numpy())
        elif c.id:
            test = test.set_index(c.id, drop=False).loc[sample[c.id]].reset_index(drop=True)
    train = pd.DataFrame() if c.train is None else _train(c, c.train)
    test.index = pd.RangeIndex(len(train), len(train) + len(test))
    return Data(train, test, sample)


def _frame(c: Competition, table: Table) -> pd.DataFrame:
    frame = table.read(c.folder)
    frame.columns = [str(name) for name in frame.columns]
    return frame.reset_index(drop=True)


def _train(c: Competition, table: Table) -> pd.DataFrame:
    train = with_id(c, _frame(c, table))
    if c.labels is not None:
        train = train.merge(_frame(c, c.labels)[[c.id, *c.targets]], on=c.id)
    train = train.dropna(subset=list(c.targets))
    if c.summary.get("infinite_labels"):
        train = train[~train[list(c.targets)].isin(INFINITE).any(axis=1)]
    for name in c.summary.get("whole_labels", ()):
        train[name] = train[name].astype("int64")
    train = train.reset_index(drop=True)
    if c.id and c.id not in train.columns:
        train.insert(0, c.id, range(len(train)))
    return train


def with_id(c: Competition, frame: pd.DataFrame) -> pd.DataFrame:
    """Adds the row key if it is made of several columns."""
    if c.id_parts and c.id not in frame.columns and set(c.id_parts) <= set(frame.columns):
        key = frame[c.id_parts[0]].astype(str)
        for part in c.id_parts[1:]:
            key = key + c.id_separator + frame[part].astype(str)
        frame.insert(0, c.id, key)
    return frame


def load_code(competition: Competition) -> str:
    """Returns pandas code that makes the same ``train``, ``test`` and ``sample`` as `load`.

    ``DATA`` is a pathlib.Path."""
    c = competition
    tables = [table for table in (c.sample, c.train, c.test, c.labels) if table is not None]
    lines = ["import zipfile", ""] if any(table.member for table in tables) else []
    lines += ["import pandas as pd", "", *_frame_lines("sample", c.sample)]
    if c.test is None:
        lines.append(f"test = sample.drop(columns={python(c.outputs)})")
    else:
        lines += [*_frame_lines("test", c.test), *_id_lines(c, "test", c.test)]
        if c.id and c.summary.get("test_by_position"):
            lines.append(f"test.insert(0, {python(c.id)}, sample[{python(c.id)}].to_numpy())")
        elif c.id:
            lines.append(
                f"test = test.set_index({python(c.id)},"
                f" drop=False).loc[sample[{python(c.id)}]].reset_index(drop=True)"
            )
    lines += ["train = pd.DataFrame()"] if c.train is None else _train_lines(c, c.train)
    return "\n".join([*lines, "test.index = pd.RangeIndex(len(train), len(train) + len(test))", ""])


def _frame_lines(name: str, table: Table) -> list[str]:
    lines = [f"{name} = {table.code()}"]
    if table.call != "pd.read_csv":
        lines.append(f"{name}.columns = [str(column) for column in {name}.columns]")
        lines.append(f"{name} = {name}.reset_index(drop=True)")
    return lines


def _train_lines(c: Competition, table: Table) -> list[str]:
    lines = [*_frame_lines("train", table), *_id_lines(c, "train", table)]
    if c.labels is not None:
        lines += _frame_lines("labels", c.labels)
        lines.append(f"train = train.merge(labels[{python([c.id, *c.targets])}], on={python(c.id)})")
    lines.append(f"train = train.dropna(subset={python(c.targets)}).reset_index(drop=True)")
    if c.summary.get("infinite_labels"):
        infinite = f'train[{python(c.targets)}].isin([float("inf"), -float("inf")]).any(axis=1)'
        lines.append(f"train = train[~{infinite}].reset_index(drop=True)")
    for name in c.summary.get("whole_labels", ()):
        lines.append(f'train[{python(name)}] = train[{python(name)}].astype("int64")')
    if c.id and c.summary.get("train_without_id"):
        lines.append(f"train.insert(0, {python(c.id)}, range(len(train)))")
    return lines


def _id_lines(c: Competition, name: str, table: Table) -> list[str]:
    if table.path not in c.summary.get("id_made", []):
        return []
    joined = f" + {python(c.id_separator)} + ".join(
        f"{name}[{python(part)}].astype(str)" for part in c.id_parts
    )
    return [f"{name}.insert(0, {python(c.id)}, {joined})"]
