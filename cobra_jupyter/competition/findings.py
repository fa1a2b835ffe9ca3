"""What is gathered while a folder is read."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from cobra_jupyter.competition.tables import Table


@dataclass
class Tables:
    """The tables with their frames while reading; frames are dropped afterwards."""

    sample: Table
    sample_frame: pd.DataFrame
    train: Table | None = None
    train_frame: pd.DataFrame | None = None
    test: Table | None = None
    test_frame: pd.DataFrame | None = None
    labels: Table | None = None
    headers: dict[Table, list[str]] = field(default_factory=dict)


@dataclass
class Findings:
    """What was decided on the way, and why."""

    settings: dict[str, str]
    evidence: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    infinite_labels: bool = False
    obstacles: list[str] = field(default_factory=list)

    def hinder(self, question: str) -> None:
        """A question without whose answer nothing can be judged."""
        self.questions.append(question)
        self.obstacles.append(question)
