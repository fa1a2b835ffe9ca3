"""What an audit says: one defect or peculiarity, with its evidence and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.kind import as_record

SEVERITIES = ("leak", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One finding of an audit.

    `severity`: a *leak* makes scores better than test rows will allow; a *warning* may; a *note* is worth
    knowing. `protocol` holds arguments for `cobra.protocol` that would cure it (``{"groups": "customer"}``,
    ``{"leave_out": ["col"]}``), None where no protocol does. `columns` are those it concerns. `scores` is a
    quick model's score with and without these columns: ``{"with", "without", "metric"}``.
    """

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
    """Gravest first; equals in the order they were found."""
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def leaking_columns(found: Iterable[Finding]) -> tuple[str, ...]:
    """Columns that must be left unused: those of leaks whose cure is to leave them out. Sorted, each once."""
    names = {
        str(name)
        for finding in found
        if finding.severity == "leak" and finding.protocol
        for name in finding.protocol.get("leave_out", ())
    }
    return tuple(sorted(names))
