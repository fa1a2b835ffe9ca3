"""Reads a competition folder: finds the tables, the targets, the metric, and the evidence for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cobra_jupyter.competition import (
    cards,
    checks,
    description,
    files,
    kinds,
    metric,
    metric_words,
    oddities,
    roles,
    weights,
)
from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.labels import Labels, asked_targets, describe, find_targets
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.record import Competition, FileGroup
from cobra_jupyter.competition.settings import check_columns, checked
from cobra_jupyter.competition.tables import Table, table_stem


def read(folder: Path | str, settings: Mapping[str, str] | None = None) -> Competition:
    """Reads a competition folder: MLE-bench's ``public/``, its parents, or any folder with one competition.

    `settings` override what is found: id, target (``a,b`` for several), metric, direction, split, groups,
    time, kind, task, weights, positive. ``questions`` lists what cannot be decided, with the ``--set`` option
    for each; ``notes`` lists what was repaired or skipped. Raises CompetitionError."""
    try:
        return _read_folder(Path(folder), Findings(checked(settings or {})))
    except OSError as error:
        where = error.filename or folder
        raise CompetitionError(
            f"{where}: cannot be opened ({error.strerror or error}); make folder and files readable"
        ) from error


def _read_folder(folder: Path, found: Findings) -> Competition:
    public = files.public_folder(folder)
    listing = files.listing(public)
    groups, zip_notes = files.groups(public, listing)
    reader = Reader(public)
    files.refuse_links(public, [path for path in listing.links if table_stem(path) in ("train", "test")])
    text = description.read(public, found)
    sample, headers = roles.find_tables(reader, listing)
    tables = Tables(*reader.frame(sample), headers=headers)
    if tables.sample_frame.empty:
        raise CompetitionError(f"{sample.path}: has no rows; put a row there for each row to predict")
    checks.unique_names(tables, (), reader.repeated, found)
    key, outputs = _key_and_test(reader, tables, found)
    targets = _train_and_targets(reader, tables, key, outputs, found, groups)
    checks.unique_names(tables, targets, reader.repeated, found)
    checks.same_ids(tables, key, found)
    named = metric_words.find(text)
    metric_said = found.settings.get("metric", named.metric or named.nearest)
    checks.number_labels(reader, tables, targets, metric_said, found)
    dropped = checks.usable_labels(tables, targets, found)
    labels = _labels(tables, targets, outputs, metric_said, text, found)
    weighing = weights.settle(tables, targets, named, found)
    metric_name, direction = metric.settle(labels, named, weighing, tables, found)
    metric.check_values(metric_name, tables, labels)
    ids = kinds.keys_in_names(tables, key, groups)
    groups = files.named_by(groups, ids)
    features = kinds.of_columns(tables, key, targets, found)
    if weighing:
        features.pop(weighing, None)
    checks.has_features(tables, key, targets, features, groups)
    kind = kinds.of_competition(tables, labels, features, groups, ids, found)
    _other_tables(tables, key, targets, found)
    if tables.train is not None and tables.train_frame is not None:
        check_columns(found.settings, tables.train_frame.columns, tables.train.path, targets, features)
    checks.formulas(tables, key, targets, found)
    found.notes += oddities.notes(tables, key, labels, features)
    summary = cards.summarize(
        tables.train_frame, tables.test_frame, tables.sample_frame, labels.targets, labels.task
    )
    summary |= _load_steps(tables, key, dropped, labels, found)
    return Competition(
        folder=public,
        name=_name(public),
        description=text,
        sample=tables.sample,
        train=tables.train,
        test=tables.test,
        labels=tables.labels,
        id=key.name,
        id_parts=key.parts,
        id_separator=key.separator,
        targets=labels.targets,
        outputs=outputs,
        task=labels.task,
        classes=labels.classes,
        layout=labels.layout,
        output_classes=labels.output_classes,
        metric=metric_name,
        direction=direction,
        label_sources=_label_sources(tables, targets, found),
        kind=kind,
        columns=features,
        split=found.settings.get("split"),
        groups=found.settings.get("groups"),
        time=found.settings.get("time"),
        weights=weighing,
        evidence=found.evidence,
        questions=tuple(found.questions),
        obstacles=tuple(found.obstacles),
        assumed=tuple(found.assumed),
        notes=tuple(dict.fromkeys([*listing.notes, *zip_notes, *reader.notes, *found.notes])),
        files=groups,
        summary=summary,
        links=listing.links,
    )


def _name(public: Path) -> str:
    folder = public.parent if public.name == "public" else public
    return (folder.parent if folder.name == "prepared" else folder).name


def _key_and_test(reader: Reader, tables: Tables, found: Findings) -> tuple[roles.Key, tuple[str, ...]]:
    """Finds the test table and the row key. Returns the key and the submission's columns to fill."""
    sample = tables.sample_frame
    tables.test = roles.find_test(tables.headers, list(sample.columns))
    if tables.test is not None:
        tables.test, tables.test_frame = _read(reader, tables.test, tables.headers)
        if tables.test_frame.empty:
            raise CompetitionError(f"{tables.test.path}: has no rows; put the test rows there")
    names = (tables.sample.path, tables.test.path if tables.test else "")
    key = roles.find_key(sample, tables.test_frame, names, found.settings.get("id"))
    both = [t for t in (tables.sample, tables.test) if t is not None]
    if key.name and not key.parts and not key.by_position and roles.textual(reader, both, key.name):
        _as_text(reader, tables, key.name, found)
    found.evidence["id"] = f"{key.name or 'no key'}: {key.why}"
    known = {key.name} | (set(tables.test_frame.columns) if tables.test_frame is not None else set())
    outputs = [name for name in sample.columns if name not in known] or [
        name for name in sample.columns if name != key.name
    ]
    if not outputs:
        raise CompetitionError(
            f"{tables.sample.path}: has no column to predict besides {key.name}; add the columns to submit"
        )
    return key, tuple(outputs)


