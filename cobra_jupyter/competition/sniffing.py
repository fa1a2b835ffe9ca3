"""Finds encoding and delimiter of a table from its first bytes, or that the file is no table."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Any

MARKS = ",;\t|"
_MAGIC = {
    b"PK\x03\x04": "a zip archive or a spreadsheet; give it its own ending, or save the table as csv",
    b"\x1f\x8b": "packed with gzip; give it the ending .csv.gz, or unpack it",
    b"version https://git-lfs": "a Git LFS pointer, not the data; fetch the file with git lfs pull",
}
_PAGE = re.compile(rb"\s*<(?:!doctype html|html|head|body)", re.I)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1a\x1b"))
_SAID = re.compile(r"sep=(.)", re.I)
MOST_LINES = 200


def encoding_of(first: bytes) -> str:
    """Returns the encoding that a file's first bytes show; "" for UTF-8 or unknown."""
    if first.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(first) > 3 and first[1:4:2] == b"\0\0" and first[:3:2] != b"\0\0":
        return "utf-16-le"
    if len(first) > 3 and first[0:3:2] == b"\0\0" and first[1:4:2] != b"\0\0":
        return "utf-16-be"
    return ""


def why_no_text(first: bytes) -> str:
    """Returns why a file is no text and what to do about it; "" if it may be text."""
    for magic, what in _MAGIC.items():
        if first.startswith(magic):
            return f"is {what}"
    if _PAGE.match(first):
        return "is a web page, not a table (a failed download?); fetch the file again"
    if encoding_of(first).startswith("utf-16"):
        return ""
    strange = len(first) - len(first.translate(None, _CONTROL))
    if strange > 0.01 * len(first):
        return "contains binary data, not a table; put a csv file there"
    return ""


def dialect(text: str, suffix: str = ".csv") -> dict[str, Any]:
    """Returns the options of ``pd.read_csv`` that a table's first characters ask for."""
    lines = text.splitlines()[:MOST_LINES]
    options: dict[str, Any] = {}
    if lines and (said := _SAID.fullmatch(lines[0].strip())):  # "sep=;", a line that spreadsheets write
        options |= {"sep": said[1]} if said[1] != "," else {}
        options["skiprows"] = 1
        lines = lines[1:]
        mark = said[1]
    else:
        mark = "\t" if suffix == ".tsv" else separator(lines)
        options |= {"sep": mark} if mark != "," else {}
    if _blanks_follow(lines, mark):
        options["skipinitialspace"] = True
    return options


def separator(lines: Sequence[str]) -> str:
    """Returns the delimiter: one that splits header and rows into equally many fields; else a comma."""
    header = lines[0] if lines else ""
    best, most = "", 0
    for mark in MARKS:
        counts = [len(fields) for fields in _fields(lines[:30], mark) if fields]
        even = len(set(counts)) == 1 and counts[0] > 1
        if even and counts[0] > most:
            best, most = mark, counts[0]
    if best:
        return best
    likely = max(MARKS, key=header.count)
    return "," if "," in header or likely not in header else likely


def begins_longer(lines: Sequence[str], mark: str) -> bool:
    """Whether the first row has more fields than the header."""
    rows = [fields for fields in _fields(lines, mark) if fields]
    return len(rows) > 1 and len(rows[1]) > len(rows[0])


def _fields(lines: Sequence[str], mark: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=mark, skipinitialspace=True))
    except csv.Error:
        return []


def _blanks_follow(lines: Sequence[str], mark: str) -> bool:
    """Whether a blank follows the delimiters of nearly all rows."""
    if not mark.strip():
        return False
    rows = [line for line in lines[1:] if mark in line]
    after = re.compile(re.escape(mark) + r"(?=[^\s" + re.escape(mark) + r"])")
    blank = [line for line in rows if mark + " " in line and not after.search(line)]
    return len(blank) > 0.95 * len(rows) > 0


def odd_delimiter(header: str, values: Sequence[str]) -> str:
    """Returns the unknown delimiter that seems to separate the fields of a single column, or ""."""
    marks = {mark for mark in header if not mark.isalnum() and mark not in "_-.'\""}
    for mark in sorted(marks, key=lambda mark: (-header.count(mark), mark)):
        count = header.count(mark)
        if count >= (2 if mark == " " else 1) and all(value.count(mark) == count for value in values):
            return mark
    return ""


def is_lines(text: str) -> bool:
    """Whether JSON text has one object per line."""
    lines = text.lstrip().split("\n", 2)
    return len(lines) > 1 and lines[0].rstrip().endswith("}") and lines[1].startswith("{")
