"""Views of blend, selection and submission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display import charts
from cobra_jupyter.workbench.display.pages import describe, parts, words
from cobra_jupyter.workbench.display.pages.parts import Html


def weights(data: results.Blend, name: str) -> Html:
    """The chart of a blend's weights."""
    members = [m for m in data.get("members") or () if words.known(m.get("weight"))]
    if not members:
        return Html("")
    bars = [
        charts.Bar(f"{m.get('trial')} {words.cut(m.get('label'), 60)}", m["weight"], words.share(m["weight"]))
        for m in members
    ]
    return Html(charts.img(charts.bars(bars, name), name))


# ---- blend


def blend_html(data: results.Blend) -> str:
    rows = [
        (
            m.get("trial"),
            words.cut(m.get("label"), 160),
            words.share(m.get("weight")),
            words.seconds(m.get("cost")),
        )
        for m in data.get("members") or ()
    ]
    return parts.page(
        parts.title(
            f"Blend {data.get('id')}",
            describe.metric_and_protocol(data),
            f"{len(rows)} of {data.get('considered', '?')} full-size trials",
            f"{words.seconds(data.get('cost'))} of worker time",
        ),
        parts.line(
            parts.soft("nested score"),
            parts.large(describe.score(data)),
        ),
        parts.line(describe.over_best(data)) if describe.over_best(data) else "",
        parts.table(("trial", "member", "weight", "cost"), rows, "llrr"),
        parts.items(map(parts.soft, describe.dropped(data))) if data.get("dropped") else "",
        parts.line(parts.soft(describe.optimism(data), small=True)),
        weights(data, f"Weights of {data.get('id')}") if len(rows) > 1 else "",
    )


def blend_text(data: results.Blend) -> str:
    rows = [
        (
            words.share(m.get("weight")),
            m.get("trial"),
            words.cut(m.get("label"), 160),
            words.seconds(m.get("cost")),
        )
        for m in data.get("members") or ()
    ]
    return parts.lines(
        f"blend {describe.blend(data)}",
        parts.columns(rows, "rllr"),
        [f"  {line}" for line in describe.dropped(data)],
        f"  {describe.optimism(data)}",
    )


# ---- selection


def distance(data: results.Selection) -> Html:
    """The chart of the differences between each entry and the best."""
    table = [r for r in data.get("table") or () if words.known(r.get("behind"))]
    if len(table) < 2:
        return Html("")
    rows = [
        charts.Effect(
            f"the best: {table[0].get('id')}",
            f"{r.get('id')} {words.cut(r.get('label'), 50)}",
            -r["behind"],
            r.get("behind_se") or 0.0,
            "unclear" if r.get("tie") else "worse",
        )
        for r in table[1:]
    ]
    name = "Against the best" + (f", in {data['metric']}" if data.get("metric") else "")
    return Html(charts.img(charts.forest(rows, name, "paired"), "What each entry is behind the best"))


def strip(data: results.Selection, scores: Mapping[str, Any] | None = None) -> Html:
    """The chart of fold scores of the entries that have them (in the table, or by id in `scores`)."""
    known = scores or {}
    found = {
        f"{r.get('id')} {words.cut(r.get('label'), 60)}": r.get("fold_scores") or known.get(str(r.get("id")))
        for r in data.get("table") or ()
    }
    shown = {name: [s for s in values if words.known(s)] for name, values in found.items() if values}
    if not shown:
        return Html("")
    chart = charts.strip(shown, "Scores by fold", str(data.get("direction") or "maximize"))
    return Html(charts.img(chart, "Fold scores of those that stood for selection"))


def selection_html(data: results.Selection) -> str:
    rows = []
    for r in data.get("table") or ():
        said = describe.standing(r, data.get("chosen"))
        name = parts.strong(r.get("id")) if said == "chosen" else r.get("id")
        mark = parts.coloured("● chosen", "good") if said == "chosen" else said
        rows.append(
            (
                name,
                words.cut(r.get("label"), 160),
                words.scored(r.get("score"), r.get("se")),
                parts.minus(describe.behind(r)),
                words.seconds(r.get("cost")),
                mark,
            )
        )
    vault = (
        parts.line(
            parts.soft("vault"), data["vault"], parts.coloured("vetoed", "bad") if data.get("vetoed") else ""
        )
        if data.get("vault")
        else ""
    )
    return parts.page(
        parts.title(f"Selected: {data.get('chosen')}", describe.metric_and_protocol(data)),
        parts.line(data.get("why", "")),
        parts.table(("id", "what", "score ± SE", "behind the best", "cost", ""), rows, "llrrrl"),
        vault,
        parts.line(parts.soft(f"Rule: {data.get('rule', '')}", small=True)),
        strip(data) or distance(data),
    )


def selection_text(data: results.Selection) -> str:
    rows = [
        (
            r.get("id"),
            words.scored(r.get("score"), r.get("se")),
            describe.behind(r),
            words.seconds(r.get("cost")),
            words.cut(r.get("label"), 60),
            describe.standing(r, data.get("chosen")),
        )
        for r in data.get("table") or ()
    ]
    return parts.lines(
        f"selected {data.get('chosen')}: {data.get('why', '')}",
        parts.columns(rows, "lrrrll"),
        f"  {data['vault']}" if data.get("vault") else None,
        "  vetoed by the vault" if data.get("vetoed") else None,
        f"  rule: {data.get('rule', '')}",
    )


# ---- submission


def submission_html(data: results.Submission) -> str:
    rows = [
        (m.get("trial"), words.cut(m.get("label"), 160), words.share(m.get("weight")))
        for m in data.get("members") or ()
    ]
    return parts.page(
        parts.title(
            f"Submission of {data.get('what')}",
            describe.metric_and_protocol(data),
            words.counted(data.get("rows"), "row"),
            words.seconds(data.get("seconds")),
        ),
        parts.line(parts.soft("cross-validated"), parts.strong(describe.score(data))),
        parts.line(
            parts.soft("written to"),
            parts.code(data.get("path", "")),
            parts.soft("SHA-256"),
            parts.code(str(data.get("sha256", ""))),
        ),
        parts.line(parts.soft(data.get("training", ""))) if data.get("training") else "",
        parts.line(parts.soft("expected cost of"), describe.forecast(data["forecast"]))
        if data.get("forecast")
        else "",
        parts.table(("trial", "member", "weight"), rows, "llr"),
        *(parts.line(parts.coloured("suspect", "bad"), reason) for reason in data.get("suspect") or ()),
    )


def submission_text(data: results.Submission) -> str:
    members = ", ".join(describe.member(each) for each in data.get("members") or ())
    return parts.lines(
        f"submission of {describe.submission(data)}",
        f"  sha256 {data.get('sha256')}",
        f"  members: {members}" if members else None,
        f"  training: {data['training']}" if data.get("training") else None,
        f"  expected cost of {describe.forecast(data['forecast'])}" if data.get("forecast") else None,
        *(f"  SUSPECT: {reason}" for reason in data.get("suspect") or ()),
    )


def placeholder_html(data: results.Placeholder) -> str:
    return parts.page(parts.line(placeholder_text(data)))


def placeholder_text(data: results.Placeholder) -> str:
    values = words.config(dict(list((data.get("values") or {}).items())[:5]))
    return (
        f"{data.get('path')} holds a placeholder of {words.counted(data.get('rows'), 'row')}: "
        f"{data.get('why')}{f' ({values})' if values else ''}"
    )
