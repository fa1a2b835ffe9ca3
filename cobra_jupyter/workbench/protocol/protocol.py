"""How candidates are judged: split, folds, repeats, vault and metric, frozen and hashed.

A protocol *is* a few lines of plain pandas and scikit-learn code. The harness runs these very lines to make
its folds, the notebook shows them, and `solution.ipynb` repeats them, so the three cannot disagree."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.kind import as_record

SPLITS = ("kfold", "stratified", "group", "stratified_group", "time")
DUPLICATES = "duplicates"  # groups= this word: rows with equal features are one unit
VAULT_FROM = 20_000  # units; below, a vault costs more than it tells
VAULT_SHARE, VAULT_MOST = 0.05, 10_000
Positions = np.ndarray[Any, np.dtype[np.int64]]


class ProtocolError(ValueError):
    """The protocol asked for cannot be made from this data; the message says why and what to ask instead."""


@dataclass(frozen=True)
class Protocol:
    """A frozen protocol. Scores made under different protocols are never compared."""

    number: int
    metric: str
    direction: str
    task: str
    split: str
    folds: int
    repeats: int
    seed: int
    groups: str | None
    time: str | None
    rows: int
    units: int
    vault_rows: int
    reason: str
    leave_out: tuple[str, ...]  # columns that no candidate sees
    code: str
    digest: str

    def record(self) -> results.ProtocolTerms:
        return {**as_record(results.ProtocolTerms, self), "leave_out": list(self.leave_out)}


@dataclass(frozen=True)
class Folds:
    """The protocol's rows. `splits[repeat][fold]` = (training positions, held-out positions) in the train
    table; `units` (n,) integer code of each row's unit; `vault` positions of rows no fold ever sees."""

    splits: tuple[tuple[tuple[Positions, Positions], ...], ...]
    units: Positions
    vault: Positions

    def held_out(self, repeat: int, fold: int) -> Positions:
        return self.splits[repeat][fold][1]

    def training(self, repeat: int, fold: int) -> Positions:
        return self.splits[repeat][fold][0]


@dataclass(frozen=True)
class Choice:
    """A split and why."""

    split: str
    groups: str | None
    time: str | None
    reason: str


def group_code(groups: str) -> str:
    """Plain code for the unit of each row: a column, `column[0]` (its first part, as in 0013_01), or
    duplicates."""
    if groups == DUPLICATES:
        columns = 'test.columns.intersection(train.columns).drop(ID, errors="ignore")'
        return f"pd.util.hash_pandas_object(train[{columns}].astype(str), index=False)"
    if match := re.fullmatch(r"(.*)\[0\]", groups):
        return f'train[{match[1]!r}].astype(str).str.split(r"[_\\-/: ]").str[0]'
    return f"train[{groups!r}].astype(str)"


def first_parts(values: pd.Series) -> pd.Series:
    """The part of each value before its first separator, as in 0013_01: what `groups="column[0]"` goes by."""
    return values.astype(str).str.split(r"[_\-/: ]", regex=True).str[0]


def _group_values(frame: pd.DataFrame, groups: str) -> pd.Series:
    if match := re.fullmatch(r"(.*)\[0\]", groups):
        return first_parts(frame[match[1]])
    return frame[groups].astype(str)


def choose(
    competition: Any,
    train: pd.DataFrame,
    test: pd.DataFrame,
    split: str | None,
    groups: str | None,
    time: str | None,
) -> Choice:
    """The split the data asks for; what the person set wins. Raises ProtocolError for what cannot be."""
    _check_wishes(train, split, groups, time)
    classes = competition.task in ("binary", "multiclass")
    if split == "time" or time:
        time = time or _time_column(competition, train)
        return Choice(
            "time",
            groups,
            time,
            f"set by option: rows are ordered by `{time}` and judged on what comes later",
        )
    if groups or split in ("group", "stratified_group"):
        groups = groups or _group_column(competition, train, test)
        if not groups:
            raise ProtocolError(f"split={split} needs groups=COLUMN: no column was found that groups rows")
        kind = split if split in ("group", "stratified_group") else "stratified_group" if classes else "group"
        return Choice(kind, groups, None, f"set by option: rows with the same `{groups}` stay together")
    if split:
        return Choice(split, None, None, "set by option")
    return _choice_by_evidence(competition, train, test, classes)


