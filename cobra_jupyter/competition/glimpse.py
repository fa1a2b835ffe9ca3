"""Reads the sample submission alone, before the tables are read: these may take a while."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cobra_jupyter.competition import files, roles
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.tables import Table

AS_WRITTEN = {"dtype": "str", "keep_default_na": False, "na_filter": False}


def sample(folder: Path | str) -> pd.DataFrame:
    """Returns the sample submission; cells of a csv file stay as written. Raises CompetitionError."""
    public = files.public_folder(Path(folder))
    table, frame = Reader(public).frame(roles.find_sample(public, files.top_names(public)))
    return _as_written(table, public) if table.call == "pd.read_csv" else frame


def _as_written(table: Table, public: Path) -> pd.DataFrame:
    frame = table.having(**AS_WRITTEN).read(public)
    frame.columns = [str(name) for name in frame.columns]
    return frame
