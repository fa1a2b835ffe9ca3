"""Checks single columns: copies of the target, missing in test, ids with information, constant ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.competition.columns import distinct
from cobra_jupyter.workbench.audit import encoding
from cobra_jupyter.workbench.audit.finding import Finding
from cobra_jupyter.workbench.audit.quick import Quick
from cobra_jupyter.workbench.audit.sample import Sample

Array = np.ndarray[Any, Any]
COPY, NEARLY = 0.999, 0.98  # power of a single column
ALWAYS = 0.995  # share of one class, where having a value is a leak
POWER_ROWS, MOST_TARGETS = 2_000, 8
LEAST_ROWS, LEAST_MEMBERS = 50, 10  # fewer rows, or rows outside the largest class, prove no copy
CHANCE = 1e-6
ID_NUMBER = "number in the id"


@dataclass(frozen=True)
class Power:
    """How well a single column predicts the target on rows that it was not fitted to.

    `value`: accuracy for classes, rank correlation for numbers, for the best of the targets. `above`: the
    share of a constant prediction's error that it removes."""

    value: float
    above: float
    enough: bool
    noun: str

    @property
    def copies(self) -> bool:
        return self.enough and self.value >= COPY and self.above >= 0.99

    @property
    def nearly(self) -> bool:
        return self.enough and self.value >= NEARLY and self.above >= NEARLY


def power(block: Array, truth: Array, task: str) -> Power:
    """Returns the power of a block (n, k) of numbers, from a tree that is cross-validated on two halves."""
    rows = np.random.default_rng(4).permutation(len(truth))[:POWER_ROWS]
    known, goals = (
        np.nan_to_num(block[rows], nan=-1e30, posinf=1e30, neginf=-1e30),
        truth[rows].reshape(len(rows), -1),
    )
    there = [np.isfinite(goal) for goal in goals.T[:MOST_TARGETS]]
    found = [_power(known[own], goal[own], task) for own, goal in zip(there, goals.T, strict=False)]
    return max(found, key=lambda each: (each.enough, each.above))


def _power(known: Array, goal: Array, task: str) -> Power:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    numbers = task == "regression"
    if len(goal) < 10:
        return Power(0.0, 0.0, False, "rank correlation" if numbers else "accuracy")
    halves = np.arange(len(goal)) < len(goal) // 2
    tree = DecisionTreeRegressor if numbers else DecisionTreeClassifier
    predicted = np.empty(len(goal), goal.dtype)
    for part in (halves, ~halves):
        predicted[~part] = tree(random_state=0).fit(known[part], goal[part]).predict(known[~part])
    if numbers:
        value = pd.Series(predicted).rank().corr(pd.Series(goal).rank())
        value = float(value) if np.isfinite(value) else 0.0
        return Power(value, value, len(goal) >= LEAST_ROWS and len(np.unique(goal)) > 20, "rank correlation")
    value = float((predicted == goal).mean())
    most = int(np.unique(goal, return_counts=True)[1].max())
    others = len(goal) - most
    above = 1 - float((predicted != goal).sum()) / max(others, 1)
    return Power(value, above, len(goal) >= LEAST_ROWS and others >= LEAST_MEMBERS, "accuracy")


# ---- copies of the target


def copies(sample: Sample, quick: Quick) -> Iterator[Finding]:
    """Finds columns that predict the target almost perfectly."""
    found, near = [], []
    for name in sample.features:
        if sample.clock.spent(0.4):
            break  # check only the first columns of very wide tables
        if sample.kind(name) == "text" or sample.train[name].isna().all():
            continue
        strength = power(sample.block(name)[0], sample.truth, sample.task)
        if strength.copies:
            found.append((name, strength))
        elif strength.nearly:
            near.append((name, strength))
    sample.suspects.update(name for name, _ in found)
    for name, strength in found:
        comparison = quick.compared([name])
        yield Finding(
            "implausible power",
            "leak",
            f"{name} alone gives the target with {strength.noun} {strength.value:.4f} on rows it was not "
            f"fitted to{comparison.words()}",
            f"do not use {name} unless it is certainly known before the target",
            {"leave_out": [name]},
            (name,),
            comparison.scores(),
        )
    for name, strength in near:
        comparison = quick.compared([name])
        yield Finding(
            "implausible power",
            "warning",
            f"{name} alone gives the target with {strength.noun} {strength.value:.4f}{comparison.words()}",
            f"find out whether {name} is known before the target; it may be a fair signal",
            None,
            (name,),
            comparison.scores(),
        )


