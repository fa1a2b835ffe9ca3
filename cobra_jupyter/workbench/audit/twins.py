"""Finds duplicate and near-duplicate rows and texts across folds and tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.audit.finding import Finding
from cobra_jupyter.workbench.audit.sample import Sample
from cobra_jupyter.workbench.protocol.groups import DUPLICATES
from cobra_jupyter.workbench.protocol.protocol import Positions

Array = np.ndarray[Any, Any]
QUERIES, REFERENCE = 1_500, 20_000  # rows checked, rows searched
CELLS = 20_000_000  # larger tables are not compared exactly
CLOSE = 0.05  # share of the usual distance to the nearest row
ALIKE = 0.75  # cosine of two texts' weighted shingles
MANY = 0.01  # share of rows with a twin from which twins matter
LEAST_DIMENSIONS = 4


@dataclass(frozen=True)
class Pairs:
    """For each checked row its nearest train row (positions in the whole table), and whether it is a twin."""

    rows: Positions
    nearest: Positions
    twins: Array

    @property
    def share(self) -> float:
        return float(self.twins.mean()) if len(self.twins) else 0.0


@dataclass(frozen=True)
class Twins:
    """Pairs of train rows, and the shares of train and test rows that have a twin."""

    rows: Positions
    others: Positions
    share: float
    in_test: float


# ---- equal rows


def duplicates(sample: Sample) -> Iterator[Finding]:
    """Finds rows with equal features in train, across folds, and in both tables."""
    train, test = sample.whole_train, sample.whole_test
    features = [name for name in sample.features if sample.kind(name) != "id"]
    if not features or len(train) * len(features) > CELLS:
        return
    old, new = _hashes(train[features], test[features])
    twins, seen = float(old.duplicated(keep=False).mean()), float(new.isin(set(old)).mean())
    if twins:
        codes = pd.factorize(old)[0]
        first = np.unique(codes, return_index=True)[1][codes]
        pairs = np.flatnonzero(first != np.arange(len(train)))
        found = Twins(pairs, first[pairs], twins, seen)
        yield _described(sample, "duplicate rows", "equal features", found)
    if seen:
        yield Finding(
            "test rows seen in train",
            "note",
            f"{seen:.1%} of the test rows have the features of a train row (of the train rows {twins:.1%} "
            "have a twin in train)",
            "check whether such twins have equal labels: then test rows could be looked up",
        )


def _hashes(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Hashes the rows of both tables; columns of different types or with unhashable values as text."""
    plain = [
        name for name in old.columns if old[name].dtype.kind in "iufb" and old[name].dtype == new[name].dtype
    ]
    words = {name: str for name in old.columns if name not in plain}
    made = [pd.util.hash_pandas_object(table.astype(words), index=False) for table in (old, new)]
    return made[0], made[1]


def _described(
    sample: Sample, check: str, what: str, twins: Twins, cure: dict[str, Any] | None = None
) -> Finding:
    """Makes a finding about train rows with twins. It matters if folds separate twins and test has few."""
    rows, others, share, in_test = twins.rows, twins.others, twins.share, twins.in_test
    parts = [
        f"{share:.1%} of the train rows have a twin with {what}, {in_test:.1%} of the test rows have one"
    ]
    if (agreeing := _agreement(sample, rows, others)) is not None:
        parts.append(f"labels of twins agree in {agreeing[0]:.0%} (by chance {agreeing[1]:.0%})")
    torn = _torn(sample, rows, others)
    if torn is not None:
        parts.append(f"folds tear {torn:.0%} of the pairs apart")
    exact = check == "duplicate rows"
    whole = torn is not None and torn < 0.02
    matters = share > MANY and in_test < share / 2 and not whole
    informative = agreeing is not None and agreeing[0] > agreeing[1] + 0.1
    groups = cure or ({"groups": DUPLICATES} if exact else None)
    proposal = "nothing to do"
    if matters and groups:
        proposal = f"keep twins in one fold: cobra.protocol(groups={groups['groups']!r})"
    elif matters:
        proposal = "keep twins in one fold, by a column that names their common source"
    elif not whole:
        proposal = "nothing to do: folds show twins as often as test rows have them"
    severity = "warning" if matters and (informative or agreeing is None) else "note"
    protocol, concerned = groups if matters else None, tuple(groups.values()) if cure and groups else ()
    return Finding(check, severity, "; ".join(parts), proposal, protocol, concerned)


