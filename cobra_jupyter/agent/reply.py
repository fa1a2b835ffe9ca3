"""The grammar of a reply: Markdown, then one fenced Python cell. Parsed while it streams, checked when
complete.

Also accepted: blanks after a fence, other names of Python, CRLF, and fences indented by up to four blanks as
the prompts show them, with or without their cell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from cobra_jupyter.brains.base import Finish

# Each pattern begins with a line break, which is fast to search for: the text is parsed again at each piece.
_OPEN = re.compile(r"\n( {0,4})```[ \t]*(?i:i?python[\d.]*|py3?)[ \t]*\n")
# A closing fence is indented no more than its opening fence: a string may contain a more indented one.
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
    """Split the text so far. Leaves out text after the closing fence, and the beginning of a fence."""
    parts = _split(text)
    return Parsed(parts.before.strip(), parts.code, parts.after is not None)


def complaint(text: str, finish: Finish) -> str | None:
    """Why a complete reply cannot be run, in words that the brain can act on; None if it can."""
    text = f"{text}\n"  # the last line is complete
    parts = _split(text)
    if finish.reason == "blocked":
        return f"The reply was blocked ({finish.detail}). Say it in other words, in your own code. {FORM}"
    if not text.strip():
        return f"The reply was empty{_because(finish)}. {FORM}"
    if parts.code is None:
        return _no_cell(text, finish)
    if parts.after is None:
        if finish.reason == "max_tokens":
            cure = "Write a shorter cell, or split the step."
            return f"The reply was cut off at the most tokens allowed. {cure} {FORM}"
        return f"The cell's fence is not closed: the reply was cut off. {FORM}"
    if not parts.code.strip():
        return f"The cell is empty. {FORM}"
    if _ANY.search(parts.after):
        return f"The reply has more than one fenced block; one cell a turn. Keep the first step only. {FORM}"
    return None


def _no_cell(text: str, finish: Finish) -> str:
    fence = _ANY.search(f"\n{text}")
    if fence is None:
        end = 'To end the run, the cell is cobra.finish("why").'
        return f"The reply has no cell{_because(finish)}. {FORM} {end}"
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
    """Remove a last line that may become a fence, and the break before it."""
    head, _, last = text.rpartition("\n")
    return head if half.fullmatch(last) else text


def _dedented(code: str, indent: int) -> str:
    """Remove the fence's indent from a cell if its first line has it too. Returns "" until that is known."""
    if not indent:
        return code
    first = code.lstrip().partition("\n")[0]
    if not first:
        return ""
    begins = code[: code.index(first)].rpartition("\n")[2]
    return re.sub(rf"^ {{1,{indent}}}", "", code, flags=re.MULTILINE) if len(begins) >= indent else code


def _because(finish: Finish) -> str:
    told = finish.detail and finish.reason not in ("stop", "empty")
    return f" (it ended with {finish.detail})" if told else ""
