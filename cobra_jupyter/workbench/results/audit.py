"""An audit's findings and answers."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from cobra_jupyter.workbench.kind import Kind, Limit


class Cure(TypedDict, total=False):
    """Arguments of cobra.protocol that would fix it."""

    split: str
    groups: str
    time: str
    leave_out: list[str]


Scores = TypedDict("Scores", {"with": float, "without": float, "metric": str})
Scores.__doc__ = "A quick model's score with these columns and without them."


class Finding(TypedDict):
    """One finding."""

    check: str
    severity: Annotated[str, Limit(one_of=("leak", "warning", "note"))]
    evidence: str
    proposal: str
    protocol: Cure | None
    columns: Annotated[list[str], "Columns it concerns."]
    scores: Scores | None


class Answer(TypedDict):
    """What became of a finding under a protocol."""

    check: str
    columns: list[str]
    answer: Annotated[str, Limit(one_of=("acted on", "let in", "compared", "answered"))]
    reason: str


class Audit(TypedDict):
    """Findings about data and protocol, or about one candidate, the most severe first."""

    findings: list[Finding]
    probed: Annotated[str | None, "The candidate that was probed; null for an audit of data and protocol."]
    leaking: Annotated[list[str], "Columns that must stay unused."]
    answers: NotRequired[Annotated[list[Answer], "What became of the findings; absent before a protocol."]]


AUDIT: Kind[Audit] = Kind("audit")
