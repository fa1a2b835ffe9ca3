"""A context in words: what a language model reads each turn, within a fixed size and stable parts first.

Providers cache the beginning of a request while it stays the same. So the digest of earlier turns is made
anew only every BLOCK turns. In between, turns are appended; what changes each turn (the clock, the jobs)
comes last."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from cobra_jupyter.agent import summary
from cobra_jupyter.agent.budget import spoken
from cobra_jupyter.agent.summary import trim
from cobra_jupyter.brains.context import Clock, Context, Prompt, Records, Task, Turn
from cobra_jupyter.records import kinds
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display import pages
from cobra_jupyter.workbench.display.pages import describe, words

PROMPTS = Path(__file__).parent / "prompts"
BLOCK = 6  # turns between two digests
BEFORE = 4  # turns before a digest that are still shown in full
DESCRIPTION, CARD, PROTOCOL = 12_000, 6_000, 1_500  # characters
CODE, OUTPUT, WORDS = 6_000, 4_000, 600  # characters of each recent turn
PEOPLE = 12_000  # characters of each message and of each handback
BUDGET = 40_000  # tokens of a context; recent turns are shortened to stay within it


@cache
def text_of(name: str) -> str:
    """A prompt file of the package."""
    return (PROMPTS / f"{name}.md").read_text(encoding="utf-8")


def request(name: str) -> str:
    """A brief of the ladder: a section of prompts/briefs.md, with the fields {why} and {lines}."""
    _, _, rest = text_of("briefs").partition(f"## {name}\n")
    return rest.partition("\n## ")[0].strip()


def hashes() -> dict[str, str]:
    """SHA-256 of every prompt file, for the record."""
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(PROMPTS.glob("*.md"))}


def render(context: Context) -> Prompt:
    """A context as its role reads it: the judge gets numbers alone, a scout no code of others, the rest
    everything."""
    role = context.task.role if context.task else context.role
    block = max(0, len(context.turns) - 1) // BLOCK * BLOCK  # turns that the digest covers
    until = (
        block if context.task is None else max(block, 1)
    )  # a delegated agent gets a digest in its first turn
    known = _until(context, until)
    digest = list(_judged(known) if role == "judge" else _digest(context, known, role, until))
    system = text_of(context.role)
    if context.role != "judge":
        system += f"\n{text_of('reference')}"
    stable = "\n\n".join(_metric(context) if role == "judge" else _stable(context))
    corrections = tuple((trim(bad, CODE), words) for bad, words in context.corrections)
    for share in (1.0, 0.5, 0.25, 0.1):  # of the characters of each recent turn
        recent = _recent(context.turns[max(0, block - BEFORE) :], share)
        parts = [*_task(context.task), *digest, *recent, _now(context)]
        prompt = Prompt(system, stable, "\n\n".join(parts), corrections)
        if prompt.tokens <= BUDGET:
            break
    return prompt


def _until(context: Context, turns: int) -> Records:
    """The records up to the agent's `turns`-th turn; all of them if it has taken fewer."""
    if not context.lines or len(context.turns) < turns:
        return context.records
    until = context.turns[turns - 1].seq if turns else -1
    return [record for record, line in zip(context.records, context.lines, strict=False) if line <= until]


# ---- stable parts


def _stable(context: Context) -> Iterator[str]:
    if context.description:
        description = trim(context.description, DESCRIPTION)
        yield f"# The competition's description\n<description>\n{description}\n</description>"
    if card := context.last(results.CARD):
        yield f"# Competition card (read from the files)\n{trim(pages.text('card', card), CARD)}"
    yield f"# Resources\n{_resources(context)}"
    if protocol := context.last(results.PROTOCOL):
        yield f"# Protocol (frozen)\n{trim(pages.text('protocol', protocol), PROTOCOL)}"


def _resources(context: Context) -> str:
    known = context.resources
    budget = "no limit" if context.clock.budget is None else spoken(context.clock.budget)
    libraries = ", ".join(
        f"{name} {version}" for name, version in dict(known.get("libraries") or {}).items() if version
    )
    weights = ", ".join(f"{found.get('name')} ({found.get('path')})" for found in known.get("weights") or ())
    return (
        f"Budget: {budget} in all. Cores: {known.get('cores', 1)}; memory: {known.get('memory_mb', 0)} MiB; "
        f"GPUs: {known.get('gpus', 0)}.\nLibraries: {libraries or 'see the first cells'}.\n"
        f"Pretrained weights at hand: {weights or 'none'}."
    )


def _metric(context: Context) -> Iterator[str]:
    protocol = context.last(results.PROTOCOL)
    if protocol:
        yield f"# Protocol (frozen)\n{pages.headline('protocol', protocol)}"


# ---- the latest digest


def _task(task: Task | None) -> Iterator[str]:
    if task is not None:
        yield f"# What you were called in for, by the {task.by}\n{task.brief}"


def _judged(records: Records) -> Iterator[str]:
    yield "# Finalists\n" + ("\n".join(summary.finalists(records)) or "None yet.")


def _digest(context: Context, records: Records, role: str, until: int) -> Iterator[str]:
    if not until:
        return
    source = f"turns 1 to {until} have" if context.task is None else "the run has"
    sections = {
        "Lessons (paired differences ± standard error; positive is better)": summary.lessons(records),
        "Ideas tried": summary.ideas(records),
    }
    sections["Shared tables (label-free, made once)"] = summary.tables(records)
    if role == "auditor":
        sections["Single folds"] = summary.finalists(records)
    else:
        sections["Briefs of other agents"] = summary.briefs(records)
    if role != "judge":
        sections["Messages of the person who watches (they still hold)"] = summary.messages(records)
    if context.task is None:
        sections["Steps so far"] = summary.steps(context.turns[: max(0, until - BEFORE)])
        sections["Candidates saved (read one with cobra.recall)"] = summary.candidates(records)
    digest = [f"## {title}\n{text}" for title, lines in sections.items() if (text := "\n".join(lines))]
    yield "\n\n".join([f"# What {source} shown", *(digest or ["Nothing yet."])])


