"""Finds out from a file's first bytes how to read its table, and writes this as a line of Python."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import pandas as pd

from cobra_jupyter.competition import sniffing, types
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
    *(ValueError, OSError, KeyError, EOFError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, lzma.LZMAError, zlib.error),
)


@dataclass(frozen=True)
class Fold:
    """How a table with a row per unit and label becomes one with a row per unit."""

    unit: str
    label: str
    value: str
    """The column with the labels' values; "" if a row says that its unit has the label."""

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Returns one row per unit, with a column per label."""
        if not self.value:
            counts = pd.crosstab(frame[self.unit], frame[self.label]).clip(upper=1)
            return counts.rename(columns=str).rename_axis(columns=None).reset_index()
        wide = frame.pivot(index=self.unit, columns=self.label, values=self.value).rename(columns=str)
        features = frame.drop(columns=[self.label, self.value]).drop_duplicates(self.unit)
        return features.merge(wide.reset_index(), on=self.unit)

    def code(self) -> str:
        """Returns a call of ``pipe`` that does the same."""
        if not self.value:
            counts = f"pd.crosstab(t[{python(self.unit)}], t[{python(self.label)}]).clip(upper=1)"
            named = ".rename(columns=str).rename_axis(columns=None).reset_index()"
            return f".pipe(lambda t: {counts}{named})"
        unit, label, value = python(self.unit), python(self.label), python(self.value)
        wide = f"t.pivot(index={unit}, columns={label}, values={value}).rename(columns=str).reset_index()"
        features = f"t.drop(columns=[{label}, {value}]).drop_duplicates({unit})"
        return f".pipe(lambda t: {features}.merge({wide}, on={unit}))"


@dataclass(frozen=True)
class Table:
    """A table, read with ``call(path, **options)``. ``member`` is a file in a zip archive with several."""

    path: str
    call: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    member: str = ""
    as_written: tuple[str, ...] = ()
    """Columns of a csv file that are kept as text, as they are written; only empty cells are missing."""
    renamed: dict[str, str] = field(default_factory=dict, hash=False)
    """Cleaned column names by those in the file. ``as_written`` has cleaned names."""
    types: dict[str, str] = field(default_factory=dict, hash=False)
    """The plain types that columns are used as, see `types.plain_types`, and other steps of `types`."""
    indexed: bool = False
    """Whether the file holds columns as an index, as parquet files may."""
    more: tuple[Table, ...] = ()
    """Tables with the same columns whose rows follow."""
    fold: Fold | None = None
    """How its rows are folded, if each is of a unit and a label."""

    def read(self, folder: Path) -> pd.DataFrame:
        """Reads the whole table. Raises what pandas raises."""
        frame = self._call(folder, self.options)
        if self.as_written:
            frame = frame.assign(**self._call(folder, self._text_options()))
        if self.indexed:
            frame = frame.reset_index()
        if self.types:
            frame = types.converted(frame, self.types)
        if self.renamed:
            frame = frame.rename(columns=self.renamed)
        if self.more:
            frame = pd.concat([frame, *(table.read(folder) for table in self.more)], ignore_index=True)
        return self.fold.of(frame) if self.fold else frame

    def _call(self, folder: Path, options: dict[str, Any]) -> pd.DataFrame:
        reader = getattr(pd, self.call.removeprefix("pd."))
        if not self.member:
            return reader(folder / self.path, **options)
        with zipfile.ZipFile(folder / self.path) as archive, archive.open(self.member) as file:
            return reader(file, **options)

    def _text_options(self) -> dict[str, Any]:
        raw = {name: old for old, name in self.renamed.items()}
        columns = [raw.get(name, name) for name in self.as_written]
        kept = ("sep", "encoding", "skiprows", "skipinitialspace", "index_col", "names", "header", "nrows")
        options = {name: self.options[name] for name in kept if name in self.options}
        words = self.options.get("na_values")  # by column, if there are any
        missing = {name: ["", *words.get(name, [])] for name in columns} if words else [""]
        return {**options, "usecols": columns, "dtype": "str", "keep_default_na": False, "na_values": missing}

    def code(self, data: str = "DATA") -> str:
        """Returns Python code that reads the same frame with ``pd``, and ``zipfile`` if `member` is set."""
        source = self._call_code(data, self.options)
        if self.as_written:
            source += f".assign(**{self._call_code(data, self._text_options())})"
        source += ".reset_index()" if self.indexed else ""
        source += "".join(self._type_code())
        if self.renamed:
            source += f".rename(columns={python(self.renamed)})"
        if self.more:
            parts = ", ".join([source, *(table.code(data) for table in self.more)])
            source = f"pd.concat([{parts}], ignore_index=True)"
        return source + (self.fold.code() if self.fold else "")

    def _type_code(self) -> Iterator[str]:
        dtypes = {name: way for name, way in self.types.items() if types.is_dtype(way)}
        if dtypes:
            yield f".astype({python(dtypes)})"
        for name, way in self.types.items():
            if name not in dtypes:
                made = types.code(f"t[{python(name)}]", way)
                yield f".assign(**{{{python(name)}: lambda t: {made}}})"

    def _call_code(self, data: str, options: dict[str, Any]) -> str:
        source = f"{data} / {python(self.path)}"
        if self.member:
            source = f"zipfile.ZipFile({source}).open({python(self.member)})"
        written = "".join(f", {key}={python(value)}" for key, value in options.items())
        return f"{self.call}({source}{written})"

    def as_it_stands(self, folder: Path, column: str) -> pd.Series:
        """Returns a column of a csv file as it is written; only empty cells are missing."""
        parts = [replace(table, as_written=(column,)) for table in (self, *self.more)]
        frames = [part._call(folder, part._text_options()).rename(columns=part.renamed) for part in parts]
        return pd.concat([frame[column] for frame in frames], ignore_index=True)

    def having(self, **options: Any) -> Table:
        """Returns the table with additional options, for the tables that follow it too."""
        more = tuple(table.having(**options) for table in self.more)
        return replace(self, options={**self.options, **options}, more=more)

    def written(self, column: str) -> Table:
        """Returns the table with `column` as it is written; formats other than csv have their own types."""
        if self.call != "pd.read_csv" or column in self.as_written:
            return self
        more = tuple(table.written(column) for table in self.more)
        return replace(self, as_written=(*self.as_written, column), more=more)

    def typed(self, column: str, way: str) -> Table:
        """Returns the table with `column`, by its cleaned name, used in a way of `types`."""
        raw = next((old for old, name in self.renamed.items() if name == column), column)
        more = tuple(table.typed(column, way) for table in self.more)
        return replace(self, types={**self.types, raw: way}, more=more)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it is read from."""
        return (self.path, *(table.path for table in self.more))

    @property
    def stem(self) -> str:
        """The file name without suffixes, in lower case."""
        return table_stem(self.path)


