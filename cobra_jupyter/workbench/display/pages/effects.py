"""Views of effects: one ablation (updated while its trials finish) and all effects so far."""

from __future__ import annotations

from collections.abc import Sequence

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display import charts
from cobra_jupyter.workbench.display.pages import describe, parts, words
from cobra_jupyter.workbench.display.pages.findings import (
    agreement,
    best,
    combinations,
    groups,
    meaning,
    places,
    tally,
    unit,
    untried,
)
from cobra_jupyter.workbench.display.pages.parts import Html

MOST_SHOWN = 40
MARKS = {"better": ("▲", "good"), "worse": ("▼", "bad"), "failed": ("✕", "bad"), "unclear": ("○", "soft")}


def forest(effects: Sequence[results.Effect], name: str) -> Html:
    """The chart of gains. Levels without a result are only in the table."""
    shown = [e for e in effects if words.known(e.get("gain")) or e.get("verdict") == "failed"]
    rows = [
        charts.Effect(
            str(e.get("factor")),
            words.level(e.get("level")),
            _gain(e),
            e.get("se") or 0.0,
            e.get("verdict"),
            ("confirmed " if e.get("confirmed") else "") + str(e.get("note") or ""),
        )
        for e in shown
    ]
    if not rows:
        return Html("")
    return Html(charts.img(charts.forest(rows, name, "gain"), f"{name}, ± standard error of each level"))


def _gain(effect: results.Effect) -> float | None:
    """Replace differences that are only rounding by 0."""
    gain = effect.get("gain")
    return 0.0 if words.known(gain) and abs(gain) < words.NOTHING else gain


def importance(data: results.Ablation, name: str) -> Html:
    """The chart of each factor's share of the spread."""
    shares = {k: v for k, v in (data.get("importance") or {}).items() if words.known(v)}
    if not any(shares.values()):
        return Html("")
    bars = [charts.Bar(str(k), v, words.share(v)) for k, v in sorted(shares.items(), key=lambda kv: -kv[1])]
    return Html(charts.img(charts.bars(bars, name), name))


# ---- ablation


def ablation_html(data: results.Ablation) -> str:
    effects = list(data.get("effects", ()))
    busy = any(describe.running(e) for e in effects)
    ordered = [e for group in groups(data) for e in group.rows]
    return parts.page(
        parts.title(
            f"Ablation {data.get('id', '')} of {data.get('candidate', '')}",
            data.get("fidelity"),
            "running …" if busy else None,
            words.seconds(data.get("seconds")),
        ),
        parts.line(parts.strong("Best so far:" if busy else "Best:"), best(data)),
        parts.line(parts.soft(tally(data))),
        _effect_table(data),
        parts.line(parts.soft(meaning(data), small=True)),
        _combination_table(data),
        parts.line(agreement(data) or ""),
        _untried_list(data),
        forest(ordered, f"G{unit(data)[1:]}, {data.get('candidate')}"),
        "" if busy else importance(data, "Importance: share of the spread between levels"),
    )


def _effect_table(data: results.Ablation) -> Html:
    rows: list[tuple[object, ...]] = []
    digits = places(list(data.get("effects", ())))
    for group in groups(data):
        head = parts.join(
            [
                parts.strong(words.cut(group.factor)),
                parts.soft(f"instead of {group.baseline}"),
                parts.bar(group.importance),
            ],
            " ",
        )
        note = Html(f"<br>{parts.soft(group.note, small=True)}") if group.note else ""
        rows.append((parts.join([head, note]),))
        rows += [effect_row(effect, digits) for effect in group.rows]
    return parts.table(("level", "gain ± SE", "verdict", "cost", "trial"), rows, "lrlrl")


def effect_row(effect: results.Effect, digits: int) -> tuple[object, ...]:
    """Level, gain, verdict with its note, cost, trial."""
    mark, look = MARKS.get(str(effect.get("verdict")), ("…", "soft"))
    said = parts.join([parts.coloured(mark, look), describe.verdict(effect)], " ")
    if effect.get("note") and not describe.running(effect):
        said = parts.join([said, parts.soft(words.cut(effect["note"], 200), small=True)], " ")
    gain = parts.minus(words.gained(effect.get("gain"), effect.get("se"), digits))
    shown = parts.strong(gain) if effect.get("confirmed") else gain
    name = Html(f'<span style="padding-left:14px">{parts.esc(words.level(effect.get("level")))}</span>')
    return name, shown, said, words.ratio(effect.get("cost_ratio")), parts.soft(effect.get("trial") or "")


