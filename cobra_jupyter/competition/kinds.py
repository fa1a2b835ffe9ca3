"""Finds the kind of each feature column and of the competition."""

from __future__ import annotations

import pandas as pd

from cobra_jupyter.competition import columns, files
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.keys import Key
from cobra_jupyter.competition.labels import Labels
from cobra_jupyter.competition.record import FileGroup

TEXT_WORDS = 8.0
MANY_NUMBERS = 50
FEW_NUMBERS = 20


def of_columns(tables: Tables, key: Key, targets: tuple[str, ...], found: Findings) -> dict[str, str]:
    """Returns the kinds of the feature columns: the columns of train that the test rows have too."""
    train = tables.train_frame
    if train is None:
        return {}
    kinds = columns.kinds(train, {key.name, *targets})
    rows = tables.test_frame if tables.test_frame is not None else tables.sample_frame
    absent = [name for name in kinds if name not in rows.columns]
    if absent:
        shown = ", ".join(absent[:8]) + (f" and {len(absent) - 8} more" if len(absent) > 8 else "")
        found.notes.append(f"columns of train that the test rows lack are not used as features: {shown}")
    _mixed(train, kinds, found)
    names = [name for name, kind in kinds.items() if kind == "id" and name not in absent]
    if names:
        found.notes.append(
            f"{columns.listed(names, 8)}: nearly each row has its own value, as with keys; the playbook uses"
            " only what rows share"
        )
    if key.name and key.name in train.columns:
        _parts_of_key(train[key.name], key.name, found)
    return {name: kind for name, kind in kinds.items() if name not in absent}


def _mixed(train: pd.DataFrame, kinds: dict[str, str], found: Findings) -> None:
    for name, kind in kinds.items():
        if kind in ("category", "id", "text") and train[name].notna().any():
            strings = columns.some(train[name].dropna())
            numbers = pd.to_numeric(strings, errors="coerce").notna()
            if 0.5 < numbers.mean() < 1:
                found.notes.append(f"{name} mixes numbers and text, e.g. {strings[~numbers].iloc[0][:40]}")


def _parts_of_key(ids: pd.Series, name: str, found: Findings) -> None:
    if pd.api.types.is_numeric_dtype(ids.dtype) or ids.empty:
        return
    parts = columns.parts_of(columns.some(ids))
    if parts is not None:
        first = ids.astype(str).str.split(parts[1], regex=False).str[0].nunique()
        if 1 < first < 0.95 * len(ids):
            found.evidence["id"] += (
                f"; it has {parts[0]} parts by {parts[1]!r}, the first with {first} values in"
                f" {len(ids)} rows of train"
                f" (rows may belong together: groups={name}[0] keeps them in one fold)"
            )


def keys_in_names(tables: Tables, key: Key, groups: tuple[FileGroup, ...]) -> set[str]:
    """Returns the row keys that occur in the names of the groups' example files."""
    named = {word for group in groups for example in group.examples for word in files.words_of(example)}
    sides = ((tables.sample_frame, key.sample_name), (tables.train_frame, key.name))
    values = [f[name].astype(str) for f, name in sides if f is not None and name in f.columns]
    return {text for column in values for text in column[column.isin(named)]}


def of_competition(
    tables: Tables,
    labels: Labels,
    kinds: dict[str, str],
    groups: tuple[FileGroup, ...],
    ids: set[str],
    found: Findings,
) -> str:
    if "kind" in found.settings:
        found.evidence["kind"] = "set by option"
        return found.settings["kind"]
    kind, found.evidence["kind"] = _kind_found(tables, labels, kinds, groups, ids)
    return kind


def _kind_found(
    tables: Tables, labels: Labels, kinds: dict[str, str], groups: tuple[FileGroup, ...], ids: set[str]
) -> tuple[str, str]:
    images = [group for group in groups if files.is_image(group) and group.count > files.FEW_FILES]
    numbers = sum(kind == "number" for kind in kinds.values())
    matched = [group for group in images if files.keyed(group, ids)]
    if matched and numbers < FEW_NUMBERS:
        return "image", f"{matched[0].pattern}: {matched[0].count} images named by the row key"
    if images and not kinds:
        return "image", f"{images[0].pattern}: {images[0].count} images, and no feature columns"
    if labels.task == "unknown":
        return "other", "the task is unknown"
    train = tables.train_frame
    if train is None or not kinds:
        return "other", "the train table has no feature columns"
    for name, kind in kinds.items():
        if kind == "text" and numbers < MANY_NUMBERS:
            length = columns.words(columns.some(train[name].dropna()))
            if length >= TEXT_WORDS:
                return "text", f"{name} has {length:.0f} words on average"
    return "tabular", f"{len(kinds)} feature columns, {numbers} of them numbers"