def python(value: Any) -> str:
    """Returns a value as Python source, with strings in double quotes if this needs no escapes."""
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
    """Returns the suffix that decides how a file is read; "" for no table or a zip archive."""
    name = PurePosixPath(path.lower())
    if name.suffix in PACKED:
        name = PurePosixPath(name.stem)
    return name.suffix if name.suffix in FORMATS else ""


def safe_member(name: str) -> bool:
    """Whether a zip member would stay inside the folder that it is unpacked into."""
    path = PurePosixPath(name.replace("\\", "/"))
    return (
        not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]
        if path.parts
        else False
    )


def zip_members(path: Path) -> list[zipfile.ZipInfo]:
    """Returns the files of an archive with safe names, without the extra files of macOS archives."""
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
    """Returns the tables in a file: one, or for a zip archive one per table inside (at most 20), or none.

    Raises CompetitionError if the archive cannot be opened."""
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
                f"{path}: {info.filename} would unpack to {info.file_size} bytes; unpack the archive yourself"
            )
    tables = []
    for info in inside:
        suffix = PurePosixPath(info.filename.lower()).suffix
        member = "" if alone and suffix != ".parquet" else info.filename
        tables.append(_sniffed(folder, Table(path, FORMATS[suffix], {}, member), suffix))
    return tables


def opened(folder: Path, table: Table) -> IO[bytes]:
    """Opens the unpacked file."""
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
    """Returns the first bytes of the unpacked file, b"" if it cannot be opened."""
    try:
        with opened(folder, table) as file:
            return file.read(SNIFF_BYTES)
    except READ_ERRORS:
        return b""


def _sniffed(folder: Path, table: Table, suffix: str) -> Table:
    if suffix == ".parquet":
        return table
    first = head(folder, table)
    problem = sniffing.why_no_text(first)
    if problem:
        raise CompetitionError(f"{table.path}: {problem}")
    encoding = sniffing.encoding_of(first)
    options: dict[str, Any] = {"encoding": encoding} if encoding else {}
    if encoding == "utf-8-sig" and table.call == "pd.read_csv":
        options = {}  # pandas drops the mark itself
    text = first.decode(encoding or "utf-8", errors="replace")
    if table.call == "pd.read_csv":
        return table.having(**options, **sniffing.dialect(text, suffix))
    # JSON has its own types: pandas must not guess dates or turn keys into numbers
    if suffix != ".json" or sniffing.is_lines(text):
        options["lines"] = True
    if int(pd.__version__.partition(".")[0]) < 3:
        options["convert_dates"] = False  # from pandas 3 on, dtype=False implies this
    return table.having(**options, dtype=False, precise_float=True)
