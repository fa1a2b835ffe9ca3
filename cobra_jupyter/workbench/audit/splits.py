"""Checks groups and time: whether random folds let a model use rows that it will not have for test rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.audit import quick
from cobra_jupyter.workbench.audit.finding import Finding
from cobra_jupyter.workbench.audit.quick import Quick
from cobra_jupyter.workbench.audit.sample import Sample, complements
from cobra_jupyter.workbench.protocol.groups import first_parts
from cobra_jupyter.workbench.protocol.protocol import Folds, Positions, Protocol

Array = np.ndarray[Any, Any]
REPEATED, LEAST_GROUPS = 0.3, 20  # share of rows with a repeated value; number of values
STRANGE = 0.8  # share of test rows with a value that train lacks
MOST_TRIED = 3
MATERIAL = 0.01  # of the loss of a constant prediction
LATER = 0.95  # share of test rows that are later than nearly all train rows
LAST = 0.25  # share of the rows, the latest ones


def torn_units(protocol: Protocol, folds: Folds) -> Iterator[Finding]:
    """Finds units on both sides of a fold, which the protocol excludes."""
    if not protocol.groups:
        return
    for repeat in folds.splits:
        for training, held_out in repeat:
            if np.intersect1d(folds.units[training], folds.units[held_out]).size:
                yield Finding(
                    "unit in two sides",
                    "leak",
                    f"units of {protocol.groups} are on both sides of a fold",
                    "this is a defect: report it",
                )
                return


# ---- groups


def groups(sample: Sample, model: Quick) -> Iterator[Finding]:
    """Finds columns that group rows: values repeat in train, are new in test, and come with similar labels.

    Compares a quick model's score on random folds and on folds that keep groups whole. The difference is what
    random folds promise but test rows will not deliver."""
    found = sorted(_grouping(sample), key=lambda each: -each[2])[:MOST_TRIED]
    if not found:
        return
    grouped_by = sample.protocol.groups if sample.protocol else None
    names = sample.trusted
    for name, codes, agreement, strange in found:
        if name == grouped_by:
            continue
        column = name.removesuffix("[0]")
        own = [*names] if column in names else [*names, f"{name} as a code"]
        sample.set_block(f"{name} as a code", codes.astype(float))
        matrix = sample.matrix(own)
        loose = model.out_of_fold(matrix, sample.random_splits())
        whole = model.out_of_fold(matrix, sample.group_splits(codes))
        gap, se = quick.difference(model.losses(whole), model.losses(loose), codes)
        if gap <= quick.SURE * se or gap <= MATERIAL or _kept_whole(sample, codes):
            continue
        a, b = model.score(loose), model.score(whole)
        yield Finding(
            "groups across folds",
            "leak" if strange is not None and strange > 0.95 else "warning",
            f"rows with the same {name} have like labels ({agreement:.2f} above chance on a scale to 1), "
            f"and {_strangers(strange)}; a quick model scores {_shown(a)} on random folds, {_shown(b)} on "
            f"folds that keep {name} whole ({model.metric.name}; loss {gap:+.3f} ± {se:.3f})",
            f"split by groups: cobra.protocol(groups={name!r})",
            {"groups": name},
            (column,),
        )
        return  # the first such column is enough: the next audit checks the new protocol


def _strangers(strange: float | None) -> str:
    return (
        "test has no such column"
        if strange is None
        else f"train lacks those of {strange:.0%} of the test rows"
    )


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _grouping(sample: Sample) -> Iterator[tuple[str, Positions, float, float | None]]:
    """Yields (groups, code of each sampled row, agreement of labels, share of test rows with new values)."""
    key = sample.competition.id
    for column in dict.fromkeys([key, *sample.features, *sample.extra]):
        if column not in sample.train.columns or column in sample.suspects - set(sample.extra):
            continue
        values = sample.train[column]
        kind = "id" if column == key else sample.kind(column)
        if kind not in ("id", "category", "compound", "number") or values.dtype.kind == "f":
            continue
        sample.clock.check()
        for name in [column] if values.dtype.kind in "iub" else [column, f"{column}[0]"]:
            old = first_parts(values) if name != column else values.astype(str)
            sizes = old.map(old.value_counts())
            if (
                (sizes > 1).mean() < REPEATED
                or old.nunique() < LEAST_GROUPS
                or old.nunique() > 0.9 * len(old)
            ):
                continue
            strange = _strange(sample, column, name)
            if strange is not None and strange < STRANGE:
                continue
            codes = np.asarray(pd.factorize(old)[0], np.int64)
            agreement = _agreement(np.asarray(sample.truth), codes, sample.task)
            if agreement > 0.05:
                yield name, codes, agreement, strange


def _strange(sample: Sample, column: str, name: str) -> float | None:
    """Returns the share of test rows with a value that train lacks; None if test lacks the column."""
    if column not in sample.whole_test.columns:
        return None
    old, new = sample.whole_train[column], sample.whole_test[column]
    if name != column:
        old, new = first_parts(old), first_parts(new)
    return float((~new.astype(str).isin(set(old.astype(str)))).mean()) if len(new) else None


def _agreement(truth: Array, codes: Positions, task: str) -> float:
    """Returns how similar labels are within groups, 0 (random) to 1 (equal): the intraclass correlation."""
    if task in ("binary", "multiclass"):
        columns = np.eye(int(truth.max()) + 1)[truth]
    else:
        columns = np.asarray(truth, float)
    found = [
        _within(column[known], codes[known]) for column in columns.T if (known := ~np.isnan(column)).any()
    ]
    return float(sum(within for within, _ in found) / max(sum(spread for _, spread in found), 1e-12))


def _within(labels: Array, codes: Positions) -> tuple[float, float]:
    """Returns the mean product of two centred labels of one group, and the variance of all."""
    centred, sizes = labels - labels.mean(), np.bincount(codes)
    products = np.bincount(codes, weights=centred) ** 2 - np.bincount(codes, weights=centred**2)
    pairs = (sizes * (sizes - 1)).sum()
    return float(products[sizes > 1].sum() / max(pairs, 1)), float((centred**2).mean())


def _kept_whole(sample: Sample, codes: Positions) -> bool:
    """Whether the protocol's folds keep these groups whole, possibly by another column."""
    if sample.folds is None:
        return False
    torn = [len(np.intersect1d(codes[a], codes[b])) for a, b in sample.splits()]
    return sum(torn) <= 0.02 * len(np.unique(codes))


