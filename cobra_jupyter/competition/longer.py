"""Rows of a csv file that have more fields than its header: why, and how to read them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.tables import Table, opened

NAMELESS = "Unnamed: 0"  # pandas' name of a column without a name


def repaired(folder: Path, table: Table) -> tuple[Table, str]:
    """Returns the table with the options that read its longer rows rightly, and a note.

    Raises CompetitionError if the fields beyond the header hold values that no column can take."""
    with opened(folder, table) as file:
        text = io.TextIOWrapper(file, table.options.get("encoding", "utf-8-sig"), "replace", newline="")
        rows = csv.reader(
            text,
            delimiter=table.options.get("sep", ","),
            skipinitialspace=bool(table.options.get("skipinitialspace")),
        )
        for _ in range(table.options.get("skiprows", 0)):
            next(rows, None)
        header = next(rows, [])
        most, filled, lengths = 0, 0, set()
        named = True  # whether the last field beyond the header always holds a value
        for fields in rows:
            if not fields:
                continue
            extra = fields[len(header) :]
            lengths.add(len(fields) - len(header))
            if any(field.strip() for field in extra):
                filled = filled or rows.line_num
            elif extra:
                most = most or rows.line_num
            named = named and bool(extra) and bool(extra[-1].strip())
    if not filled and most:
        note = f"{table.path}: rows end with empty fields beyond the header; dropped"
        return table.having(index_col=False, usecols=list(range(len(header)))), note
    if lengths == {1} and named:
        names = [NAMELESS, *(name.strip() for name in header)]
        options: dict[str, Any] = {"names": names, "header": 0}
        return table.having(**options), f"{table.path}: its first column has no name in the header"
    raise CompetitionError(
        f"{table.path}: line {filled or most} has more fields than the header ({len(header)}); quote fields"
        f" that contain {table.options.get('sep', ',')!r}, or give every column a name"
    )
