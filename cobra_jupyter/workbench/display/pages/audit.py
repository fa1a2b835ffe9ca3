"""Views of an audit: findings by severity, scores with and without leaking columns, and remedies."""

from __future__ import annotations

import json
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import parts, words
from cobra_jupyter.workbench.display.pages.parts import Html

SEVERITY = {"leak": ("✕", "bad"), "warning": ("!", "bad"), "note": ("i", "soft")}
WIDTH = 90  # px of the longer bar
NOTHING_FOUND = "nothing found"


def tally(data: results.Audit) -> str:
    """1 leak, 2 warnings, 3 notes"""
    counts = dict.fromkeys(SEVERITY, 0)
    for found in data.get("findings") or ():
        counts[str(found.get("severity"))] = counts.get(str(found.get("severity")), 0) + 1
    return ", ".join(words.counted(n, severity) for severity, n in counts.items() if n) or NOTHING_FOUND


def call(protocol: results.Cure | None) -> str:
    """The call that freezes the proposed protocol."""
    if not protocol:
        return ""
    return f"cobra.protocol({', '.join(f'{name}={_python(value)}' for name, value in protocol.items())})"


def _python(value: Any) -> str:
    """Write a value as Python code with double quotes."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_python, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def cure(data: results.Audit) -> str:
    """What happens to leaking columns."""
    names = words.names(data.get("leaking") or ())
    return f"the next protocol leaves out what leaks: {names}; leave_out=[] would keep it" if names else ""


def audit_html(data: results.Audit) -> str:
    rows = [_row(found) for found in data.get("findings") or ()]
    probed = data.get("probed")
    return parts.page(
        parts.title(f"Audit of {words.cut(probed)}" if probed else "Audit", tally(data)),
        parts.table(("", "check", "evidence", "with and without it", "proposal"), rows),
        parts.line(parts.soft(words.cut(cure(data), 400))) if cure(data) else "",
    )


def _row(found: results.Finding) -> tuple[object, ...]:
    mark, look = SEVERITY.get(str(found.get("severity")), ("i", "soft"))
    proposed = call(found.get("protocol"))
    return (
        parts.coloured(f"{mark} {found.get('severity')}", look),
        parts.strong(found.get("check")),
        words.cut(found.get("evidence"), 500),
        _scores(found.get("scores")),
        parts.join(
            (
                parts.soft(words.cut(found.get("proposal"), 400)),
                parts.code(words.cut(proposed, 300)) if proposed else "",
            ),
            " ",
        ),
    )


def _scores(scores: results.Scores | None) -> Html:
    """Two small bars and their numbers."""
    if not scores or not (words.known(scores.get("with")) and words.known(scores.get("without"))):
        return Html("")
    values = {name: float(scores[name]) for name in ("with", "without")}
    largest = max(abs(value) for value in values.values()) or 1.0
    lines = [_bar(value / largest, f"{words.score(value, 4)} {name}") for name, value in values.items()]
    return parts.join((*lines, parts.soft(scores.get("metric", ""), small=True)))


def _bar(share: float, said: str) -> Html:
    look = parts.COLOURS["good" if share > 0 else "soft"]
    style = f"display:inline-block;width:{max(1, round(WIDTH * abs(share)))}px;height:8px;background:{look}"
    return Html(f'<div style="white-space:nowrap"><span style="{style}"></span> {parts.esc(said)}</div>')


def audit_text(data: results.Audit) -> str:
    found = list(data.get("findings") or ())
    probed = data.get("probed")
    return parts.lines(
        f"audit{f' of {words.cut(probed)}' if probed else ''}: {tally(data)}",
        [line for finding in found for line in _lines(finding)],
        f"  {cure(data)}" if cure(data) else None,
    )


def _lines(found: results.Finding) -> list[str]:
    said = f"  {found.get('severity')}, {found.get('check')}: {words.cut(found.get('evidence'), 500)}"
    proposed = call(found.get("protocol"))
    cured = [f"    cure: {words.cut(proposed, 600)}"] if proposed else []
    return [f"{said} → {words.cut(found.get('proposal'), 300)}", *cured]
