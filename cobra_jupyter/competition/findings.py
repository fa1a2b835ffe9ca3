"""Collects tables, decisions and notes while a folder is read."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from cobra_jupyter.competition.record import Assumption
from cobra_jupyter.competition.tables import Table


@dataclass
class Tables:
    """The tables and their frames. The frames are dropped after reading."""

    sample: Table
    sample_frame: pd.DataFrame
    train: Table | None = None
    train_frame: pd.DataFrame | None = None
    test: Table | None = None
    test_frame: pd.DataFrame | None = None
    labels: Table | None = None
    headers: dict[Table, list[str]] = field(default_factory=dict)

    def put(self, role: str, table: Table, frame: pd.DataFrame | None) -> None:
        """Takes a table, perhaps with other options than before, and its frame."""
        before = getattr(self, role)
        if before in self.headers and before != table:
            self.headers[table] = self.headers.pop(before)
        setattr(self, role, table)
        if role != "labels":
            setattr(self, f"{role}_frame", frame)


@dataclass
class Findings:
    """The decisions so far, and the evidence for them."""

    settings: dict[str, str]
    evidence: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    infinite_labels: bool = False
    obstacles: list[str] = field(default_factory=list)

    assumed: list[Assumption] = field(default_factory=list)

    def assume(self, about: str, taken: str, reason: str, option: str = "") -> None:
        """Takes the safest reading of a question that nobody has answered; card and report show both."""
        assumption = Assumption(about, taken, reason, option)
        if assumption not in self.assumed:
            self.assumed.append(assumption)

    def block(self, question: str) -> None:
        """Adds a question that must be answered before anything can be scored."""
        self.questions.append(question)
        self.obstacles.append(question)
