"""Selects the trial or blend to submit: one rule, by cross-validated scores alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.ensemble.blending import Blend
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.scoring.scorer import OutOfFold, Score, Scorer
from cobra_jupyter.workbench.search.trials import Trial

Array = np.ndarray[Any, Any]
TIE = 0.25  # paired standard errors
RULE = (
    "best cross-validated score (blends: nested); "
    f"of those within {TIE} paired standard errors of it, the cheapest"
)


@dataclass(frozen=True)
class Selection:
    """The chosen trial or blend and the reason. `table` lists the alternatives, best first."""

    chosen: str
    runner_up: str | None
    rule: str
    why: str
    table: tuple[results.Entry, ...]
    vault: str | None = None
    vetoed: bool = False

    def record(self) -> results.Selected:
        return as_record(results.Selected, self)


@dataclass(frozen=True)
class _Entry:
    id: str
    label: str
    score: Score
    cost: float
    oof: OutOfFold


def rank(scorer: Scorer, trials: Sequence[Trial], blends: Sequence[Blend]) -> Selection:
    """Choose among trials and blends of one protocol, by the rows that all of them predicted."""
    entries = [_Entry(t.id, t.label, t.score, t.cost, t.oof) for t in trials if t.score and t.oof]
    entries += [_Entry(b.id, f"blend of {len(b.members)}", b.score, b.cost, b.oof) for b in blends if b.oof]
    repeats = min(len(entry.oof.raw) for entry in entries)
    rows = [np.logical_and.reduce([e.oof.fold[r] >= 0 for e in entries]) for r in range(repeats)]
    entries = [_on(scorer, entry, rows) for entry in entries]
    entries.sort(key=lambda entry: -scorer.sign * entry.score.value)
    best = entries[0]
    table: list[results.Entry] = []
    tied = [best]
    for entry in entries[:15]:
        behind = scorer.difference(entry.oof, best.oof) if entry is not best else None
        tie = behind is not None and behind.gain <= TIE * behind.se
        if tie:
            tied.append(entry)
        table.append(
            {
                "id": entry.id,
                "label": entry.label,
                "score": entry.score.value,
                "se": entry.score.se,
                "cost": round(entry.cost, 3),
                "behind": behind.gain if behind else 0.0,
                "behind_se": behind.se if behind else 0.0,
                "tie": tie or entry is best,
            }
        )
    chosen = min(tied, key=lambda entry: entry.cost)
    others = [entry.id for entry in entries if entry.id != chosen.id]
    if chosen is best:
        why = f"{chosen.id} has the best score, {chosen.score.value:.5f} ± {chosen.score.se:.5f}"
    else:
        why = (
            f"{chosen.id} ties with {best.id} (best score, {best.score.value:.5f}) "
            f"and costs {chosen.cost:.0f} instead of {best.cost:.0f} worker seconds"
        )
    return Selection(chosen.id, others[0] if others else None, RULE, why, tuple(table))


def _on(scorer: Scorer, entry: _Entry, rows: Sequence[Array]) -> _Entry:
    """Score an entry on the repeats and rows that all entries have: only scores on equal rows are comparable.

    `rows`: one mask per repeat."""
    oof, repeats = entry.oof, len(rows)
    whole = all(np.array_equal(fold >= 0, mask) for fold, mask in zip(oof.fold[:repeats], rows, strict=True))
    if len(oof.raw) == repeats and whole:
        return entry
    folds = tuple(np.where(mask, fold, -1) for fold, mask in zip(oof.fold[:repeats], rows, strict=True))
    decoded = oof.decoded[:repeats] if oof.decoded is not None else None
    shared = OutOfFold(oof.raw[:repeats], folds, decoded, oof.settings)
    return replace(entry, score=scorer.score(shared), oof=shared)