def _read(reader: Reader, table: Table, headers: dict[Table, list[str]]) -> tuple[Table, pd.DataFrame]:
    settled, frame = reader.frame(table)
    if settled is not table:
        headers[settled] = headers.pop(table)
    return settled, frame


def _as_text(reader: Reader, tables: Tables, key: str, found: Findings) -> None:
    """Reads the tables again with the key as text, to keep leading zeros."""
    for role in ("sample", "test", "train", "labels"):
        table = getattr(tables, role)
        if table is None or table.call != "pd.read_csv" or key in table.options.get("dtype", {}):
            continue
        header = tables.headers.pop(table, None)
        if header is not None and key not in header:
            tables.headers[table] = header
            continue
        reader.forget(table)
        settled, frame = reader.frame(table.as_text(key))
        if header is not None:
            tables.headers[settled] = header
        setattr(tables, role, settled)
        if role != "labels":
            setattr(tables, f"{role}_frame", frame)
    note = f"{key} is read as text: its leading zeros or letters matter"
    if note not in found.notes:
        found.notes.append(note)


def _train_and_targets(
    reader: Reader,
    tables: Tables,
    key: roles.Key,
    outputs: tuple[str, ...],
    found: Findings,
    groups: tuple[FileGroup, ...],
) -> tuple[str, ...]:
    """Finds the training table and the label columns."""
    setting = found.settings.get("target")
    wanted = outputs if setting is None else tuple(name.strip() for name in setting.split(","))
    train, labels = roles.find_train(tables.headers, wanted, tables.test, key.name)
    if train is None:
        _no_train(reader, tables, groups, found)
        return ()
    tables.train, tables.train_frame = _read(reader, train, tables.headers)
    if labels is not None:
        tables.labels, _ = _read(reader, labels, tables.headers)
    if tables.train_frame.empty:
        raise CompetitionError(f"{train.path}: has no rows; put the training rows there")
    have = [t for t in (tables.sample, tables.test, tables.train, tables.labels) if t is not None]
    if key.name and not key.parts and not key.by_position and roles.textual(reader, have, key.name):
        _as_text(reader, tables, key.name, found)
    if tables.labels is not None:
        _join_labels(reader, tables, key, wanted, found)
    frame = tables.train_frame
    if setting is not None:
        if key.name and key.name in wanted:
            raise CompetitionError(
                f"target={setting}: {key.name} is the row key; give the column with the labels"
            )
        found.evidence["target"] = "set by option"
        return asked_targets(setting, list(frame.columns), train.path)
    leave = {key.name} | (set(tables.test_frame.columns) if tables.test_frame is not None else set())
    targets, why = find_targets(frame, outputs, leave, train.path)
    gaps = not targets or bool(frame[list(targets)].isna().any(axis=None))
    if gaps and any(map(_na_word, outputs)) and tables.train.call == "pd.read_csv":
        # a class is called None or NA: treat only empty cells as missing
        tables.train, frame = reader.frame(tables.train.having(keep_default_na=False, na_values=[""]))
        tables.train_frame = frame
        targets, why = find_targets(frame, outputs, leave, train.path)
    if not targets:
        many = len(outputs) > 1
        raise CompetitionError(
            f"{tables.sample.path}: its {'columns' if many else 'column'} {listed(outputs)}"
            f" {'are' if many else 'is'} neither in {train.path} (which has {listed(frame.columns)})"
            " nor a value of a column there; give the label column with --set target=…"
        )
    found.evidence["target"] = why
    return targets


