"""Checks of data and protocol that need no model. Each finding has evidence, severity and a proposal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.protocol import Folds, Protocol

ROWS_SEEN = 200_000  # larger tables are sampled


@dataclass(frozen=True)
class Finding:
    """Severity is note, warning or leak."""

    check: str
    severity: str
    evidence: str
    proposal: str

    def record(self) -> dict[str, Any]:
        return asdict(self)


def findings(
    competition: Any,
    train: pd.DataFrame,
    test: pd.DataFrame,
    truth: Any,
    protocol: Protocol | None,
    folds: Folds | None,
) -> list[Finding]:
    """All findings, gravest first."""
    rng = np.random.default_rng(0)
    seen = train if len(train) <= ROWS_SEEN else train.iloc[np.sort(rng.permutation(len(train))[:ROWS_SEEN])]
    truth = truth if len(seen) == len(train) else truth[np.searchsorted(train.index, seen.index)]
    found = [
        *_only_in_train(competition, train, test),
        *_id_tells(competition, seen, truth),
        *_implausible_power(competition, seen, truth, test),
        *_duplicates(competition, seen, truth, test),
        *_drift(competition, seen, test),
        *_columns_without_use(competition, train, test),
        *(_groups_across_folds(competition, train, protocol, folds) if protocol and folds else ()),
    ]
    order = {"leak": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def _features(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> list[str]:
    return [c for c in train.columns if c in test.columns and c != competition.id]


def _only_in_train(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    extra = [
        c
        for c in train.columns
        if c not in test.columns and c not in competition.targets and c != competition.id
    ]
    if extra:
        yield Finding("columns only in train", "warning",
                      f"{', '.join(map(str, extra[:20]))}: not in the test table",
                      "leave them unused: candidates must live on what test rows have")  # fmt: skip


def _rank_correlation(a: Any, truth: Any) -> float:
    columns = np.asarray(truth, float).reshape(len(a), -1)
    ranks = pd.Series(np.asarray(a, float)).rank()
    best = 0.0
    for column in columns.T:
        value = ranks.corr(pd.Series(column).rank())
        best = max(best, abs(value)) if np.isfinite(value) else best
    return float(best)


def _id_tells(competition: Any, train: pd.DataFrame, truth: Any) -> Iterator[Finding]:
    limit = 5 / np.sqrt(len(train))
    order = _rank_correlation(np.arange(len(train)), truth)
    if order > max(0.1, limit):
        yield Finding("row order", "warning", f"rank correlation of row number and target is {order:.2f}",
                      "folds are shuffled; do not make features of the row number")  # fmt: skip
    if competition.id in train.columns:
        digits = pd.to_numeric(train[competition.id].astype(str).str.extract(r"(\d+)")[0], errors="coerce")
        if digits.notna().mean() > 0.9 and digits.nunique() > 10:
            strength = _rank_correlation(digits.fillna(-1), truth)
            if strength > max(0.1, limit):
                yield Finding("id carries the target", "leak" if strength > 0.5 else "warning",
                              f"the number in {competition.id} ranks the target, correlation {strength:.2f}",
                              "leave the id unused as a number")  # fmt: skip


def _implausible_power(
    competition: Any, train: pd.DataFrame, truth: Any, test: pd.DataFrame
) -> Iterator[Finding]:
    for name in _features(competition, train, test)[:500]:
        values = train[name]
        codes = (
            values if values.dtype.kind in "iufb" else pd.Series(pd.factorize(values)[0], index=values.index)
        )
        if codes.nunique() < 2:
            continue
        strength = _rank_correlation(codes.astype(float).fillna(-1e9), truth)
        if strength > 0.98:
            yield Finding("implausible power", "leak",
                          f"{name} alone ranks the target with correlation {strength:.3f}",
                          f"see whether {name} is known before the target is; if not, leave it "
                          "unused")  # fmt: skip


def _duplicates(competition: Any, train: pd.DataFrame, truth: Any, test: pd.DataFrame) -> Iterator[Finding]:
    features = _features(competition, train, test)
    if not features or len(train) * len(features) > 20_000_000:
        return
    old = pd.util.hash_pandas_object(train[features].astype(str), index=False)
    new = pd.util.hash_pandas_object(test[features].astype(str), index=False)
    twins, seen = int(old.duplicated().sum()), int(new.isin(set(old)).sum())
    if twins:
        labels = pd.DataFrame(np.asarray(truth, float).reshape(len(train), -1))
        differing = int(labels.groupby(old.to_numpy()).nunique().gt(1).any(axis=1).sum())
        yield Finding("duplicate rows", "warning" if twins > 0.01 * len(train) else "note",
                      f"{twins} train rows repeat the features of another; "
                      f"{differing} sets of twins differ in label",
                      "split with groups=duplicates if test rows have no such twins")  # fmt: skip
    if seen:
        yield Finding("test rows seen in train", "warning" if seen > 0.01 * len(test) else "note",
                      f"{seen} of {len(test)} test rows have the features of a train row",
                      "nothing to do: folds show the same")  # fmt: skip


def _drift(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    """Numbers by the two-sample Kolmogorov-Smirnov distance, categories by the share of unseen values."""
    from scipy.stats import ks_2samp

    for name in _features(competition, train, test)[:500]:
        old, new = train[name].dropna(), test[name].dropna()
        if not len(old) or not len(new):
            continue
        if old.dtype.kind in "iuf" and new.dtype.kind in "iuf":
            found = ks_2samp(old.iloc[:20_000], new.iloc[:20_000])
            if found.statistic > 0.15 and found.pvalue < 1e-6:
                yield Finding("drift", "warning",
                              f"{name}: train and test differ (Kolmogorov-Smirnov {found.statistic:.2f})",
                              "compare trials with and without it; look whether a time or group split "
                              "fits better")  # fmt: skip
        elif competition.columns.get(name) == "category" and old.astype(str).nunique() < len(old) / 2:
            strange = float((~new.astype(str).isin(set(old.astype(str)))).mean())
            if strange > 0.2:
                yield Finding("unseen categories", "warning",
                              f"{name}: {strange:.0%} of test rows hold values that train lacks",
                              f"groups={name} may be the honest split")  # fmt: skip


def _columns_without_use(competition: Any, train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    constant = [c for c in _features(competition, train, test) if train[c].nunique(dropna=False) < 2]
    if constant:
        yield Finding("constant columns", "note", ", ".join(map(str, constant[:20])), "they can be dropped")
    empty = [
        c for c in _features(competition, train, test) if test[c].isna().all() and not train[c].isna().all()
    ]
    if empty:
        yield Finding(
            "empty in test",
            "warning",
            f"{', '.join(map(str, empty[:20]))}: no value in any test row",
            "leave them unused",
        )


def _groups_across_folds(
    competition: Any, train: pd.DataFrame, protocol: Protocol, folds: Folds
) -> Iterator[Finding]:
    """Columns whose values repeat and whose labels agree within a value: a sign that rows belong together."""
    if protocol.groups:
        for repeat in folds.splits:
            for training, held_out in repeat:
                if np.intersect1d(folds.units[training], folds.units[held_out]).size:
                    yield Finding(
                        "unit in two sides",
                        "leak",
                        f"units of {protocol.groups} stand on both sides of a fold",
                        "this is a defect: report it",
                    )
                    return
