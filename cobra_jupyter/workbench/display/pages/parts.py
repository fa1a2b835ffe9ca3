"""Parts of HTML that are readable in an untrusted notebook, on a light or dark background.

JupyterLab's sanitiser keeps inline styles with hexadecimal or rgba() colours; it drops `var(…)` and
`currentColor`. So text inherits its colour and is dimmed by opacity, lines and backgrounds are translucent
grey, and the few colours have medium lightness. Everything is escaped except `Html`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cobra_jupyter.workbench.display import svg
from cobra_jupyter.workbench.display.pages import words

LINE = "rgba(128,128,128,0.25)"
GROUND = "rgba(128,128,128,0.10)"
COLOURS = {"good": "#2b8ad0", "bad": "#d9661f", "soft": "#868e96"}
WRAPPER = "max-width:980px;overflow-x:auto;font-size:13px;line-height:1.5;margin:2px 0 6px 0"
TABLE = "border-collapse:collapse;width:auto;margin:4px 0 8px 0;font-size:13px"
CELL = f"padding:3px 10px;border-bottom:1px solid {LINE};vertical-align:top;white-space:normal"
HEAD = f"padding:3px 10px;border-bottom:1px solid {LINE};font-weight:600;vertical-align:bottom"
PRE = (
    f"margin:4px 0;padding:6px 8px;background:{GROUND};white-space:pre-wrap;font-size:12px;"
    "max-height:320px;overflow:auto"
)
ALIGN = {"l": "left", "r": "right", "c": "center"}
DIM = 0.72


class Html(str):
    """Text that is HTML and is not escaped."""

    __slots__ = ()


def esc(value: object) -> Html:
    """Escape a value, unless it is Html."""
    return value if isinstance(value, Html) else Html(svg.escape(value))


def join(parts: Iterable[object], between: str = "") -> Html:
    return Html(between.join(esc(part) for part in parts if part is not None and part != ""))


def page(*parts: object) -> str:
    """A whole result."""
    return str(Html(f'<div style="{WRAPPER}">{join(parts)}</div>'))


def title(what: object, *facts: object) -> Html:
    """A heading with dimmed facts."""
    about = soft(join((fact for fact in facts if fact not in (None, "")), " · "))
    return Html(f'<div style="font-size:15px;font-weight:600;margin:0 0 4px 0">{esc(what)} {about}</div>')


def heading(what: object) -> Html:
    return Html(f'<div style="font-weight:600;margin:8px 0 2px 0">{esc(what)}</div>')


def line(*parts: object) -> Html:
    return Html(f'<div style="margin:2px 0">{join(parts, " ")}</div>')


def soft(what: object, small: bool = False) -> Html:
    size = ";font-size:12px" if small else ""
    return Html(f'<span style="opacity:{DIM};font-weight:400{size}">{esc(what)}</span>')


def strong(what: object) -> Html:
    return Html(f"<strong>{esc(what)}</strong>")


def large(what: object) -> Html:
    """The most important number."""
    return Html(f'<span style="font-size:15px">{strong(what)}</span>')


def coloured(what: object, look: str) -> Html:
    """Coloured text: good, bad or soft. The words must say it too."""
    return Html(f'<span style="color:{COLOURS[look]};font-weight:600">{esc(what)}</span>')


def minus(number: str) -> str:
    """A number with a true minus sign, as wide as a plus."""
    return number.replace("-", "−", 1) if number.startswith("-") else number


def code(what: object) -> Html:
    return Html(f'<code style="font-size:12px">{esc(what)}</code>')


def pre(what: object) -> Html:
    return Html(f'<pre style="{PRE}">{esc(what)}</pre>')


def fold(summary: object, *inside: object, shown: bool = False) -> Html:
    """Details that open on a click."""
    state = " open" if shown else ""
    return Html(
        f'<details{state} style="margin:4px 0"><summary>{esc(summary)}</summary>{join(inside)}</details>'
    )


def items(lines: Iterable[object]) -> Html:
    found = join(Html(f"<li>{esc(each)}</li>") for each in lines)
    return Html(f'<ul style="margin:2px 0 6px 0;padding-left:20px">{found}</ul>') if found else Html("")


def bar(share: Any) -> Html:
    """A bar of up to 90 px and its share in per cent."""
    if not words.known(share) or share <= 0:
        return Html("")
    width = max(1, round(90 * min(1.0, max(0.0, share))))
    box = f"display:inline-block;width:{width}px;height:8px;background:{COLOURS['good']};border-radius:2px"
    return Html(f'<span style="{box}"></span> {soft(words.share(share), small=True)}')


def table(head: Sequence[object], rows: Iterable[Sequence[object]], align: str = "") -> Html:
    """A table; the last cell of a row shorter than the head spans the rest. `align`: l, r or c per column."""
    sides = (align + "l" * len(head))[: len(head)]
    top = join(
        Html(f'<th style="{HEAD};text-align:{ALIGN[a]}">{esc(c)}</th>')
        for c, a in zip(head, sides, strict=True)
    )
    body = join(_row(row, sides) for row in rows)
    if not body:
        return Html("")
    shown = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    return Html(f'<table style="{TABLE}">{shown}<tbody>{body}</tbody></table>')


def _row(row: Sequence[object], sides: str) -> Html:
    cells = []
    for number, value in enumerate(row):
        last = number == len(row) - 1
        span = f' colspan="{len(sides) - number}"' if last and number < len(sides) - 1 else ""
        side = ALIGN["l" if span else sides[number]]
        wide = ";white-space:nowrap" if side == "right" else ""
        cells.append(Html(f'<td{span} style="{CELL};text-align:{side}{wide}">{esc(value)}</td>'))
    return Html(f"<tr>{join(cells)}</tr>")


def facts(pairs: Mapping[str, object]) -> Html:
    """A table of names and values, without empty values."""
    rows = [(soft(name), value) for name, value in pairs.items() if value not in (None, "", words.NONE)]
    return table(("", ""), rows)


# ---- the same in plain text


def columns(rows: Sequence[Sequence[object]], align: str = "", indent: str = "  ") -> list[str]:
    """A table in plain text with aligned columns; each but the last has at most 60 characters."""
    cells = [
        [words.cut(value, 60 if i < len(row) - 1 else 240) for i, value in enumerate(row)] for row in rows
    ]
    count = max((len(row) for row in cells), default=0)
    widths = [max((len(row[i]) for row in cells if i < len(row)), default=0) for i in range(count)]
    sides = (align + "l" * count)[:count]
    return [
        (
            indent
            + "  ".join(
                c.rjust(w) if a == "r" else c.ljust(w) for c, w, a in zip(row, widths, sides, strict=False)
            )
        ).rstrip()
        for row in cells
    ]


def lines(*parts: str | Iterable[str] | None) -> str:
    """Join lines and lists of lines; None is left out."""
    found: list[str] = []
    for part in parts:
        if isinstance(part, str):
            found.append(part)
        elif part is not None:
            found += part
    return "\n".join(found)