# ---- time


def times(sample: Sample, model: Quick) -> Iterator[Finding]:
    """Checks whether test rows are later than train rows although the folds are not ordered by time."""
    if sample.protocol and sample.protocol.split == "time":
        return
    for name in sample.features:
        when = _later(sample, name)
        if when is None:
            continue
        order = np.argsort(when, kind="stable")
        cut = int(len(order) * (1 - LAST))
        last, matrix = order[cut:], sample.matrix(sample.trusted)
        ahead = np.full_like(model.base(), np.nan)
        ahead[last] = model.fit_predict(matrix[order[:cut]], order[:cut], matrix[last])
        mixed = model.out_of_fold(matrix, _like_size(sample, last))
        gap, se = quick.difference(model.losses(ahead), model.losses(mixed))
        leaks = gap > quick.SURE * se and gap > MATERIAL
        a, b = model.score(mixed, last), model.score(ahead, last)
        yield Finding(
            "time",
            "leak" if leaks else "warning",
            f"test rows are later by {name} than train rows; on the last {LAST:.0%} of train a quick model "
            f"scores {_shown(a)} if trained on random rows, {_shown(b)} if trained on earlier rows only "
            f"({model.metric.name}; loss {gap:+.3f} ± {se:.3f})",
            f"score on later rows: cobra.protocol(split='time', time={name!r})",
            {"split": "time", "time": name},
            (name,),
        )
        return


def _like_size(sample: Sample, last: Positions) -> list[tuple[Positions, Positions]]:
    """Returns folds of the last rows. Each trains on as many random other rows as are before `last`."""
    rng, count = np.random.default_rng(11), len(sample.rows) - len(last)
    parts = np.array_split(rng.permutation(last), 4)
    return [
        (np.sort(rng.permutation(training)[:count]), held_out)
        for training, held_out in complements(parts, len(sample.rows))
    ]


def _later(sample: Sample, name: str) -> Array | None:
    """Returns the times of the sampled rows, if the column is a time and nearly all test rows are later."""
    kind = sample.kind(name)
    if (kind not in ("date", "number") and name != sample.competition.time) or name in sample.suspects:
        return None
    when, asked = (side[:, 0] for side in sample.block(name))
    known = np.isfinite(when)
    if known.mean() < 0.9 or len(np.unique(when[known])) < 20 or not len(asked):
        return None
    end = np.quantile(when[known], 0.99)
    if kind == "number" and name != sample.competition.time:
        end = when[known].max()
    return when if (asked > end).mean() >= LATER else None
