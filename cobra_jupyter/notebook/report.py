"""`report.html`: what a run did and found, for readers who have never seen the project.

One file without scripts and without external fonts or images. It is readable in light and dark mode and on
paper, and says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cobra_jupyter.records import kinds
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.records.timeline import Timeline
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display import charts
from cobra_jupyter.workbench.display.pages import (
    choice,
    competition,
    describe,
    effects,
    findings,
    parts,
    words,
)

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
MOST_TRIALS = 300  # rows of one table
PROOFS = {
    "identical": ("good", "A notebook of plain code, run in a fresh kernel, wrote the same file."),
    "equal": ("good", "A notebook of plain code, run in a fresh kernel, wrote the same values within 1e-6."),
    "different": ("bad", "The notebook of plain code wrote something different from the submission."),
    "failed": ("bad", "The notebook of plain code did not run to the end."),
    "not run": ("open", "The submission was not proven."),
}


def write(path: Path, run: Mapping[str, Any], records: Sequence[Record]) -> None:
    """Write the report of a run: `run` is the content of run.json, `records` is its ledger.

    A reader sees the old report or the new one, never a part. Raises OSError if it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    part.write_bytes(render(run, records).encode("utf-8", "replace"))
    part.replace(path)


def render(run: Mapping[str, Any], records: Sequence[Record]) -> str:
    """The report as HTML."""
    story = Timeline(run, records)
    card, submission = story.last(results.CARD), story.last(results.SUBMISSION)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            story=story,
            run=run,
            card=card,
            protocols=story.all(results.PROTOCOL),
            judged=story.judged,
            title=run.get("competition") or (card.get("name") if card else None) or "competition",
            submission=submission,
            selection=story.last(results.SELECTION),
            used=[m.get("trial") for m in (submission.get("members") if submission else None) or ()],
            blend=_blend(story),
            blends=story.all(results.BLEND),
            candidates=_candidates(story),
            ablations=_ablations(story),
            audits=_audits(story),
            environment=_machine(story),
            proof=_proof(story),
            files=story.all(kinds.FILE),
            charts=_charts(story),
            time=_time(story),
            tail=_tail(story),
            most=MOST_TRIALS,
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import ChainableUndefined, Environment, FileSystemLoader

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        score=words.score,
        seconds=words.seconds,
        share=words.share,
        count=words.count,
        level=words.level,
        levels=words.levels,
        config=words.config,
        size=words.size,
        megabytes=words.megabytes,
        ratio=words.ratio,
        cut=words.cut,
        fraction=words.fraction,
        minus=parts.minus,
    )
    made.globals.update(
        scored=words.scored,
        gained=words.gained,
        known=words.known,
        counted=words.counted,
        page_card=competition,
        describe=describe,
    )
    return made


def _proof(story: Timeline) -> dict[str, Any]:
    proof = story.last(kinds.PROOF)
    found: Mapping[str, Any] = proof or story.run.get("proof") or {}
    outcome = str(found.get("outcome") or "not run")
    look, meaning = PROOFS.get(outcome, ("open", ""))
    return {**found, "outcome": outcome, "look": look, "meaning": meaning}


def _candidates(story: Timeline) -> list[dict[str, Any]]:
    """The latest version of each candidate, with its factors as rows."""
    latest = {str(found.get("name")): found for found in story.all(results.CANDIDATE)}
    return [
        {
            "name": name,
            "version": c.get("version"),
            "summary": c.get("summary"),
            "path": c.get("path"),
            "factors": [
                (f, list(ls or ()), (c.get("notes") or {}).get(f, ""))
                for f, ls in (c.get("factors") or {}).items()
            ],
        }
        for name, c in latest.items()
    ]


