"""Views of trials, probes, jobs and status."""

from __future__ import annotations

from collections.abc import Sequence

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import describe, parts, words
from cobra_jupyter.workbench.display.pages.parts import Html

TAIL = 2_000  # characters of a failure's output in plain text
STATES = {"done": ("✓", "good"), "running": ("…", "soft"), "failed": ("✕", "bad"), "cancelled": ("–", "soft")}


# ---- trials


def trial_html(data: results.Trial) -> str:
    rss = f"{words.megabytes(data['rss_mb'])} of memory" if data.get("rss_mb") else ""
    facts = [describe.size(data), describe.time(data), rss, f"seed {data.get('seed', 0)}"]
    score = parts.coloured("failed", "bad") if describe.failed(data) else describe.score(data)
    params = {f"decode: {k}": v for k, v in (data.get("params") or {}).items()}
    config = {k: words.level(v) for k, v in {**(data.get("config") or {}), **params}.items()}
    several = len(data.get("fold_scores") or ()) > 1
    return parts.page(
        parts.title(f"Trial {data.get('id')}", words.cut(data.get("label") or data.get("candidate"), 200)),
        parts.line(parts.soft("score"), parts.large(score)),
        parts.line(parts.soft(parts.join(facts, " · "))),
        parts.line(parts.soft("by fold"), describe.fold_scores(data)) if several else "",
        _failure(data.get("failure"), describe.failed(data)),
        parts.line(_partly(data)) if describe.partial(data) else "",
        parts.items(parts.join([parts.coloured("!", "bad"), w], " ") for w in data.get("warnings") or ()),
        parts.fold(f"Configuration of {data.get('candidate')}", parts.facts(config)) if config else "",
    )


def _partly(data: results.Trial) -> str:
    return f"{words.counted(describe.partial(data), 'fit')} ran out of time and predicted from a snapshot"


def _failure(failure: results.Failure | None, final: bool) -> Html:
    if not failure:
        return Html("")
    name = str(failure.get("kind", "error")).replace("_", " ")
    kind = parts.coloured(f"✕ {name}", "bad" if final else "soft")
    rule = parts.soft(f"rule: {failure['rule']}") if failure.get("rule") else ""
    place = parts.join([parts.soft("at"), parts.code(failure["place"])], " ") if failure.get("place") else ""
    said = parts.line(kind, failure.get("message", ""), rule, place)
    if not failure.get("tail"):
        return said
    return parts.join([said, parts.fold("End of its output", parts.pre(failure["tail"]), shown=final)])


def trial_text(data: results.Trial) -> str:
    failure = data.get("failure")
    tail = str(failure.get("tail") or "")[-TAIL:].strip() if failure else ""
    return parts.lines(
        f"trial {describe.trial(data)}; {words.megabytes(data.get('rss_mb'))}; seed {data.get('seed', 0)}",
        f"  by fold: {describe.fold_scores(data)}" if len(data.get("fold_scores") or ()) > 1 else None,
        f"  {describe.why(failure)}" if failure else None,
        ["  its output ends:", *(f"    {each}" for each in tail.splitlines())] if tail else None,
        f"  {_partly(data)}" if describe.partial(data) else None,
        [f"  warning: {words.cut(w, 300)}" for w in data.get("warnings") or ()],
    )


def oof_text(data: results.OutOfFold) -> str:
    rows = f"{words.count(data.get('predicted'))} of {words.count(data.get('rows'))} rows of train"
    columns = words.names(data.get("columns"))
    return f"out-of-fold predictions of {data.get('id')}: {rows}; columns fold, {columns}"


def oof_html(data: results.OutOfFold) -> str:
    return parts.page(parts.line(oof_text(data)))


# ---- probe


def _predicted(data: results.Probe) -> str:
    return (
        f"one fit on {words.count(data.get('rows'))} rows: "
        f"{words.seconds(data.get('fit_seconds'))}, {words.megabytes(data.get('rss_mb'))}; "
        f"the full-size trial: {words.seconds(data.get('trial_seconds'))}"
    )


def _memory(data: results.Probe) -> str:
    fits = "fits" if data.get("fits_memory") else "does NOT fit"
    allowed = words.megabytes(data.get("memory_mb"))
    return f"{fits} the {allowed} a worker may use; time grows as rows^{data.get('exponent')}"


