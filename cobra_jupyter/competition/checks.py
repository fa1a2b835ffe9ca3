"""Checks that ids and labels are usable. The errors name the file and say what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cobra_jupyter.competition import files
from cobra_jupyter.competition.columns import distinct, listed, some
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.keys import Key, joined
from cobra_jupyter.competition.loading import INFINITE, key_text
from cobra_jupyter.competition.metric_words import wants
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.record import FileGroup

MOST_ODD_WORDS = 20
FORMULAS = ("=", "@")


def unique_names(
    tables: Tables, targets: tuple[str, ...], repeated: Mapping[str, Sequence[str]], found: Findings
) -> None:
    """Notes repeated column names. Raises CompetitionError if they make labels or ids ambiguous."""
    for table in (tables.sample, tables.train, tables.test, tables.labels):
        names = repeated.get(table.path, ()) if table else ()
        if not table or not names:
            continue
        if table is tables.sample or {*targets, *tables.sample_frame.columns} & set(names):
            raise CompetitionError(
                f"{table.path}: several columns are named {listed(names)}; rename all but one"
            )
        found.notes.append(
            f"{table.path}: several columns are named {listed(names)}; the later ones get numbers"
        )


def same_ids(tables: Tables, key: Key, found: Findings) -> None:
    """Raises CompetitionError unless ids are unique, and the test table has those of the sample."""
    if not key.name:
        return
    sample = tables.sample_frame[key.sample_name]
    _check_unique(sample, tables.sample.path, key.sample_name)
    _note_repeats(tables, key, found)
    test = tables.test_frame
    if test is None or tables.test is None:
        return
    if key.by_position:
        _assume_order(tables, test, key, found)
        return
    ids = joined(test, key.parts, key.separator) if key.parts else test[key.name]
    _check_unique(ids, tables.test.path, key.name)
    own, asked = set(key_text(ids)), set(key_text(sample))
    extra, lacking = own - asked, asked - own
    if lacking:
        raise CompetitionError(
            f"{tables.sample.path} and {tables.test.path}: the values of {key.name} differ"
            f" ({len(lacking)} only in the sample submission, {len(extra)} only in the test table,"
            f" e.g. {min(lacking)}); put the same rows in both"
        )
    if extra:
        found.notes.append(
            f"{tables.test.path}: {_rows(len(extra))} that {tables.sample.path} does not ask for; not used"
        )


def _assume_order(tables: Tables, test: pd.DataFrame, key: Key, found: Findings) -> None:
    assert tables.test is not None
    if len(test) != len(tables.sample_frame):
        raise CompetitionError(
            f"{tables.test.path}: has {len(test)} rows, but {tables.sample.path} has"
            f" {len(tables.sample_frame)}; put the same rows in both"
        )
    found.assume(
        "id",
        f"the rows of {tables.test.path} are in the order of {tables.sample.path}",
        f"no column of {tables.test.path} holds the values of {key.sample_name}",
    )


def _check_unique(ids: pd.Series, path: str, name: str) -> None:
    if ids.isna().any():
        raise CompetitionError(f"{path}: {_rows(int(ids.isna().sum()))} without {name}; fill it in")
    repeated = ids[ids.duplicated()]
    if len(repeated):
        raise CompetitionError(
            f"{path}: {_rows(len(repeated))} with the {name} of an earlier row, e.g. {repeated.iloc[0]};"
            " keep one of each"
        )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _note_repeats(tables: Tables, key: Key, found: Findings) -> None:
    train = tables.train_frame
    if train is None or tables.train is None or key.name not in train.columns:
        return
    ids = train[key.name]
    repeats = int(ids.duplicated().sum())
    if len(ids) > 1 and ids.nunique() == 1:
        raise CompetitionError(
            f"{tables.train.path}: all {len(ids)} rows have the same {key.name}, so no fold could hold rows"
            " out; give each row its own"
        )
    if repeats:
        alike = bool(train.astype(str).duplicated().sum() == repeats)
        what = "all values" if alike else f"the {key.name}"
        found.assume(
            "id",
            f"all rows of {tables.train.path} are used, as several observations of a unit",
            f"{_rows(repeats)} with {what} of an earlier row",
            f"groups={key.name}",
        )


def number_labels(
    reader: Reader, tables: Tables, targets: tuple[str, ...], metric: str | None, found: Findings
) -> None:
    """Treats words ("?", "n.a.") in numeric label columns as missing labels.

    Raises CompetitionError if a label column of a regression is not numeric."""
    asked = found.settings.get("task")
    if asked not in (None, "regression") or (asked is None and wants(metric) != "value"):
        return
    train, table = tables.train_frame, tables.labels or tables.train
    if train is None or table is None:
        return
    odd: dict[str, list[str]] = {}
    for name in targets:
        known = train[name].dropna()
        if pd.api.types.is_numeric_dtype(known.dtype) or known.empty:
            continue
        words = known[pd.to_numeric(known, errors="coerce").isna()].astype(str)
        if len(words) > 0.2 * len(known) or words.nunique() > MOST_ODD_WORDS or table.call != "pd.read_csv":
            what = f"metric {metric}" if asked is None else "task regression"
            raise CompetitionError(
                f"{table.path}: the {what} needs numbers, but {_rows(len(words))} of {len(known)} have text "
                f"in {name}, e.g. {some(words).iloc[0][:40]}; give another column with --set target=…, or "
                "another --set metric=… or task=…"
            )
        odd[name] = sorted(words.unique())
        found.notes.append(
            f"{table.path}: {_rows(len(words))} with no number in {name} ({listed(odd[name], 5)}):"
            " taken as missing"
        )
    if odd:
        _read_again(reader, tables, odd)


def _read_again(reader: Reader, tables: Tables, odd: dict[str, list[str]]) -> None:
    role = "labels" if tables.labels else "train"
    table = getattr(tables, role)
    settled, frame = reader.frame(table.having(na_values=odd))
    setattr(tables, role, settled)
    if table in tables.headers:
        tables.headers[settled] = tables.headers.pop(table)
    if role == "train":
        tables.train_frame = frame
    elif tables.train_frame is not None:
        for name in odd:
            tables.train_frame[name] = pd.to_numeric(tables.train_frame[name], errors="coerce")


def usable_labels(tables: Tables, targets: tuple[str, ...], found: Findings) -> int:
    """Drops rows without a label, returns their number. Raises CompetitionError if no labels are usable."""
    train, table = tables.train_frame, tables.labels or tables.train
    if train is None or table is None or not targets:
        return 0
    names = list(targets)
    absent = train[names].isna().all(axis=1)
    endless = train[names].select_dtypes("float").isin(INFINITE)
    infinite = int((endless.any(axis=1) & ~absent).sum())
    if infinite:
        found.infinite_labels = True
        train = train.assign(**{name: train[name].mask(endless[name]) for name in endless.columns})
        found.notes.append(f"{table.path}: {_rows(infinite)} with an infinite label: dropped")
    gone = train[names].isna().all(axis=1)
    missing = int(absent.sum())
    if missing:
        found.notes.append(f"{table.path}: {_rows(missing)} without a label: dropped")
    if gone.any() or infinite:
        tables.train_frame = train = train[~gone].reset_index(drop=True)
    _note_gaps(train, names, table.path, found)
    if len(train) == 0:
        raise CompetitionError(
            f"{table.path}: no row has a usable label in {listed(targets)}; fill the column, or give another"
            " one with --set target=…"
        )
    if len(train) == 1:
        raise CompetitionError(
            f"{table.path}: has only one labelled row; put more there, two at the very least, better hundreds"
        )
    constant = [name for name in targets if distinct(train[name]) == 1]
    if len(constant) == len(targets):
        value = str(train[targets[0]].iloc[0])[:60]
        raise CompetitionError(
            f"{table.path}: the label column {listed(targets)} has one value only ({value}), one class, so"
            " there is nothing to learn; add rows with other labels, or give another column with"
            " --set target=…"
        )
    if constant:
        found.notes.append(f"{table.path}: the label columns {listed(constant)} have one value only")
    if len(tables.sample_frame) > len(train):
        found.notes.append(
            f"more rows to predict ({len(tables.sample_frame)}) than to train on ({len(train)})"
        )
    return int(gone.sum())


def alike_classes(classes: Sequence[object], found: Findings) -> None:
    """Assumes that classes which differ only in case or blanks are different ones."""
    forms: dict[str, list[str]] = {}
    for value in classes:
        forms.setdefault(" ".join(str(value).casefold().split()), []).append(str(value))
    alike = [" and ".join(values) for values in forms.values() if len(values) > 1]
    if alike:
        what = f"{listed(alike, 4)} are different classes"
        found.assume("classes", what, "they differ only in case or blanks; the labels are used as they are")


def _note_gaps(train: pd.DataFrame, targets: list[str], path: str, found: Findings) -> None:
    """Says how many rows have each of several labels, if some rows have only some."""
    known = train[targets].notna()
    if len(targets) > 1 and not known.all(axis=None):
        counts = listed([f"{name} {known[name].sum():,}" for name in targets], 8)
        whole = int(known.all(axis=1).sum())
        said = f"rows count for the labels that they have ({counts} of {len(train):,}; {whole:,} have all)"
        found.evidence["missing labels"] = said
        found.notes.append(f"{path}: {said}")


def has_features(
    tables: Tables,
    key: Key,
    targets: tuple[str, ...],
    features: Mapping[str, str],
    groups: tuple[FileGroup, ...],
) -> None:
    """Raises CompetitionError if only train has feature columns and there are no files with features."""
    train = tables.train_frame
    if train is None or tables.train is None or features or any(map(files.is_image, groups)):
        return
    own = [name for name in train.columns if name not in {key.name, *key.parts, *targets}]
    if not own or any("<id>" in group.pattern for group in groups):
        return
    lacking = f"none of the columns of {tables.train.path} to predict from ({listed(own, 5)})"
    if tables.test is not None:
        raise CompetitionError(f"{tables.test.path}: has {lacking}; add these columns to the test rows")
    raise CompetitionError(
        f"{tables.sample.path}: there is no test.csv, and the sample submission has {lacking}; add test.csv"
        " with the rows to predict"
    )


def formulas(tables: Tables, key: Key, targets: tuple[str, ...], found: Findings) -> None:
    """Notes ids and labels that a spreadsheet would run as formulas; the submission has them unchanged."""
    checked = [(tables.sample_frame, tables.sample, [key.sample_name])]
    if tables.train_frame is not None and tables.train is not None:
        checked.append((tables.train_frame, tables.train, list(targets)))
    for frame, table, names in checked:
        for name in names:
            if name not in frame.columns or pd.api.types.is_numeric_dtype(frame[name].dtype):
                continue
            if frame[name].astype(str).str.startswith(FORMULAS).any():
                found.notes.append(
                    f"{table.path}: values of {name} look like spreadsheet formulas; they are kept as text,"
                    " so do not open submission.csv in a spreadsheet"
                )
