"""The grammar of a reply: Markdown, then one fenced Python cell; parsed while it streams."""

from __future__ import annotations

from dataclasses import dataclass

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
