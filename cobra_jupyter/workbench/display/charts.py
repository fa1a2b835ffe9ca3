"""Charts for the notebook, as SVG text: effects, progress, bars, fold scores.

Colour is never the only sign: shape, side or words show the same. Values that are not finite show as failed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cobra_jupyter.workbench.display import svg
from cobra_jupyter.workbench.display.progress import Point, steps
from cobra_jupyter.workbench.display.svg import MARGIN, TOP, WIDTH, img

__all__ = ["Bar", "Effect", "Point", "bars", "forest", "img", "steps", "strip"]

ROW = 22
MAX_ROWS = 40
LOOKS = {"better": ("c0", "circle"), "worse": ("c1", "diamond"), "unclear": ("dim", "ring")}


@dataclass(frozen=True)
class Effect:
    """A level's difference from its factor's baseline, in the metric; None or nan if it failed."""

    factor: str
    level: str
    effect: float | None
    se: float = 0.0
    verdict: str | None = None  # "better" | "worse" | "unclear"; None: decided at two standard errors
    note: str = ""  # for the tooltip


@dataclass(frozen=True)
class Bar:
    """A labelled amount. `text` replaces the number at the end of the bar."""

    label: str
    value: float
    text: str = ""


def _left_out(count: int, y: float) -> list[str]:
    return [svg.text(MARGIN, y, f"… and {count} more", style="soft", size=11)] if count > 0 else []


# ---- effects --------------------------------------------------------------------------------------


def forest(rows: Sequence[Effect], title: str, unit: str = "", direction: str = "maximize") -> str:
    """One dot per level with a whisker of ±1 SE, grouped by factor, around a line at zero.

    Effects are differences in the metric (`unit` names it). With direction "minimize", better is on the left.
    """
    if not rows:
        return svg.nothing(title)
    shown = list(rows[:MAX_ROWS])
    groups = {row.factor: [r for r in shown if r.factor == row.factor] for row in shown}
    left, right = 206.0, WIDTH - 168.0
    ends = (abs(r.effect or 0.0) + _error(r) for r in shown if svg.finite(r.effect))
    reach = 1.08 * max(ends, default=0.0) or 1.0
    scale = (right - left) / (2 * reach)
    middle = (left + right) / 2
    y = TOP + 22.0
    bottom = y + ROW * (len(shown) + len(groups))
    parts = _forest_frame(reach, middle, scale, y, bottom, unit, direction)
    places = _effect_places(shown, reach)
    for factor, members in groups.items():
        parts.append(svg.text(MARGIN, y + 16, factor, room=left - MARGIN - 8, bold=True))
        y += ROW
        for row in members:
            parts += _forest_row(row, y + ROW / 2, middle, scale, places, direction)
            y += ROW
    return svg.card(parts + _left_out(len(rows) - len(shown), bottom + 36), title, bottom + 46)


def _forest_frame(
    reach: float, middle: float, scale: float, top: float, bottom: float, unit: str, direction: str
) -> list[str]:
    marks = svg.ticks(-reach, reach, 6)
    places = svg.decimals(marks[1] - marks[0]) if len(marks) > 1 else 2
    parts = []
    for value in marks:
        x = middle + value * scale
        zero = abs(value) < 1e-12 * reach
        parts.append(svg.line(x, top, x, bottom, "axis" if zero else "grid", 1.4 if zero else 1))
        shown = svg.number(value, places, signed=True)
        parts.append(svg.text(x, bottom + 16, shown, size=11, anchor="middle", style="soft"))
    side, words = (1, ("← worse", "better →")) if direction == "maximize" else (-1, ("← better", "worse →"))
    parts.append(
        svg.text(middle - 10, top - 8, words[0], size=11, anchor="end", style="c0" if side < 0 else "c1")
    )
    parts.append(svg.text(middle + 10, top - 8, words[1], size=11, style="c0" if side > 0 else "c1"))
    head = f"{unit} ± SE" if unit else "effect ± SE"
    parts.append(svg.text(WIDTH - MARGIN, top - 8, head, room=150, size=11, anchor="end", style="soft"))
    return parts


def _error(row: Effect) -> float:
    return row.se if svg.finite(row.se) else 0.0


def _effect_places(rows: Sequence[Effect], reach: float) -> int:
    """The number of decimals that shows two digits of the smallest error, within limits."""
    errors = [_error(r) for r in rows if _error(r) > 0]
    step = min(errors) if errors else reach / 100
    return svg.places(max(step, reach / 1000) / 10)


def _verdict(row: Effect, direction: str) -> str:
    if row.verdict in LOOKS:
        return row.verdict or "unclear"
    gain = (row.effect or 0.0) * (1 if direction == "maximize" else -1)
    if abs(gain) <= 2 * _error(row) or gain == 0:
        return "unclear"
    return "better" if gain > 0 else "worse"


def _forest_row(row: Effect, y: float, middle: float, scale: float, places: int, direction: str) -> list[str]:
    parts = [svg.text(MARGIN + 14, y + 4, row.level, room=160)]
    if row.effect is None or not math.isfinite(row.effect):
        parts.append(svg.dot(middle, y, "dim", radius=3.5, shape="cross", tip=row.note or "failed"))
        parts.append(svg.text(WIDTH - MARGIN, y + 4, "failed", anchor="end", style="soft"))
        return parts
    verdict = _verdict(row, direction)
    style, shape = LOOKS[verdict]
    value = svg.number(row.effect, places, signed=True)
    value += f" ± {svg.number(_error(row), places)}" if _error(row) else ""
    tip = f"{row.factor} = {row.level}: {value} ({verdict})" + (f" · {row.note}" if row.note else "")
    x, spread = middle + row.effect * scale, _error(row) * scale
    parts.append(svg.line(x - spread, y, x + spread, y, f"{style}-line", 2))
    parts += [
        svg.line(end, y - 4, end, y + 4, f"{style}-line", 2) for end in (x - spread, x + spread) if spread > 0
    ]
    parts.append(svg.dot(x, y, style, radius=4.5, shape=shape, tip=tip))
    colour = "soft" if verdict == "unclear" else style
    parts.append(svg.text(WIDTH - MARGIN, y + 4, value, room=150, anchor="end", style=colour))
    return parts


# ---- bars and folds -------------------------------------------------------------------------------


def bars(rows: Sequence[Bar], title: str, unit: str = "") -> str:
    """Horizontal bars from zero, in the given order, with the number at their end."""
    shown = [r for r in rows if math.isfinite(r.value)][:MAX_ROWS]
    if not shown:
        return svg.nothing(title)
    low, high = min(0.0, *(r.value for r in shown)), max(0.0, *(r.value for r in shown))
    places = svg.places(max(high, -low) / 100)
    words = [r.text or svg.number(r.value, places) + (f" {unit}" if unit else "") for r in shown]
    room = min(max(svg.text_width(w) for w in words) + 10, 170)
    label = min(max(svg.text_width(r.label) for r in shown) + 4, 220)
    left = MARGIN + label + 10 + (room if low < 0 else 0)
    scale = (WIDTH - MARGIN - room - left) / ((high - low) or 1.0)
    zero, y = left - low * scale, float(TOP)
    bottom = y + ROW * len(shown) + 4
    parts = [svg.line(zero, y, zero, bottom, "axis")]
    for row, word in zip(shown, words, strict=True):
        width, up = abs(row.value) * scale, row.value >= 0
        style = "c0" if up else "c1"
        parts.append(svg.text(MARGIN, y + 16, row.label, room=label))
        parts.append(svg.rect(zero if up else zero - width, y + 5, width, ROW - 8, style, 2))
        x, anchor = (zero + width + 6, "start") if up else (zero - width - 6, "end")
        parts.append(svg.text(x, y + 16, word, room=room, anchor=anchor, style="soft"))
        y += ROW
    return svg.card(parts + _left_out(len(rows) - len(shown), bottom + 14), title, bottom + 24)


def strip(
    folds: Mapping[str, Sequence[float]], title: str = "Scores by fold", direction: str = "maximize"
) -> str:
    """Fold scores of each trial as dots, their mean as a bar; the best mean is bold."""
    found = {name: [s for s in scores if svg.finite(s)] for name, scores in folds.items()}
    shown = dict(list(found.items())[:MAX_ROWS])
    every = [s for scores in shown.values() for s in scores]
    if not every:
        return svg.nothing(title)
    means = {name: sum(s) / len(s) for name, s in shown.items() if s}
    best = (max if direction == "maximize" else min)(means.values())
    low, high = min(every), max(every)
    pad = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    plot = svg.Plot(216, WIDTH - 156, TOP + 22, TOP + 22 + ROW * len(shown), high - low + 2 * pad, 0, 1)
    start = low - pad
    parts = _strip_axes(plot, start, direction)
    places = svg.places((high - low) / 20 or 0.001)
    for i, (name, scores) in enumerate(shown.items()):
        y = plot.top + ROW * (i + 0.5)
        chosen = name in means and means[name] == best
        parts.append(svg.text(MARGIN, y + 4, name, room=186, bold=chosen))
        parts += [svg.dot(plot.x(s - start), y, "c0", shape="ring", tip=f"{name}: {s:g}") for s in scores]
        words = "failed"
        if scores:
            x = plot.x(means[name] - start)
            parts.append(svg.line(x, y - 8, x, y + 8, "c1-line", 3))
            words = svg.number(means[name], places)
            words += f" ± {svg.number(_deviation(scores), places)}" if len(scores) > 1 else ""
        style = "ink" if chosen else "soft"
        parts.append(svg.text(WIDTH - MARGIN, y + 4, words, room=134, anchor="end", style=style, bold=chosen))
    return svg.card(parts + _left_out(len(found) - len(shown), plot.bottom + 36), title, plot.bottom + 46)


def _strip_axes(plot: svg.Plot, start: float, direction: str) -> list[str]:
    marks = svg.ticks(start, start + plot.end, 5)
    places = svg.decimals(marks[1] - marks[0]) if len(marks) > 1 else 3
    parts = []
    for value in marks:
        x = plot.x(value - start)
        parts.append(svg.line(x, plot.top, x, plot.bottom, "grid"))
        shown = svg.number(value, places)
        parts.append(svg.text(x, plot.bottom + 16, shown, size=11, anchor="middle", style="soft"))
    words = "higher is better →" if direction == "maximize" else "← lower is better"
    x, anchor = (plot.right, "end") if direction == "maximize" else (plot.left, "start")
    parts.append(svg.text(x, plot.top - 6, words, size=11, anchor=anchor, style="soft"))
    parts.append(svg.text(WIDTH - MARGIN, plot.top - 6, "mean ± sd", size=11, anchor="end", style="soft"))
    return parts


def _deviation(scores: Sequence[float]) -> float:
    mean = sum(scores) / len(scores)
    return math.sqrt(sum((s - mean) ** 2 for s in scores) / (len(scores) - 1))
