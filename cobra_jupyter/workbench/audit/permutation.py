"""The permutation probe: a candidate that is trained on permuted labels must not predict any labels.

The labels of the whole train table are permuted once, and the candidate is fitted in the protocol's folds on
views of that table, with the existing shared artefacts. Its held-out predictions are compared with

1. the permuted labels of the held-out rows: if they are better than chance, labels of held-out rows reach the
candidate through its view; 2. the true labels: these can only come from elsewhere, from target statistics or
labels stored outside the folds. An honest model of permuted labels may follow a true signal by accident, in
either direction, so every permutation is used again with reversed labels, and such accidents cancel; 3. the
part of the true labels that a quick model does not explain: stored statistics show up here in either
direction."""

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
    """How the predictions of one fit on permuted labels relate to labels of the held-out rows.

    `permuted` is in standard errors above chance; `true` and `residual` are correlations over `rows` and
    `residual_rows` rows."""

    permuted: float
    true: float
    residual: float
    rows: int
    residual_rows: int


def permutation_probe(
    trials: Trials,
    train: pd.DataFrame,
    test: pd.DataFrame,
    competition: Any,
    spec: Spec,
    served: list[Views],
    cancelled: threading.Event,
) -> list[Finding]:
    """Probes the candidate and config of `spec`. Takes four or six small fits.

    `served` lists the views whose data folders workers may request; it includes the probe's views while it
    runs. The probe's views and fits are next to those of `trials` and are removed afterwards. Raises
    RuntimeError if the candidate cannot be fitted."""
    key = (0, FOLD)
    held_out = trials.scorer.folds.held_out(*key)
    if len(held_out) < LEAST:
        return [_skipped(spec, f"{len(held_out)} held-out rows are too few")]
    share = min(1.0, ROWS / len(trials.scorer.folds.training(*key)))
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
    """Yields train tables with permuted labels, each also with these labels reversed."""
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
    """Yields the labels, then the same labels reversed: classes rotated, numbers mirrored in rank."""
    yield labels
    if len(labels.columns) == 1 and competition.task in ("binary", "multiclass"):
        name, classes = labels.columns[0], sorted(labels.iloc[:, 0].dropna().unique(), key=str)
        for shift in range(1, min(len(classes), 3)):
            turned = dict(zip(classes, [*classes[shift:], *classes[:shift]], strict=True))
            yield labels.assign(**{str(name): labels[name].map(turned).astype(labels[name].dtype)})
    elif competition.task == "regression":
        mirrored = labels.copy()
        for name in labels.columns:
            known = labels[name].dropna()
            ranks = known.rank(method="first").astype(int) - 1
            mirrored.loc[known.index, name] = known.sort_values(ascending=False).to_numpy()[ranks]
        yield mirrored
    elif competition.task == "multilabel":
        yield (1 - labels.astype(float)).astype(labels.dtypes.to_dict())


# ---- fits


def _predict(
    trials: Trials,
    train: pd.DataFrame,
    competition: Any,
    spec: Spec,
    name: str,
    served: list[Views],
    cancelled: threading.Event,
) -> Array:
    """Fits the candidate to these labels and returns its raw predictions of the held-out rows."""
    truth = truth_of(competition, train)
    original = trials.views.folder
    views = relabelled_views(trials.views, original.with_name(f"{original.name}-{name}"), train, truth)
    served.append(views)
    scorer = copy.copy(trials.scorer)
    scorer.truth = truth
    folder, numbers = trials.folder / name, itertools.count(1)
    probe = Trials(
        folder,
        trials.pool,
        views,
        scorer,
        context=trials._make_context,
        forbidden=trials._forbidden,
        next_id=lambda key: f"x{next(numbers)}",
        shared=trials._shared,
    )
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
    """Returns the same views of a train table with other labels, in a new folder."""
    made = copy.copy(views)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    made.folder, made._truth, made._lock = folder, truth, threading.RLock()
    made._train = train[[column for column in views._train.columns if column in train.columns]]
    return made


# ---- relations of predictions and labels


