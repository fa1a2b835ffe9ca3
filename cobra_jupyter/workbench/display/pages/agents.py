"""What another agent came back with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cobra_jupyter.workbench.display.pages import parts, words

Data = Mapping[str, Any]


def brief_html(data: Data) -> str:
    return parts.page(
        parts.title(f"Brief of {data['agent']}", _facts(data)),
        parts.line(parts.soft(words.cut(data["asked"], 300))),
        *(parts.line(line) for line in str(data["report"]).splitlines() if line.strip()),
        parts.line(
            parts.soft(f"results: {', '.join(data['results']) or 'none'} · {data['notebook']}", small=True)
        ),
    )


def brief_text(data: Data) -> str:
    return parts.lines(
        f"brief {data['id']} of {data['agent']}: {_facts(data)}",
        f"  {data['report']}",
        f"  results: {', '.join(data['results'])}" if data["results"] else None,
    )


def _facts(data: Data) -> str:
    tokens = f", {data['tokens']} tokens" if data["tokens"] else ""
    return f"{data['turns']} turns, {data['seconds']:.0f} s{tokens}, ended {data['ended']}"
