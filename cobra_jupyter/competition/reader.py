"""Reads the tables of a competition folder, each once, with errors that name the file."""

from __future__ import annotations

import lzma
import re
import warnings
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cobra_jupyter.competition import longer, marks, sniffing, types
from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.record import Assumption
from cobra_jupyter.competition.tables import READ_ERRORS, Table, head

_RAGGED = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_UNCLOSED = re.compile(r"EOF inside string starting at row (\d+)")


def clean(name: str) -> str:
    """Returns a column name without blanks and byte order marks around it."""
    return name.strip().strip("\ufeff").strip()


class Reader:
    """Reads each table once, finds its encoding, and raises errors that name the file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self.assumed: list[Assumption] = []
        self.repeated: dict[str, list[str]] = {}  # repeated column names by path
        self._frames: dict[str, tuple[Table, pd.DataFrame]] = {}

    def header(self, table: Table) -> list[str]:
        """Returns the column names without reading a whole csv file."""
        if table.call == "pd.read_csv":
            for encoding in self._encodings(table):
                try:
                    part = table.having(nrows=0, **encoding).read(self.folder)
                    return [clean(str(name)) for name in part.columns]
                except UnicodeDecodeError:
                    continue
                except READ_ERRORS as error:
                    raise self._error(table, error) from error
        return [str(name) for name in self.frame(table)[1].columns]

    def frame(self, table: Table) -> tuple[Table, pd.DataFrame]:
        """Returns the table, with the options that it needed, and its frame. Raises CompetitionError."""
        key = f"{table.path}\0{table!r}"
        if key not in self._frames:
            self._frames[key] = self._folded(table) if table.fold else self._unfolded(table)
        return self._frames[key]

    def _folded(self, table: Table) -> tuple[Table, pd.DataFrame]:
        assert table.fold
        settled, frame = self.frame(replace(table, fold=None))
        return replace(settled, fold=table.fold), table.fold.of(frame)

    def _unfolded(self, table: Table) -> tuple[Table, pd.DataFrame]:
        return self._stacked(table) if table.more else self._read(table)

    def _stacked(self, table: Table) -> tuple[Table, pd.DataFrame]:
        (first, frame), *others = [self.frame(part) for part in (replace(table, more=()), *table.more)]
        stacked = replace(first, more=tuple(part for part, _ in others))
        return stacked, pd.concat([frame, *(rows for _, rows in others)], ignore_index=True)

    def forget(self, table: Table) -> None:
        """Drops the frames of a table's file."""
        self._frames = {k: v for k, v in self._frames.items() if not k.startswith(f"{table.path}\0")}

    def _encodings(self, table: Table) -> list[dict[str, str]]:
        if "encoding" in table.options:
            return [{}]
        return [{}, {"encoding": "cp1252"}, {"encoding": "latin-1"}]

    def _read(self, table: Table) -> tuple[Table, pd.DataFrame]:
        choices = self._encodings(table) if table.call != "pd.read_parquet" else [{}]
        for encoding in choices:
            attempt = table.having(**encoding)
            try:
                attempt, frame = self._consistent(attempt)
            except UnicodeDecodeError:
                continue
            except ImportError as error:
                raise CompetitionError(
                    f"{table.path}: reading it needs pyarrow: pip install pyarrow"
                ) from error
            except READ_ERRORS as error:
                raise self._error(table, error) from error
            if attempt.options.get("skipinitialspace"):
                self._note(f"{table.path}: the blank after each delimiter is left out")
            if "encoding" in attempt.options:
                self._note(f"{table.path}: read as {attempt.options['encoding']}")
            attempt, frame = self._with_plain_types(attempt, frame)
            attempt, frame = self._with_numbers(attempt, frame)
            frame.columns = [str(name) for name in frame.columns]
            self._check_header(attempt, frame)
            return self._with_clean_names(attempt, frame)
        raise CompetitionError(f"{table.path}: its text encoding is unknown; save it as UTF-8")

    def _consistent(self, table: Table) -> tuple[Table, pd.DataFrame]:
        # pandas infers the types of long columns in chunks and warns if they differ: then read in one chunk
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            table, frame = self._whole_rows(table)
        if any(issubclass(item.category, pd.errors.DtypeWarning) for item in caught):
            table = table.having(low_memory=False)
            frame = table.read(self.folder)
            self._note(f"{table.path}: some columns have mixed types; their values are read as text")
        return table, frame

    def _whole_rows(self, table: Table) -> tuple[Table, pd.DataFrame]:
        """Reads the table; where rows are longer than the header, with the options that read them rightly."""
        if not self._begins_longer(table):
            try:
                return table, table.read(self.folder)
            except pd.errors.ParserError as error:
                if not _RAGGED.search(str(error)):
                    raise
        table, note = longer.repaired(self.folder, table)
        self._note(note)
        return table, table.read(self.folder)

    def _begins_longer(self, table: Table) -> bool:
        """Whether the first row is longer than the header: pandas would take its first fields as an index."""
        settled = {"names", "index_col", "header"} & set(table.options)
        if table.call != "pd.read_csv" or settled:
            return False
        text = head(self.folder, table).decode(table.options.get("encoding", "utf-8-sig"), "replace")
        lines = text.splitlines()[table.options.get("skiprows", 0) :][:20]
        return sniffing.begins_longer(lines, table.options.get("sep", ","))

    def _with_plain_types(self, table: Table, frame: pd.DataFrame) -> tuple[Table, pd.DataFrame]:
        """Turns an index into columns, and uncommon types into plain ones."""
        if table.call != "pd.read_parquet":
            return table, frame
        if not isinstance(frame.index, pd.RangeIndex):
            table, frame = replace(table, indexed=True), frame.reset_index()
        ways = types.plain_types(frame)
        if ways:
            durations = [name for name, way in ways.items() if way == types.SECONDS]
            if durations:
                self._note(f"{table.path}: {listed(durations, 5)} are durations; used as seconds")
            table, frame = replace(table, types=ways), types.converted(frame, ways)
        return table, frame

    def _with_numbers(self, table: Table, frame: pd.DataFrame) -> tuple[Table, pd.DataFrame]:
        """Reads the table again if its numbers have decimal commas or thousands marks."""
        if table.call != "pd.read_csv" or "dtype" in table.options or len(frame) == 0:
            return table, frame
        found = marks.of_table(frame, table.options.get("sep", ","))
        if found.unread:
            self._note(
                f"{table.path}: {listed(found.unread, 5)} look like numbers but are written in ways that do"
                " not fit the other columns; used as text"
            )
        if not found.options():
            return table, frame
        said = "a decimal comma" if found.decimal == "," else "decimal points"
        said += f" and {found.thousands!r} between thousands" if found.thousands else ""
        if found.doubt:
            what = f"{table.path}: its numbers have {said}"
            why = f"each comma of {found.doubt} stands before three digits, so it may be either mark"
            self.assumed.append(Assumption("numbers", what, why))
        self._note(f"{table.path}: its numbers are written with {said}")
        table = table.having(**found.options())
        return table, table.read(self.folder)

    def _with_clean_names(self, table: Table, frame: pd.DataFrame) -> tuple[Table, pd.DataFrame]:
        """Takes blanks and invisible marks off the column names, unless two would become one."""
        names = {name: clean(name) for name in frame.columns if clean(name) != name}
        if not names or len({clean(name) for name in frame.columns}) < frame.shape[1]:
            return table, frame
        self._note(f"{table.path}: blanks around column names are left out ({listed(names.values(), 5)})")
        return replace(table, renamed={**table.renamed, **names}), frame.rename(columns=names)

    def _check_header(self, table: Table, frame: pd.DataFrame) -> None:
        """Raises CompetitionError without columns or with an unknown delimiter. Records repeated names."""
        if frame.shape[1] == 0:
            raise CompetitionError(f"{table.path}: the table is empty; put a complete file there")
        if table.call != "pd.read_csv":
            return
        if frame.shape[1] == 1 and len(frame):
            name = str(frame.columns[0])
            mark = sniffing.odd_delimiter(name, [str(value) for value in frame[name].head(20)])
            if mark:
                raise CompetitionError(
                    f"{table.path}: its columns seem to be separated by {mark!r}, which is not supported;"
                    " save it with commas, semicolons or tabs"
                )
        mangled = [re.sub(r"\.\d+$", "", str(name)) for name in frame.columns]
        if any(
            name != plain and plain in frame.columns
            for name, plain in zip(frame.columns, mangled, strict=True)
        ):
            plain_table = replace(table, as_written=(), renamed={}, more=())
            first = {"header": None, "nrows": 1, "dtype": "str", "keep_default_na": False}
            raw = plain_table.having(**first).read(self.folder)
            names = raw.iloc[0].astype(str)
            self.repeated[table.path] = list(dict.fromkeys(names[names.duplicated()]))

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @staticmethod
    def _error(table: Table, error: Exception) -> CompetitionError:
        if isinstance(error, pd.errors.EmptyDataError):
            return CompetitionError(f"{table.path}: the table is empty; put a complete file there")
        if isinstance(error, OSError) and error.strerror:
            return CompetitionError(f"{table.path}: cannot be opened ({error.strerror}); make it readable")
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        if found := _RAGGED.search(reason):
            reason = f"line {found[2]} has {found[3]} fields, not {found[1]}"
        elif isinstance(error, EOFError | zlib.error | lzma.LZMAError | zipfile.BadZipFile):
            reason = "the archive is cut off or damaged"
        elif found := _UNCLOSED.search(reason):
            reason = f"a quote opened near line {int(found[1]) + 1} is never closed"
        return CompetitionError(
            f"{table.path}: cannot be read as a table ({reason}); repair the file or fetch it again"
        )
