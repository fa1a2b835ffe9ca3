"""Effects of factors: the ablation, which is re-rendered while its trials finish, and all effects so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.workbench import charts
from cobra_jupyter.workbench.pages import parts, words
from cobra_jupyter.workbench.pages.parts import Html

Data = Mapping[str, Any]
MOST_SHOWN = 40
MARKS = {"better": ("▲", "good"), "worse": ("▼", "bad"), "failed": ("✕", "bad"), "unclear": ("○", "soft")}


@dataclass(frozen=True)
class Group:
    """The levels of one factor, with what was expected of it."""

    factor: str
    baseline: str
    importance: float | None
    note: str
    rows: tuple[Data, ...]


def groups(data: Data) -> list[Group]:
    """An ablation's effects by factor, the most important first; while it runs in their own order, which is steady."""
    found: dict[str, list[Data]] = {}
    for effect in data.get("effects", ()):
        found.setdefault(str(effect.get("factor")), []).append(effect)
    busy = any(running(effect) for effect in data.get("effects", ()))
    importance, notes = {} if busy else data.get("importance") or {}, data.get("notes") or {}
    order = sorted(found, key=lambda factor: -(importance.get(factor) or 0.0))
    return [
        Group(f, words.level(found[f][0].get("baseline")), importance.get(f), str(notes.get(f, "")), tuple(found[f]))
        for f in order
    ]


def running(effect: Data) -> bool:
    return effect.get("verdict") == "not tried" and effect.get("note") == "running"


def places(effects: Sequence[Data]) -> int:
    """Decimals for all gains of a table, so that they stand aligned."""
    tried = [e for e in effects if words.known(e.get("gain"))]
    return words.decimals([e.get("se") for e in tried], [e.get("gain") for e in tried])


def verdict(effect: Data) -> str:
    """The verdict in words."""
    if running(effect):
        return "running"
    said = str(effect.get("verdict") or "")
    return f"{said}, confirmed" if effect.get("confirmed") and said == "better" else said


def change(data: Data) -> dict[str, Any]:
    """What the best configuration has other than the baseline."""
    base = {str(e.get("factor")): e.get("baseline") for e in data.get("effects", ())}
    return {k: v for k, v in (data.get("best") or {}).items() if k in base and base[k] != v}


def best(data: Data) -> str:
    """The best configuration in a sentence."""
    changed = change(data)
    if not data.get("best"):
        return "none yet"
    what = words.config(changed) or "the baseline"
    gain, se = data.get("best_gain"), data.get("best_se")
    if not changed:
        return f"{what}, as it is (trial {data.get('best_trial')})"
    if not gain and not se:  # told apart at a larger size than the baseline's
        return f"{what} (trial {data.get('best_trial')}, best at the larger size)"
    return f"{what} (trial {data.get('best_trial')}, gain {words.gained(gain, se)})"


def tally(data: Data) -> str:
    """23 levels of 8 factors: 3 better (1 confirmed), 2 worse, 18 unclear."""
    effects = list(data.get("effects", ()))
    counts = Counter("running" if running(e) else str(e.get("verdict")) for e in effects)
    confirmed = sum(bool(e.get("confirmed")) and e.get("verdict") == "better" for e in effects)
    order = ("better", "worse", "unclear", "failed", "running", "not tried")
    said = [f"{counts[v]} {v}" + (f" ({confirmed} confirmed)" if v == "better" and confirmed else "") for v in order if counts[v]]
    factors = len({str(e.get("factor")) for e in effects})
    return f"{words.counted(len(effects), 'level')} of {words.counted(factors, 'factor')}: {', '.join(said) or 'none'}"


def untried(data: Data) -> list[str]:
    """What was not tried, and why."""
    rest = [e for e in data.get("effects", ()) if e.get("verdict") == "not tried" and not running(e)]
    return [f"{words.config({str(e.get('factor')): e.get('level')})} ({words.cut(e.get('note') or 'no reason given')})" for e in rest]


def meaning(data: Data) -> str:
    """How the table is to be read."""
    unit = f" in {data['metric']}" if data.get("metric") else ""
    seed = f", the seed's own spread of {words.score(data['seed_sd'], 2)} added" if words.known(data.get("seed_sd")) and data["seed_sd"] else ""
    many = f"confirmed: more than the best of {data['comparisons']} null effects would reach" if data.get("comparisons") else "confirmed: sure enough to claim"
    return (
        f"Gain{unit}: above 0 is better; ± one standard error of the paired difference{seed}. "
        f"Better: enough to go on with (0.75 standard errors); {many}."
    )


