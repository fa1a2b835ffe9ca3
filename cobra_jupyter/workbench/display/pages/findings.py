"""The findings of an ablation as rows and sentences, for all views of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import describe, words


@dataclass(frozen=True)
class Group:
    """The levels of one factor, with the candidate's note on it."""

    factor: str
    baseline: str
    importance: float | None
    note: str
    rows: tuple[results.Effect, ...]


def groups(data: results.Ablation) -> list[Group]:
    """An ablation's effects by factor, the most important first; while it runs, in a fixed order."""
    found: dict[str, list[results.Effect]] = {}
    for effect in data.get("effects", ()):
        found.setdefault(str(effect.get("factor")), []).append(effect)
    busy = any(describe.running(effect) for effect in data.get("effects", ()))
    importance, notes = {} if busy else data.get("importance") or {}, data.get("notes") or {}
    order = sorted(found, key=lambda factor: -(importance.get(factor) or 0.0))
    return [
        Group(
            f,
            words.level(found[f][0].get("baseline")),
            importance.get(f),
            str(notes.get(f, "")),
            tuple(found[f]),
        )
        for f in order
    ]


def places(effects: Sequence[results.Effect | results.Combination]) -> int:
    """The number of decimals for all gains of a table, so that they align."""
    tried = [e for e in effects if words.known(e.get("gain"))]
    return words.decimals([e.get("se") for e in tried], [e.get("gain") for e in tried])


def change(data: results.Ablation) -> dict[str, Any]:
    """The differences between the best configuration and the baseline."""
    base = {str(e.get("factor")): e.get("baseline") for e in data.get("effects", ())}
    return {k: v for k, v in (data.get("best") or {}).items() if k in base and base[k] != v}


def best(data: results.Ablation) -> str:
    """The best configuration in a sentence."""
    changed = change(data)
    if not data.get("best"):
        return "none yet"
    what = words.config(changed) or "the baseline"
    gain, se = data.get("best_gain"), data.get("best_se")
    if not changed:
        return f"{what}, as it is (trial {data.get('best_trial')})"
    if gain is None or (gain == 0 and se == 0):  # only compared at the larger size
        return f"{what} (trial {data.get('best_trial')}, best at the larger size)"
    if abs(gain) < words.NOTHING:
        return f"{what} (trial {data.get('best_trial')}, as good as the baseline)"
    return f"{what} (trial {data.get('best_trial')}, gain {words.gained(gain, se)})"


def tally(data: results.Ablation) -> str:
    """23 levels of 8 factors: 3 better (1 confirmed), 2 worse, 18 unclear."""
    effects = list(data.get("effects", ()))
    counts = Counter("running" if describe.running(e) else str(e.get("verdict")) for e in effects)
    confirmed = sum(bool(e.get("confirmed")) and e.get("verdict") == "better" for e in effects)
    order = ("better", "worse", "unclear", "failed", "running", "not tried")
    said = [
        f"{counts[v]} {v}" + (f" ({confirmed} confirmed)" if v == "better" and confirmed else "")
        for v in order
        if counts[v]
    ]
    factors = len({str(e.get("factor")) for e in effects})
    levels = f"{words.counted(len(effects), 'level')} of {words.counted(factors, 'factor')}"
    return f"{levels}: {', '.join(said) or 'none'}"


def untried(data: results.Ablation) -> list[str]:
    """The levels that were not tried, with reasons."""
    rest = [e for e in data.get("effects", ()) if e.get("verdict") == "not tried" and not describe.running(e)]
    return [
        f"{words.config({str(e.get('factor')): e.get('level')})} ({words.cut(e.get('note') or 'no reason')})"
        for e in rest
    ]


def meaning(data: results.Ablation) -> str:
    """How to read the table."""
    unit = f" in {data['metric']}" if data.get("metric") else ""
    if data.get("stands_for"):
        unit += f" (smoother than {data['stands_for']}, so it shows sooner what a change does)"
    seed = (
        f", the seed's own spread of {words.score(data['seed_sd'], 2)} added"
        if words.known(data.get("seed_sd")) and data["seed_sd"]
        else ""
    )
    many = (
        f"confirmed: more than the best of {data['comparisons']} null effects would reach"
        if data.get("comparisons")
        else "confirmed: sure enough to claim"
    )
    return (
        f"Gain{unit}: above 0 is better; ± one standard error of the paired difference{seed}. "
        f"Better: enough to go on with (0.75 standard errors); {many}."
    )


def agreement(data: results.Ablation) -> str | None:
    value = data.get("rank_agreement")
    if not words.known(value):
        return None
    said = "agree" if value > 0.7 else "agree in part" if value > 0.2 else "disagree: judge at full size"
    return f"Small and larger size {said} on the order (rank correlation {value:.2f})."


def unit(data: results.Ablation | results.Effects) -> str:
    return f"gain in {data['metric']}" if data.get("metric") else "gain"


def combinations(data: results.Ablation) -> list[tuple[str, str, str, str]]:
    """Change, gain ± SE, size, trial."""
    found = list(data.get("combinations") or ())
    digits = places(found)
    return [
        (
            words.config(c.get("change")) or "the baseline",
            words.gained(c.get("gain"), c.get("se"), digits),
            "the same" if not c.get("rung") else f"larger, round {c.get('rung')}",
            str(c.get("trial") or ""),
        )
        for c in found
    ]
