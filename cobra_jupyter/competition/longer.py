"""Rows of a csv file that have more fields than its header: why, and how to read them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.tables import Table, opened

NAMELESS = "Unnamed: 0"  # pandas' name of a column without a name


@dataclass
class Scan:
    """What a pass over a file finds: line numbers of rows with empty and with filled fields beyond the header
    (0 for none), by how much rows differ from it, and the first and last fields."""

    width: int
    empty: int = 0
    filled: int = 0
    rows: int = 0
    beyond: set[int] = field(default_factory=set)
    firsts: set[str] = field(default_factory=set)
    lasts: set[str] = field(default_factory=set)

    def take(self, fields: list[str], line: int) -> None:
        extra = fields[self.width :]
        if any(value.strip() for value in extra):
            self.filled = self.filled or line
        elif extra:
            self.empty = self.empty or line
        self.rows += 1
        self.beyond.add(len(fields) - self.width)
        self.firsts.add(fields[0])
        self.lasts.add(fields[-1].strip())

    @property
    def begins_with_names(self) -> bool:
        """Whether the rows begin with a name of their own, for which the header has no place."""
        different = len(self.firsts) == self.rows and len(self.lasts) > 1
        return self.beyond == {1} and different and "" not in self.lasts


def repaired(folder: Path, table: Table) -> tuple[Table, str]:
    """Returns the table with the options that read its longer rows rightly, and a note.

    Raises CompetitionError if the fields beyond the header hold values that no column can take."""
    header, scan = _scanned(folder, table)
    if scan.empty and not scan.filled:
        note = f"{table.path}: rows end with empty fields beyond the header; dropped"
        return table.having(index_col=False, usecols=list(range(len(header)))), note
    if scan.begins_with_names:
        names = [NAMELESS, *(name.strip() for name in header)]
        options: dict[str, Any] = {"names": names, "header": 0}
        return table.having(**options), f"{table.path}: its first column has no name in the header"
    raise CompetitionError(
        f"{table.path}: line {scan.filled or scan.empty} has more fields than the header ({len(header)});"
        f" quote fields that contain {table.options.get('sep', ',')!r}, or give every column a name"
    )


def _scanned(folder: Path, table: Table) -> tuple[list[str], Scan]:
    options = table.options
    with opened(folder, table) as file:
        text = io.TextIOWrapper(file, options.get("encoding", "utf-8-sig"), "replace", newline="")
        blank = bool(options.get("skipinitialspace"))
        rows = csv.reader(text, delimiter=options.get("sep", ","), skipinitialspace=blank)
        for _ in range(options.get("skiprows", 0)):
            next(rows, None)
        header = next(rows, [])
        scan = Scan(len(header))
        for fields in rows:
            if fields:
                scan.take(fields, rows.line_num)
    return header, scan
