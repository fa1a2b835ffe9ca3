"""A fit: one fold of a trial, or a refit on all rows."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.hashing import sha256
from cobra_jupyter.workbench.timed_decisions import KnownFit
from cobra_jupyter.workbench.workers.pool import Failure

RECORDED = frozenset(results.FoldFit.__annotations__) - {"raw"}


@dataclass(frozen=True)
class Fit:
    """One fold's fit. `status` is ok, partial (predicted from a snapshot) or failed."""

    digest: str
    repeat: int
    fold: int
    status: str
    folder: str
    seed: int
    rows: int = 0
    seconds: float = 0.0
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    cpu_seconds: float = 0.0
    rss_mb: float = 0.0
    base_mb: float = 0.0  # held before `fit`; the next two come on top of it
    fit_mb: float = 0.0
    predict_mb: float = 0.0
    seconds_given: float = 0.0
    sha256: str = ""  # of the raw prediction's file
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    beside: bool = False  # other trials ran in the background, or it did: its time forecasts nothing

    def record(self) -> results.FoldFit:
        """JSON for the ledger, from which the fit can be restored."""
        beside: dict[str, Any] = {"beside": True} if self.beside else {}
        record: results.FoldFit = {
            "repeat": self.repeat,
            "fold": self.fold,
            "digest": self.digest,
            "status": self.status,
            "rows": self.rows,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "seconds_given": self.seconds_given,
            "fit_seconds": round(self.fit_seconds, 3),
            "predict_seconds": round(self.predict_seconds, 3),
            "rss_mb": round(self.rss_mb, 1),
            "base_mb": round(self.base_mb, 1),
            "fit_mb": round(self.fit_mb, 1),
            "predict_mb": round(self.predict_mb, 1),
            "raw": f"trials/{Path(self.folder).name}/raw0.npy",
            "sha256": self.sha256,
        }
        return cast("results.FoldFit", {**record, **beside})


def repeated(known: KnownFit, out: Path) -> Fit:
    """Repeat a fit that ran out of time or memory in the replayed run, with its snapshot's prediction."""
    assert known.failure
    record, failure = known.record, Failure(**known.failure)
    facts = recorded(record)
    original = (known.run / record["raw"]).parent
    if record["status"] == "partial":
        try:
            shutil.copytree(original, out)
            if sha256(out / "raw0.npy") != record["sha256"]:
                raise ValueError("it was changed after it was recorded")
        except (OSError, ValueError) as error:
            message = f"{failure.message} (and the prediction of its snapshot cannot be read: {error})"
            facts, failure = {**facts, "status": "failed", "sha256": ""}, replace(failure, message=message)
    return Fit(folder=str(out), failure=failure, **facts)


def recorded(record: Mapping[str, Any]) -> dict[str, Any]:
    """Keep those items of a record that are fields of a Fit."""
    return {name: value for name, value in record.items() if name in RECORDED}


def was_cancelled(fit: Fit) -> bool:
    return fit.failure is not None and fit.failure.kind == "cancelled"


def worth_again(fit: Fit, seconds: float) -> bool:
    """Whether to fit again: it was cancelled, or it ran out of time and now has more `seconds`."""
    if fit.failure is None:
        return False
    return fit.failure.kind == "cancelled" or (fit.failure.kind == "timeout" and fit.seconds_given < seconds)


def facts_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rows": int(answer.get("rows", 0)),
        "fit_seconds": float(answer.get("fit_seconds", 0)),
        "predict_seconds": float(answer.get("predict_seconds", 0)),
        "cpu_seconds": float(answer.get("cpu_seconds", 0)),
        **{name: float(answer.get(name, 0)) for name in ("rss_mb", "base_mb", "fit_mb", "predict_mb")},
        "warnings": tuple(answer.get("warnings", ())),
    }
