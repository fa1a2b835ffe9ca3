"""Finds encoding and delimiter of a table from its first bytes, or that the file is no table."""

from __future__ import annotations

import re
from collections.abc import Sequence

MARKS = ",;\t|"
_MAGIC = {
    b"PK\x03\x04": "a zip archive or a spreadsheet; give it its own ending, or save the table as csv",
    b"\x1f\x8b": "packed with gzip; give it the ending .csv.gz, or unpack it",
    b"version https://git-lfs": "a Git LFS pointer, not the data; fetch the file with git lfs pull",
}
_PAGE = re.compile(rb"\s*<(?:!doctype html|html|head|body)", re.I)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1a\x1b"))
_COMMA_NUMBER = re.compile(r"-?\d+,\d+")
_POINT_NUMBER = re.compile(r"-?\d+\.\d+")


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


def separator(text: str) -> str:
    """Returns the delimiter of a table from the beginning of its text; a comma if there is none."""
    line = text.partition("\n")[0]
    best = max(MARKS, key=line.count)
    return "," if "," in line or best not in line else best


def decimal_comma(text: str, delimiter: str) -> bool:
    """Whether numbers have a decimal comma (1,5). The delimiter must not be a comma."""
    if delimiter == ",":
        return False
    fields = [field for line in text.split("\n")[1:200] for field in line.rstrip("\r").split(delimiter)]
    return any(map(_COMMA_NUMBER.fullmatch, fields)) and not any(map(_POINT_NUMBER.fullmatch, fields))


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
