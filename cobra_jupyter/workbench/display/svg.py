"""Building blocks for SVG charts: fitted text, round axis numbers, a card for light and dark pages.

A card has its own background, so it is readable on any page. If the reader's system is dark, so is the card.
Lengths are in pixels at a width of `WIDTH`.
"""

from __future__ import annotations

import base64
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape as html_escape

WIDTH = 720
MARGIN = 16
TOP = 44  # top of the plot, below the title
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# colours that colour-blind people can tell apart (Okabe and Ito), on light and on dark background
PALETTE = (
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff8a3d"),
    ("#009e73", "#2fc79b"),
    ("#aa4499", "#e08fc6"),
    ("#b58900", "#e6c84f"),
    ("#5b5bd6", "#a3a3ff"),
    ("#8c564b", "#c9998c"),
)
# class → property, colour on light, colour on dark background
COLOURS = {
    "card": ("fill", "#ffffff", "#1b1f24"),
    "ink": ("fill", "#1f2328", "#e6e9ed"),
    "soft": ("fill", "#59636e", "#a3adb8"),
    "grid": ("stroke", "#e4e8ec", "#2f363d"),
    "axis": ("stroke", "#8c959f", "#6e7781"),
    "shade": ("fill", "#f6f8fa", "#22272e"),
    "dim": ("fill", "#7d8590", "#9aa4ae"),
    "dim-line": ("stroke", "#7d8590", "#9aa4ae"),
    "ink-line": ("stroke", "#1f2328", "#e6e9ed"),
    **{f"c{i}": ("fill", light, dark) for i, (light, dark) in enumerate(PALETTE)},
    **{f"c{i}-line": ("stroke", light, dark) for i, (light, dark) in enumerate(PALETTE)},
}


def escape(text: object) -> str:
    """Escape text for XML content and attributes; characters that XML forbids are left out."""
    valid = "".join(c for c in str(text) if c in "\t\n" or (ord(c) >= 32 and unicodedata.category(c) != "Cs"))
    return html_escape(valid.replace("\ufffe", "").replace("\uffff", ""), quote=True)


def text_width(text: str, size: float = 12) -> float:
    """Estimate the width of a text in a common sans-serif font, rather too large."""
    return sum(_advance(c) for c in text) * size


def _advance(c: str) -> float:
    if unicodedata.east_asian_width(c) in "WF":
        return 1.05
    if c in "iljtfrI.,:;'|!()[]/ ":
        return 0.36
    if c in "mwMW@%—…":
        return 0.92
    return 0.72 if c.isupper() else 0.6


def shorten(text: str, room: float, size: float = 12) -> str:
    """Cut the text with an ellipsis if it needs more than `room` pixels."""
    text = " ".join(str(text).split())
    if text_width(text, size) <= room:
        return text
    used, length = text_width("…", size), 0
    while length < len(text) and used + text_width(text[length], size) <= room:
        used += text_width(text[length], size)
        length += 1
    return text[:length].rstrip() + "…"


def text(
    x: float,
    y: float,
    content: str,
    *,
    room: float | None = None,
    size: float = 12,
    anchor: str = "start",
    style: str = "ink",
    bold: bool = False,
) -> str:
    """A line of text with its baseline at y. If it exceeds `room`, it is cut; a tooltip has all of it."""
    shown = content if room is None else shorten(content, room, size)
    tip = f"<title>{escape(content)}</title>" if shown.endswith("…") and shown != content else ""
    weight = ' font-weight="600"' if bold else ""
    position = f'x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"'
    return f'<text class="{style}" {position}{weight}>{escape(shown)}{tip}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str, width: float = 1, dash: str = "") -> str:
    """A straight line."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{style}" {ends} stroke-width="{width:g}"{dashes}/>'


def rect(x: float, y: float, width: float, height: float, style: str, radius: float = 0) -> str:
    """A filled rectangle."""
    size = f'width="{max(width, 0):.1f}" height="{height:.1f}" rx="{radius:g}"'
    return f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" {size}/>'


def dot(x: float, y: float, style: str, *, radius: float = 4, shape: str = "circle", tip: str = "") -> str:
    """A mark with a tooltip: circle, diamond, ring, cross, up or down (triangles)."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    r = radius
    if shape in ("circle", "ring"):
        look = f'class="{style}"' if shape == "circle" else f'class="card {style}-line" stroke-width="1.6"'
        return f'<circle {look} cx="{x:.1f}" cy="{y:.1f}" r="{r:g}">{title}</circle>'
    if shape == "cross":
        path = f"M{x - r:.1f} {y - r:.1f}l{2 * r:g} {2 * r:g}m0 {-2 * r:g}l{-2 * r:g} {2 * r:g}"
        return f'<path class="{style}-line" fill="none" stroke-width="1.6" d="{path}">{title}</path>'
    corners = {
        "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
        "up": ((0, -1), (1.1, 0.9), (-1.1, 0.9)),
        "down": ((0, 1), (1.1, -0.9), (-1.1, -0.9)),
    }[shape]
    points = " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in corners)
    return f'<polygon class="{style}" points="{points}">{title}</polygon>'