def agreement(data: Data) -> str | None:
    value = data.get("rank_agreement")
    if not words.known(value):
        return None
    said = "agree" if value > 0.7 else "agree in part" if value > 0.2 else "disagree: judge at full size"
    return f"Small and larger size {said} on the order (rank correlation {value:.2f})."


def forest(effects: Sequence[Data], name: str, unit: str) -> Html:
    """The chart of gains; levels that run or were not tried are left to the table."""
    shown = [e for e in effects if words.known(e.get("gain")) or e.get("verdict") == "failed"]
    rows = [
        charts.Effect(
            str(e.get("factor")), words.level(e.get("level")), e.get("gain"), e.get("se") or 0.0, e.get("verdict"),
            ("confirmed " if e.get("confirmed") else "") + str(e.get("note") or ""),
        ) for e in shown
    ]  # fmt: skip
    if not rows:
        return Html("")
    return Html(charts.img(charts.forest(rows, name, unit), f"{name}: gain ± standard error of each level"))


def importance(data: Data, name: str) -> Html:
    """The chart of each factor's share of all spread."""
    shares = {k: v for k, v in (data.get("importance") or {}).items() if words.known(v)}
    if not any(shares.values()):
        return Html("")
    bars = [charts.Bar(str(k), v, words.share(v)) for k, v in sorted(shares.items(), key=lambda kv: -kv[1])]
    return Html(charts.img(charts.bars(bars, name), name))


def unit(data: Data) -> str:
    return f"gain in {data['metric']}" if data.get("metric") else "gain"


# ---- ablation


def ablation_html(data: Data) -> str:
    effects = list(data.get("effects", ()))
    busy = any(running(e) for e in effects)
    name = f"Effects on {data.get('candidate')}"
    ordered = [e for group in groups(data) for e in group.rows]
    return parts.page(
        parts.title(
            f"Ablation {data.get('id', '')} of {data.get('candidate', '')}", data.get("fidelity"),
            "running …" if busy else None, words.seconds(data.get("seconds")),
        ),
        parts.line(parts.strong("Best so far:" if busy else "Best:"), best(data)),
        parts.line(parts.soft(tally(data))),
        _effect_table(data),
        parts.line(parts.soft(meaning(data), small=True)),
        _combination_table(data),
        parts.line(agreement(data) or ""),
        _untried_list(data),
        forest(ordered, name, unit(data)),
        "" if busy else importance(data, "Importance: share of the spread between levels"),
    )  # fmt: skip


def _effect_table(data: Data) -> Html:
    rows: list[tuple[object, ...]] = []
    digits = places(list(data.get("effects", ())))
    for group in groups(data):
        head = parts.join([parts.strong(words.cut(group.factor)), parts.soft(f"instead of {group.baseline}"), parts.bar(group.importance)], " ")
        note = Html(f"<br>{parts.soft(group.note, small=True)}") if group.note else ""
        rows.append((parts.join([head, note]),))
        rows += [effect_row(effect, digits) for effect in group.rows]
    return parts.table(("level", "gain ± SE", "verdict", "cost", "trial"), rows, "lrlrl")


def effect_row(effect: Data, digits: int) -> tuple[object, ...]:
    """Level, gain, verdict with its note, cost, trial."""
    mark, look = MARKS.get(str(effect.get("verdict")), ("…", "soft"))
    said = parts.join([parts.coloured(mark, look), verdict(effect)], " ")
    if effect.get("note") and not running(effect):
        said = parts.join([said, parts.soft(words.cut(effect["note"], 200), small=True)], " ")
    gain = parts.minus(words.gained(effect.get("gain"), effect.get("se"), digits))
    shown = parts.strong(gain) if effect.get("confirmed") else gain
    name = Html(f'<span style="padding-left:14px">{parts.esc(words.level(effect.get("level")))}</span>')
    return name, shown, said, words.ratio(effect.get("cost_ratio")), parts.soft(effect.get("trial") or "")