def _check_wishes(train: pd.DataFrame, split: str | None, groups: str | None, time: str | None) -> None:
    if split and split not in SPLITS:
        raise ProtocolError(f"split={split} is unknown; known: {', '.join(SPLITS)}")
    for option, column in (("groups", groups), ("time", time)):
        name = re.sub(r"\[0\]$", "", column) if column else None
        if name and name != DUPLICATES and name not in train.columns:
            raise ProtocolError(
                f"{option}={column}: the train table has no such column; "
                f"it has {', '.join(map(str, train.columns[:20]))}"
            )


def _choice_by_evidence(competition: Any, train: pd.DataFrame, test: pd.DataFrame, classes: bool) -> Choice:
    if later := _later_in_test(competition, train, test):
        return Choice(
            "time",
            None,
            later,
            f"every `{later}` of test is later than those of train, so folds look ahead too",
        )
    if column := _group_column(competition, train, test):
        kind = "stratified_group" if classes else "group"
        return Choice(
            kind,
            column,
            None,
            f"rows share `{column}` and test holds none of train's values: "
            "a unit is never in both, so folds keep units whole",
        )
    if _duplicates_stay_in_train(competition, train, test):
        return Choice(
            "stratified_group" if classes else "group",
            DUPLICATES,
            None,
            "many train rows have a twin with equal features, test rows do not: twins stay in one fold",
        )
    if classes:
        return Choice(
            "stratified",
            None,
            None,
            "rows are independent as far as the data shows (no group or time separates test from train); "
            "folds keep the class shares",
        )
    return Choice(
        "kfold",
        None,
        None,
        "rows are independent as far as the data shows (no group or time separates test from train)",
    )


def _shared(competition: Any, train: pd.DataFrame, test: pd.DataFrame, kinds: Sequence[str]) -> list[str]:
    both = [c for c in test.columns if c in train.columns]
    return [c for c in both if competition.columns.get(c, "id" if c == competition.id else "") in kinds]


def _time_column(competition: Any, train: pd.DataFrame) -> str:
    for name, kind in competition.columns.items():
        if kind == "date" and name in train.columns:
            return str(name)
    raise ProtocolError("split=time needs time=COLUMN: no date column was found")


_ONE_FORMAT = 'pd.to_datetime({0}, errors="coerce", utc=True)'
_EACH = 'pd.to_datetime({0}, errors="coerce", utc=True, format="mixed")'
_DAY_FIRST = 'pd.to_datetime({0}, errors="coerce", utc=True, format="mixed", dayfirst=True)'
_SWAPPED = _EACH.replace(
    "{0}", r'{0}.str.replace(r"^(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}})", r"\3-\2-\1", regex=True)'
)  # dayfirst would turn 2024-03-05 round too, from pandas 3 on


