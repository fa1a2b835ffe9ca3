"""What became of each finding: acted on, compared, let in by a person, or kept for a reason."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.protocol.protocol import Protocol

KEPT = {
    "unit in two sides": "a defect of the folds that no setting cures; report it",
    "row order": "folds are shuffled, and no candidate sees the number of a row unless it makes one",
    "id carries the target": "the row key is no feature; a candidate that parses it shows in its code",
    "constant columns": "they tell a model nothing and harm none",
    "test rows seen in train": "a test row's twin in train is fair knowledge: the test rows are known too",
    "adversarial validation": "drift alone makes no score better than it is; weigh candidates that rely less "
    "on these columns",
    "not checked": "the checks are bounded in time; audit again with more seconds",
    "fold spread": "folds stay as they are: all candidates are compared on the same ones",
    "effects within fold spread": "effects are paired differences, which the spread of folds leaves alone",
    "out-of-fold against vault": "the vault may veto a choice; it changes no split",
}
TWINS = "test rows have twins as often as the folds show, or labels of twins do not agree"


def answers(
    findings: Sequence[results.Finding], protocol: Protocol, let_in: Collection[str]
) -> list[results.Answer]:
    """Returns one answer for each finding, in order. `let_in`: columns that a person wants used."""
    return [_answer(found, protocol, set(let_in)) for found in findings]


def cures(findings: Sequence[results.Finding]) -> dict[str, Any]:
    """Returns the split that leaks call for: arguments of `cobra.protocol`, without columns to leave out."""
    asked: dict[str, Any] = {}
    for found in findings:
        if found["severity"] == "leak" and found["protocol"]:
            for name, value in found["protocol"].items():
                if name != "leave_out":
                    asked.setdefault(name, value)
    return asked


def _answer(found: results.Finding, protocol: Protocol, let_in: set[str]) -> results.Answer:
    columns, cure = found["columns"], cast("dict[str, Any]", found["protocol"] or {})
    unused = {str(name) for name in cure.get("leave_out") or ()}
    if unused and unused <= set(protocol.leave_out):
        return _said(found, "acted on", f"left out: no candidate sees it{_scores(found)}")
    if unused & let_in:
        return _said(found, "let in", f"a person let it in with use={', '.join(columns)}{_scores(found)}")
    if cure and not unused and all(getattr(protocol, name) == value for name, value in cure.items()):
        return _said(found, "acted on", f"the protocol splits so: {_words(cure)}")
    if found["scores"]:
        return _said(found, "compared", f"kept{_scores(found)}")
    if found["check"] in ("groups across folds", "time"):
        return _said(found, "compared", f"kept: {found['evidence']}")
    if found["check"].endswith(("duplicate rows", "duplicate texts")):
        return _said(found, "answered", f"kept: {TWINS}")
    if cure and not unused:
        return _said(
            found, "answered", f"the split stays as it is: {protocol.reason}; {_words(cure)} is one call away"
        )
    return _said(found, "answered", KEPT.get(found["check"], found["proposal"]))


def _said(found: results.Finding, answer: str, reason: str) -> results.Answer:
    return {"check": found["check"], "columns": found["columns"], "answer": answer, "reason": reason}


def _scores(found: results.Finding) -> str:
    scores = found["scores"]
    if not scores:
        return ""
    return (
        f"; a quick model scores {scores['with']:.5g} with it, {scores['without']:.5g} without "
        f"({scores['metric']})"
    )


def _words(cure: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in cure.items())


def left_out(leaks: Sequence[results.Finding], answers: Sequence[results.Answer]) -> list[str]:
    """Return the card's notes about columns that look like leaks, with the scores with and without them."""
    known = {(each["check"], tuple(each["columns"])): each for each in answers}
    return [
        f"{', '.join(leak['columns'])} looks like a leak ({leak['check']}): "
        f"{known[leak['check'], tuple(leak['columns'])]['reason']}; "
        f"--set use={leak['columns'][0]} lets it in"
        for leak in leaks
    ]
