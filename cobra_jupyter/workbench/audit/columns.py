"""Checks of single columns: copies of the target, what test rows lack, ids that tell, columns without use."""

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
COPY, NEARLY = 0.999, 0.98  # power of one column alone
POWER_ROWS = 2_000
LEAST_ROWS, LEAST_MEMBERS = 50, 10  # fewer rows, or rows off the commonest class, prove no copy
CHANCE = 1e-6
ID_NUMBER = "number in the id"


@dataclass(frozen=True)
class Power:
    """How well one column alone gives the target on rows it was not fitted to.

    `value`: accuracy for classes, rank correlation for numbers, of the target it gives best. `above`: the
    share of what a constant leaves open that it explains.
    """

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
    """Power of a block (n, k) of numbers, by a tree cross-validated on two halves."""
    rows = np.random.default_rng(4).permutation(len(truth))[:POWER_ROWS]
    known, goals = (
        np.nan_to_num(block[rows], nan=-1e30, posinf=1e30, neginf=-1e30),
        truth[rows].reshape(len(rows), -1),
    )
    halves = np.arange(len(rows)) < len(rows) // 2
    found = [_power(known, goal, task, halves) for goal in goals.T[:2]]
    return max(found, key=lambda each: (each.enough, each.above))


def _power(known: Array, goal: Array, task: str, halves: Array) -> Power:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    numbers = task == "regression"
    tree = DecisionTreeRegressor if numbers else DecisionTreeClassifier
    told = np.empty(len(goal), goal.dtype)
    for part in (halves, ~halves):
        told[~part] = tree(random_state=0).fit(known[part], goal[part]).predict(known[~part])
    if numbers:
        value = pd.Series(told).rank().corr(pd.Series(goal).rank())
        value = float(value) if np.isfinite(value) else 0.0
        return Power(value, value, len(goal) >= LEAST_ROWS and len(np.unique(goal)) > 20, "rank correlation")
    value = float((told == goal).mean())
    most = int(np.unique(goal, return_counts=True)[1].max())
    others = len(goal) - most
    above = 1 - float((told != goal).sum()) / max(others, 1)
    return Power(value, above, len(goal) >= LEAST_ROWS and others >= LEAST_MEMBERS, "accuracy")


# ---- copies of the target


def copies(sample: Sample, quick: Quick) -> Iterator[Finding]:
    """Columns that give the target all but perfectly."""
    found, near = [], []
    for name in sample.features:
        if sample.clock.spent(0.4):
            break  # of very wide tables the first columns
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
            "implausible power", "leak",
            f"{name} alone gives the target with {strength.noun} {strength.value:.4f} on rows it was not "
            f"fitted to{comparison.words()}",
            f"leave {name} unused unless it is sure to be known before the target is",
            {"leave_out": [name]}, (name,), comparison.scores(),
        )  # fmt: skip
    for name, strength in near:
        yield Finding(
            "implausible power", "warning",
            f"{name} alone gives the target with {strength.noun} {strength.value:.4f}",
            f"find out whether {name} is known before the target is; it may be a fair signal", None, (name,),
        )  # fmt: skip


# ---- what test rows lack


def unavailable(sample: Sample, quick: Quick) -> Iterator[Finding]:
    """Columns that only train has, or that are filled in train and empty or constant in test."""
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
                "unavailable in test", "leak",
                f"{name}: {why}, and it tells about the target{comparison.words()}",
                f"leave {name} unused: candidates must live on what test rows have",
                {"leave_out": [name]}, (name,), comparison.scores(),
            )  # fmt: skip
        else:
            idle.append((name, why))
    if idle:
        names = [name for name, _ in idle]
        told = "; ".join(f"{name}: {why}" for name, why in idle[:8])
        yield Finding(
            "unavailable in test", "note",
            f"{told}{f' and {len(idle) - 8} more' if len(idle) > 8 else ''}; a quick model gains nothing by "
            f"{'it' if len(idle) == 1 else 'them'}",
            "leave unused what test rows lack", {"leave_out": names}, tuple(names),
        )  # fmt: skip


def _lacks(sample: Sample, name: str) -> str | None:
    """Why test rows lack this column's information, beyond chance; None where they do not."""
    old, new = sample.whole_train[name], sample.whole_test[name]
    if len(new) == 0:
        return None
    there, asked = encoding.present(old), encoding.present(new)
    if there.mean() * len(new) >= 20 and asked.mean() <= 0.1 * there.mean():
        return f"filled in {there.mean():.1%} of the train rows and in {asked.mean():.1%} of the test rows"
    if asked.all() and distinct(new) == 1:
        usual = float((old.astype(str) == str(new.iloc[0])).mean())
        if 0 < usual < 1 and usual ** len(new) < CHANCE:
            return f"always {str(new.iloc[0])!r:.40} in test, which only {usual:.1%} of the train rows hold"
    return None


