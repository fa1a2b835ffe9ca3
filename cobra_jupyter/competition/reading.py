"""Reads a competition folder: finds the tables, the targets, the metric, and the evidence for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from cobra_jupyter.competition import (
    cards,
    checks,
    columns,
    description,
    files,
    horizon,
    joining,
    keys,
    kinds,
    metric,
    metric_words,
    oddities,
    repairs,
    roles,
    training,
    weights,
    written,
)
from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.labels import Labels, describe
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.record import Competition
from cobra_jupyter.competition.settings import check_columns, checked
from cobra_jupyter.competition.tables import Table, table_stem
from cobra_jupyter.competition.targets import find_outputs, settle_form, settle_outputs


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
    targets = training.find(reader, tables, key, outputs, found, groups)
    outputs, targets = settle_outputs(tables, key, outputs, targets, found)
    checks.unique_names(tables, targets, reader.repeated, found)
    checks.same_ids(tables, key, found)
    joined = joining.settle(reader, tables, key.name, targets, found)
    named = metric_words.find(text)
    said = found.settings.get("metric", named.metric or named.nearest)
    training.keep_classes(reader, tables, key, targets, outputs, said, found)
    checks.number_labels(reader, tables, targets, said, found)
    dropped = checks.usable_labels(tables, targets, found)
    labels = _labels(tables, targets, outputs, said, text, found)
    checks.alike_classes(labels.classes, found)
    labels = settle_form(tables, labels, outputs, found)
    labels, texts = _as_asked(reader, tables, labels, outputs, found)
    weighing = weights.settle(tables, labels.targets, named, found)
    metric_name, direction = metric.settle(labels, named, weighing, tables, found)
    metric.check_values(metric_name, tables, labels)
    ids = kinds.keys_in_names(tables, key, groups)
    groups = files.named_by(groups, ids)
    features = kinds.of_columns(tables, key, targets, found)
    for name in (weighing, *(one.name for one in joined)):
        features.pop(name or "", None)
    checks.has_features(tables, key, targets, features, groups)
    kind = kinds.of_competition(tables, labels, features, groups, ids, found)
    _other_tables(tables, key, targets, found)
    if tables.train is not None and tables.train_frame is not None:
        check_columns(found.settings, tables.train_frame.columns, tables.train.path, targets, features)
    if tables.train is not None and tables.train.types:
        ways = [f"{name} as {way}" for name, way in tables.train.types.items()]
        found.evidence["types"] = f"columns of {tables.train.path} of types of their own: {listed(ways, 12)}"
    checks.formulas(tables, key, targets, found)
    found.notes += oddities.notes(tables, key, labels, features)
    summary = cards.summarize(
        tables.train_frame, tables.test_frame, tables.sample_frame, labels.targets, labels.task
    )
    summary |= _load_steps(tables, key, dropped, labels, found) | {"label_texts": texts}
    found.assumed += [*reader.assumed, *horizon.assumed(text, features)]
    sample, names = _with_own_names(tables.sample)
    return Competition(
        folder=public,
        name=_name(public),
        description=text,
        sample=sample,
        train=tables.train,
        test=tables.test,
        labels=tables.labels,
        id=key.name,
        id_parts=key.parts,
        id_separator=key.separator,
        sample_id=names.get(key.sample_name, key.sample_name),
        id_columns=tuple((names.get(a, a), b) for a, b in key.pairs),
        targets=labels.targets,
        outputs=tuple(names.get(name, name) for name in outputs),
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
        joined=joined,
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


def _key_and_test(reader: Reader, tables: Tables, found: Findings) -> tuple[keys.Key, tuple[str, ...]]:
    """Finds the test table and the row key. Returns the key and the submission's columns to fill."""
    sample = tables.sample_frame
    test = roles.find_test(tables.headers, list(sample.columns))
    if test is not None:
        tables.test = test
        tables.put("test", *reader.frame(test))
        if tables.test_frame is not None and tables.test_frame.empty:
            raise CompetitionError(f"{test.path}: has no rows; put the test rows there")
    repairs.days(reader, tables, found)
    names = (tables.sample.path, tables.test.path if tables.test else "")
    key = keys.find_key(sample, tables.test_frame, names, found.settings.get("id"))
    outputs = find_outputs(tables, key)
    written.keep_sample(reader, tables, outputs)
    written.keep_ids(reader, tables, key, found)
    found.evidence["id"] = f"{key.name or 'no key'}: {key.why}"
    return key, outputs


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


