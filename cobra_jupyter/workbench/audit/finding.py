"""A finding of an audit: one defect or peculiarity, with its evidence and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.kind import as_record

DRIFT = ("adversarial validation", "unseen categories")  # checks that find differences of the test rows
SEVERITIES = ("leak", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One finding of an audit.

    `severity`: a *leak* makes scores better than they will be on test rows; a *warning* may; a *note* is
    worth knowing. `protocol` has the arguments for `cobra.protocol` that solve the problem (``{"groups":
    "customer"}``, ``{"leave_out": ["col"]}``), or None. `columns` are the columns concerned. `scores` has a
    quick model's scores with and without these columns: ``{"with", "without", "metric"}``."""

    check: str
    severity: str
    evidence: str
    proposal: str
    protocol: dict[str, Any] | None = None
    columns: tuple[str, ...] = ()
    scores: dict[str, Any] | None = None

    def record(self) -> results.Finding:
        return {**as_record(results.Finding, self), "columns": list(self.columns)}


def ordered(found: Iterable[Finding]) -> list[Finding]:
    """Sorts findings by severity, the most severe first. Keeps the order within a severity."""
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def drifting(found: Iterable[results.Finding]) -> str:
    """Returns the evidence that test rows differ from train rows; "" if there is none."""
    return "; ".join(finding["evidence"] for finding in found if finding["check"] in DRIFT)


def leaking_columns(found: Iterable[Finding]) -> tuple[str, ...]:
    """Returns the columns of leaks that are solved by leaving columns out, sorted."""
    names = {
        str(name)
        for finding in found
        if finding.severity == "leak" and finding.protocol
        for name in finding.protocol.get("leave_out", ())
    }
    return tuple(sorted(names))
