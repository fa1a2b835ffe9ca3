"""The protocol fixes split, folds, repeats, vault and metric, so that scores are comparable. It is frozen and
hashed.

A protocol *is* a few lines of plain pandas and scikit-learn code. The harness runs these lines to make its
folds, the notebook shows them, and `solution.ipynb` contains them, so the three cannot disagree."""

from __future__ import annotations

import hashlib
import json
import typing
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.protocol.choice import Choice, choose
from cobra_jupyter.workbench.protocol.errors import ProtocolError
from cobra_jupyter.workbench.protocol.fold_code import leave_out_code, strata_code, time_code, write_code
from cobra_jupyter.workbench.protocol.groups import group_code
from cobra_jupyter.workbench.protocol.windows import Window, windows

VAULT_FROM = 20_000  # units; with fewer, a vault costs more than it shows
VAULT_SHARE, VAULT_MOST = 0.05, 10_000
ALL = -1  # as a fold's number: all rows train, none is held out
Positions = np.ndarray[Any, np.dtype[np.int64]]


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
    weights: str | None = None  # the column that says how much each row weighs

    def record(self) -> results.ProtocolTerms:
        return {**as_record(results.ProtocolTerms, self), "leave_out": list(self.leave_out)}


@dataclass(frozen=True)
class Folds:
    """The rows of each fold. `splits[repeat][fold]` = (training positions, held-out positions) in the train
    table.

    `units` (n,) has the integer code of each row's unit, `vault` the positions of rows that no fold sees."""

    splits: tuple[tuple[tuple[Positions, Positions], ...], ...]
    units: Positions
    vault: Positions

    def held_out(self, repeat: int, fold: int) -> Positions:
        return self.splits[repeat][fold][1] if fold != ALL else np.arange(0)

    def training(self, repeat: int, fold: int) -> Positions:
        return self.splits[repeat][fold][0] if fold != ALL else np.arange(len(self.units))

    @property
    def look_ahead(self) -> bool:
        """Whether a fold trains on fewer rows than it could, because they are later or too near.

        Then no fold's model knows what a model of all rows knows about the rows that come next."""
        used = [len(training) + len(held_out) for repeat in self.splits for training, held_out in repeat]
        return min(used) < len(self.units) - len(self.vault)


class Own(typing.Protocol):
    """Folds that a `%%protocol` cell made: name, groups, and the code that makes them again."""

    @property
    def name(self) -> str: ...
    @property
    def groups(self) -> str | None: ...
    @property
    def folds(self) -> Folds: ...

    def code(self, targets: Sequence[str]) -> str: ...


