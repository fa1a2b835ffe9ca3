"""Reads the sample submission alone, before the tables are read: these may take a while."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cobra_jupyter.competition import files
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.reader import Reader
from cobra_jupyter.competition.tables import Table, tables_at

AS_WRITTEN = {"dtype": "str", "keep_default_na": False, "na_filter": False}


def sample(folder: Path | str) -> pd.DataFrame:
    """Returns the sample submission; cells of a csv file stay as written. Raises CompetitionError."""
    public = files.public_folder(Path(folder))
    reader = Reader(public)
    top = [path for path, _ in files.listing(public).files if "/" not in path]
    for name in files.sample_names(top):
        for table in tables_at(public, name)[:1]:
            settled, frame = reader.frame(table)
            return _as_written(settled, public) if settled.call == "pd.read_csv" else frame
    raise CompetitionError(f"{public}: no sample submission can be read there")


def _as_written(table: Table, public: Path) -> pd.DataFrame:
    frame = table.having(**AS_WRITTEN).read(public)
    frame.columns = [str(name) for name in frame.columns]
    return frame
