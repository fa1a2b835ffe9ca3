"""Read a competition folder in MLE-bench's ``public/`` layout.

`read` finds the target, the features and the metric. `load` returns the tables, `load_code` the same as plain
pandas code, `card` a summary for display."""

from __future__ import annotations

from cobra_jupyter.competition.cards import card
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.glimpse import sample
from cobra_jupyter.competition.loading import load, load_code
from cobra_jupyter.competition.reading import read
from cobra_jupyter.competition.record import Assumption, Competition, Data, FileGroup
from cobra_jupyter.competition.tables import Table

__all__ = [
    "Assumption",
    "Competition",
    "CompetitionError",
    "Data",
    "FileGroup",
    "Table",
    "card",
    "load",
    "load_code",
    "read",
    "sample",
]
