"""What a run has shown so far, in lines for those who read: lessons, ideas, steps, briefs. Bounded, whatever its length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cobra_jupyter.brains.context import Turn

Json = Mapping[str, Any]
Records = Sequence[tuple[str, dict[str, Any]]]
EFFECTS, BEST, RECENT, FAILED, BRIEFS, CANDIDATES = 20, 8, 8, 4, 5, 15  # lines
LABEL, MESSAGE, REPORT, COLUMNS = 160, 160, 700, 1_200  # characters


def trim(text: str, most: int) -> str:
    """At most so many characters: its beginning and its end."""
    if len(text) <= most:
        return text
    left = most // 2
    return f"{text[:left]}\n[… {len(text) - most} characters left out …]\n{text[left - most :]}"


def frozen(records: Records) -> Json:
    """The protocol in force; {} before the first."""
    return next((data for kind, data in reversed(records) if kind == "protocol"), {})


def lessons(records: Records) -> Iterator[str]:
    """One line a factor's level, the most telling first, and what blends have brought; each cites the two that it
    compares."""
    number = frozen(records).get("number")
    latest = {
        (data["candidate"], effect["factor"], str(effect["level"])): (data, effect)
        for kind, data in records
        if kind == "ablation" and data["protocol"] == number
        for effect in data["effects"]
        if effect["gain"] is not None
    }
    rows = [(abs(e["gain"]) / max(e["se"] or 0.0, 1e-12), data, e) for data, e in latest.values()]
    for _, data, effect in sorted(rows, key=lambda row: -row[0])[:EFFECTS]:
        yield (
            f"- {data['candidate']}: {effect['factor']} = {effect['level']} instead of {effect['baseline']}: "
            f"{effect['gain']:+.5f} ± {effect['se']:.5f} {data['metric']}, {effect['verdict']}"
            f"{' (confirmed)' if effect['confirmed'] else ''} [{effect['trial']} against {data['baseline']}, {data['fidelity']}]"
        )
    blends = [
        data for kind, data in records if kind == "blend" and data["protocol"] == number and data["over_best"]
    ]
    for data in blends[-3:]:
        over = data["over_best"]
        yield f"- blending {len(data['members'])} trials: {over['gain']:+.5f} ± {over['se']:.5f} [{data['id']} against {data['best_single']}]"


def messages(records: Records) -> Iterator[str]:
    """What a person has asked for, the latest last."""
    said = [data["text"] for kind, data in records if kind == "message"]
    for text in said[-BRIEFS:]:
        yield f"- {trim(text, REPORT)}"


def ideas(records: Records) -> Iterator[str]:
    """One line a trial, with its effect on its family: the best, the latest, what failed."""
    protocol = frozen(records)
    trials = [
        data for kind, data in records if kind == "trial" and data["protocol"] == protocol.get("number")
    ]
    effects = {data["id"]: data for kind, data in records if kind == "idea" and data["gain"] is not None}
    scored = [trial for trial in trials if trial["score"] is not None]
    higher = protocol.get("direction") == "maximize"
    best = sorted((t for t in scored if t["full"]), key=lambda t: t["score"], reverse=higher)[:BEST]
    whole = {(trial["candidate"], str(trial["config"])) for trial in scored if trial["full"]}
    small = [
        t for t in scored if t["full"] or (t["candidate"], str(t["config"])) not in whole
    ]  # not what led to a full one
    latest = [trial for trial in small[-RECENT:] if trial not in best]
    failed = [trial for trial in trials if trial["score"] is None][-FAILED:]
    for trial in [*best, *latest]:
        size = (
            "full size" if trial["full"] else f"{trial['fraction']:.0%} of rows, {len(trial['folds'])} folds"
        )
        effect = effects.get(trial["id"])
        against = f"; {effect['gain']:+.5f} ± {effect['se']:.5f} against {effect['best']}" if effect else ""
        yield (
            f"- {trial['id']} {trim(trial['label'], LABEL)}: {trial['score']:.5f} ± {trial['se']:.5f} "
            f"({size}, {trial['cost']:.0f} s{against})"
        )
    for trial in failed:
        failure = trial["failure"] or {}
        yield f"- {trial['id']} {trim(trial['label'], LABEL)}: failed, {trim(str(failure.get('message', '')), MESSAGE)}"
    left = len(trials) - len(best) - len(latest) - len(failed)
    if left > 0:
        yield f"- and {left} more; cobra.recall(id) tells of any"


def steps(turns: Sequence[Turn]) -> Iterator[str]:
    """One line a turn, the first and the latest of them."""
    shown = list(turns) if len(turns) <= 16 else [*turns[:4], *turns[-12:]]
    for turn in shown:
        title = turn.markdown.partition("\n")[0].lstrip("# ").strip()
        yield f"- turn {turn.number}: {trim(title, 100)} [{turn.status}]"


def briefs(records: Records) -> Iterator[str]:
    """What others came back with, the latest."""
    for data in [data for kind, data in records if kind == "brief"][-BRIEFS:]:
        yield f"- {data['id']} {data['agent']} [{', '.join(data['results'][-6:]) or 'no results'}]: {trim(data['report'], REPORT)}"


def tables(records: Records) -> Iterator[str]:
    """Shared artefacts, which any candidate may read."""
    latest = {data["name"]: data for kind, data in records if kind == "shared"}
    for name, data in latest.items():
        columns = [str(column) for column in data.get("columns") or ()]
        yield f"- ctx.shared({name!r}): {trim(', '.join(columns), COLUMNS)}"


def candidates(records: Records) -> Iterator[str]:
    """The latest version of each candidate."""
    latest = {data["name"]: data for kind, data in records if kind == "candidate"}
    for name, data in list(latest.items())[-CANDIDATES:]:
        summary, factors = trim(str(data.get("summary") or ""), 120), ", ".join(data["factors"]) or "none"
        yield f"- {name}_v{data['version']}: {summary} factors {factors}"


def finalists(records: Records) -> Iterator[str]:
    """Full-size trials and blends as numbers alone, the best first."""
    protocol = frozen(records)
    found = [
        (kind, data) for kind, data in records
        if kind in ("trial", "blend") and data["protocol"] == protocol.get("number")
        and data["score"] is not None and (kind == "blend" or data["full"])
    ]  # fmt: skip
    found.sort(key=lambda entry: entry[1]["score"], reverse=protocol.get("direction") == "maximize")
    for kind, data in found[: 2 * BEST]:
        what = f"blend of {', '.join(m['trial'] for m in data['members'])}" if kind == "blend" else "single"
        folds = ", ".join(f"{score:.5f}" for score in data["fold_scores"][:10] if score is not None)
        yield f"- {data['id']} ({what}): {data['score']:.5f} ± {data['se']:.5f}; folds {folds}; {data['cost']:.0f} worker seconds"