def _combination_table(data: results.Ablation) -> Html:
    rows = combinations(data)
    if not rows:
        return Html("")
    return parts.join(
        [parts.heading("Combinations"), parts.table(("changes", "gain ± SE", "size", "trial"), rows, "lrll")]
    )


def _untried_list(data: results.Ablation) -> Html:
    rest = untried(data)
    return parts.join([parts.heading("Not tried"), parts.items(rest)]) if rest else Html("")


def ablation_text(data: results.Ablation) -> str:
    effects = list(data.get("effects", ()))
    digits = places(effects)
    rows = [effect_line(e, digits) for group in groups(data) for e in group.rows]
    combos = [(c, g, f"size {s}", t) for c, g, s, t in combinations(data)]
    rest = untried(data)
    said = agreement(data)
    return parts.lines(
        f"ablation {data.get('id')} of {data.get('candidate')} on {data.get('fidelity')}: "
        f"{tally(data)}; {words.seconds(data.get('seconds'))}",
        f"  best: {best(data)}",
        parts.columns(rows, "llrlrl"),
        ["combinations:", *parts.columns(combos, "lrll")] if combos else None,
        f"not tried: {'; '.join(rest)}" if rest else None,
        said,
        meaning(data),
    )


def effect_line(effect: results.Effect, digits: int) -> tuple[str, ...]:
    note = words.cut(effect.get("note") or "", 160)
    return (
        words.config({str(effect.get("factor")): effect.get("level")}),
        f"vs {words.level(effect.get('baseline'))}",
        words.gained(effect.get("gain"), effect.get("se"), digits),
        describe.verdict(effect),
        "" if effect.get("cost_ratio") is None else words.ratio(effect["cost_ratio"]),
        str(effect.get("trial") or "") + (f"  {note}" if note and not describe.running(effect) else ""),
    )


# ---- all effects so far


def _strongest(data: results.Effects) -> tuple[list[results.PlacedEffect], list[results.PlacedEffect]]:
    """Return the measured effects, strongest first, and the others."""
    rows = list(data.get("effects", ()))
    tried = [e for e in rows if words.known(e.get("gain"))]
    return sorted(tried, key=lambda e: -(e["gain"] or 0.0)), [
        e for e in rows if not words.known(e.get("gain"))
    ]


def effects_html(data: results.Effects) -> str:
    tried, rest = _strongest(data)
    digits = places(tried)
    rows = [
        (
            parts.strong(words.cut(e.get("factor"))),
            *effect_row(e, digits),
            parts.soft(f"{e.get('candidate')}, {e.get('fidelity')}", small=True),
        )
        for e in [*tried[:MOST_SHOWN], *rest[:10]]
    ]
    left = len(tried) + len(rest) - len(rows)
    chosen = [
        (b.get("candidate"), words.config(b.get("config")), parts.soft(b.get("trial") or ""))
        for b in data.get("best", ())
    ]
    several = len({e.get("candidate") for e in tried}) > 1
    named: list[results.PlacedEffect] = [
        {**e, "factor": f"{e.get('candidate')}: {e.get('factor')}"} if several else e for e in tried[:20]
    ]
    return parts.page(
        parts.title("Effects so far", unit(data), "strongest first"),
        parts.table(("factor", "level", "gain ± SE", "verdict", "cost", "trial", "of"), rows, "llrlrll")
        or parts.line("No ablation yet."),
        parts.line(parts.soft(f"… and {left} more")) if left > 0 else "",
        parts.join(
            [
                parts.heading("Best configurations"),
                parts.table(("candidate", "configuration", "trial"), chosen),
            ]
        )
        if chosen
        else "",
        forest(named, f"Strongest effects: {unit(data)}"),
    )


def effects_text(data: results.Effects) -> str:
    tried, rest = _strongest(data)
    digits = places(tried)
    rows = [(str(e.get("candidate")), *effect_line(e, digits)) for e in [*tried[:MOST_SHOWN], *rest[:10]]]
    chosen = [
        f"best of {b.get('candidate')}: {words.config(b.get('config'))} (trial {b.get('trial')})"
        for b in data.get("best", ())
    ]
    return parts.lines(
        f"effects: {words.counted(len(tried), 'effect')} measured, {unit(data)}, strongest first"
        if tried
        else "effects: none measured yet",
        parts.columns(rows, "lllrlrl"),
        chosen,
    )