def _na_word(name: str) -> bool:
    return name.strip().lower().rpartition("_")[2] in {"na", "n/a", "nan", "null", "none"}


def _no_train(reader: Reader, tables: Tables, groups: tuple[FileGroup, ...], found: Findings) -> None:
    broken = [note for note in reader.notes if note.startswith("train")]
    if broken:
        raise CompetitionError(broken[0])
    if not any("train" in group.pattern.lower() for group in groups):
        names = ", ".join(group.pattern for group in groups[:10])
        raise CompetitionError(
            f"{reader.folder}: no training data (the folder contains {names}); add train.csv with the label"
            " column"
        )
    found.block(
        "target: no table contains labels; they may be in file names or files (see the listing): write"
        " a candidate that reads them, or add a train.csv with the row key and the label and give --set "
        "target=…"
    )


def _join_labels(
    reader: Reader, tables: Tables, key: roles.Key, wanted: tuple[str, ...], found: Findings
) -> None:
    if tables.labels is None or tables.train is None or tables.train_frame is None:
        return
    _, frame = reader.frame(tables.labels)
    if frame[key.name].duplicated().any() or tables.train_frame[key.name].duplicated().any():
        found.notes.append(
            f"{tables.train.path}: not joined to {tables.labels.path}, because values of {key.name} repeat"
        )
        tables.train, tables.train_frame, tables.labels = tables.labels, frame, None
        return
    tables.train_frame = tables.train_frame.merge(frame[[key.name, *wanted]], on=key.name)
    found.notes.append(f"{tables.train.path} and the labels of {tables.labels.path} are joined on {key.name}")
    if tables.train_frame.empty:
        raise CompetitionError(
            f"{tables.labels.path}: shares no {key.name} with {tables.train.path}; repair one of them"
        )


def _labels(
    tables: Tables,
    targets: tuple[str, ...],
    outputs: tuple[str, ...],
    metric: str | None,
    text: str,
    found: Findings,
) -> Labels:
    if not targets or tables.train_frame is None:
        found.evidence["task"] = "no table contains labels"
        return Labels(targets=(), task="unknown", layout="label" if len(outputs) == 1 else "values")
    result = describe(tables.train_frame, targets, tables.sample_frame, outputs, metric, found.settings, text)
    found.evidence |= result.evidence
    for question in result.questions:
        (found.block if result.task == "unknown" else found.questions.append)(question)
    found.notes += result.notes
    found.assumed += result.assumed
    return result


def _other_tables(tables: Tables, key: roles.Key, targets: tuple[str, ...], found: Findings) -> None:
    used = {t.path for t in (tables.train, tables.test, tables.labels, tables.sample) if t is not None}
    for table, header in tables.headers.items():
        if table.path not in used and key.name and key.name in header:
            others = ", ".join(name for name in header if name != key.name)
            found.notes.append(f"{table.path}: another table with {key.name} and {others[:120]}")


def _label_sources(tables: Tables, targets: tuple[str, ...], found: Findings) -> tuple[str, ...]:
    """Returns the files that contain labels. In each fold they are reduced to the rows it may see."""
    if tables.train is None:
        return ()
    test = tables.test.path if tables.test else ""
    paths = {(tables.labels or tables.train).path} | {
        table.path
        for table, header in tables.headers.items()
        if set(targets) & set(header) and table.path != test
    }
    found.evidence["label_sources"] = f"tables with a column {', '.join(targets[:4])}"
    return tuple(sorted(paths))


def _load_steps(
    tables: Tables, key: roles.Key, dropped: int, labels: Labels, found: Findings
) -> dict[str, Any]:
    """Returns the steps of `load`, for `load_code` and the card."""
    train, test = tables.train_frame, tables.test_frame
    lacking = [
        (table.path, set(key.parts) <= set(frame.columns) if key.parts else False)
        for table, frame in ((tables.train, train), (tables.test, test))
        if table is not None and frame is not None and key.name and key.name not in frame.columns
    ]
    return {
        "rows_without_label": dropped,
        "id_made": [path for path, made in lacking if made],
        "test_by_position": bool(key.name and key.by_position),
        "train_without_id": bool(tables.train and (tables.train.path, False) in lacking),
        "infinite_labels": found.infinite_labels,
        "whole_labels": [name for name in labels.targets if _written_as_fractions(train, name, labels.task)],
    }


def _written_as_fractions(train: pd.DataFrame | None, name: str, task: str) -> bool:
    """Whether classes 0, 1, … are read as 0.0, 1.0, …, which happens if some labels are missing."""
    if train is None or task not in ("binary", "multiclass"):
        return False
    values = train[name]
    return pd.api.types.is_float_dtype(values.dtype) and bool(
        ((values % 1 == 0) & (values.abs() < 2**53)).all()
    )
