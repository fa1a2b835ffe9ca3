"""Views of a delegated agent's report."""

from __future__ import annotations

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import describe, parts, words


def brief_html(data: results.Brief) -> str:
    return parts.page(
        parts.title(f"Brief of {data['agent']}", f"{describe.effort(data)}, ended {data['ended']}"),
        parts.line(parts.soft(words.cut(data["asked"], 300))),
        *(parts.line(line) for line in str(data["report"]).splitlines() if line.strip()),
        parts.line(
            parts.soft(f"results: {', '.join(data['results']) or 'none'} · {data['notebook']}", small=True)
        ),
    )


def brief_text(data: results.Brief) -> str:
    return parts.lines(
        f"brief {describe.brief(data)}",
        f"  {data['report']}",
        f"  results: {', '.join(data['results'])}" if data["results"] else None,
    )
