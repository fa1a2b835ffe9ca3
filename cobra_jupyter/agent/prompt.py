"""A context in words: what a language model reads each turn, within a fixed size and stable parts first.

Providers keep what stays the same from the start of a request. So the digest of the past is made anew only every
BLOCK turns; between, turns are appended to it, and what changes each turn (the clock, the jobs) comes last."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.budget import spoken
from cobra_jupyter.agent.context import Context, Turn
from cobra_jupyter.workbench import pages

PROMPTS = Path(__file__).parent / "prompts"
BLOCK = 6  # turns between two digests
BEFORE = 4  # turns before a digest that are still told in full
DESCRIPTION, CARD, PROTOCOL = 7_000, 5_000, 1_500  # characters
CODE, OUTPUT, WORDS = 2_600, 1_800, 500  # characters of each recent turn
EFFECTS, BEST, RECENT, FAILED = 20, 8, 8, 4  # lines of the digest
MOST_OUTPUT = 16_384  # tokens of a reply, thinking included
_CHARACTERS = 3.5  # of a token, about

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Prompt:
    """System instruction, then one message: what stays for the whole run, what changes. `corrections`: replies of
    this turn that could not be run, each with what was wrong."""

    system: str
    stable: str
    changing: str
    corrections: tuple[tuple[str, str], ...] = ()
    most_output: int = MOST_OUTPUT

    @property
    def tokens(self) -> int:
        """About how many tokens it has."""
        corrections = "".join(bad + words for bad, words in self.corrections)
        return int(len(self.system + self.stable + self.changing + corrections) / _CHARACTERS)


@cache
def text_of(name: str) -> str:
    """A prompt file of the package."""
    return (PROMPTS / f"{name}.md").read_text(encoding="utf-8")


def hashes() -> dict[str, str]:
    """SHA-256 of every prompt file, for the record."""
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(PROMPTS.glob("*.md"))}


def render(context: Context) -> Prompt:
    """A context as its role reads it."""
    block = max(0, len(context.turns) - 1) // BLOCK * BLOCK  # turns that the digest has taken in
    parts = [*_digest(context, block), *_recent(context.turns[max(0, block - BEFORE) :]), _now(context)]
    return Prompt(
        f"{text_of(context.role)}\n{text_of('reference')}", "\n\n".join(_stable(context)), "\n\n".join(parts),
        context.corrections,
    )  # fmt: skip


def trim(text: str, most: int) -> str:
    """At most so many characters: its beginning and its end."""
    if len(text) <= most:
        return text
    left = most * 2 // 3
    return f"{text[:left]}\n[… {len(text) - most} characters left out …]\n{text[left - most :]}"


# ---- what stays


def _stable(context: Context) -> Iterator[str]:
    if context.description:
        yield f"# The competition's description\n<description>\n{trim(context.description, DESCRIPTION)}\n</description>"
    if card := context.last("card"):
        yield f"# Competition card (read from the files)\n{trim(pages.text('card', card), CARD)}"
    yield f"# Resources\n{_resources(context)}"
    if protocol := context.last("protocol"):
        yield f"# Protocol (frozen)\n{trim(pages.text('protocol', protocol), PROTOCOL)}"


def _resources(context: Context) -> str:
    known = context.resources
    budget = "no limit" if context.clock.budget is None else spoken(context.clock.budget)
    libraries = ", ".join(
        f"{name} {version}" for name, version in dict(known.get("libraries") or {}).items() if version
    )
    weights = ", ".join(str(found.get("name") or found.get("path")) for found in known.get("weights") or ())
    return (
        f"Budget: {budget} in all. Cores: {known.get('cores', 1)}; memory: {known.get('memory_mb', 0)} MiB; "
        f"GPUs: {known.get('gpus', 0)}.\nLibraries: {libraries or 'see the first cells'}.\n"
        f"Pretrained weights at hand: {weights or 'none'}."
    )


# ---- what was learnt, as of the last digest


def _digest(context: Context, block: int) -> Iterator[str]:
    if not block:
        return
    until = context.turns[block - 1].seq
    records = [
        record for record, line in zip(context.records, context.lines, strict=False) if line <= until
    ] if context.lines else list(context.records)  # fmt: skip
    yield f"# What turns 1 to {block} have shown"
    frozen: Json = next((data for kind, data in reversed(records) if kind == "protocol"), {})
    number, higher = frozen.get("number"), frozen.get("direction") == "maximize"
    if lessons := list(_lessons(records, number)):
        yield "## Lessons (paired differences ± standard error; positive is better)\n" + "\n".join(lessons)
    trials = [data for kind, data in records if kind == "trial" and data["protocol"] == number]
    if trials:
        yield "## Ideas tried\n" + "\n".join(_ideas(trials, higher))
    older = context.turns[: max(0, block - BEFORE)]
    if older:
        yield "## Steps so far\n" + "\n".join(_titles(older))
    candidates = {data["name"]: data for kind, data in records if kind == "candidate"}
    if candidates:
        yield "## Candidates saved (read one with cobra.recall)\n" + "\n".join(
            f"- {name}_v{data['version']}: {trim(str(data.get('summary') or ''), 120)} "
            f"factors {', '.join(data['factors']) or 'none'}"
            for name, data in list(candidates.items())[-15:]
        )


def _lessons(records: Sequence[tuple[str, Json]], protocol: int | None) -> Iterator[str]:
    """One line a factor's level, the most telling first, and what blends have brought."""
    latest = {
        (data["candidate"], effect["factor"], str(effect["level"])): (data, effect)
        for kind, data in records
        if kind == "ablation" and data["protocol"] == protocol
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
        data
        for kind, data in records
        if kind == "blend" and data["protocol"] == protocol and data["over_best"]
    ]
    for data in blends[-3:]:
        over = data["over_best"]
        yield f"- blending {len(data['members'])} trials: {over['gain']:+.5f} ± {over['se']:.5f} [{data['id']} against {data['best_single']}]"