# ---- columns that test rows lack


def unavailable(sample: Sample, quick: Quick) -> Iterator[Finding]:
    """Finds columns that only train has, or that are filled in train but empty or constant in test."""
    lacking = dict.fromkeys(sample.extra, "not in the test table")
    for name in sample.features:
        sample.clock.check()
        if name not in sample.suspects and (why := _lacks(sample, name)):
            lacking[name] = why
    lacking = {
        name: why
        for name, why in lacking.items()
        if sample.kind(name) != "id" and not _ordering(sample, name)
    }
    sample.suspects.update(lacking)
    idle = []
    for name, why in lacking.items():
        comparison = quick.with_and_without([name])
        if comparison.helps:
            yield Finding(
                "unavailable in test",
                "leak",
                f"{name}: {why}, and it helps to predict the target{comparison.words()}",
                f"do not use {name}: candidates may only use what test rows have",
                {"leave_out": [name]},
                (name,),
                comparison.scores(),
            )
        else:
            idle.append((name, why))
    if idle:
        names = [name for name, _ in idle]
        reasons = "; ".join(f"{name}: {why}" for name, why in idle[:8])
        more = f" and {len(idle) - 8} more" if len(idle) > 8 else ""
        yield Finding(
            "unavailable in test",
            "note",
            f"{reasons}{more}; a quick model gains nothing by {'it' if len(idle) == 1 else 'them'}",
            "do not use what test rows lack",
            {"leave_out": names},
            tuple(names),
        )


def _lacks(sample: Sample, name: str) -> str | None:
    """Returns why test rows lack this column's information, beyond chance, or None."""
    old, new = sample.whole_train[name], sample.whole_test[name]
    if len(new) == 0:
        return None
    there, asked = encoding.present(old), encoding.present(new)
    if there.mean() * len(new) >= 20 and asked.mean() <= 0.1 * there.mean():
        return f"filled in {there.mean():.1%} of the train rows but {asked.mean():.1%} of the test rows"
    if asked.all() and distinct(new) == 1:
        usual = float((old.astype(str) == str(new.iloc[0])).mean())
        if 0 < usual < 1 and usual ** len(new) < CHANCE:
            return f"always {str(new.iloc[0])!r:.40} in test, but only in {usual:.1%} of the train rows"
    return None


def _ordering(sample: Sample, name: str) -> bool:
    """Whether the column only orders rows in time; then it may be constant in test."""
    return name == sample.competition.time or sample.kind(name) == "date"


def presence(sample: Sample, quick: Quick) -> Iterator[Finding]:
    """Finds columns where having any value at all nearly determines the class.

    Such a column is most often filled in after the outcome. If it determines the class, it is a leak."""
    if sample.task not in ("binary", "multiclass"):
        return
    truth = np.asarray(sample.truth)
    for name in sample.features:
        if name in sample.suspects:
            continue
        there = encoding.present(sample.train[name])
        for rows, what in ((there, "a value"), (~there, "no value")):
            count = int(rows.sum())
            if count < 20 or count > 0.95 * len(truth):
                continue
            code, most = max(enumerate(np.bincount(truth[rows])), key=lambda each: int(each[1]))
            share, usual = most / count, float((truth == code).mean())
            if share >= NEARLY and usual < 0.9 and usual**count < CHANCE:
                leaks = share >= ALWAYS
                if leaks:
                    sample.suspects.add(name)
                comparison = quick.compared([name])
                yield Finding(
                    "presence tells",
                    "leak" if leaks else "warning",
                    f"of {count} rows with {what} in {name}, {share:.1%} are of one class (of all rows "
                    f"{usual:.0%}); test rows have a value as often{comparison.words()}",
                    f"do not use {name} unless it is certainly filled in before the outcome",
                    {"leave_out": [name]},
                    (name,),
                    comparison.scores(),
                )
                break