# ---- the latest turns


def _recent(turns: Sequence[Turn], share: float) -> Iterator[str]:
    mixed = len({turn.brain for turn in turns}) > 1

    def by(turn: Turn) -> str:
        return f", by {turn.brain}" if mixed and turn.brain else ""

    if turns:
        yield "# Latest turns"
    for turn in turns:
        failed = turn is turns[-1] and turn.status == "error"  # it is repaired: the whole cell is needed
        code = turn.code if failed else trim(turn.code, int(share * CODE))
        output = trim(turn.output, int(share * OUTPUT))
        yield (
            f"## Turn {turn.number} ({turn.role}{by(turn)}): {turn.status}\n{trim(turn.markdown, WORDS)}\n\n"
            f"```python\n{code}\n```\nOutput:\n{output or '(none)'}"
        )


# ---- now


def _now(context: Context) -> str:
    number = len(context.turns) + 1
    most = f" of at most {context.task.turns}" if context.task else ""
    lines = [*_people(context), f"# Now: turn {number}{most}", *_time(context.clock), _best_so_far(context)]
    if context.task is None and (submit := context.resources.get("submit")):
        lines.append(f"What it costs to submit {describe.forecast(submit)}.")
    if dropped := context.dropped():
        lines.append(f"To make room, predictions of these trials were dropped: {words.names(dropped)}.")
    for job in context.running_jobs():
        lines.append(f"Job {job['id']} is running: {job['what']}.")
    for job in context.since_last_turn(results.JOB):
        if job["state"] != "running":
            lines.append(f"Job {job['id']} has ended: {job['state']} {_outcome(context, job)}.")
    if context.task is None:
        seen = context.turns[-1].output if context.turns else ""
        lines += [
            f"{brief['agent']} is back ({brief['id']}): {brief['report']}"
            for brief in context.since_last_turn(results.BRIEF)
            if f"brief {brief['id']} of" not in seen
        ]
        lines += _stalls(context)
    lines.append(_request(context))
    return "\n".join(lines)


def _people(context: Context) -> Iterator[str]:
    """A person's messages and edits since this role's last turn; they come first."""
    since = next((turn.knew for turn in reversed(context.turns) if turn.role == context.role), -1)
    if messages := context.said_by_people(since):
        words = "\n\n".join(trim(text, PEOPLE) for text in messages)
        yield f"# From the person who watches this run\n{text_of('person')}\n\n{words}\n"


def _outcome(context: Context, job: results.Job) -> str:
    """A job's trial with its score, or why there is none."""
    trial = next((t for t in context.all(results.TRIAL) if t["id"] == job["result"]), None)
    if trial and trial["score"] is not None:
        if context.role == "judge":  # the judge gets numbers alone
            return f"{trial['id']}, {describe.score(trial)}"
        return describe.trial(trial, 120)
    return str(job["result"] or trim(str(job["error"] or ""), 300))


def _time(clock: Clock) -> Iterator[str]:
    if clock.budget is None:
        return
    used = max(0.0, clock.budget - clock.left)
    if clock.reserve:
        phase = "explore" if used < 0.5 * clock.budget else "exploit what is best"
        kept = f", then {spoken(clock.reserve)} kept for submission and proof. Phase: {phase}."
    else:
        kept = "; then your work ends, with or without a report."
    yield f"Time: {spoken(used)} used, {spoken(clock.free)} left for new work{kept}"


def _stalls(context: Context) -> Iterator[str]:
    """A rung of the ladder that the lead takes itself."""
    rung = context.last(kinds.RUNG)
    if rung and rung["rung"] == "fusion" and rung["state"] == "begun":
        yield request("fusion").format(why=rung["why"], lines=" and ".join(rung["lines"]))


def _best_so_far(context: Context) -> str:
    submitted = context.last(results.SUBMISSION)
    full = sorted(context.trials(full=True), key=results.score_of)
    protocol = context.last(results.PROTOCOL)
    if full and protocol:
        best = full[-1] if protocol["direction"] == "maximize" else full[0]
        which = best["id"] if context.role == "judge" else describe.named(best, 120)
        words = f"Best full-size trial: {which}, {describe.score(best)}."
    else:
        words = "No full-size trial has a score yet."
    if submitted is None:
        return f"{words} Nothing is submitted yet."
    return f"{words} Submitted: {submitted['what']}, {describe.score(submitted)}."


def _request(context: Context) -> str:
    last = context.turns[-1] if context.turns else None
    if context.role == "debugger" and last is not None:
        return f"The cell of turn {last.number} failed: {trim(last.error, 600)}\nRepair it."
    if last is None:
        if context.task is not None:
            return "Begin: the first cell loads the workbench (`%load_ext cobra_jupyter`)."
        return "Begin: the first cell loads the workbench, opens the competition and looks at it."
    if last.status != "ok":
        return f"The last cell ended with {last.status}: {trim(last.error, 600)}\nWrite the next cell."
    if context.task is not None and len(context.turns) + 1 >= context.task.turns:
        return "This is your last turn: the cell is cobra.finish(…) with your report."
    return "Write the next cell."
