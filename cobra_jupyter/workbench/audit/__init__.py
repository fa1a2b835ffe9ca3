"""Audits data and protocol: finds what makes scores better than they will be on test rows.

Every check is bounded: it samples a few thousand rows. Expensive checks are skipped, with a note, when the
audit's time has run out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.audit import columns, drift, probes, splits, twins
from cobra_jupyter.workbench.audit.answers import answers, cures, left_out
from cobra_jupyter.workbench.audit.finding import Finding, drifting, leaking_columns, ordered
from cobra_jupyter.workbench.audit.permutation import permutation_probe
from cobra_jupyter.workbench.audit.probes import vault
from cobra_jupyter.workbench.audit.quick import Quick
from cobra_jupyter.workbench.audit.sample import Clock, OutOfTime, Sample
from cobra_jupyter.workbench.protocol.protocol import Folds, Protocol, truth_of
from cobra_jupyter.workbench.scoring.metrics import Metric
from cobra_jupyter.workbench.scoring.scorer import Scorer

__all__ = [
    "Clock",
    "Finding",
    "answers",
    "cures",
    "drifting",
    "findings",
    "leaking_columns",
    "left_out",
    "of_trials",
    "ordered",
    "permutation_probe",
    "vault",
]

SECONDS = 15.0
Check = tuple[str, Callable[[], Iterator[Finding]]]


def findings(
    competition: Any,
    train: pd.DataFrame,
    test: pd.DataFrame,
    protocol: Protocol | None,
    folds: Folds | None,
    *,
    metric: Metric | None = None,
    seconds: float = SECONDS,
    clock: Clock | None = None,
) -> list[Finding]:
    """Returns all findings about data and protocol, the most severe first.

    Before a protocol is frozen, quick models are scored on random folds with the competition's metric.
    Without labels that a metric can score, the checks of labels are skipped. After `seconds`, or when `clock`
    says so, no more models are fitted."""
    labels = _labels(competition, train)
    sample = Sample(competition, train, test, labels, protocol, folds, clock or Clock(seconds))
    return ordered(_run(_checks(sample, metric)))


def of_trials(scorer: Scorer, trials: Sequence[Any], ablations: Sequence[Any]) -> list[Finding]:
    """Returns what finished trials and ablations show about the protocol."""
    found = [*probes.fold_spread(scorer, trials), *probes.effects_and_folds(scorer, trials, ablations)]
    return ordered(found)


def _labels(competition: Any, train: pd.DataFrame) -> Any:
    if competition.task not in ("binary", "multiclass", "multilabel", "regression"):
        return None
    try:
        return truth_of(competition, train)
    except (KeyError, TypeError, ValueError):  # the card has a question about this
        return None


def _checks(sample: Sample, metric: Metric | None) -> list[Check]:
    """Returns the checks, the most important first. Later models do not use suspected columns."""
    labelled = sample.labelled and len(sample.truth) >= 40 and not np.isinf(sample.truth).any()
    model = Quick(sample, metric) if labelled else None
    found: list[Check] = []
    if sample.protocol and sample.folds:
        found.append(("units", partial(splits.torn_units, sample.protocol, sample.folds)))
    if model:
        found += [
            ("copies of the target", partial(columns.copies, sample, model)),
            ("columns that test lacks", partial(columns.unavailable, sample, model)),
            ("ids", partial(columns.ids, sample, model)),
            ("presence", partial(columns.presence, sample, model)),
        ]
    found.append(("duplicate rows", partial(twins.duplicates, sample)))
    if model:
        found += [
            ("time", partial(splits.times, sample, model)),
            ("groups", partial(splits.groups, sample, model)),
        ]
    found += [
        ("adversarial validation", partial(drift.drift, sample)),
        ("near-duplicate rows", partial(twins.near_duplicates, sample)),
        ("near-duplicate texts", partial(twins.near_texts, sample)),
    ]
    found += [
        ("unseen categories", partial(columns.unseen, sample)),
        ("idle columns", partial(columns.idle, sample)),
    ]
    return found


def _run(checks: Sequence[Check]) -> list[Finding]:
    found, skipped = list[Finding](), []
    for name, check in checks:
        try:
            for finding in check():
                found.append(finding)  # one by one, to keep what was found before time ran out
        except OutOfTime:
            skipped.append(name)
    if skipped:
        evidence = f"no time was left for: {', '.join(skipped)}"
        found.append(Finding("not checked", "note", evidence, "audit again with more seconds"))
    return found
