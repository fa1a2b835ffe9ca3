"""Views of card, protocol and metric."""

from __future__ import annotations

import json
from collections import Counter

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import describe, parts, words

WANTS = {"probability": "probabilities", "label": "labels", "value": "values"}
MOST_SHOWN = 12


def metric_of(data: results.Card | results.Protocol) -> str:
    """The metric and its direction."""
    if not data.get("metric"):
        return "not known"
    better = {"maximize": "higher is better", "minimize": "lower is better"}.get(
        str(data.get("direction")), "direction not known"
    )
    return f"{data['metric']} ({better})"


def sizes(data: results.Card) -> str:
    """Rows and columns of the tables."""
    sides = {
        "train": (data.get("train_rows"), data.get("train_columns", "?")),
        "test": (data.get("test_rows"), data.get("test_columns", "?")),
    }
    found = [
        f"{words.count(rows)} {side} rows × {columns} columns"
        for side, (rows, columns) in sides.items()
        if words.known(rows)
    ]
    return ", ".join(
        [*found, f"{words.count(data['sample_rows'])} rows to submit"]
        if words.known(data.get("sample_rows"))
        else found
    )


def kinds(data: results.Card) -> str:
    """How many columns of each kind."""
    counts = Counter(str(kind) for kind in (data.get("columns") or {}).values())
    return ", ".join(f"{number} {kind}" for kind, number in counts.most_common())


def distributions(data: results.Card) -> dict[str, str]:
    """Per target: counts of labels, or mean, SD and quantiles."""
    return {
        str(name): _distribution(found) for name, found in (data.get("target_distribution") or {}).items()
    }


def _distribution(found: results.Labels | results.Numbers) -> str:
    return _of_labels(found) if "counts" in found else _of_numbers(found)


def _of_numbers(found: results.Numbers) -> str:
    quantiles = ", ".join(f"{k} {words.score(v, 4)}" for k, v in found["quantiles"].items())
    mean, sd = words.score(found.get("mean"), 4), words.score(found.get("std"), 4)
    return f"mean {mean}, SD {sd}; quantiles {quantiles}"


def _of_labels(found: results.Labels) -> str:
    counts = found["counts"]
    total = sum(counts.values()) or 1
    shown = ", ".join(
        f"{words.cut(k, 30)} {words.count(v)} ({words.share(v / total)})"
        for k, v in list(counts.items())[:MOST_SHOWN]
    )
    rest = (found.get("values") or len(counts)) - min(len(counts), MOST_SHOWN)
    return shown + (f" and {rest} more values" if rest > 0 else "")


def missing(data: results.Card) -> str:
    """Columns with the most missing values in train; also in test if the share differs."""
    train, test = data.get("train_missing") or {}, data.get("test_missing") or {}
    order = sorted({*train, *test}, key=lambda c: -max(train.get(c, 0), test.get(c, 0)))
    shown = []
    for column in order[:MOST_SHOWN]:
        a, b = train.get(column, 0), test.get(column, 0)
        shown.append(
            f"{words.cut(column, 40)} {words.share(a)}"
            + (f" (test {words.share(b)})" if abs(a - b) > 0.02 else "")
        )
    more = f" and {len(order) - MOST_SHOWN} more columns" if len(order) > MOST_SHOWN else ""
    return ", ".join(shown) + more


def facts(data: results.Card) -> dict[str, str]:
    """The card's short facts by name."""
    known = {"split": data.get("split"), "groups": data.get("groups"), "time": data.get("time")}
    split = {name: words.cut(value) for name, value in known.items() if value}
    layout = str(data.get("layout", "")).replace("_", " ")
    submitted = f"submitted as {layout}: {words.names(data.get('outputs'))}"
    return {
        "predict": f"{words.names(data.get('targets'))} ({data.get('task')}), {submitted}",
        "metric": metric_of(data),
        "row key": str(data.get("id") or "none: rows are matched by their order"),
        "rows": sizes(data),
        "columns": f"{kinds(data)}"
        + (
            f"; {words.count(data['rows_without_label'])} rows without label"
            if data.get("rows_without_label")
            else ""
        ),
        "classes": words.names(data.get("classes")) if len(data.get("classes") or ()) > 2 else "",
        "missing": missing(data),
        "labels in": words.names(data.get("label_sources")),
        "split set": ", ".join(f"{k}={v}" for k, v in split.items()),
        **{f"distribution of {name}": said for name, said in list(distributions(data).items())[:6]},
    }


def card_html(data: results.Card) -> str:
    evidence = [
        (parts.soft(str(name).replace("_", " ")), said) for name, said in (data.get("evidence") or {}).items()
    ]
    columns = [(words.cut(name), kind) for name, kind in list((data.get("columns") or {}).items())[:300]]
    files = [
        (f.get("pattern"), words.count(f.get("count")), words.size(f.get("bytes")))
        for f in data.get("files") or ()
    ]
    asked = [parts.join([parts.coloured("?", "bad"), q], " ") for q in data.get("questions") or ()]
    assumed = [describe.assumption(a) for a in data.get("assumed") or ()]
    return parts.page(
        parts.title(data.get("name", "Competition"), data.get("kind"), data.get("task")),
        parts.join([parts.heading("To decide"), parts.items(asked)]) if asked else "",
        parts.join([parts.heading("Assumed, as nobody decided it"), parts.items(assumed)]) if assumed else "",
        parts.facts(facts(data)),
        parts.fold("Evidence for what was decided", parts.table(("", ""), evidence), shown=True)
        if evidence
        else "",
        parts.fold(f"{words.counted(len(columns), 'column')}", parts.table(("column", "kind"), columns))
        if columns
        else "",
        parts.fold(
            f"{words.counted(len(files), 'kind')} of files",
            parts.table(("files", "number", "size"), files, "lrr"),
        )
        if files
        else "",
        parts.join([parts.heading("Notes"), parts.items(data["notes"])]) if data.get("notes") else "",
        parts.line(parts.soft(data["enforced"], small=True)) if data.get("enforced") else "",
    )