def path(points: Sequence[tuple[float, float]], style: str, width: float = 2, *, area: bool = False) -> str:
    """A line through the points, or the area inside them."""
    drawn = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    if area:
        return f'<path class="{style}" fill-opacity="0.16" d="{drawn}Z"/>'
    return f'<path class="{style}" fill="none" stroke-width="{width:g}" stroke-linejoin="round" d="{drawn}"/>'


def card(parts: Iterable[str], title: str, height: float) -> str:
    """The whole SVG: background, heading, and the parts, which start below 44 px."""
    light = "".join(f".{name}{{{what}:{day}}}" for name, (what, day, _) in COLOURS.items())
    dark = "".join(f".{name}{{{what}:{night}}}" for name, (what, _, night) in COLOURS.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" width="{WIDTH}" '
        f'height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}" font-family="{FONT}">'
        f"<title>{escape(title)}</title>"
        f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}</style>"
        + rect(0, 0, WIDTH, height, "card", 8)
        + text(16, 27, title, room=WIDTH - 32, size=15, bold=True)
        + "".join(parts)
        + "</svg>"
    )


def nothing(title: str) -> str:
    """The card of a chart without data."""
    return card([text(MARGIN, TOP + 18, "Nothing to show yet.", style="soft")], title, TOP + 36)


def img(svg: str, alt: str) -> str:
    """An HTML image of an SVG. Untrusted notebooks show it, although they strip inline SVG."""
    data = base64.b64encode(svg.encode()).decode()
    look = 'style="max-width:100%;height:auto"'
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}" {look}/>'


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers within [low, high]."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((s * power for s in (1, 2, 2.5, 5) if s * power >= raw * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    found = [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]
    return found or [low]


def decimals(step: float) -> int:
    """The number of decimals that tells numbers apart that differ by `step`."""
    if not (step > 0 and math.isfinite(step)):
        return 2
    digits = max(0, -math.floor(math.log10(step)))
    return min(digits + int(abs(step * 10.0**digits - round(step * 10.0**digits)) > 1e-6), 7)


def places(size: float) -> int:
    """The number of decimals that shows one digit of an amount of this size."""
    return decimals(10.0 ** math.floor(math.log10(size))) if size > 0 and math.isfinite(size) else 2


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """A number with a real minus sign; very large and very small numbers in scientific notation."""
    if abs(value) >= 1e6 or (value and abs(value) < 1e-5):
        shown = f"{value:+.2e}" if signed else f"{value:.2e}"
    else:
        shown = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    if not any(c in "123456789" for c in shown):
        shown = shown.lstrip("+-")
    return shown.replace("-", "−")


def duration(seconds: float) -> str:
    """Format seconds for people."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (math.inf, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.3g} {name}"
    return "∞"


def finite(value: float | None) -> bool:
    """Whether there is a value that is neither nan nor infinite."""
    return value is not None and math.isfinite(value)


@dataclass(frozen=True)
class Plot:
    """Maps seconds (0 to end) and scores (low to high) to a rectangle of pixels."""

    left: float
    right: float
    top: float
    bottom: float
    end: float
    low: float
    high: float

    def x(self, seconds: float) -> float:
        return self.left + (self.right - self.left) * max(seconds, 0.0) / self.end

    def y(self, score: float) -> float:
        inside = min(max(score, self.low), self.high)
        return self.bottom - (self.bottom - self.top) * (inside - self.low) / (self.high - self.low)