def _ablations(story: Timeline) -> list[dict[str, Any]]:
    found = []
    for data in story.all(results.ABLATION):
        groups = findings.groups(data)
        ordered = [effect for group in groups for effect in group.rows]
        name = f"G{findings.unit(data)[1:]}: {data.get('candidate')}, {data.get('fidelity')}"
        found.append(
            {
                "data": data,
                "groups": groups,
                "places": findings.places(ordered),
                "best": findings.best(data),
                "tally": findings.tally(data),
                "untried": findings.untried(data),
                "agreement": findings.agreement(data),
                "combinations": findings.combinations(data),
                "meaning": findings.meaning(data),
                "forest": Markup(effects.forest(ordered, name)),
            }
        )
    return found


def _audits(story: Timeline) -> list[dict[str, Any]]:
    """The findings of the last audit of data and protocol, each with what became of it."""
    audits = [each for each in story.all(results.AUDIT) if each.get("probed") is None]
    if not audits:
        return []
    given: list[results.Protocol | results.Audit] = [*story.all(results.PROTOCOL), *audits]
    answers = {_of(answer): answer for each in given for answer in each.get("answers") or ()}
    return [{**found, "answer": answers.get(_of(found))} for found in audits[-1].get("findings") or ()]


def _of(what: results.Finding | results.Answer) -> tuple[Any, ...]:
    return what.get("check"), tuple(what.get("columns") or ())


def _charts(story: Timeline) -> dict[str, Markup]:
    points, made = story.points(), {}
    judged = story.judged
    metric = (judged.get("metric") if judged else None) or "score"
    if any(words.known(p.score) for p in points):
        title = f"Best cross-validated {metric} over time"
        steps = charts.steps(points, title, "minimize" if story.sign < 0 else "maximize")
        made["steps"] = Markup(charts.img(steps, f"{title}; every full-size trial is a dot"))
    if phases := story.phases():
        bars = [
            charts.Bar(p.name, p.share, f"{words.seconds(p.seconds)} ({words.share(p.share)})")
            for p in phases
        ]
        made["phases"] = Markup(
            charts.img(charts.bars(bars, "Where the time went"), "Share of the run's time by phase")
        )
    if selection := story.last(results.SELECTION):
        made["strip"] = Markup(choice.strip(selection, story.fold_scores()))
        made["distance"] = Markup(choice.distance(selection))
    blend = _blend(story)
    if blend and len(blend.get("members") or ()) > 1:
        made["weights"] = Markup(choice.weights(blend, f"Weights of blend {blend.get('id')}"))
    return made


def _blend(story: Timeline) -> results.Blend | None:
    """The blend that was submitted, else the last one."""
    blends = story.all(results.BLEND)
    submitted = story.last(results.SUBMISSION)
    used = [blend for blend in blends if submitted and blend.get("id") == submitted.get("what")]
    return next(iter([*used, *blends[-1:]]), None)


def _time(story: Timeline) -> dict[str, Any]:
    budget = story.run.get("budget")
    used = story.seconds
    when = datetime.fromtimestamp(story.started, UTC).strftime("%d %B %Y, %H:%M UTC") if story.started else ""
    return {
        "used": used,
        "budget": budget,
        "share": used / budget if words.known(budget) and budget else None,
        "started": when,
    }


def _machine(story: Timeline) -> dict[str, Any]:
    """The kernel's Python and the machine, as probed before the run."""
    known = story.run.get("environment") or story.run.get("kernel") or {}
    probed = story.last(kinds.ENVIRONMENT)
    found: Mapping[str, Any] = probed or known
    libraries = {k: v for k, v in (found.get("libraries") or {}).items() if v}
    gpus = [
        f"{g.get('name')}, {words.size(g.get('memory_bytes'))}"
        for g in found.get("gpus") or ()
        if isinstance(g, Mapping)
    ]
    return {**found, "libraries": libraries, "gpus": gpus}


def _tail(story: Timeline) -> dict[str, Any]:
    """The end of the record when the report was written."""
    last = story.records[-1] if story.records else None
    return {
        "length": story.run.get("length") or len(story.records),
        "head": story.run.get("head") or (last.hash if last else None),
    }
