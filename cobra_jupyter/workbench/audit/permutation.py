"""The permutation probe: a candidate that learns from meaningless labels must know nothing of any labels.

The labels of the whole train table are permuted once, and the candidate is fitted inside the protocol's folds
on views of that table, with the shared artefacts there are. Held-out predictions are then held against

1. the permuted labels of the held-out rows: better than chance means that labels of held-out rows reach the
   candidate through its own view;
2. their true labels: these can only come from elsewhere, from target statistics or labels that were stored
   outside of folds. An honest model of meaningless labels may lie along a true signal by accident, in either
   direction; so every permutation is used again with its labels turned over, and such accidents cancel;
3. what a quick model leaves unexplained of the true labels: stored statistics of them show here in whichever
   direction the meaningless labels turned them.
"""

from __future__ import annotations

import copy
import itertools
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.audit.finding import Finding
from cobra_jupyter.workbench.audit.quick import Quick
from cobra_jupyter.workbench.audit.sample import Clock, OutOfTime, Sample
from cobra_jupyter.workbench.protocol.protocol import Positions, truth_of
from cobra_jupyter.workbench.protocol.views import Views
from cobra_jupyter.workbench.search.trials import Spec, Trials

Array = np.ndarray[Any, Any]
PERMUTATIONS, FOLD = 2, 0
ROWS = 2_000  # to learn from
SECONDS = 60.0  # for one fit
CERTAIN, STRONG = 5.0, 0.1  # standard errors; correlation
STRONG_RESIDUAL = 0.15
LEAST = 50  # held-out rows


@dataclass(frozen=True)
class Relation:
    """How predictions of one fit, learned from meaningless labels, relate to labels of the held-out rows.

    `permuted` in standard errors above chance; `true` and `residual` are correlations over `rows` and
    `residual_rows` rows.
    """

    permuted: float
    true: float
    residual: float
    rows: int
    residual_rows: int


def permutation_probe(
    trials: Trials, train: pd.DataFrame, test: pd.DataFrame, competition: Any, spec: Spec,
    served: list[Views], cancelled: threading.Event,
) -> list[Finding]:  # fmt: skip
    """Probe `spec`'s candidate and config. Takes four or six small fits.

    `served` are the views whose data folders workers may ask for: the probe's stand there while it runs. The
    probe's views and fits lie beside those of `trials` and are removed afterwards. Raises RuntimeError when the
    candidate cannot be fitted.
    """
    key = (0, FOLD)
    held_out = trials.judge.folds.held_out(*key)
    if len(held_out) < LEAST:
        return [_skipped(spec, f"{len(held_out)} held-out rows are too few")]
    share = min(1.0, ROWS / len(trials.judge.folds.training(*key)))
    spec = replace(spec, folds=(FOLD,), repeats=1, fraction=share, timeout=min(spec.timeout, SECONDS))
    expected, known = _expected(trials, train, test, competition)
    found, failures = [], []
    for number, relabelled in enumerate(_relabelled(train, competition)):
        if cancelled.is_set():
            return [_skipped(spec, "cancelled")]
        try:
            raw = _predict(trials, relabelled, competition, spec, f"probe-{number}", served, cancelled)
        except RuntimeError as error:
            failures.append(str(error))
            continue
        permuted = truth_of(competition, relabelled)
        found.append(_relation(raw, trials, permuted, held_out, expected, known))
    if not found:
        raise RuntimeError(f"{spec.candidate.key} could not be fitted to permuted labels: {failures[0]}")
    return list(_verdict(spec, found, bool(known.any())))


def _skipped(spec: Spec, why: str) -> Finding:
    return Finding(
        "permutation probe", "note", f"{spec.candidate.key} was not probed: {why}", "nothing to do"
    )


# ---- meaningless labels


def _relabelled(train: pd.DataFrame, competition: Any) -> Iterator[pd.DataFrame]:
    """Train tables whose labels are permuted over all rows, each also with its labels turned over."""
    targets = list(competition.targets)
    for number in range(PERMUTATIONS):
        order = np.random.default_rng([17, number]).permutation(len(train))
        labels = train[targets].iloc[order]
        for turned in _turns(labels, competition):
            frame = train.copy()
            for name in targets:
                frame[name] = turned[name].array
            yield frame


def _turns(labels: pd.DataFrame, competition: Any) -> Iterator[pd.DataFrame]:
    """The labels, and the same turned over: classes swapped round, numbers mirrored in rank."""
    yield labels
    if len(labels.columns) == 1 and competition.task in ("binary", "multiclass"):
        name, classes = labels.columns[0], sorted(labels.iloc[:, 0].dropna().unique(), key=str)
        for shift in range(1, min(len(classes), 3)):
            turned = dict(zip(classes, [*classes[shift:], *classes[:shift]], strict=True))
            yield labels.assign(**{str(name): labels[name].map(turned).astype(labels[name].dtype)})
    elif competition.task == "regression":
        mirrored = labels.copy()
        for name in labels.columns:
            ranks = labels[name].rank(method="first").astype(int) - 1
            mirrored[name] = labels[name].sort_values(ascending=False).to_numpy()[ranks]
        yield mirrored
    elif competition.task == "multilabel":
        yield (1 - labels.astype(float)).astype(labels.dtypes.to_dict())


# ---- fits