def _expected(
    trials: Trials, train: pd.DataFrame, test: pd.DataFrame, competition: Any
) -> tuple[Array, Array]:
    """Returns a quick model's out-of-fold predictions of the true labels, and the rows that have one."""
    scorer = trials.scorer
    truth = _columns(scorer.truth, scorer.protocol.task)
    expected, known = np.zeros_like(truth), np.zeros(len(truth), bool)
    sample = Sample(competition, train, test, scorer.truth, scorer.protocol, scorer.folds, Clock(20))
    if not sample.trusted or scorer.protocol.split == "time":
        return expected, known
    try:
        model = Quick(sample, scorer.metric)
        raw = model.base()
    except OutOfTime:
        return expected, known
    if raw.shape[1] == truth.shape[1] and _unchanged(model.truth, sample.truth):
        predicted = ~np.isnan(raw).any(axis=1)
        if model.logs:
            raw = np.expm1(raw)
        expected[sample.rows[predicted]], known[sample.rows[predicted]] = raw[predicted], True
    return expected, known


def _unchanged(used: Array, truth: Array) -> bool:
    """Whether a quick model uses the labels themselves: no classes merged, no columns left out."""
    return used.shape == truth.shape and bool(((used == truth) | (np.isnan(used) & np.isnan(truth))).all())


def _columns(truth: Array, task: str) -> Array:
    """Returns labels as columns (n, width), like raw predictions."""
    if task in ("binary", "multiclass"):
        return np.eye(int(truth.max()) + 1)[truth]
    return np.asarray(truth, float)


def _relation(
    raw: Array, trials: Trials, permuted: Array, rows: Positions, expected: Array, known: Array
) -> Relation:
    scorer = trials.scorer
    task = scorer.protocol.task
    true = _columns(scorer.truth, task)
    fresh = correlation(raw, _columns(permuted, task)[rows][:, : raw.shape[1]])
    some = known[rows]
    left = (true - expected)[rows]
    residual = correlation(raw[some], left[some]) if some.sum() >= LEAST else 0.0
    return Relation(
        fresh * np.sqrt(len(rows)), correlation(raw, true[rows]), residual, len(rows), int(some.sum())
    )


def correlation(raw: Array, labels: Array) -> float:
    """Returns the correlation of predictions and known labels over all columns together, each centred."""
    width = min(raw.shape[1], labels.shape[1])
    known = ~np.isnan(labels[:, :width])
    a, b = (_standard(np.where(known, part[:, :width], np.nan)) for part in (raw, labels))
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / size) if size > 0 else 0.0


def _standard(values: Array) -> Array:
    """Values centred and scaled by column; 0 where they are not known, or all equal."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - np.where(known, values, 0).sum(axis=0) / count, 0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    return np.asarray(np.where(spread > 1e-12, centred / np.maximum(spread, 1e-12), 0.0))


# ---- the verdict


def _verdict(spec: Spec, found: list[Relation], explained: bool) -> Iterator[Finding]:
    key, rows = spec.candidate.key, found[0].rows
    fits = f"{key}, fitted {len(found)} times to permuted labels"
    permuted = float(np.mean([each.permuted for each in found]))
    true = float(np.mean([each.true for each in found]))
    errors = true * np.sqrt(rows)
    facts = (
        f"predictions of {rows} held-out rows correlate with their permuted labels by {permuted:+.1f} "
        f"standard errors and with their true labels by {true:+.3f} ({errors:+.1f} standard errors)"
    )
    leaks = False
    if permuted > CERTAIN and permuted > STRONG * np.sqrt(rows):
        leaks = True
        yield Finding(
            "permutation probe",
            "leak",
            f"{fits}: {facts}",
            "labels of held-out rows reach the candidate through what its fold may see: find the file or "
            "column",
        )
    if errors > CERTAIN and true > STRONG:
        leaks = True
        yield Finding(
            "permutation probe",
            "leak",
            f"{fits}: {facts}",
            "true labels reach the candidate from outside its view: look for stored labels or target "
            "statistics; discard its scores",
        )
    if leaks:
        return
    residual = float(np.sqrt(np.mean([each.residual**2 for each in found])))
    if explained and residual > STRONG_RESIDUAL and residual * np.sqrt(found[0].residual_rows) > CERTAIN:
        yield Finding(
            "permutation probe",
            "warning",
            f"{fits}: {facts}; with the part of the true labels that the features do not explain by "
            f"{residual:.2f}",
            "target statistics fitted outside of folds would look like this: look where its features come "
            "from",
        )
        return
    yield Finding("permutation probe", "note", f"{fits}: {facts}", "at chance, as it must be")