def make_folds(code: str, train: pd.DataFrame, test: pd.DataFrame, key: str) -> Folds:
    """Runs a protocol's code. Raises ProtocolError if scikit-learn refuses the split."""
    scope: dict[str, Any] = {"np": np, "pd": pd, "train": train, "test": test, "ID": key}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(code, "<protocol>", "exec"), scope)  # our own code, from write_code
    except ValueError as error:
        raise ProtocolError(
            f"this split is impossible: {error}. Fewer folds or another split may help."
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
    gap: float | None = None,
    vault: bool | None = None,
    leave_out: Sequence[str] = (),
    own: Own | None = None,
) -> tuple[Protocol, Folds]:
    """Chooses, builds and hashes a protocol. `folds` default to 5; `repeats` and `vault` depend on size.

    `gap` is for a split by time: training rows are more than so many days (of numbers: units) earlier."""
    if own:
        split, groups, time, vault, folds, repeats = "kfold", None, None, False, len(own.folds.splits[0]), 1
    unknown = [name for name in leave_out if name not in train.columns]
    if unknown:
        raise ProtocolError(f"leave_out={unknown}: the train table has no such column")
    choice = choose(competition, train, test, split, groups, time)
    strata = strata_code(train, competition.targets)
    if choice.split == "kfold" and not split and train[list(competition.targets)].isna().to_numpy().any():
        choice = Choice(
            "stratified", None, None, f"{choice.reason}; rows lack some labels, shared out evenly"
        )
    scope: dict[str, Any] = {"train": train}
    largest = int(eval(strata, scope).value_counts().max())  # our own code, from strata_code
    if choice.split == "stratified" and largest < 2 and not split:
        choice = Choice("kfold", None, None, "no class has two rows, so folds cannot keep class shares")
    units = len(train) if not choice.groups else 0
    if choice.groups:
        scope |= {"np": np, "pd": pd, "test": test, "ID": competition.id}
        units = int(pd.Series(eval(group_code(choice.groups), scope)).nunique(dropna=False))
    if gap and choice.split != "time":
        raise ProtocolError(f"gap={gap:g}: only a split by time has gaps; add time=COLUMN")
    requested, folds = folds, _fold_count(folds, units)
    if requested is None and choice.split == "stratified":
        folds = min(folds, max(2, largest))  # the largest class must reach every fold
    if choice.split == "time":
        repeats = 1
    elif repeats is None:
        repeats = 4 if units < 700 else 2 if units < 4_000 else 1
    elif repeats < 1:
        raise ProtocolError("repeats must be 1 or more")
    chosen: tuple[Window, ...] = ()
    reason = choice.reason
    if choice.time:
        asked = test[choice.time] if choice.time in test.columns else None
        chosen, how = windows(train[choice.time], asked, requested, gap)
        folds, reason = len(chosen), f"{reason}; {how}"
    use_vault = choice.split != "time" and (vault if vault is not None else units >= VAULT_FROM)
    needed = (competition.id, choice.time, competition.weights, *competition.targets)
    facts: dict[str, Any] = {
        "number": number,
        "metric": competition.metric,
        "direction": competition.direction,
        "task": competition.task,
        "split": choice.split,
        "folds": folds,
        "repeats": repeats,
        "seed": seed,
        "groups": choice.groups,
        "time": choice.time,
        "rows": len(train),
        "units": units,
        "vault_rows": min(VAULT_MOST, int(len(train) * VAULT_SHARE)) if use_vault else 0,
        "reason": reason,
        "leave_out": tuple(column for column in leave_out if column not in needed),
        "weights": competition.weights,
    }
    when = time_code(train, choice.time) if choice.time else ""
    if own:
        facts |= {"split": "own", "reason": f"the cell %%protocol {own.name} makes the folds"}
        facts |= {"repeats": len(own.folds.splits), "groups": own.groups}
        facts["units"] = len(np.unique(own.folds.units))
    code = own.code(competition.targets) if own else write_code(facts, strata, when, chosen)
    if facts["leave_out"]:
        code += f"\n\n{leave_out_code(facts['leave_out'])}"
    made = own.folds if own else make_folds(code, train, test, competition.id)
    facts["vault_rows"] = len(made.vault)
    stamp = json.dumps({**facts, "code": code}, sort_keys=True, default=str).encode()
    assignment = b"".join(b.tobytes() for repeat in made.splits for _, b in repeat)
    if own:
        assignment += b"".join(a.tobytes() for repeat in own.folds.splits for a, _ in repeat)
    digest = hashlib.sha256(stamp + assignment + made.vault.tobytes()).hexdigest()
    return Protocol(**facts, code=code, digest=digest), made


def _fold_count(requested: int | None, units: int) -> int:
    folds = 5 if requested is None else requested
    if folds < 2:
        raise ProtocolError("folds must be 2 or more")
    if units < folds:
        if requested:
            raise ProtocolError(f"{requested} folds of {units} units are impossible: ask for fewer")
        folds = max(2, units)
    return folds


def truth_of(competition: Any, train: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Returns the labels in the form of the metrics: codes (n,) for classes, else floats (n, T)."""
    targets = list(competition.targets)
    if competition.task in ("binary", "multiclass"):
        if len(targets) > 1:  # one indicator column per class
            return np.asarray(train[targets].to_numpy(float).argmax(axis=1), np.int64)
        codes = {str(value): code for code, value in enumerate(competition.classes)}
        return np.asarray(train[targets[0]].astype(str).map(codes).to_numpy(np.int64))
    return np.asarray(train[targets].to_numpy(float))


def subsample(units: Positions, positions: Positions, truth: Any, fraction: float, seed: int) -> Positions:
    """Returns a sorted share of a fold's training rows: whole units, or rows with equal class shares."""
    if fraction >= 1:
        return positions
    rng = np.random.default_rng([seed, len(positions)])
    names = np.unique(units[positions])
    if len(names) < len(positions):
        chosen = rng.permutation(names)[: max(2, round(fraction * len(names)))]
        return positions[np.isin(units[positions], chosen)]
    if truth.ndim > 1:
        return np.sort(rng.permutation(positions)[: max(2, round(fraction * len(positions)))])
    parts = []
    for code in np.unique(truth[positions]):
        members = rng.permutation(positions[truth[positions] == code])
        parts.append(members[: max(2, round(fraction * len(members)))])
    return np.sort(np.concatenate(parts))
