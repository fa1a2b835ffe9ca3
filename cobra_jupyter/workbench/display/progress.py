"""Chart of a run's progress: the best score over time, and every trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cobra_jupyter.workbench.display import svg
from cobra_jupyter.workbench.display.svg import MARGIN, TOP, WIDTH

TIME_UNITS = ((120.0, 1.0, "seconds"), (7200.0, 60.0, "minutes"), (math.inf, 3600.0, "hours"))


@dataclass(frozen=True)
class Point:
    """A trial: its end (seconds since the start), score (None if it failed) and family."""

    seconds: float
    score: float | None
    family: str = ""
    se: float | None = None
    label: str = ""


def steps(points: Sequence[Point], title: str, direction: str = "maximize") -> str:
    """The best score over time as a step line, with a band of ±1 SE if known; every trial as a dot.

    Scores far worse than the rest are triangles at the edge; failed trials are crosses at the bottom.
    """
    trials = sorted((p for p in points if math.isfinite(p.seconds)), key=lambda p: p.seconds)
    scored = [p for p in trials if svg.finite(p.score)]
    if not scored:
        return svg.nothing(title)
    sign = 1 if direction == "maximize" else -1
    best = _best_so_far(scored, sign)
    low, high = _score_range(scored, best[-1], sign)
    end = max(trials[-1].seconds * 1.02, 1e-9)
    plot = svg.Plot(76, WIDTH - 24, TOP + 26, TOP + 256, end, low, high)
    styles = _family_styles(trials)
    places = svg.places((high - low) / 50)
    parts = _steps_axes(plot, direction) + _best_line(plot, best)
    parts += [_trial_dot(plot, p, styles[p.family], places) for p in trials]
    words = f"best {svg.number(_value(best[-1]), places)}"
    words += f" ± {svg.number(_spread(best[-1]), places)}" if _spread(best[-1]) else ""
    parts.append(svg.text(plot.right, TOP + 12, words, anchor="end", bold=True))
    off_scale = any(not low <= _value(p) <= high for p in scored)
    legend, height = _legend(trials, styles, off_scale, plot.bottom + 62)
    return svg.card(parts + legend, title, height)


def _value(p: Point) -> float:
    return p.score if p.score is not None else math.nan


def _spread(p: Point) -> float:
    return p.se if p.se is not None and math.isfinite(p.se) else 0.0


def _best_so_far(scored: Sequence[Point], sign: int) -> list[Point]:
    best: list[Point] = []
    for p in scored:
        if not best or sign * _value(p) > sign * _value(best[-1]):
            best.append(p)
    return best


def _score_range(scored: Sequence[Point], best: Point, sign: int) -> tuple[float, float]:
    """The ends of the axis: all scores except those so bad that they would flatten the rest."""
    gains = sorted(sign * _value(p) for p in scored)
    top, fair = gains[-1], gains[len(gains) // 4]
    worst = max(gains[0], top - 2.5 * (top - fair)) if top > fair else gains[0]
    worst, top = min(worst, gains[-1] - _spread(best)), top + _spread(best)
    pad = 0.07 * (top - worst) or abs(top) * 0.05 or 1.0
    ends = sorted((sign * (worst - pad), sign * (top + pad)))
    return ends[0], ends[1]


def _steps_axes(plot: svg.Plot, direction: str) -> list[str]:
    parts = []
    marks = svg.ticks(plot.low, plot.high, 5)
    places = svg.decimals(marks[1] - marks[0]) if len(marks) > 1 else 3
    for value in marks:
        y = plot.y(value)
        parts.append(svg.line(plot.left, y, plot.right, y, "grid"))
        shown = svg.number(value, places)
        parts.append(
            svg.text(plot.left - 8, y + 4, shown, room=plot.left - 12, size=11, anchor="end", style="soft")
        )
    parts.append(svg.line(plot.left, plot.bottom, plot.right, plot.bottom, "axis"))
    unit, name = next((u, n) for limit, u, n in TIME_UNITS if plot.end < limit)
    marks = svg.ticks(0, plot.end / unit, 6)
    places = svg.decimals(marks[1] - marks[0]) if len(marks) > 1 else 1
    for value in marks:
        x = plot.x(value * unit)
        parts.append(svg.line(x, plot.bottom, x, plot.bottom + 4, "axis"))
        shown = svg.number(value, places)
        parts.append(svg.text(x, plot.bottom + 17, shown, size=11, anchor="middle", style="soft"))
    middle = (plot.left + plot.right) / 2
    parts.append(svg.text(middle, plot.bottom + 35, f"time ({name})", size=11, anchor="middle", style="soft"))
    words = "↑ higher is better" if direction == "maximize" else "↓ lower is better"
    return [*parts, svg.text(MARGIN, TOP + 12, words, size=11, style="soft")]


def _best_line(plot: svg.Plot, best: Sequence[Point]) -> list[str]:
    stops = [plot.x(p.seconds) for p in best] + [plot.right]
    lines: dict[int, list[tuple[float, float]]] = {-1: [], 0: [], 1: []}
    for i, p in enumerate(best):
        for side, line in lines.items():
            y = plot.y(_value(p) + side * _spread(p))
            line += [(stops[i], y), (stops[i + 1], y)]
    parts = []
    if any(_spread(p) for p in best):
        parts.append(svg.path(lines[1] + lines[-1][::-1], "dim", area=True))
    return [*parts, svg.path(lines[0], "ink-line", 1.8)]


def _family_styles(trials: Sequence[Point]) -> dict[str, str]:
    """A colour for each family in order of appearance; families beyond the palette share grey."""
    families = list(dict.fromkeys(p.family for p in trials))
    return {f: f"c{i}" if i < len(svg.PALETTE) else "dim" for i, f in enumerate(families)}


def _trial_dot(plot: svg.Plot, p: Point, style: str, places: int) -> str:
    x, name = plot.x(p.seconds), p.label or p.family or "trial"
    when = svg.duration(p.seconds)
    if p.score is None or not math.isfinite(p.score):
        return svg.dot(
            x, plot.bottom - 7, style, radius=3.5, shape="cross", tip=f"{name}: failed after {when}"
        )
    tip = f"{name}: {svg.number(p.score, places)} at {when}"
    if p.score < plot.low:
        return svg.dot(x, plot.bottom - 7, style, shape="down", tip=tip)
    if p.score > plot.high:
        return svg.dot(x, plot.top + 7, style, shape="up", tip=tip)
    return svg.dot(x, plot.y(p.score), style, tip=tip)


def _legend(
    trials: Sequence[Point], styles: Mapping[str, str], off_scale: bool, y: float
) -> tuple[list[str], float]:
    """The legend of families and marks from y downwards, and the height that the chart needs with it."""
    entries = [(style, "circle", family) for family, style in styles.items() if style != "dim" and family]
    if "dim" in styles.values():
        entries.append(("dim", "circle", "other families"))
    if off_scale:
        entries.append(("dim", "down", "off the scale"))
    if any(not svg.finite(p.score) for p in trials):
        entries.append(("dim", "cross", "failed"))
    parts: list[str] = []
    x = float(MARGIN)
    for style, shape, name in entries:
        shown = svg.shorten(name, 180)
        width = 14 + svg.text_width(shown) + 16
        if x + width > WIDTH - MARGIN and x > MARGIN:
            x, y = float(MARGIN), y + 20
        parts += [svg.dot(x + 5, y - 4, style, shape=shape), svg.text(x + 14, y, name, room=180)]
        x += width
    return parts, y + 16 if entries else y - 12
