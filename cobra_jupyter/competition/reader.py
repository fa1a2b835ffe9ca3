"""Reads the tables of a competition folder, each once, with errors that name the file."""

from __future__ import annotations

import lzma
import re
import warnings
import zipfile
import zlib
from pathlib import Path

import pandas as pd

from cobra_jupyter.competition import sniffing
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.tables import READ_ERRORS, Table

_RAGGED = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_UNCLOSED = re.compile(r"EOF inside string starting at row (\d+)")


class Reader:
    """Reads each table once, finds its encoding, and raises errors that name the file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self.repeated: dict[str, list[str]] = {}  # repeated column names by path
        self._frames: dict[str, tuple[Table, pd.DataFrame]] = {}

    def header(self, table: Table) -> list[str]:
        """Returns the column names without reading a whole csv file."""
        if table.call == "pd.read_csv":
            for encoding in self._encodings(table):
                try:
                    part = table.having(nrows=0, **encoding).read(self.folder)
                    return [str(name) for name in part.columns]
                except UnicodeDecodeError:
                    continue
                except READ_ERRORS as error:
                    raise self._error(table, error) from error
        return [str(name) for name in self.frame(table)[1].columns]

    def frame(self, table: Table) -> tuple[Table, pd.DataFrame]:
        """Returns the table, with the options that it needed, and its frame. Raises CompetitionError."""
        key = f"{table.path}\0{table.member}\0{sorted(table.options.items(), key=str)}"
        if key not in self._frames:
            self._frames[key] = self._read(table)
        return self._frames[key]

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
            if "encoding" in attempt.options:
                self._note(f"{table.path}: read as {attempt.options['encoding']}")
            if attempt.options.get("decimal"):
                self._note(f"{table.path}: its numbers are written with a decimal comma")
            frame.columns = [str(name) for name in frame.columns]
            self._check_header(attempt, frame)
            return attempt, frame
        raise CompetitionError(f"{table.path}: its text encoding is unknown; save it as UTF-8")

    def _consistent(self, table: Table) -> tuple[Table, pd.DataFrame]:
        # pandas infers the types of long columns in chunks and warns if they differ: then read in one chunk
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            frame = table.read(self.folder)
        if any(issubclass(item.category, pd.errors.DtypeWarning) for item in caught):
            table = table.having(low_memory=False)
            frame = table.read(self.folder)
            self._note(f"{table.path}: some columns have mixed types; their values are read as text")
        return table, frame

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
            raw = table.having(header=None, nrows=1, dtype="str", keep_default_na=False).read(self.folder)
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