def card_text(data: results.Card) -> str:
    tables = {k: v for k, v in (data.get("tables") or {}).items() if v}
    columns = [f"{words.cut(k, 50)} ({v})" for k, v in list((data.get("columns") or {}).items())[:60]]
    more = len(data.get("columns") or {}) - len(columns)
    files = [
        f"{f.get('pattern')} ×{f.get('count')}, {words.size(f.get('bytes'))}"
        for f in list(data.get("files") or ())[:20]
    ]
    return parts.lines(
        f"competition {data.get('name')}: predict {words.names(data.get('targets'))} "
        f"({data.get('task')}, {data.get('kind')}), metric {metric_of(data)}",
        [f"  {name}: {said}" for name, said in facts(data).items() if said and name not in ("metric",)],
        f"  features: {', '.join(columns)}{f' and {more} more' if more > 0 else ''}" if columns else None,
        f"  DATA = Path({json.dumps(data['folder'], ensure_ascii=False)})"
        if tables and data.get("folder")
        else None,
        [f"  {name} = {words.cut(call, 300)}" for name, call in tables.items()],
        f"  files: {'; '.join(files)}" if files else None,
        [
            f"  evidence, {name}: {words.cut(said, 400)}"
            for name, said in (data.get("evidence") or {}).items()
        ],
        [f"  to decide: {words.cut(q, 400)}" for q in data.get("questions") or ()],
        [f"  assumed: {words.cut(describe.assumption(a), 500)}" for a in data.get("assumed") or ()],
        [f"  note: {words.cut(n, 400)}" for n in data.get("notes") or ()],
        f"  enforced: {data['enforced']}" if data.get("enforced") else None,
    )


# ---- protocol and metric


def split(data: results.Protocol) -> str:
    """5 folds × 2 repeats, stratified, by column"""
    repeats = f" × {data['repeats']} repeats" if (data.get("repeats") or 1) > 1 else ""
    columns = {"groups": data.get("groups"), "time": data.get("time")}
    by = "".join(f", {name} {words.cut(column)}" for name, column in columns.items() if column)
    return (
        f"{words.counted(data.get('folds'), 'fold')}{repeats}, {str(data.get('split')).replace('_', ' ')}{by}"
    )


def sanity(data: results.Protocol) -> str:
    """The result of the metric's test."""
    found = data.get("sanity") or {}
    tried = ", ".join(
        f"{k} {words.score(found.get(k))}" for k in ("perfect", "shuffled", "constant") if k in found
    )
    return f"{tried}: {found.get('reason', '')}" if found else ""


def judged(data: results.Protocol) -> dict[str, str]:
    """The protocol's short facts."""
    units = f", {words.count(data.get('units'))} units" if data.get("units") != data.get("rows") else ""
    vault = (
        f"{words.count(data['vault_rows'])} rows that no fold sees; they may veto, never choose"
        if data.get("vault_rows")
        else "none"
    )
    return {
        "split": split(data),
        "why": str(data.get("reason") or ""),
        "metric": metric_of(data)
        + (f", judges {WANTS.get(data['wants'], data['wants'])}" if data.get("wants") else ""),
        "metric tested": sanity(data),
        "rows": f"{words.count(data.get('rows'))}{units}",
        **({"left unused": words.names(data["leave_out"])} if data.get("leave_out") else {}),
        "vault": vault,
        "seed": str(data.get("seed")),
        "digest": str(data.get("digest") or "")[:16],
    }


def protocol_html(data: results.Protocol) -> str:
    return parts.page(
        parts.title(f"Protocol {data.get('number', '')}", split(data), data.get("metric")),
        parts.facts(judged(data)),
        parts.fold("Folds, as code", parts.pre(data["code"])) if data.get("code") else "",
    )


def protocol_text(data: results.Protocol) -> str:
    return parts.lines(
        f"protocol {data.get('number')}: {split(data)}; {metric_of(data)}",
        [f"  {name}: {said}" for name, said in judged(data).items() if said and name not in ("split",)],
    )


def metric_html(data: results.Metric) -> str:
    rule = f"wants {data.get('wants')}, a perfect prediction scores {words.score(data.get('best'))}"
    return parts.page(
        parts.title(f"Metric {data.get('name')}", data.get("direction"), rule),
        parts.line(
            "Kept as",
            parts.code(data.get("path")),
            "– call",
            parts.code("cobra.protocol()"),
            "to judge by it.",
        ),
    )


def metric_text(data: results.Metric) -> str:
    rule = f"wants {data.get('wants')}, best {words.score(data.get('best'))}, {data.get('path')}"
    return f"metric {data.get('name')}: {data.get('direction')}, {rule}; call cobra.protocol() to judge by it"
