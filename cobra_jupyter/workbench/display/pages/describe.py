"""Results in one line each: the same words in cells, prompts, the panel, the report and the terminal.

`room` is the maximum length of a label or a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import words

LABEL = 200  # characters of a trial's label
MESSAGE = 300  # characters of a message

# ---- scores


def score(data: results.Trial | results.Blend | results.Submission) -> str:
    """0.80698 ± 0.00451"""
    return words.scored(data.get("score"), data.get("se"))


def cross_validated(metric: str | None, value: float | None, se: float | None) -> str:
    """rmse 0.80698 ± 0.00451 by cross-validation"""
    return f"{metric} {words.scored(value, se)} by cross-validation"


def best(value: float, se: float | None) -> str:
    """best CV 0.80698 ± 0.00451"""
    return f"best CV {words.scored(value, se)}"


def metric_and_protocol(data: results.Judgement) -> str:
    """metric, protocol 1"""
    protocol = f"protocol {data['protocol']}" if data.get("protocol") else None
    return ", ".join(str(each) for each in (data.get("metric"), protocol) if each)


# ---- competition


def assumption(data: results.Assumption) -> str:
    """id: rows are matched by position, because no column fits; --set id=COLUMN decides it"""
    cure = f"; --set {data['option']} decides it" if data.get("option") else ""
    return f"{data['about']}: {data['taken']}, because {data['reason']}{cure}"


# ---- trials


def failed(trial: results.Trial) -> bool:
    return not words.known(trial.get("score"))


def named(trial: results.Trial, room: int = LABEL) -> str:
    """t001 ridge(alpha=1)"""
    return f"{trial.get('id')} {words.cut(trial.get('label') or trial.get('candidate'), room)}"


def trial(data: results.Trial, room: int = LABEL) -> str:
    """t001 ridge(alpha=1): score 0.80698 ± 0.00451; 5 folds, all rows; 4 min 10 s"""
    outcome = "FAILED" if failed(data) else f"score {score(data)}"
    return f"{named(data, room)}: {outcome}; {size(data)}; {time(data)}"


def size(data: results.Trial) -> str:
    """What a trial ran on."""
    folds = list(data.get("folds") or ())
    if len(folds) == 1 and not data.get("full"):  # "fold 1" is not "1 fold"
        return f"fold {folds[0]} only, {words.fraction(data.get('fraction'))}"
    repeats = f" × {data['repeats']} repeats" if (data.get("repeats") or 1) > 1 else ""
    which = f" ({', '.join(map(str, folds))})" if not data.get("full") and 0 < len(folds) <= 3 else ""
    return f"{words.counted(len(folds), 'fold')}{which}{repeats}, {words.fraction(data.get('fraction'))}"


def time(data: results.Trial) -> str:
    """Wall time; also worker time if that is longer."""
    wall, cost = data.get("seconds"), data.get("cost")
    beside = words.known(cost) and words.known(wall) and cost > 1.15 * wall and cost > 1
    return words.seconds(wall) + (f" ({words.seconds(cost)} of worker time)" if beside else "")


def fold_scores(data: results.Trial | results.Blend, digits: int = 4, most: int | None = None) -> str:
    return "  ".join(words.score(each, digits) for each in list(data.get("fold_scores") or ())[:most])


def partial(data: results.Trial) -> int:
    """The number of fits that ran out of time and predicted from a snapshot."""
    return sum(fit.get("status") == "partial" for fit in data.get("fits") or ())


def why(failure: results.Failure | None, room: int | None = None) -> str:
    """Kind, message, violated rule and place of a failure in one line."""
    if not failure:
        return ""
    rule = f" [{failure['rule']}]" if failure.get("rule") else ""
    place = f" at {failure['place']}" if failure.get("place") else ""
    message = failure.get("message", "") if room is None else words.cut(failure.get("message", ""), room)
    return f"{str(failure.get('kind', 'error')).replace('_', ' ')}: {message}{rule}{place}"


# ---- effects


def running(effect: results.Effect) -> bool:
    return effect.get("verdict") == "not tried" and effect.get("note") == "running"


def verdict(effect: results.Effect) -> str:
    """The verdict of an effect."""
    if running(effect):
        return "running"
    found = str(effect.get("verdict") or "")
    return f"{found}, confirmed" if effect.get("confirmed") and found == "better" else found


def effect(data: results.Effect, ablation: results.Ablation) -> str:
    """ridge_v1: alpha=1 instead of 100: +0.031 ± 0.004 rmse, better [t006 against t002, all rows, 2 folds]"""
    change = words.config({str(data.get("factor")): data.get("level")})
    gain = words.gained(data.get("gain"), data.get("se"))
    return (
        f"{ablation.get('candidate')}: {change} instead of {words.level(data.get('baseline'))}: "
        f"{gain} {ablation.get('metric')}, {verdict(data)} "
        f"[{data.get('trial')} against {ablation.get('baseline')}, {ablation.get('fidelity')}]"
    )


def against(idea: results.Idea) -> str:
    """+0.031 ± 0.004 against t002"""
    if not words.known(idea.get("gain")):
        return "the first"
    return f"{words.gained(idea.get('gain'), idea.get('se'))} against {idea.get('best')}"


def idea(data: results.Idea) -> str:
    progress = ", progress" if data.get("progress") else ""
    return f"{data.get('id')} in the family {data.get('family')}: {against(data)}{progress}"


# ---- blend, selection, submission


def over_best(blend: results.Blend) -> str:
    """The gain of a blend over the best single trial."""
    over: Mapping[str, Any] = blend.get("over_best") or {}
    if not words.known(over.get("gain")):
        return ""
    gain = words.gained(over["gain"], over.get("se"))
    return f"{gain} against the best single one, {blend.get('best_single')}"


def optimism(blend: results.Blend) -> str:
    inside = words.score(blend.get("in_sample"))
    return f"in-sample {inside}; the score is nested: each fold's weights come from the other folds"


def averaged(data: results.Blend) -> str:
    rule = data.get("rule") or "mean"
    return "" if rule == "mean" else f", averaged by {rule}s"


def dropped(data: results.Blend) -> list[str]:
    """The trials that a blend does not use, each with the reason."""
    return [f"without {each['trial']}: {each['why']}" for each in data.get("dropped") or ()]


def blend(data: results.Blend) -> str:
    over = f"; {over_best(data)}" if over_best(data) else ""
    return (
        f"{data.get('id')} of {words.counted(len(data.get('members') or ()), 'trial')} "
        f"({data.get('considered')} considered){averaged(data)}: score {score(data)} nested{over}; "
        f"costs {words.seconds(data.get('cost'))} of worker time"
    )


def standing(row: results.Entry, chosen: str | None) -> str:
    """The rule's verdict on a row of the selection's table."""
    if row.get("id") == chosen:
        return "chosen"
    return "ties with the best" if row.get("tie") else ""


def behind(row: results.Entry) -> str:
    if not row.get("behind") and not row.get("behind_se"):
        return "best"
    return words.gained(row.get("behind"), row.get("behind_se"))


def member(data: results.Member, room: int = 100) -> str:
    """60% t001 ridge(alpha=1)"""
    return f"{words.share(data.get('weight'))} {data.get('trial')} {words.cut(data.get('label'), room)}"


def submission(data: results.Submission) -> str:
    return (
        f"{data.get('what')}: {words.counted(data.get('rows'), 'row')} written to {data.get('path')}, "
        f"format checked; cross-validated {score(data)}; {words.seconds(data.get('seconds'))}"
    )


def forecast(data: results.Forecast) -> str:
    """b02: about 3 s; then 40 s are kept for its proof"""
    return (
        f"{data.get('what')}: about {words.seconds(data.get('seconds'))}; then "
        f"{words.seconds(data.get('reserve'))} are kept for its proof"
    )


# ---- candidates


def candidate(data: results.Candidate, room: int = 120) -> str:
    """ridge_v1: Ridge on the numbers; factors alpha, scale"""
    summary = f"{words.cut(data['summary'], room)}; " if data.get("summary") else ""
    factors = words.names(data.get("factors")) or "none"
    return f"{data.get('name')}_v{data.get('version')}: {summary}factors {factors}"


# ---- jobs and agents


def job(data: results.Job) -> str:
    """j01 trial of ridge_v1: done → t004, 3.2 s"""
    error = f": {words.cut(data['error'], MESSAGE)}" if data.get("error") else ""
    result = f" → {data['result']}" if data.get("result") else ""
    state = f"{data.get('state')}{result}, {words.seconds(data.get('seconds'))}{error}"
    return f"{data.get('id')} {words.cut(data.get('what'), 120)}: {state}"


def effort(brief: results.Brief) -> str:
    """3 turns, 1 min 10 s, 12,000 tokens"""
    tokens = f", {words.counted(brief['tokens'], 'token')}" if brief["tokens"] else ""
    return f"{words.counted(brief['turns'], 'turn')}, {words.seconds(brief['seconds'])}{tokens}"


def brief(data: results.Brief) -> str:
    return f"{data['id']} of {data['agent']}: {effort(data)}, ended {data['ended']}"


def came_back(data: results.Brief) -> str:
    """An agent's report with the ids of its latest results."""
    return f"{data['agent']} [{', '.join(data['results'][-6:]) or 'no results'}]: {data['report']}"