def _ideas(trials: Sequence[Json], higher: bool) -> Iterator[str]:
    """One line a trial: the best, the latest, what failed."""
    scored = [trial for trial in trials if trial["score"] is not None]
    best = sorted((t for t in scored if t["full"]), key=lambda t: t["score"], reverse=higher)[:BEST]
    latest = [trial for trial in scored[-RECENT:] if trial not in best]
    failed = [trial for trial in trials if trial["score"] is None][-FAILED:]
    for trial in [*best, *latest]:
        size = (
            "full size" if trial["full"] else f"{trial['fraction']:.0%} of rows, {len(trial['folds'])} folds"
        )
        yield f"- {trial['id']} {trim(trial['label'], 160)}: {trial['score']:.5f} ± {trial['se']:.5f} ({size}, {trial['cost']:.0f} s)"
    for trial in failed:
        failure = trial["failure"] or {}
        yield f"- {trial['id']} {trim(trial['label'], 160)}: failed, {trim(str(failure.get('message', '')), 160)}"
    left = len(trials) - len(best) - len(latest) - len(failed)
    if left > 0:
        yield f"- and {left} more; cobra.recall(id) tells of any"


def _titles(turns: Sequence[Turn]) -> Iterator[str]:
    """One line a turn, the first and the latest of them."""
    shown = list(turns) if len(turns) <= 16 else [*turns[:4], *turns[-12:]]
    for turn in shown:
        title = turn.markdown.partition("\n")[0].lstrip("# ").strip()
        yield f"- turn {turn.number}: {trim(title, 100)} [{turn.status}]"


# ---- the latest turns


def _recent(turns: Sequence[Turn]) -> Iterator[str]:
    if turns:
        yield "# Latest turns"
    for turn in turns:
        yield (
            f"## Turn {turn.number} ({turn.role}): {turn.status}\n{trim(turn.markdown, WORDS)}\n\n"
            f"```python\n{trim(turn.code, CODE)}\n```\nOutput:\n{trim(turn.output, OUTPUT) or '(none)'}"
        )


# ---- now


def _now(context: Context) -> str:
    clock = context.clock
    lines = [f"# Now: turn {len(context.turns) + 1}"]
    if clock.budget is not None:
        used = max(0.0, clock.budget - clock.left)
        phase = "explore" if used < 0.5 * clock.budget else "exploit what is best"
        lines.append(
            f"Time: {spoken(used)} used, {spoken(clock.free)} left for new work, then {spoken(clock.reserve)} kept "
            f"for submission and proof. Phase: {phase}."
        )
    lines.append(_standing(context))
    for job in context.running_jobs():
        lines.append(f"Job {job['id']} is running: {job['what']}.")
    lines += [
        f"Job {job['id']} has ended: {job['state']} {job['result'] or job['error'] or ''}."
        for job in _news(context)
    ]
    lines.append(_request(context))
    return "\n".join(lines)


def _standing(context: Context) -> str:
    submitted = context.last("submission")
    full = sorted(context.trials(full=True), key=lambda t: t["score"])
    protocol = context.last("protocol")
    if full and protocol:
        best = full[-1] if protocol["direction"] == "maximize" else full[0]
        words = f"Best full-size trial: {best['id']} {trim(best['label'], 120)}, {best['score']:.5f} ± {best['se']:.5f}."
    else:
        words = "No full-size trial has a score yet."
    if submitted is None:
        return f"{words} Nothing is submitted yet."
    return f"{words} Submitted: {submitted['what']}, {submitted['score']:.5f} ± {submitted['se']:.5f}."


def _news(context: Context) -> list[Json]:
    """Jobs that ended since the last turn."""
    since = context.turns[-1].seq if context.turns else 0
    return [
        data for (kind, data), line in zip(context.records, context.lines, strict=False)
        if kind == "job" and data["state"] != "running" and line > since
    ]  # fmt: skip


def _request(context: Context) -> str:
    last = context.turns[-1] if context.turns else None
    if context.role == "debugger" and last is not None:
        return f"The cell of turn {last.number} failed: {trim(last.error, 600)}\nRepair it."
    if last is None:
        return "Begin: the first cell loads the workbench, opens the competition and looks at it."
    if last.status != "ok":
        return f"The last cell ended with {last.status}: {trim(last.error, 600)}\nWrite the next cell."
    return "Write the next cell."
