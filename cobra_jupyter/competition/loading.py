"""Loads the competition's tables as frames, and writes plain pandas code that does the same."""

from __future__ import annotations

import pandas as pd

from cobra_jupyter.competition.record import Competition, Data
from cobra_jupyter.competition.tables import Table, python

INFINITE = [float("inf"), -float("inf")]
KEY_TEXT = '''\
def key_text(values):
    """Keys as text; 7, 7.0 and 007 are the same, and so are a date and its midnight."""
    text = values.astype(str).str.strip().str.lower()
    return text.str.replace(r"^0+(?=\\d)|\\.0+$|[ t]00:00:00$", "", regex=True)
'''


def key_text(values: pd.Series) -> pd.Series:
    """Returns keys as text: 7, 7.0 and 007 are the same, and so are a date and its midnight."""
    text = values.astype(str).str.strip().str.lower()
    return text.str.replace(r"^0+(?=\d)|\.0+$|[ t]00:00:00$", "", regex=True)


def load(competition: Competition) -> Data:
    """Reads the tables. Drops train rows without a label and orders the test rows like the sample submission.

    ``train.index`` is 0..n-1 and ``test.index`` n..n+m-1. Without a test table, ``test`` has the sample's
    columns except ``outputs``. Without a training table, ``train`` has no rows. A row that has some of
    several labels stays; the others are NaN."""
    c = competition
    sample = _frame(c, c.sample)
    test = sample.drop(columns=list(c.outputs)) if c.test is None else _test(c, c.test, sample)
    train = pd.DataFrame() if c.train is None else _train(c, c.train)
    test.index = pd.RangeIndex(len(train), len(train) + len(test))
    return Data(train, test, sample)


def _frame(c: Competition, table: Table) -> pd.DataFrame:
    frame = table.read(c.folder)
    frame.columns = [str(name) for name in frame.columns]
    return frame.reset_index(drop=True)


def _test(c: Competition, table: Table, sample: pd.DataFrame) -> pd.DataFrame:
    test = with_id(c, _frame(c, table))
    test = test.drop(columns=list(c.summary.get("test_drops", ())))
    if c.id_columns:
        return _ordered(test, sample, [b for _, b in c.id_columns], [a for a, _ in c.id_columns])
    if c.id and c.id not in test.columns:
        test.insert(0, c.id, sample[c.sample_id].to_numpy())
        return test
    if c.id and c.summary.get("key_as_text"):
        return _ordered(test, sample, [c.id], [c.sample_id])
    if c.id:
        return test.set_index(c.id, drop=False).loc[sample[c.sample_id]].reset_index(drop=True)
    return test


def _ordered(test: pd.DataFrame, sample: pd.DataFrame, own: list[str], asked: list[str]) -> pd.DataFrame:
    known = pd.MultiIndex.from_frame(test[own].apply(key_text))
    wanted = pd.MultiIndex.from_frame(sample[asked].apply(key_text))
    return test.iloc[known.get_indexer(wanted)].reset_index(drop=True)


def _train(c: Competition, table: Table) -> pd.DataFrame:
    train = with_id(c, _frame(c, table))
    targets = list(c.targets)
    if c.labels is not None:
        train = merged(train, _frame(c, c.labels)[[c.id, *targets]], c.id, c.labels)
    if c.summary.get("infinite_labels"):
        train[targets] = train[targets].replace(INFINITE, float("nan"))
    train = train.dropna(subset=targets, how="all")
    for name in c.summary.get("whole_labels", ()):
        train[name] = train[name].astype("int64")
    for name, texts in c.summary.get("label_texts", {}).items():
        train[name] = train[name].astype(str).map(texts)
    train = train.reset_index(drop=True)
    if c.id and c.id not in train.columns:
        train.insert(0, c.id, range(len(train)))
    for one in c.joined:
        train = one.add(train, _frame(c, one.table))
    return train


