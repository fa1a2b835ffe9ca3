"""Read a competition folder in MLE-bench's ``public/`` layout.

`read` works out what is predicted, from what and how it is judged; `load` gives its tables, `load_code`
the same as plain pandas code, `card` a summary for display.
"""

from __future__ import annotations

from .cards import card
from .loading import load, load_code
from .reading import read
from .record import Competition, CompetitionError, Data, FileGroup
from .tables import Table

__all__ = [
    "Competition",
    "CompetitionError",
    "Data",
    "FileGroup",
    "Table",
    "card",
    "load",
    "load_code",
    "read",
]
