"""The grammar of a reply: Markdown, then one fenced Python cell; parsed while it streams, judged when it is whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cobra_jupyter.brains import Finish

_OTHER = re.compile(r"^```([A-Za-z0-9+#_.-]*)", re.MULTILINE)
FORM = "Reply again, whole: Markdown, then exactly one cell fenced by ```python and ```."
FENCE = "```python\n"
END = "\n```"


@dataclass(frozen=True)
class Parsed:
    """A reply, or the part of it that has arrived. `code` is None until the fence opens."""

    markdown: str
    code: str | None
    closed: bool


def parse(text: str) -> Parsed:
    """Split what has arrived so far; text after the closing fence is left out."""
    if text.startswith(FENCE):
        before, body = "", text[len(FENCE) :]
    else:
        before, fence, body = text.partition("\n" + FENCE)
        if not fence:
            return Parsed(text.strip(), None, False)
    code, end, _ = (body + "\n").partition(END + "\n")
    return Parsed(before.strip(), code if end else body, bool(end))


def complaint(text: str, finish: Finish) -> str | None:
    """What keeps a whole reply from being run, in words its writer can act on; None where nothing does."""
    parsed = parse(text)
    if finish.reason == "blocked":
        return f"The reply was blocked ({finish.detail}). Say it in other words, in your own code. {FORM}"
    if not text.strip():
        return f"The reply was empty{_because(finish)}. {FORM}"
    if parsed.code is None:
        fences = _OTHER.findall(text)
        if fences and fences[0]:
            return f"The cell is fenced as {fences[0]}; only ```python is run (shell: subprocess in Python). {FORM}"
        if fences:
            return f"The cell's fence names no language; write ```python. {FORM}"
        return f'The reply has no cell{_because(finish)}. {FORM} To end the run, the cell is cobra.finish("why").'
    if not parsed.closed:
        if finish.reason == "max_tokens":
            return f"The reply was cut off at the most tokens allowed. Write a shorter cell, or split the step. {FORM}"
        return f"The cell's fence is not closed: the reply was cut off. {FORM}"
    if not parsed.code.strip():
        return f"The cell is empty. {FORM}"
    after = (text + "\n").split(FENCE, 1)[1].split(END + "\n", 1)[1]
    if _OTHER.search(after):
        return f"The reply has more than one fenced block; one cell a turn. Keep the first step only. {FORM}"
    return None


def _because(finish: Finish) -> str:
    return (
        f" (it ended with {finish.detail})"
        if finish.reason not in ("stop", "empty") and finish.detail
        else ""
    )