def _agreement(sample: Sample, rows: Positions, others: Positions) -> tuple[float, float] | None:
    """Returns how often the labels of twins agree, and how often those of random rows do."""
    truth = sample.whole_truth
    if truth is None or not len(rows):
        return None
    truth = np.asarray(truth, float).reshape(len(sample.whole_train), -1)
    near = 0.1 * np.nanstd(truth, axis=0) if sample.task == "regression" else 1e-9
    strangers = np.random.default_rng(7).permutation(others)
    if len(others) < 50:
        strangers = np.random.default_rng(7).integers(len(truth), size=2_000)
        mates = np.random.default_rng(8).integers(len(truth), size=2_000)
    else:
        mates = rows
    shares = [_like(truth[a] - truth[b], near) for a, b in ((rows, others), (mates, strangers))]
    return None if np.isnan(shares).any() else (shares[0], shares[1])


def _like(gaps: Any, near: Any) -> float:
    """Returns the share of pairs whose labels agree, among those that share a known label."""
    known = ~np.isnan(gaps)
    shared = known.any(axis=1)
    agree = ((np.abs(gaps) <= near) | ~known).all(axis=1)
    return float(agree[shared].mean()) if shared.any() else float("nan")


def _torn(sample: Sample, rows: Positions, others: Positions) -> float | None:
    """Returns the share of pairs with one row held out and the other trained on; None without folds."""
    if sample.folds is None or not len(rows):
        return None
    owner = np.full(len(sample.whole_train), -1)
    learned = np.zeros((len(sample.folds.splits[0]), len(owner)), bool)
    for number, (training, held_out) in enumerate(sample.folds.splits[0]):
        owner[held_out] = number
        learned[number, training] = True
    known = owner[rows] >= 0
    return float(learned[owner[rows[known]], others[known]].mean()) if known.any() else None


# ---- nearly equal rows


def near_duplicates(sample: Sample) -> Iterator[Finding]:
    """Finds rows with nearly equal numbers: much nearer than rows usually are."""
    names = [name for name in sample.features if name not in sample.suspects and _continuous(sample, name)][
        :30
    ]
    if len(names) < LEAST_DIMENSIONS or len(sample.whole_train) < 100:
        return
    asked, reference = _drawn(len(sample.whole_train))
    old = sample.whole_train[names].iloc[reference].to_numpy(float)
    centre, spread = np.nanmedian(old, axis=0), np.nanstd(old, axis=0) + 1e-12

    def scaled(rows: Any) -> Array:
        return np.asarray(np.nan_to_num((rows[names].to_numpy(float) - centre) / spread), np.float32)

    known = scaled(sample.whole_train.iloc[reference])
    gaps, places = _nearest(known, scaled(sample.whole_train.iloc[asked]), reference, asked)
    usual = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 0.0
    pairs = Pairs(asked, reference[places], (gaps > 0) & (gaps < CLOSE * usual))
    if pairs.share < MANY / 2:
        return
    few = sample.test.iloc[:QUERIES]
    gaps, _ = _nearest(known, scaled(few), reference, np.full(len(few), -1))
    in_test = float(((gaps > 0) & (gaps < CLOSE * usual)).mean()) if len(few) else 0.0
    rows, others = pairs.rows[pairs.twins], pairs.nearest[pairs.twins]
    what = f"nearly equal numbers (within {CLOSE:.0%} of the usual distance)"
    found = Twins(rows, others, pairs.share, in_test)
    yield _described(sample, "near-duplicate rows", what, found, _source(sample, rows, others))


def _continuous(sample: Sample, name: str) -> bool:
    values = sample.train[name]
    return bool(
        values.dtype.kind == "f" and values.notna().mean() > 0.8 and values.nunique() > 0.1 * len(values)
    )


def _drawn(count: int) -> tuple[Positions, Positions]:
    """Draws the rows to check and the rows to search, which include them. Both are sorted."""
    order = np.random.default_rng(9).permutation(count)
    return np.sort(order[:QUERIES]), np.sort(order[:REFERENCE])