def merged(train: pd.DataFrame, labels: pd.DataFrame, key: str, table: Table) -> pd.DataFrame:
    """Joins features and labels. A unit without a row has none of the labels if rows only say yes."""
    if table.fold is None or table.fold.value:
        return train.merge(labels, on=key)
    train = train.merge(labels, on=key, how="left")
    names = [name for name in labels.columns if name != key]
    return train.assign(**{name: train[name].fillna(0).astype(int) for name in names})


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
    parts = [part for table in tables for part in (table, *table.more)]
    lines = ["import zipfile", ""] if any(table.member for table in parts) else []
    lines += ["import pandas as pd", "", *_frame_lines("sample", c.sample)]
    if c.test is None:
        lines.append(f"test = sample.drop(columns={python(c.outputs)})")
    else:
        lines += _test_lines(c, c.test)
    lines += ["train = pd.DataFrame()"] if c.train is None else _train_lines(c, c.train)
    lines += [line for one in c.joined for line in one.code()]
    return "\n".join([*lines, "test.index = pd.RangeIndex(len(train), len(train) + len(test))", ""])


def _frame_lines(name: str, table: Table) -> list[str]:
    lines = [f"{name} = {table.code()}"]
    if table.call != "pd.read_csv":
        lines.append(f"{name}.columns = [str(column) for column in {name}.columns]")
        lines.append(f"{name} = {name}.reset_index(drop=True)")
    return lines


def _test_lines(c: Competition, table: Table) -> list[str]:
    lines = [*_frame_lines("test", table), *_id_lines(c, "test", table)]
    if drops := c.summary.get("test_drops"):
        lines.append(f"test = test.drop(columns={python(drops)})")
    if c.id_columns:
        return [*lines, *_order_lines([b for _, b in c.id_columns], [a for a, _ in c.id_columns])]
    key, asked = python(c.id), python(c.sample_id)
    if c.id and c.summary.get("test_by_position"):
        lines.append(f"test.insert(0, {key}, sample[{asked}].to_numpy())")
    elif c.id and c.summary.get("key_as_text"):
        lines += _order_lines([c.id], [c.sample_id])
    elif c.id:
        lines.append(f"test = test.set_index({key}, drop=False).loc[sample[{asked}]].reset_index(drop=True)")
    return lines


def _order_lines(own: list[str], asked: list[str]) -> list[str]:
    return [
        "",
        "",
        KEY_TEXT,
        "",
        f"known = pd.MultiIndex.from_frame(test[{python(own)}].apply(key_text))",
        f"wanted = pd.MultiIndex.from_frame(sample[{python(asked)}].apply(key_text))",
        "test = test.iloc[known.get_indexer(wanted)].reset_index(drop=True)  # in the order of the sample",
    ]


def _train_lines(c: Competition, table: Table) -> list[str]:
    lines = [*_frame_lines("train", table), *_id_lines(c, "train", table)]
    targets = python(c.targets)
    if c.labels is not None:
        lines += _frame_lines("labels", c.labels)
        says_yes = c.labels.fold is not None and not c.labels.fold.value
        how = ', how="left"' if says_yes else ""
        lines.append(f"train = train.merge(labels[{python([c.id, *c.targets])}], on={python(c.id)}{how})")
        if says_yes:
            lines.append(f"train[{targets}] = train[{targets}].fillna(0).astype(int)  # no row: no label")
    if c.summary.get("infinite_labels"):
        endless = '[float("inf"), -float("inf")]'
        lines.append(f'train[{targets}] = train[{targets}].replace({endless}, float("nan"))')
    how = ', how="all"' if len(c.targets) > 1 else ""
    lines.append(f"train = train.dropna(subset={targets}{how}).reset_index(drop=True)")
    for name in c.summary.get("whole_labels", ()):
        lines.append(f'train[{python(name)}] = train[{python(name)}].astype("int64")')
    for name, texts in c.summary.get("label_texts", {}).items():
        lines.append(f"train[{python(name)}] = train[{python(name)}].astype(str).map({python(texts)})")
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