# ---- ids and row order


def ids(sample: Sample, quick: Quick) -> Iterator[Finding]:
    """Checks whether the order of rows, or a number in the id, predicts the target."""
    count, name = len(sample.train), sample.competition.id
    limit = max(0.1, 5 / np.sqrt(count))
    order = rank_correlation(np.arange(count), sample.truth)
    if order > limit:
        yield Finding(
            "row order",
            "warning",
            f"rank correlation of row number and target is {order:.2f}",
            "folds are shuffled; do not make features of the row number",
        )
    if name not in sample.train.columns:
        return
    digits = encoding.numbers_in(sample.train[name])
    if np.isfinite(digits).mean() < 0.9 or len(np.unique(digits)) <= 10:
        return
    strength = power(digits.reshape(-1, 1), sample.truth, sample.task)
    correlation = rank_correlation(np.nan_to_num(digits, nan=-1), sample.truth)
    predictive = strength.enough and strength.above > 0.9
    if not predictive and correlation <= limit:
        return
    sample.set_block(ID_NUMBER, digits)
    comparison = quick.with_and_without([ID_NUMBER])
    if not comparison.helps:
        return
    yield Finding(
        "id carries the target",
        "leak" if predictive else "warning",
        f"the number in {name} gives the target with {strength.noun} {strength.value:.3f} (rank correlation "
        f"{correlation:.2f}){comparison.words()}",
        f"do not use {name} as a feature",
        {"leave_out": [name]} if predictive else None,
        (name,),
        comparison.scores(),
    )


def rank_correlation(values: Array, truth: Any) -> float:
    """Returns the largest absolute rank correlation with a column of the labels."""
    ranks, best = pd.Series(np.asarray(values, float)).rank(), 0.0
    for column in np.asarray(truth, float).reshape(len(values), -1).T:
        found = ranks.corr(pd.Series(column).rank())
        best = max(best, abs(float(found))) if np.isfinite(found) else best
    return best


# ---- useless columns


def idle(sample: Sample) -> Iterator[Finding]:
    """Finds columns with only one value."""
    constant = [name for name in sample.features if distinct(sample.whole_train[name]) < 2]
    if constant:
        yield Finding(
            "constant columns",
            "note",
            ", ".join(constant[:20]),
            "they can be dropped",
            {"leave_out": constant},
            tuple(constant),
        )


def unseen(sample: Sample) -> Iterator[Finding]:
    """Finds categories with values in many test rows that train lacks."""
    for name in sample.features:
        if sample.kind(name) != "category" or name in sample.suspects:
            continue
        sample.clock.check()
        old, new = sample.whole_train[name].dropna().astype(str), sample.whole_test[name].dropna().astype(str)
        if not len(old) or len(new) < 20 or old.nunique() >= len(old) / 2:
            continue
        strange = float((~new.isin(set(old))).mean())
        held_back = len(old) // 2  # the usual share of new values, from two halves of train
        usual = float((~old.iloc[held_back:].isin(set(old.iloc[:held_back]))).mean())
        if strange > 0.2 and strange > 2 * usual:
            yield Finding(
                "unseen categories",
                "warning",
                f"{name}: {strange:.0%} of the test rows have values that train lacks "
                f"(between halves of train: {usual:.0%})",
                f"split by groups: cobra.protocol(groups={name!r})",
                {"groups": name},
                (name,),
            )