def combinations(data: Data) -> list[tuple[str, str, str, str]]:
    """Change, gain ± SE, size, trial."""
    found = list(data.get("combinations") or ())
    digits = places(found)
    return [
        (
            words.config(c.get("change")) or "the baseline", words.gained(c.get("gain"), c.get("se"), digits),
            "the same" if not c.get("rung") else f"larger, round {c.get('rung')}", str(c.get("trial") or ""),
        ) for c in found
    ]  # fmt: skip


def _combination_table(data: Data) -> Html:
    rows = combinations(data)
    if not rows:
        return Html("")
    return parts.join([parts.heading("Combinations"), parts.table(("changes", "gain ± SE", "size", "trial"), rows, "lrll")])


def _untried_list(data: Data) -> Html:
    rest = untried(data)
    return parts.join([parts.heading("Not tried"), parts.items(rest)]) if rest else Html("")


def ablation_text(data: Data) -> str:
    effects = list(data.get("effects", ()))
    digits = places(effects)
    rows = [effect_line(e, digits) for group in groups(data) for e in group.rows]
    combos = [(c, g, f"size {s}", t) for c, g, s, t in combinations(data)]
    rest = untried(data)
    said = agreement(data)
    return parts.lines(
        f"ablation {data.get('id')} of {data.get('candidate')} on {data.get('fidelity')}: {tally(data)}; {words.seconds(data.get('seconds'))}",
        f"  best: {best(data)}", parts.columns(rows, "llrlrl"),
        ["combinations:", *parts.columns(combos, "lrll")] if combos else None,
        f"not tried: {'; '.join(rest)}" if rest else None, said, meaning(data),
    )  # fmt: skip


def effect_line(effect: Data, digits: int) -> tuple[str, ...]:
    note = words.cut(effect.get("note") or "", 160)
    return (
        words.config({str(effect.get("factor")): effect.get("level")}), f"vs {words.level(effect.get('baseline'))}",
        words.gained(effect.get("gain"), effect.get("se"), digits), verdict(effect),
        "" if effect.get("cost_ratio") is None else words.ratio(effect["cost_ratio"]),
        str(effect.get("trial") or "") + (f"  {note}" if note and not running(effect) else ""),
    )  # fmt: skip


# ---- all effects so far


def _strongest(data: Data) -> tuple[list[Data], list[Data]]:
    """Those tried, strongest first, and the rest."""
    rows = list(data.get("effects", ()))
    tried = [e for e in rows if words.known(e.get("gain"))]
    return sorted(tried, key=lambda e: -e["gain"]), [e for e in rows if not words.known(e.get("gain"))]


def effects_html(data: Data) -> str:
    tried, rest = _strongest(data)
    digits = places(tried)
    rows = [
        (parts.strong(words.cut(e.get("factor"))), *effect_row(e, digits), parts.soft(f"{e.get('candidate')}, {e.get('fidelity')}", small=True))
        for e in [*tried[:MOST_SHOWN], *rest[:10]]
    ]  # fmt: skip
    left = len(tried) + len(rest) - len(rows)
    chosen = [(b.get("candidate"), words.config(b.get("config")), parts.soft(b.get("trial") or "")) for b in data.get("best", ())]
    several = len({e.get("candidate") for e in tried}) > 1
    named = [{**e, "factor": f"{e.get('candidate')}: {e.get('factor')}"} if several else e for e in tried[:20]]
    return parts.page(
        parts.title("Effects so far", unit(data), "strongest first"),
        parts.table(("factor", "level", "gain ± SE", "verdict", "cost", "trial", "of"), rows, "llrlrll") or parts.line("No ablation yet."),
        parts.line(parts.soft(f"… and {left} more")) if left > 0 else "",
        parts.join([parts.heading("Best configurations"), parts.table(("candidate", "configuration", "trial"), chosen)]) if chosen else "",
        forest(named, "Strongest effects", unit(data)),
    )


def effects_text(data: Data) -> str:
    tried, rest = _strongest(data)
    digits = places(tried)
    rows = [(str(e.get("candidate")), *effect_line(e, digits)) for e in [*tried[:MOST_SHOWN], *rest[:10]]]
    chosen = [f"best of {b.get('candidate')}: {words.config(b.get('config'))} (trial {b.get('trial')})" for b in data.get("best", ())]
    return parts.lines(
        f"effects: {words.counted(len(tried), 'effect')} measured, {unit(data)}, strongest first" if tried else "effects: none measured yet",
        parts.columns(rows, "lllrlrl"),
        chosen,
    )