def _nearest(known: Array, asked: Array, names: Positions, own: Positions) -> tuple[Array, Positions]:
    """Returns the distance and position of the nearest known row other than the row itself."""
    squares = (known**2).sum(axis=1)
    best, places = np.empty(len(asked)), np.empty(len(asked), np.int64)
    for start in range(0, len(asked), 500):
        part = asked[start : start + 500]
        gaps = squares + (part**2).sum(axis=1)[:, None] - 2 * part @ known.T
        gaps[names[None, :] == own[start : start + 500, None]] = np.inf
        found = gaps.argmin(axis=1)
        places[start : start + 500] = found
        best[start : start + 500] = np.sqrt(((known[found] - part) ** 2).sum(axis=1))
    return best, places


def _source(sample: Sample, rows: Positions, others: Positions) -> dict[str, Any] | None:
    """Returns groups by a column whose values are the same for twins but not for random pairs."""
    train = sample.whole_train
    strangers = np.random.default_rng(10).permutation(others)
    for name in [*sample.features, *sample.extra]:
        if sample.kind(name) not in ("category", "number", "id") or train[name].dtype.kind == "f":
            continue
        values = train[name].astype(str).to_numpy()
        same, chance = (values[rows] == values[others]).mean(), (values[rows] == values[strangers]).mean()
        if same > 0.9 and chance < 0.2 and pd.Series(values).nunique() >= 20:
            return {"groups": name}
    return None


# ---- texts


def near_texts(sample: Sample) -> Iterator[Finding]:
    """Finds texts that share most of their word sequences, ignoring case and punctuation."""
    texts = [name for name in sample.features if sample.kind(name) == "text" and name not in sample.suspects]
    for name in texts[:2]:
        sample.clock.check()
        asked, reference = _drawn(len(sample.whole_train))
        train = sample.whole_train[name].fillna("").astype(str)
        few = sample.test[name].fillna("").astype(str).iloc[:QUERIES]
        known, shingles = _shingles(train.iloc[reference])
        twins, places = _alike(known, shingles(train.iloc[asked]), reference, asked)
        if twins.mean() < MANY / 2:
            continue
        sample.clock.check()
        seen, _ = _alike(known, shingles(few), reference, np.full(len(few), -1))
        rows, others = asked[twins], reference[places[twins]]
        pairs = Twins(rows, others, float(twins.mean()), float(seen.mean()) if len(few) else 0.0)
        what, source = f"nearly the same words in {name}", _source(sample, rows, others)
        found = _described(sample, "near-duplicate texts", what, pairs, source)
        first = " ".join(train.iloc[int(rows[0])].split())[:60]
        yield Finding(**{**vars(found), "evidence": f"{found.evidence}; e.g. “{first}…”", "columns": (name,)})


def _shingles(texts: pd.Series) -> tuple[Any, Any]:
    """Returns hashed word triples (5 characters for short texts), and a function for more texts."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    short = texts.str.count(r"\w+").median() < 8
    how: dict[str, Any] = (
        {"analyzer": "char_wb", "ngram_range": (5, 5)}
        if short
        else {"ngram_range": (3, 3), "token_pattern": r"(?u)\b\w+\b"}
    )
    hashed = HashingVectorizer(n_features=2**20, alternate_sign=False, binary=True, norm=None, **how)
    weights = TfidfTransformer()
    known = weights.fit_transform(hashed.transform(texts.str[:1500]))
    return known, lambda more: weights.transform(hashed.transform(more.str[:1500]))


def _alike(known: Any, asked: Any, names: Positions, own: Positions) -> tuple[Array, Positions]:
    """Returns which texts have a near twin among the known ones, and the position of the most similar."""
    twins, places = np.zeros(asked.shape[0], bool), np.zeros(asked.shape[0], np.int64)
    for start in range(0, asked.shape[0], 250):
        likeness = (asked[start : start + 250] @ known.T).tocoo()
        strange = names[likeness.col] != own[start + likeness.row]
        near = strange & (likeness.data >= ALIKE)
        rows, columns, values = likeness.row[near], likeness.col[near], likeness.data[near]
        order = np.argsort(values)  # write the most similar last
        twins[start + rows[order]] = True
        places[start + rows[order]] = columns[order]
    return twins, places
