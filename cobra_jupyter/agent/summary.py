"""A run so far, in lines of text: lessons, ideas, steps, briefs. Bounded, however long the run is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter

from cobra_jupyter.brains.context import Records, Turn, every
from cobra_jupyter.records import kinds
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import describe, words

EFFECTS, BEST, RECENT, FAILED, BRIEFS, CANDIDATES = 20, 8, 8, 4, 5, 15  # lines
FIRST, REFUSED, LATEST = 4, 8, 12  # turns
LABEL, MESSAGE, REPORT, COLUMNS, LEARNED = 160, 160, 700, 1_200, 240  # characters


def trim(text: str, most: int) -> str:
    """Shorten a text to about `most` characters: its beginning and its end."""
    if len(text) <= most:
        return text
    left = most // 2
    return f"{text[:left]}\n[… {len(text) - most} characters left out …]\n{text[left - most :]}"


def protocol_in_force(records: Records) -> results.Protocol | None:
    """The protocol in force."""
    return next(iter(reversed(every(records, results.PROTOCOL))), None)


def _number(records: Records) -> int | None:
    protocol = protocol_in_force(records)
    return protocol["number"] if protocol else None


def _higher(records: Records) -> bool:
    """Whether a higher score is better."""
    protocol = protocol_in_force(records)
    return protocol is not None and protocol["direction"] == "maximize"


def lessons(records: Records) -> Iterator[str]:
    """One line for each level of a factor, the clearest effects first; then the gains of blends. Each line
    names the two results that it compares."""
    number = _number(records)
    latest = {
        (data["candidate"], effect["factor"], str(effect["level"])): (data, effect)
        for data in every(records, results.ABLATION)
        if data.get("protocol") == number
        for effect in data["effects"]
        if effect["gain"] is not None
    }
    rows = [(abs(e["gain"] or 0.0) / max(e["se"] or 0.0, 1e-12), data, e) for data, e in latest.values()]
    for _, data, effect in sorted(rows, key=lambda row: -row[0])[:EFFECTS]:
        yield f"- {describe.effect(effect, data)}"
    blends = [b for b in every(records, results.BLEND) if b["protocol"] == number and b["over_best"]]
    for blend in blends[-3:]:
        yield f"- blend {describe.blend(blend)}"


def messages(records: Records) -> Iterator[str]:
    """A person's messages, the latest last."""
    for message in every(records, kinds.MESSAGE)[-BRIEFS:]:
        yield f"- {trim(message['text'], REPORT)}"


def ideas(records: Records) -> Iterator[str]:
    """One line for each trial, with its effect on its family: the best, the latest, the failed. Leaves out a
    small trial if the same configuration was scored at full size."""
    number, higher = _number(records), _higher(records)
    trials = [trial for trial in every(records, results.TRIAL) if trial["protocol"] == number]
    effects = {idea["id"]: idea for idea in every(records, results.IDEA) if idea["gain"] is not None}
    scored = [trial for trial in trials if trial["score"] is not None]
    best = sorted((t for t in scored if t["full"]), key=results.score_of, reverse=higher)[:BEST]
    whole = {(trial["candidate"], str(trial["config"])) for trial in scored if trial["full"]}
    shown = [t for t in scored if t["full"] or (t["candidate"], str(t["config"])) not in whole]
    latest = [trial for trial in shown[-RECENT:] if trial not in best]
    failed = [trial for trial in trials if trial["score"] is None][-FAILED:]
    for trial in [*best, *latest]:
        effect = effects.get(trial["id"])
        against = f"; {describe.against(effect)}" if effect else ""
        yield f"- {describe.trial(trial, LABEL)}{against}"
    for trial in failed:
        yield f"- {describe.trial(trial, LABEL)}; {describe.why(trial['failure'], MESSAGE)}"
    left = len(trials) - len(best) - len(latest) - len(failed)
    if left > 0:
        yield f"- and {left} more; cobra.recall(id) tells of any"


def steps(turns: Sequence[Turn]) -> Iterator[str]:
    """One line for each of the first and the latest turns, and of those between that failed: what it did,
    and what it learned from its errors or its output."""
    failed = filter(attrgetter("error"), turns[FIRST:-LATEST])
    distinct = list({turn.error: turn for turn in failed}.values())[-REFUSED:]
    for turn in turns if len(turns) <= FIRST + LATEST else [*turns[:FIRST], *distinct, *turns[-LATEST:]]:
        title = turn.markdown.partition("\n")[0].lstrip("# ").strip()
        learned = turn.error or next((line for line in turn.output.splitlines() if line.strip()), "")
        line = f"- turn {turn.number}: {trim(title, 100)} [{turn.status}] {words.cut(learned, LEARNED)}"
        yield line.rstrip()


def briefs(records: Records) -> Iterator[str]:
    """The latest briefs of other agents."""
    for data in every(records, results.BRIEF)[-BRIEFS:]:
        yield f"- {data['id']} {trim(describe.came_back(data), REPORT)}"


def tables(records: Records) -> Iterator[str]:
    """Shared artefacts, which any candidate may read."""
    latest = {data["name"]: data for data in every(records, results.SHARED)}
    for name, data in latest.items():
        columns = [str(column) for column in data.get("columns") or ()]
        yield f"- ctx.shared({name!r}): {trim(', '.join(columns), COLUMNS)}"


def candidates(records: Records) -> Iterator[str]:
    """The latest version of each candidate."""
    latest = {data["name"]: data for data in every(records, results.CANDIDATE)}
    for data in list(latest.values())[-CANDIDATES:]:
        yield f"- {describe.candidate(data)}"


def finalists(records: Records) -> Iterator[str]:
    """Full-size trials and blends as numbers alone, the best first."""
    number = _number(records)
    found: list[tuple[str, results.Trial | results.Blend]] = [
        ("single", t) for t in every(records, results.TRIAL) if t["full"] and t["score"] is not None
    ]
    for blend in every(records, results.BLEND):
        found.append((f"blend of {', '.join(member['trial'] for member in blend['members'])}", blend))
    found = [(what, data) for what, data in found if data["protocol"] == number]
    found.sort(key=lambda entry: results.score_of(entry[1]), reverse=_higher(records))
    for what, data in found[: 2 * BEST]:
        yield (
            f"- {data['id']} ({what}): {describe.score(data)}; folds {describe.fold_scores(data, 5, 10)}; "
            f"{words.seconds(data['cost'])} of worker time"
        )
