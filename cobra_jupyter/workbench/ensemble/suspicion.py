"""Reasons to doubt a submission whose format is right.

Each check compares what was written with what was asked for (the sample submission) or with what
cross-validation has seen (the out-of-fold predictions)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, Any]
FEWEST = 5  # rows: fewer may be equal by chance
MOST_ROWS = 50_000  # of either side in a comparison of distributions
TELLING = 20  # distinct values from which on the sample's range says something
SHIFT = 0.5  # standard deviations of the out-of-fold predictions
FARTHEST = 0.25  # distance of two distribution functions, or of class shares, beside chance
CHANCE = 1.95  # a Kolmogorov-Smirnov distance that 1 of 1,000 equal samples exceeds, times sqrt(n·m / (n+m))


@dataclass(frozen=True)
class Suspicion:
    """`empty`: the submission says nothing about the rows, so that it must not replace one that does."""

    reason: str
    empty: bool = False


@dataclass(frozen=True)
class Expected:
    """What cross-validation lets expect. `predicted` (n,) or (n, columns): out-of-fold predictions in the
    form of the metric; `names` of the columns: the outputs that they fill, else their classes;
    `varies`: whether the labels of each output differ;
    `explained`: a finding that lets test rows differ, or ""."""

    predicted: Array
    names: Sequence[str]
    varies: Sequence[bool]
    explained: str = ""


def of(
    made: pd.DataFrame, sample: pd.DataFrame, outputs: Sequence[str], layout: str, new: Array, old: Expected
) -> list[Suspicion]:
    """All reasons to doubt a submission. `new`: the predictions of its rows in the form of the metric."""
    found = list(_copies_and_constants(made, sample, outputs, old)) if len(made) >= FEWEST else []
    found += _form(made, sample, outputs, layout)
    if not any(each.empty for each in found) and not old.explained and len(made) >= FEWEST:
        found += _shift(new, old)
    return found


# ---- copies and constants


def _copies_and_constants(
    made: pd.DataFrame, sample: pd.DataFrame, outputs: Sequence[str], old: Expected
) -> Iterator[Suspicion]:
    varying = [name for name, varies in zip(outputs, old.varies, strict=True) if varies]
    copied = [name for name in outputs if _equal(made[name], sample[name])]
    constant = [name for name in varying if made[name].nunique(dropna=False) == 1]
    if len(copied) == len(outputs):
        yield Suspicion("it equals the sample submission", empty=True)
    if varying and len(constant) == len(varying):
        yield Suspicion("every row has the same prediction, though the labels differ", empty=True)
        return
    before = _constant_before(old)
    doubted = [name for name in varying if name not in before]
    for names, what in ((copied, "holds the sample's values"), (constant, "is the same in every row")):
        odd = [name for name in names if name in doubted]
        if odd and len(names) < len(outputs):
            yield Suspicion(f"{_listed(odd)} {what}, though its labels differ")


def _constant_before(old: Expected) -> set[str]:
    """The columns that are constant out of fold too: there the submission only repeats what was scored."""
    columns = old.predicted.reshape(len(old.predicted), -1)
    same = (columns == columns[:1]).all(axis=0) if len(columns) else []
    return {name for name, each in zip(old.names, same, strict=False) if each}


def _equal(made: pd.Series, sample: pd.Series) -> bool:
    if _numeric(made) and _numeric(sample):
        return bool(np.allclose(made.to_numpy(float), sample.to_numpy(float), rtol=1e-9, equal_nan=True))
    return bool((made.astype(str).to_numpy() == sample.astype(str).to_numpy()).all())


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


# ---- the form of the sample


def _form(
    made: pd.DataFrame, sample: pd.DataFrame, outputs: Sequence[str], layout: str
) -> Iterator[Suspicion]:
    for name in outputs:
        if layout == "label":
            yield from _tokens(name, made[name], sample[name])
        elif _numeric(sample[name]) and _numeric(made[name]):
            yield from _range(name, made[name], sample[name])
    if layout == "class_probabilities" and all(_numeric(sample[name]) for name in outputs):
        asked, given = (frame[list(outputs)].to_numpy(float).sum(axis=1) for frame in (sample, made))
        if np.allclose(asked, 1, atol=1e-3) and not np.allclose(given, 1, atol=1e-3):
            yield Suspicion("its rows do not sum to 1, those of the sample do")


def _tokens(name: str, made: pd.Series, sample: pd.Series) -> Iterator[Suspicion]:
    asked = set(sample.dropna().astype(str))
    if len(asked) > 1 and not asked & set(made.astype(str)):
        if _numeric(made) and _numeric(sample) and set(made.astype(float)) & set(sample.astype(float)):
            return
        few, own = (", ".join(sorted(map(str, column.unique()))[:3]) for column in (sample, made))
        yield Suspicion(f"{name} holds {own}; none of these stands in the sample, which has {few}")


def _range(name: str, made: pd.Series, sample: pd.Series) -> Iterator[Suspicion]:
    """The sample's range says something if its values look like predictions."""
    low, high = float(sample.min()), float(sample.max())
    if sample.nunique() < TELLING:
        return
    reach = (high - low) / 2
    outside = float(((made < low - reach) | (made > high + reach)).mean())
    if low >= 0 and high <= 1 and (made.min() < 0 or made.max() > 1):
        yield Suspicion(f"{name} leaves 0 to 1, where the sample's values lie")
    elif outside > 0.5:
        yield Suspicion(
            f"{outside:.0%} of {name} lie far from the sample's values, {low:.4g} to {high:.4g}; "
            f"their median is {float(made.median()):.4g}"
        )


# ---- the distribution of the out-of-fold predictions


def _shift(new: Array, old: Expected) -> Iterator[Suspicion]:
    before, after = _drawn(old.predicted), _drawn(new)
    if len(before) < FEWEST or before.shape[1] != after.shape[1]:
        return
    labels = before.dtype.kind in "biu"
    worst = max(range(before.shape[1]), key=lambda j: _distance(before[:, j], after[:, j], labels))
    chance = CHANCE * np.sqrt((len(before) + len(after)) / (len(before) * len(after)))
    a, b = before[:, worst].astype(float), after[:, worst].astype(float)
    apart = _distance(before[:, worst], after[:, worst], labels)
    error = np.sqrt(a.var() / len(a) + b.var() / len(b))
    moved = abs(a.mean() - b.mean()) > SHIFT * a.std() + 3 * error and not labels
    if apart > FARTHEST + chance or moved:
        name = old.names[worst] if worst < len(old.names) else f"column {worst}"
        yield Suspicion(
            f"predictions of {name} differ from the out-of-fold ones (mean {b.mean():.4g} instead of "
            f"{a.mean():.4g}, distance {apart:.2f} of 1), and no finding of drift explains it"
        )


def _distance(a: Array, b: Array, labels: bool) -> float:
    """The largest distance of two distribution functions; of labels, half the sum of differences in share."""
    values = np.unique(np.concatenate([a, b]))
    if labels:
        shares = [
            np.bincount(np.searchsorted(values, side), minlength=len(values)) / len(side) for side in (a, b)
        ]
        return float(np.abs(shares[0] - shares[1]).sum() / 2)
    below = [np.searchsorted(np.sort(side), values, side="right") / len(side) for side in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _drawn(rows: Array) -> Array:
    columns = np.asarray(rows).reshape(len(rows), -1)
    if len(columns) <= MOST_ROWS:
        return columns
    return np.asarray(columns[np.random.default_rng(0).permutation(len(columns))[:MOST_ROWS]])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
