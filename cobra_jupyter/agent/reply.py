"""The grammar of a reply: Markdown, then one fenced Python cell; parsed while it streams, judged when it is whole.

Taken as meant: blanks after a fence, other names of Python, CRLF, and fences that are indented by up to four blanks as
the prompts show them, their cell with them or not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from cobra_jupyter.brains.base import Finish

# Each begins with its line's break, which is fast to search for: text is parsed anew with every piece of a stream.
_OPEN = re.compile(r"\n( {0,4})```[ \t]*(?i:i?python[\d.]*|py3?)[ \t]*\n")
# Indented no more than what it closes: an indented fence may stand in a string.
_CLOSE = [re.compile(rf"\n {{0,{indent}}}```[ \t]*(?=\n|\Z)") for indent in range(5)]
_ANY = re.compile(r"\n {0,4}```([^\n`]*)")
_HALF_OPEN = re.compile(r" {0,4}(?:`{1,2}|```[ \t]*[\w.]*[ \t]*)")  # a last line that may become a fence
_HALF_CLOSED = [re.compile(rf" {{0,{indent}}}`{{0,2}}") for indent in range(5)]
FORM = "Reply again, whole: Markdown, then exactly one cell fenced by ```python and ```."


@dataclass(frozen=True)
class Parsed:
    """A reply, or the part of it that has arrived. `code` is None until the fence opens."""

    markdown: str
    code: str | None
    closed: bool


class _Parts(NamedTuple):
    """`after` is None until the cell's fence is closed."""

    before: str
    code: str | None
    after: str | None


def parse(text: str) -> Parsed:
    """Split what has arrived so far; text after the closing fence is left out, and so is the beginning of a fence."""
    parts = _split(text)
    return Parsed(parts.before.strip(), parts.code, parts.after is not None)


def complaint(text: str, finish: Finish) -> str | None:
    """What keeps a whole reply from being run, in words its writer can act on; None where nothing does."""
    text = f"{text}\n"  # its last line is whole
    parts = _split(text)
    if finish.reason == "blocked":
        return f"The reply was blocked ({finish.detail}). Say it in other words, in your own code. {FORM}"
    if not text.strip():
        return f"The reply was empty{_because(finish)}. {FORM}"
    if parts.code is None:
        return _no_cell(text, finish)
    if parts.after is None:
        if finish.reason == "max_tokens":
            return f"The reply was cut off at the most tokens allowed. Write a shorter cell, or split the step. {FORM}"
        return f"The cell's fence is not closed: the reply was cut off. {FORM}"
    if not parts.code.strip():
        return f"The cell is empty. {FORM}"
    if _ANY.search(parts.after):
        return f"The reply has more than one fenced block; one cell a turn. Keep the first step only. {FORM}"
    return None


def _no_cell(text: str, finish: Finish) -> str:
    fence = _ANY.search(f"\n{text}")
    if fence is None:
        return f'The reply has no cell{_because(finish)}. {FORM} To end the run, the cell is cobra.finish("why").'
    if language := fence[1].strip()[:40]:
        return (
            f"The cell is fenced as {language}; only ```python is run (shell: subprocess in Python). {FORM}"
        )
    return f"The cell's fence names no language; write ```python. {FORM}"


def _split(text: str) -> _Parts:
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    text = f"\n{text}"
    opened = _OPEN.search(text)
    if opened is None:
        return _Parts(_without_last(text, _HALF_OPEN), None, None)
    before, indent, begin = text[: opened.start()], len(opened[1]), opened.end() - 1
    closed = _CLOSE[indent].search(text, begin)
    if closed is not None:
        body, after = text[begin : closed.start()], text[closed.end() :]
        return _Parts(before, _dedented(body[1:], indent), after)
    return _Parts(before, _dedented(_without_last(text[begin:], _HALF_CLOSED[indent])[1:], indent), None)


def _without_last(text: str, half: re.Pattern[str]) -> str:
    """Text without a last line that may become a fence, and without the break before it."""
    head, _, last = text.rpartition("\n")
    return head if half.fullmatch(last) else text


def _dedented(code: str, indent: int) -> str:
    """A cell without the indent of its fence, where its first line has it too. Nothing while that is not certain."""
    if not indent:
        return code
    first = code.lstrip().partition("\n")[0]
    if not first:
        return ""
    begins = code[: code.index(first)].rpartition("\n")[2]
    return re.sub(rf"^ {{1,{indent}}}", "", code, flags=re.MULTILINE) if len(begins) >= indent else code


def _because(finish: Finish) -> str:
    return (
        f" (it ended with {finish.detail})"
        if finish.reason not in ("stop", "empty") and finish.detail
        else ""
    )
