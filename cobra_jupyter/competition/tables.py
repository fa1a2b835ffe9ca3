"""One table file: how it is read, found out from its first bytes, and as a line of plain Python."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import warnings
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import pandas as pd

from cobra_jupyter.competition import sniffing
from cobra_jupyter.competition.errors import CompetitionError

FORMATS = {
    ".csv": "pd.read_csv",
    ".tsv": "pd.read_csv",
    ".json": "pd.read_json",
    ".jsonl": "pd.read_json",
    ".ndjson": "pd.read_json",
    ".parquet": "pd.read_parquet",
}
PACKED = {".zip", ".gz", ".bz2", ".xz"}
SNIFF_BYTES = 1 << 18
BOMB_BYTES, BOMB_RATIO = 4 << 30, 200
READ_ERRORS = (
    ValueError, OSError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, lzma.LZMAError,
    zlib.error,
)  # fmt: skip
_RAGGED = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_UNCLOSED = re.compile(r"EOF inside string starting at row (\d+)")


@dataclass(frozen=True)
class Table:
    """A table of the folder: ``call(path, **options)``; ``member`` is a file inside a zip of several."""

    path: str
    call: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    member: str = ""

    def read(self, folder: Path) -> pd.DataFrame:
        """The whole table; raises what pandas raises."""
        reader = getattr(pd, self.call.removeprefix("pd."))
        if not self.member:
            return reader(folder / self.path, **self.options)
        with zipfile.ZipFile(folder / self.path) as archive, archive.open(self.member) as file:
            return reader(file, **self.options)

    def code(self, data: str = "DATA") -> str:
        """The Python expression that reads the same frame; needs ``pd``, and ``zipfile`` where `member` is
        set.
        """
        source = f"{data} / {python(self.path)}"
        if self.member:
            source = f"zipfile.ZipFile({source}).open({python(self.member)})"
        options = "".join(f", {key}={python(value)}" for key, value in self.options.items())
        return f"{self.call}({source}{options})"

    def having(self, **options: Any) -> Table:
        """The same table with further options."""
        return replace(self, options={**self.options, **options})

    def as_text(self, column: str) -> Table:
        """The same table with `column` read as strings, so that leading zeros stay."""
        if self.call != "pd.read_csv":
            return self
        return self.having(dtype={**self.options.get("dtype", {}), column: "str"})

    @property
    def stem(self) -> str:
        """The file's name without its suffixes, in lower case."""
        return table_stem(self.path)


def python(value: Any) -> str:
    """A value as Python source, strings in double quotes where that needs no escapes."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(python, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{python(key)}: {python(item)}" for key, item in value.items()) + "}"
    text = repr(value)
    return f'"{value}"' if isinstance(value, str) and '"' not in value and text == f"'{value}'" else text


def table_stem(path: str) -> str:
    name = PurePosixPath(path).name.lower()
    while PurePosixPath(name).suffix in PACKED | set(FORMATS):
        name = PurePosixPath(name).stem
    return name


def table_suffix(path: str) -> str:
    """The suffix that says how a file is read ("" for no table; zips are told by what they hold)."""
    name = PurePosixPath(path.lower())
    if name.suffix in PACKED:
        name = PurePosixPath(name.stem)
    return name.suffix if name.suffix in FORMATS else ""


def safe_member(name: str) -> bool:
    """Whether a zip member's name stays inside the folder it would be unpacked into."""
    path = PurePosixPath(name.replace("\\", "/"))
    return (
        not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]
        if path.parts
        else False
    )


def zip_members(path: Path) -> list[zipfile.ZipInfo]:
    """The files of an archive that are safe to name, without what archivers of macOS add."""
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    return [
        info
        for info in infos
        if not info.is_dir()
        and safe_member(info.filename)
        and not info.filename.startswith("__MACOSX")
        and not PurePosixPath(info.filename).name.startswith(".")
    ]


def tables_at(folder: Path, path: str) -> list[Table]:
    """The tables a file holds: one, or, for a zip archive, one per table inside (at most 20); [] if none.

    Raises CompetitionError where the archive cannot be opened.
    """
    if path.lower().endswith(".zip"):
        return _zipped(folder, path)
    suffix = table_suffix(path)
    return [_sniffed(folder, Table(path, FORMATS[suffix]), suffix)] if suffix else []