def _ordering(sample: Sample, name: str) -> bool:
    """Whether it only orders rows in time: constant in test because test is of one day."""
    return name == sample.competition.time or sample.kind(name) == "date"


def presence(sample: Sample) -> Iterator[Finding]:
    """Columns of which having a value, any value, all but gives a class."""
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
            if share >= 0.98 and usual < 0.9 and usual**count < CHANCE:
                yield Finding(
                    "presence tells", "warning",
                    f"of {count} rows with {what} in {name}, {share:.1%} are of one class (of all rows "
                    f"{usual:.0%}); test rows have a value as often",
                    f"find out whether {name} is filled in only after the outcome; compare trials without it",
                    {"leave_out": [name]}, (name,),
                )  # fmt: skip


# ---- ids and row order


def ids(sample: Sample, quick: Quick) -> Iterator[Finding]:
    """Does the order of rows, or a number in the id, carry the target?"""
    count, name = len(sample.train), sample.competition.id
    limit = max(0.1, 5 / np.sqrt(count))
    order = rank_correlation(np.arange(count), sample.truth)
    if order > limit:
        yield Finding(
            "row order", "warning", f"rank correlation of row number and target is {order:.2f}",
            "folds are shuffled; do not make features of the row number",
        )  # fmt: skip
    if name not in sample.train.columns:
        return
    digits = encoding.numbers_in(sample.train[name])
    if np.isfinite(digits).mean() < 0.9 or len(np.unique(digits)) <= 10:
        return
    strength = power(digits.reshape(-1, 1), sample.truth, sample.task)
    correlation = rank_correlation(np.nan_to_num(digits, nan=-1), sample.truth)
    tells = strength.enough and strength.above > 0.9
    if not tells and correlation <= limit:
        return
    sample.set_block(ID_NUMBER, digits)
    comparison = quick.with_and_without([ID_NUMBER])
    if not comparison.helps:
        return
    yield Finding(
        "id carries the target", "leak" if tells else "warning",
        f"the number in {name} gives the target with {strength.noun} {strength.value:.3f} (rank correlation "
        f"{correlation:.2f}){comparison.words()}",
        f"leave {name} unused as a feature", {"leave_out": [name]} if tells else None, (name,),
        comparison.scores(),
    )  # fmt: skip


def rank_correlation(values: Array, truth: Any) -> float:
    """The largest absolute rank correlation with a column of the truth."""
    ranks, best = pd.Series(np.asarray(values, float)).rank(), 0.0
    for column in np.asarray(truth, float).reshape(len(values), -1).T:
        found = ranks.corr(pd.Series(column).rank())
        best = max(best, abs(float(found))) if np.isfinite(found) else best
    return best


# ---- columns without use


def idle(sample: Sample) -> Iterator[Finding]:
    """Columns with one value only."""
    constant = [
        name for name in sample.features if distinct(sample.whole_train[name]) < 2
    ]  # fmt: skip
    if constant:
        yield Finding(
            "constant columns", "note", ", ".join(constant[:20]), "they can be dropped",
            {"leave_out": constant}, tuple(constant),
        )  # fmt: skip


def unseen(sample: Sample) -> Iterator[Finding]:
    """Categories of which many test rows hold values that train lacks."""
    for name in sample.features:
        if sample.kind(name) != "category" or name in sample.suspects:
            continue
        sample.clock.check()
        old, new = sample.whole_train[name].dropna().astype(str), sample.whole_test[name].dropna().astype(str)
        if not len(old) or len(new) < 20 or old.nunique() >= len(old) / 2:
            continue
        strange = float((~new.isin(set(old))).mean())
        held_back = len(old) // 2  # as many would be new were train itself cut in two
        usual = float((~old.iloc[held_back:].isin(set(old.iloc[:held_back]))).mean())
        if strange > 0.2 and strange > 2 * usual:
            yield Finding(
                "unseen categories", "warning",
                f"{name}: {strange:.0%} of the test rows hold values that train lacks "
                f"(between halves of train: {usual:.0%})",
                f"judge by groups: cobra.protocol(groups={name!r})", {"groups": name}, (name,),
            )  # fmt: skip
