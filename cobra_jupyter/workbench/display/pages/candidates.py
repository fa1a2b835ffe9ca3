"""Views of candidates and shared artefacts."""

from __future__ import annotations

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import parts, words


def candidate_html(data: results.Candidate) -> str:
    notes = data.get("notes") or {}
    rows = [
        (
            parts.strong(words.cut(name)),
            parts.join(
                [parts.strong(words.level(levels[0])) if levels else "", *map(words.level, levels[1:])], ", "
            ),
            parts.soft(notes.get(name, "")),
        )
        for name, levels in (data.get("factors") or {}).items()
    ]
    decode = (
        f"decoding is chosen on out-of-fold rows: {words.config(data['decode'])}"
        if data.get("decode")
        else ""
    )
    state = "new" if data.get("new", True) else "known already, nothing changed"
    return parts.page(
        parts.title(
            f"Candidate {data.get('name')}",
            f"version {data.get('version')}",
            state,
            parts.code(data.get("path", "")),
        ),
        parts.line(data["summary"]) if data.get("summary") else "",
        parts.table(("factor", "levels, default first", "expected"), rows)
        or parts.line(parts.soft("no factors")),
        parts.line(decode) if decode else "",
    )


def candidate_text(data: results.Candidate) -> str:
    notes = data.get("notes") or {}
    state = "" if data.get("new", True) else ", the version there is"
    rows = [
        (k, words.levels(v), words.cut(notes.get(k, ""), 160)) for k, v in (data.get("factors") or {}).items()
    ]
    summary = f"; {words.cut(data['summary'], 200)}" if data.get("summary") else ""
    return parts.lines(
        f"candidate {data.get('name')} version {data.get('version')}: {data.get('path')}{state}{summary}",
        "  factors (first level is the default):" if rows else "  no factors",
        parts.columns(rows, indent="    "),
    )


def shared_html(data: results.Shared) -> str:
    columns = list(data.get("columns") or ())
    name = f"ctx.shared({str(data.get('name'))!r}).loc[rows.index]"
    return parts.page(
        parts.title(
            f"Shared {data.get('name')}",
            words.counted(len(columns), "column"),
            words.seconds(data.get("seconds")),
        ),
        parts.line(words.names(columns, 40))
        if columns
        else parts.line(parts.soft("no columns: nothing of the kind is in this data")),
        parts.line(parts.soft("Candidates read it with"), parts.code(name)),
    )


def shared_text(data: results.Shared) -> str:
    columns = list(data.get("columns") or ())
    shown = f": {words.names(columns, 30)}" if columns else ""
    size = f"{words.counted(len(columns), 'column')}, {words.seconds(data.get('seconds'))}"
    return f"shared {data.get('name')}: {size}{shown}"