def _predict(
    trials: Trials, train: pd.DataFrame, competition: Any, spec: Spec, name: str,
    served: list[Views], cancelled: threading.Event,
) -> Array:  # fmt: skip
    """Raw predictions of the held-out rows by the candidate fitted to these labels."""
    truth = truth_of(competition, train)
    views = relabelled_views(trials.views, trials.views.folder.with_name(f"{trials.views.folder.name}-{name}"),
                             train, truth)  # fmt: skip
    served.append(views)
    judge = copy.copy(trials.judge)
    judge.truth = truth
    folder, numbers = trials.folder / name, itertools.count(1)
    probe = Trials(
        folder, trials.pool, views, judge, trials._make_context, trials._forbidden,
        lambda key: f"x{next(numbers)}", trials._shared,
    )  # fmt: skip
    try:
        (fit,) = probe.run(spec, cancelled).fits
        if fit.status == "failed":
            raise RuntimeError(fit.failure.message if fit.failure else "it failed")
        return np.asarray(np.load(Path(fit.folder) / "raw0.npy", allow_pickle=False), float)
    finally:
        served.remove(views)
        shutil.rmtree(views.folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def relabelled_views(views: Views, folder: Path, train: pd.DataFrame, truth: Any) -> Views:
    """The same views, in a folder of their own, of a train table with other labels."""
    made = copy.copy(views)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    made.folder, made._truth, made._lock = folder, truth, threading.RLock()
    made._train = train[[column for column in views._train.columns if column in train.columns]]
    return made


# ---- what predictions know


def _expected(
    trials: Trials, train: pd.DataFrame, test: pd.DataFrame, competition: Any
) -> tuple[Array, Array]:
    """What a quick model expects of every row's true labels, out of fold, and of which rows it does."""
    judge = trials.judge
    truth = _columns(judge.truth, judge.protocol.task)
    expected, known = np.zeros_like(truth), np.zeros(len(truth), bool)
    sample = Sample(competition, train, test, judge.truth, judge.protocol, judge.folds, Clock(20))
    if not sample.trusted or judge.protocol.split == "time":
        return expected, known
    try:
        model = Quick(sample, judge.metric)
        raw = model.base()
    except OutOfTime:
        return expected, known
    if raw.shape[1] == truth.shape[1] and np.array_equal(model.truth, sample.truth):
        told = ~np.isnan(raw).any(axis=1)
        if model.logs:
            raw = np.expm1(raw)
        expected[sample.rows[told]], known[sample.rows[told]] = raw[told], True
    return expected, known


def _columns(truth: Array, task: str) -> Array:
    """Labels as columns (n, width), like raw predictions."""
    if task in ("binary", "multiclass"):
        return np.eye(int(truth.max()) + 1)[truth]
    return np.asarray(truth, float)


def _relation(
    raw: Array, trials: Trials, permuted: Array, rows: Positions, expected: Array, known: Array
) -> Relation:
    judge = trials.judge
    task = judge.protocol.task
    true = _columns(judge.truth, task)
    fresh = correlation(raw, _columns(permuted, task)[rows][:, : raw.shape[1]])
    some = known[rows]
    left = (true - expected)[rows]
    residual = correlation(raw[some], left[some]) if some.sum() >= LEAST else 0.0
    return Relation(
        fresh * np.sqrt(len(rows)), correlation(raw, true[rows]), residual, len(rows), int(some.sum())
    )


def correlation(raw: Array, labels: Array) -> float:
    """Correlation of predictions with labels over all columns together, each centred."""
    width = min(raw.shape[1], labels.shape[1])
    a, b = (_standard(part[:, :width]) for part in (raw, labels))
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / size) if size > 0 else 0.0


def _standard(values: Array) -> Array:
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    return np.asarray(np.where(spread > 1e-12, centred / np.maximum(spread, 1e-12), 0.0))


# ---- the verdict


def _verdict(spec: Spec, found: list[Relation], explained: bool) -> Iterator[Finding]:
    key, rows = spec.candidate.key, found[0].rows
    fits = f"{key}, fitted {len(found)} times to permuted labels"
    permuted = float(np.mean([each.permuted for each in found]))
    true = float(np.mean([each.true for each in found]))
    errors = true * np.sqrt(rows)
    facts = (
        f"predictions of {rows} held-out rows correlate with their permuted labels by {permuted:+.1f} standard "
        f"errors and with their true labels by {true:+.3f} ({errors:+.1f} standard errors)"
    )
    told = False
    if permuted > CERTAIN and permuted > STRONG * np.sqrt(rows):
        told = True
        yield Finding(
            "permutation probe", "leak", f"{fits}: {facts}",
            "labels of held-out rows reach the candidate through what its fold may see: find the file or column",
        )  # fmt: skip
    if errors > CERTAIN and true > STRONG:
        told = True
        yield Finding(
            "permutation probe", "leak", f"{fits}: {facts}",
            "true labels reach the candidate from outside its view: look for stored labels or target statistics; "
            "discard its scores",
        )  # fmt: skip
    if told:
        return
    residual = float(np.sqrt(np.mean([each.residual**2 for each in found])))
    if explained and residual > STRONG_RESIDUAL and residual * np.sqrt(found[0].residual_rows) > CERTAIN:
        yield Finding(
            "permutation probe", "warning",
            f"{fits}: {facts}; with what the features leave unexplained of the true labels by {residual:.2f}",
            "target statistics fitted outside of folds would look like this: look where its features come from",
        )  # fmt: skip
        return
    yield Finding("permutation probe", "note", f"{fits}: {facts}", "at chance, as it must be")