def date_code(values: pd.Series) -> str:
    """Plain code that reads dates like these, with {0} for the column: as one format, each by itself, or with the
    day before the month."""
    known = values.dropna().astype(str)
    few = known.iloc[:: max(1, len(known) // 2000)]
    first = pd.to_numeric(few.str.extract(r"^(\d{1,2})[-/.]\d{1,2}[-/.]\d{2,4}", expand=False))
    if (first > 12).any():
        return _SWAPPED if few.str.match(r"\d{4}[-/.]").any() else _DAY_FIRST
    return min(_ONE_FORMAT, _EACH, key=lambda code: _read(code, few).isna().mean())


def _read(code: str, values: pd.Series) -> pd.Series:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read: pd.Series = eval(code.format("values"), {"pd": pd, "values": values})  # our own text
        return read


def moments(values: pd.Series, like: pd.Series | None = None) -> pd.Series:
    """Points in time in UTC, read as those of `like` (default: these) need it; numbers as they are."""
    if values.dtype.kind in "iuf":
        return values
    return _read(date_code(values if like is None else like), values)


def _later_in_test(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> str | None:
    for name in _shared(competition, train, test, ("date",)):
        old, new = moments(train[name]), moments(test[name], train[name])
        if old.notna().mean() > 0.9 and new.notna().mean() > 0.9 and new.min() > old.max():
            return name
    return None


def _group_column(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> str | None:
    """The column (or first part of one) whose values repeat within train and within test but never in
    both."""
    found: list[tuple[float, str]] = []
    for name in _shared(competition, train, test, ("id", "category", "compound", "number")):
        if train[name].dtype.kind == "f":
            continue
        parts = [name] if train[name].dtype.kind in "iub" else [name, f"{name}[0]"]
        for groups in parts:
            old, new = _group_values(train, groups), _group_values(test, groups)
            sizes = old.value_counts()
            repeated = float((sizes[sizes > 1].sum()) / max(len(old), 1))
            if repeated >= 0.3 and len(sizes) >= 20 and not set(old).intersection(new):
                found.append((repeated, groups))
    return max(found)[1] if found else None


def _duplicates_stay_in_train(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> bool:
    columns = [c for c in test.columns if c in train.columns and c != competition.id]
    if not columns or len(train) * len(columns) > 20_000_000:
        return False
    old = pd.util.hash_pandas_object(train[columns].astype(str), index=False)
    new = pd.util.hash_pandas_object(test[columns].astype(str), index=False)
    twins, seen = float(old.duplicated(keep=False).mean()), float(new.isin(set(old)).mean())
    return twins > 0.02 and seen < twins / 4


def _splitter_code(protocol: dict[str, Any], strata: str) -> list[str]:
    folds, seed = protocol["folds"], protocol["seed"]
    name, target = {
        "kfold": ("KFold", ""),
        "stratified": ("StratifiedKFold", f", {strata}"),
        "group": ("GroupKFold", ", None, units"),
        "stratified_group": ("StratifiedGroupKFold", f", {strata}, units"),
    }[protocol["split"]]
    if (
        protocol["split"] == "group"
    ):  # GroupKFold shuffles only from scikit-learn 1.6 on: shuffle the names of the units
        return [
            f"for repeat in range({protocol['repeats']}):",
            f"    names = np.random.default_rng({seed} + repeat).permutation(units.max() + 1)",
            f"    splits = GroupKFold({folds}).split(rows, None, names[units[rows]])",
            "    folds.append([(rows[a], rows[b]) for a, b in splits])",
        ]
    arguments = (
        target.replace("units", "units[rows]").replace(strata, f"{strata}.iloc[rows]") if target else ""
    )
    return [
        f"for repeat in range({protocol['repeats']}):",
        f"    splitter = {name}({folds}, shuffle=True, random_state={seed} + repeat)",
        f"    folds.append([(rows[a], rows[b]) for a, b in splitter.split(rows{arguments})])",
    ]


def _when_code(train: pd.DataFrame, time: str) -> str:
    """Plain code for the point in time of each row of `train`."""
    column = f"train[{time!r}]"
    if train[time].dtype.kind in "iuf":
        return column
    return f"{date_code(train[time]).format(column)}.dt.tz_localize(None)"


def write_code(protocol: dict[str, Any], target: str, when: str = "") -> str:
    """The plain code of a protocol: from `train` and `test` to `units`, `vault`, `folds[repeat][k]`; for a split
    by time also `when`, whose code is given."""
    imports = {
        "kfold": "KFold",
        "stratified": "StratifiedKFold",
        "group": "GroupKFold",
        "stratified_group": "StratifiedGroupKFold",
        "time": "TimeSeriesSplit",
    }
    extra = ", GroupShuffleSplit" if protocol["vault_rows"] else ""
    strata = f"train[{target!r}].astype(str)"
    lines = [f"from sklearn.model_selection import {imports[protocol['split']]}{extra}", ""]
    if protocol["groups"]:
        values = group_code(protocol["groups"])
        lines += [
            "# rows of one unit are never split",
            f"units = pd.factorize({values}, use_na_sentinel=False)[0]",
        ]
    else:
        lines.append("units = np.arange(len(train))  # every row is a unit of its own")
    if protocol["vault_rows"]:
        share = protocol["vault_rows"] / protocol["rows"]
        lines += [
            f"keep = GroupShuffleSplit(1, test_size={share!r}, random_state={protocol['seed']})",
            "rows, vault = next(keep.split(units, groups=units))  # the vault is seen by no fold",
        ]
    else:
        lines.append("rows, vault = np.arange(len(train)), np.arange(0)")
    lines.append(
        "folds = []  # folds[repeat][k] = positions of the training rows, positions of the held-out rows"
    )
    if protocol["split"] == "time":
        lines += [
            f"when = {when}",
            'order = rows[np.argsort(when.to_numpy()[rows], kind="stable")]',
            f"splits = TimeSeriesSplit({protocol['folds']}).split(order)",
            "folds.append([(np.sort(order[a]), np.sort(order[b])) for a, b in splits])",
        ]
        if protocol["groups"]:  # what comes later may hold units seen before: these are not learned from
            lines.append("folds = [[(a[~np.isin(units[a], units[b])], b) for a, b in folds[0]]]")
    else:
        lines += _splitter_code(protocol, strata)
    return "\n".join(lines)


def leave_out_code(columns: Sequence[str]) -> str:
    """Plain code that takes columns out of both tables."""
    return "\n".join([
        f"unused = {list(columns)!r}  # they tell what test rows will not",
        'train, test = train.drop(columns=unused), test.drop(columns=unused, errors="ignore")',
    ])  # fmt: skip


def make_folds(code: str, train: pd.DataFrame, test: pd.DataFrame, key: str) -> Folds:
    """Run a protocol's code. Raises ProtocolError where scikit-learn refuses the split."""
    scope: dict[str, Any] = {"np": np, "pd": pd, "train": train, "test": test, "ID": key}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(code, "<protocol>", "exec"), scope)  # our own text, made by write_code
    except ValueError as error:
        raise ProtocolError(
            f"this split cannot be made: {error}. Fewer folds or another split may help."
        ) from error
    splits = tuple(
        tuple((np.asarray(a, np.int64), np.asarray(b, np.int64)) for a, b in repeat)
        for repeat in scope["folds"]
    )
    if any(len(a) == 0 or len(b) == 0 for repeat in splits for a, b in repeat):
        raise ProtocolError("this split leaves a fold empty: ask for fewer folds or other groups")
    return Folds(splits, np.asarray(scope["units"], np.int64), np.asarray(scope["vault"], np.int64))


def freeze(
    competition: Any,
    train: pd.DataFrame,
    test: pd.DataFrame,
    *,
    number: int,
    seed: int,
    split: str | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    groups: str | None = None,
    time: str | None = None,
    vault: bool | None = None,
    leave_out: Sequence[str] = (),
) -> tuple[Protocol, Folds]:
    """Choose, build and hash a protocol. `folds` default 5; `repeats` by size; `vault` by size (20,000
    units)."""
    unknown = [name for name in leave_out if name not in train.columns]
    if unknown:
        raise ProtocolError(f"leave_out={unknown}: the train table has no such column")
    choice = choose(competition, train, test, split, groups, time)
    largest = int(train[competition.targets[0]].astype(str).value_counts().max())
    if choice.split == "stratified" and largest < 2 and not split:
        choice = Choice("kfold", None, None, "no class has two rows, so folds cannot keep class shares")
    units = len(train) if not choice.groups else 0
    if choice.groups:
        scope = {"np": np, "pd": pd, "train": train, "test": test, "ID": competition.id}
        units = int(pd.Series(eval(group_code(choice.groups), scope)).nunique(dropna=False))
    wish, folds = folds, _fold_count(folds, units)
    if wish is None and choice.split == "stratified":
        folds = min(folds, max(2, largest))  # the largest class must reach every fold
    if choice.split == "time":
        repeats = 1
    elif repeats is None:
        repeats = 4 if units < 700 else 2 if units < 4_000 else 1
    elif repeats < 1:
        raise ProtocolError("repeats must be 1 or more")
    use_vault = choice.split != "time" and (vault if vault is not None else units >= VAULT_FROM)
    facts: dict[str, Any] = {
        "number": number, "metric": competition.metric, "direction": competition.direction,
        "task": competition.task, "split": choice.split, "folds": folds, "repeats": repeats, "seed": seed,
        "groups": choice.groups, "time": choice.time, "rows": len(train), "units": units,
        "vault_rows": min(VAULT_MOST, int(len(train) * VAULT_SHARE)) if use_vault else 0,
        "reason": choice.reason,
        "leave_out": tuple(c for c in leave_out if c not in (competition.id, choice.time, *competition.targets)),
    }  # fmt: skip
    when = _when_code(train, choice.time) if choice.time else ""
    code = write_code(facts, competition.targets[0], when)
    if facts["leave_out"]:
        code += f"\n\n{leave_out_code(facts['leave_out'])}"
    made = make_folds(code, train, test, competition.id)
    facts["vault_rows"] = len(made.vault)
    stamp = json.dumps({**facts, "code": code}, sort_keys=True, default=str).encode()
    assignment = b"".join(b.tobytes() for repeat in made.splits for _, b in repeat)
    digest = hashlib.sha256(stamp + assignment + made.vault.tobytes()).hexdigest()
    return Protocol(**facts, code=code, digest=digest), made


def _fold_count(wish: int | None, units: int) -> int:
    folds = 5 if wish is None else wish
    if folds < 2:
        raise ProtocolError("folds must be 2 or more")
    if units < folds:
        if wish:
            raise ProtocolError(f"{wish} folds of {units} units cannot be made: ask for fewer")
        folds = max(2, units)
    return folds


def truth_of(competition: Any, train: pd.DataFrame) -> np.ndarray[Any, Any]:
    """The labels as metrics take them: codes (n,) for classes, floats (n, T) else."""
    targets = list(competition.targets)
    if competition.task in ("binary", "multiclass"):
        if len(targets) > 1:  # one indicator column per class
            return np.asarray(train[targets].to_numpy(float).argmax(axis=1), np.int64)
        codes = {str(value): code for code, value in enumerate(competition.classes)}
        return np.asarray(train[targets[0]].astype(str).map(codes).to_numpy(np.int64))
    return np.asarray(train[targets].to_numpy(float))


def subsample(units: Positions, positions: Positions, truth: Any, fraction: float, seed: int) -> Positions:
    """A share of a fold's training rows, whole units at a time, class shares kept where rows are the units.
    Sorted."""
    if fraction >= 1:
        return positions
    rng = np.random.default_rng([seed, len(positions)])
    names = np.unique(units[positions])
    if len(names) < len(positions):
        kept = rng.permutation(names)[: max(2, round(fraction * len(names)))]
        return positions[np.isin(units[positions], kept)]
    if truth.ndim > 1:
        return np.sort(rng.permutation(positions)[: max(2, round(fraction * len(positions)))])
    parts = []
    for code in np.unique(truth[positions]):
        members = rng.permutation(positions[truth[positions] == code])
        parts.append(members[: max(2, round(fraction * len(members)))])
    return np.sort(np.concatenate(parts))