def _as_asked(
    reader: Reader, tables: Tables, labels: Labels, outputs: tuple[str, ...], found: Findings
) -> tuple[Labels, dict[str, dict[str, str]]]:
    """Writes the classes as the sample does (``true`` for True), if it writes them in another way."""
    train, sample = tables.train_frame, tables.sample
    if labels.layout != "label" or not labels.classes or train is None or len(outputs) != 1:
        return labels, {}
    name = outputs[0]
    csv = sample.call == "pd.read_csv"
    asked = (
        sample.as_it_stands(reader.folder, name) if csv else tables.sample_frame[name].dropna().astype(str)
    )
    texts = written.like_sample(labels.classes, asked)
    if not texts:
        return labels, {}
    target = labels.targets[0]
    column = train[target].dropna()
    by_value = {str(value): texts[str(columns.plain(value))] for value in column.unique()}
    tables.train_frame = train.assign(**{target: train[target].astype(str).map(by_value)})
    found.notes.append(
        f"{sample.path}: classes are written as there ({next(iter(texts.values()))} for {next(iter(texts))})"
    )
    return replace(labels, classes=tuple(texts[str(value)] for value in labels.classes)), {target: by_value}


def _with_own_names(sample: Table) -> tuple[Table, dict[str, str]]:
    """Returns the sample table with the column names of its file, and these names by the cleaned ones."""
    names = {clean: raw for raw, clean in sample.renamed.items()}
    header = sample.options.get("names") is None and sample.call == "pd.read_csv"
    nameless = {"Unnamed: 0": ""} if header else {}
    kept = tuple(names.get(name, name) for name in sample.as_written)
    return replace(sample, renamed=nameless, as_written=kept), names | nameless


def _other_tables(tables: Tables, key: keys.Key, targets: tuple[str, ...], found: Findings) -> None:
    own = (tables.train, tables.test, tables.labels, tables.sample)
    used = {path for table in own if table is not None for path in table.paths}
    for table, header in tables.headers.items():
        if table.path not in used and key.name and key.name in header:
            others = ", ".join(name for name in header if name != key.name)
            found.notes.append(f"{table.path}: another table with {key.name} and {others[:120]}")


def _label_sources(tables: Tables, targets: tuple[str, ...], found: Findings) -> tuple[str, ...]:
    """Returns the files that contain labels. In each fold they are reduced to the rows it may see."""
    if tables.train is None:
        return ()
    test = tables.test.path if tables.test else ""
    paths = {*(tables.labels or tables.train).paths} | {
        table.path
        for table, header in tables.headers.items()
        if set(targets) & set(header) and table.path != test
    }
    found.evidence["label_sources"] = f"tables with a column {', '.join(targets[:4])}"
    return tuple(sorted(paths))


def _load_steps(
    tables: Tables, key: keys.Key, dropped: int, labels: Labels, found: Findings
) -> dict[str, Any]:
    """Returns the steps of `load`, for `load_code` and the card."""
    train, test = tables.train_frame, tables.test_frame
    drops = [] if test is None else [name for name in labels.targets if name in test.columns]
    lacking = [
        (table.path, set(key.parts) <= set(frame.columns) if key.parts else False)
        for table, frame in ((tables.train, train), (tables.test, test))
        if table is not None and frame is not None and key.name and key.name not in frame.columns
    ]
    return {
        "rows_without_label": dropped,
        "id_made": [path for path, made in lacking if made],
        "test_by_position": bool(key.name and key.by_position),
        "test_drops": drops,
        "key_as_text": _key_as_text(tables, key),
        "train_without_id": bool(tables.train and (tables.train.path, False) in lacking),
        "infinite_labels": found.infinite_labels,
        "whole_labels": [name for name in labels.targets if _written_as_fractions(train, name, labels.task)],
    }


def _key_as_text(tables: Tables, key: keys.Key) -> bool:
    """Whether sample and test write the row key in different ways, so that texts must be compared."""
    test, sample = tables.test_frame, tables.sample_frame
    if not key.name or key.by_position or test is None or key.name not in test.columns:
        return bool(key.parts) and test is not None and not key.by_position
    own, asked = test[key.name], sample[key.sample_name]
    return own.dtype.kind != asked.dtype.kind or not bool(asked.isin(own).all())


def _written_as_fractions(train: pd.DataFrame | None, name: str, task: str) -> bool:
    """Whether classes 0, 1, … are read as 0.0, 1.0, …, which happens if some labels are missing."""
    if train is None or task not in ("binary", "multiclass"):
        return False
    values = train[name]
    return pd.api.types.is_float_dtype(values.dtype) and bool(
        ((values % 1 == 0) & (values.abs() < 2**53)).all()
    )