def probe_html(data: results.Probe) -> str:
    rows = [
        (words.count(m.get("rows")), words.seconds(m.get("seconds")), words.megabytes(m.get("rss_mb")))
        for m in data.get("measured") or ()
    ]
    look = "good" if data.get("fits_memory") else "bad"
    return parts.page(
        parts.title(f"Probe of {data.get('candidate')}", words.cut(words.config(data.get("config")), 160)),
        parts.line(parts.strong("Predicted:"), _predicted(data)),
        parts.line(parts.coloured("●", look), _memory(data)),
        parts.line(parts.soft(data["proof"])) if data.get("proof") else "",
        parts.table(("rows", "one fit", "memory"), rows, "rrr"),
    )


def probe_text(data: results.Probe) -> str:
    rows = [
        f"  measured: {words.count(m.get('rows'))} rows "
        f"{words.seconds(m.get('seconds'))} {words.megabytes(m.get('rss_mb'))}"
        for m in data.get("measured") or ()
    ]
    proof = f"  {data['proof']}" if data.get("proof") else None
    return parts.lines(
        f"probe of {data.get('candidate')}: {_predicted(data)}", f"  {_memory(data)}", proof, rows
    )


# ---- jobs and status


def _job_row(job: results.Job) -> tuple[object, ...]:
    mark, look = STATES.get(str(job.get("state")), ("…", "soft"))
    said = parts.join([parts.coloured(mark, look), job.get("state")], " ")
    told = parts.join([job.get("result") or "", parts.soft(words.cut(job.get("error") or "", 300))], " ")
    return parts.strong(job.get("id")), job.get("what"), said, words.seconds(job.get("seconds")), told


def _job_table(jobs: Sequence[results.Job] | None) -> Html:
    return parts.table(
        ("job", "what", "state", "time", "result"), [_job_row(job) for job in jobs or ()], "lllrl"
    )


def job_html(data: results.Job) -> str:
    return parts.page(
        _job_table([data]),
        parts.line(parts.soft(f"cobra.wait({str(data.get('id'))!r}) waits for it.", small=True))
        if data.get("state") == "running"
        else "",
    )


def job_text(data: results.Job) -> str:
    return f"job {describe.job(data)}"


def jobs_html(data: results.Jobs) -> str:
    return parts.page(_job_table(data.get("jobs")) or parts.line(parts.soft("No background jobs.")))


def jobs_text(data: results.Jobs) -> str:
    jobs = list(data.get("jobs") or ())
    return parts.lines(f"jobs: {len(jobs) or 'none'}", [f"  {describe.job(job)}" for job in jobs])


def _left(data: results.Status) -> str:
    if not words.known(data.get("budget")):
        return "no time limit"
    left, budget, reserve = (words.seconds(data.get(k)) for k in ("seconds_left", "budget", "reserve"))
    return f"{left} left of {budget}, {reserve} of it kept for the submission and its proof"


def _resources(data: results.Status) -> str:
    judged = f"protocol {data['protocol']}" if data.get("protocol") else "no protocol yet"
    workers, memory = words.counted(data.get("slots"), "worker"), words.megabytes(data.get("memory_mb"))
    return f"{workers} of {memory} each; {judged}"


def _submit(data: results.Status) -> str:
    submit = data.get("submit")
    return f"to submit {describe.forecast(submit)}" if submit else ""


def status_html(data: results.Status) -> str:
    budget, left = data.get("budget"), data.get("seconds_left")
    used = 1 - max(0.0, left) / budget if words.known(budget) and words.known(left) and budget else None
    return parts.page(
        parts.title("Status", _left(data)),
        parts.line(parts.bar(used), parts.soft("of the time is used")) if used is not None else "",
        parts.line(_resources(data)),
        parts.line(_submit(data)) if data.get("submit") else "",
        _job_table(data.get("jobs")),
    )


def status_text(data: results.Status) -> str:
    return parts.lines(
        f"status: {_left(data)}",
        f"  {_resources(data)}",
        f"  {_submit(data)}" if data.get("submit") else None,
        [f"  job {describe.job(job)}" for job in data.get("jobs") or ()],
    )


def _answer(data: results.Finish) -> str:
    answer = data.get("answer")
    return words.cut(answer, 300) if isinstance(answer, str) else ""


def finish_html(data: results.Finish) -> str:
    return parts.page(
        parts.title("Finished", words.cut(data.get("why") or "", 300)),
        parts.line(parts.soft(_answer(data))) if _answer(data) else "",
    )


def finish_text(data: results.Finish) -> str:
    return f"finish: {words.cut(data.get('why') or 'no reason given', 300)}" + (
        f" ({_answer(data)})" if _answer(data) else ""
    )