def _zipped(folder: Path, path: str) -> list[Table]:
    try:
        members = zip_members(folder / path)
        with zipfile.ZipFile(folder / path) as archive:
            alone = len(archive.namelist()) == 1
    except (OSError, zipfile.BadZipFile) as error:
        raise CompetitionError(
            f"{path}: not a readable zip archive ({error}); fetch the file again"
        ) from error
    inside = [info for info in members if PurePosixPath(info.filename.lower()).suffix in FORMATS]
    if len(inside) > 20 or len(inside) < len(members) / 2:
        return []
    for info in inside:
        if info.file_size > BOMB_BYTES and info.file_size > BOMB_RATIO * info.compress_size:
            raise CompetitionError(
                f"{path}: {info.filename} would unpack to {info.file_size} bytes; unpack it yourself"
            )
    tables = []
    for info in inside:
        suffix = PurePosixPath(info.filename.lower()).suffix
        member = "" if alone and suffix != ".parquet" else info.filename
        tables.append(_sniffed(folder, Table(path, FORMATS[suffix], {}, member), suffix))
    return tables


def _open(folder: Path, table: Table) -> IO[bytes]:
    path = folder / table.path
    suffix = path.suffix.lower()
    if suffix == ".zip":
        archive = zipfile.ZipFile(path)
        return archive.open(table.member or archive.namelist()[0])
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if suffix == ".bz2":
        return cast("IO[bytes]", bz2.open(path))
    return cast("IO[bytes]", lzma.open(path)) if suffix == ".xz" else path.open("rb")


def head(folder: Path, table: Table) -> bytes:
    """The first bytes of the (unpacked) file; b"" where it cannot be opened."""
    try:
        with _open(folder, table) as file:
            return file.read(SNIFF_BYTES)
    except READ_ERRORS:
        return b""


def _sniffed(folder: Path, table: Table, suffix: str) -> Table:
    if suffix == ".parquet":
        return table
    first = head(folder, table)
    problem = sniffing.no_text(first)
    if problem:
        raise CompetitionError(f"{table.path}: {problem}")
    encoding = sniffing.encoding_of(first)
    options: dict[str, Any] = {"encoding": encoding} if encoding else {}
    if encoding == "utf-8-sig" and table.call == "pd.read_csv":
        options = {}  # pandas drops the mark itself
    text = first.decode(encoding or "utf-8", errors="replace")
    if table.call == "pd.read_csv":
        separator = "\t" if suffix == ".tsv" else sniffing.separator(text)
        options |= {"sep": separator} if separator != "," else {}
        options |= {"decimal": ","} if sniffing.decimal_comma(text, separator) else {}
        return table.having(**options)
    # JSON has types of its own: pandas must not guess dates, nor make numbers of keys
    if suffix != ".json" or sniffing.is_lines(text):
        options["lines"] = True
    if int(pd.__version__.partition(".")[0]) < 3:
        options["convert_dates"] = False  # from pandas 3 on, dtype=False says this too
    return table.having(**options, dtype=False, precise_float=True)


class Reader:
    """Reads each table once, settles its encoding on the way, and gives errors that name the file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self.repeated: dict[str, list[str]] = {}  # path → column names that stand there more than once
        self._frames: dict[str, tuple[Table, pd.DataFrame]] = {}

    def header(self, table: Table) -> list[str]:
        """The column names, without reading a large file."""
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
        """The table, with the options that were needed, and its frame. Raises CompetitionError."""
        key = f"{table.path}\0{table.member}\0{sorted(table.options.items(), key=str)}"
        if key not in self._frames:
            self._frames[key] = self._read(table)
        return self._frames[key]

    def forget(self, table: Table) -> None:
        """Drop the frames of a table's file."""
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
        raise CompetitionError(f"{table.path}: its text encoding is none known; save it as UTF-8")

    def _consistent(self, table: Table) -> tuple[Table, pd.DataFrame]:
        # pandas types long columns piece by piece and warns when pieces differ: then read at once
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            frame = table.read(self.folder)
        if any(issubclass(item.category, pd.errors.DtypeWarning) for item in caught):
            table = table.having(low_memory=False)
            frame = table.read(self.folder)
            self._note(f"{table.path}: has columns of mixed types; their values are read as text")
        return table, frame

    def _check_header(self, table: Table, frame: pd.DataFrame) -> None:
        """Refuses a table without columns or of one that others hide in; keeps names that repeat."""
        if frame.shape[1] == 0:
            raise CompetitionError(f"{table.path}: the table is empty; put a complete file there")
        if table.call != "pd.read_csv":
            return
        if frame.shape[1] == 1 and len(frame):
            name = str(frame.columns[0])
            mark = sniffing.odd_delimiter(name, [str(value) for value in frame[name].head(20)])
            if mark:
                raise CompetitionError(
                    f"{table.path}: its columns seem to be parted by {mark!r}, which is not read here;"
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
