"""Views of results: HTML for notebooks, plain text for terminals and language models, per kind of result.

All data is escaped. A result of an unknown kind or with unexpected data is shown as JSON, so that a view
never prevents a result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from cobra_jupyter.workbench.display.pages import (
    agents,
    audit,
    candidates,
    choice,
    competition,
    effects,
    parts,
    trials,
    words,
)

__all__ = ["KINDS", "headline", "html", "text"]

Render = Callable[[Any], str]
_PAGES: dict[str, tuple[Render, Render]] = {
    "card": (competition.card_html, competition.card_text),
    "protocol": (competition.protocol_html, competition.protocol_text),
    "metric": (competition.metric_html, competition.metric_text),
    "candidate": (candidates.candidate_html, candidates.candidate_text),
    "shared": (candidates.shared_html, candidates.shared_text),
    "trial": (trials.trial_html, trials.trial_text),
    "oof": (trials.oof_html, trials.oof_text),
    "probe": (trials.probe_html, trials.probe_text),
    "job": (trials.job_html, trials.job_text),
    "jobs": (trials.jobs_html, trials.jobs_text),
    "status": (trials.status_html, trials.status_text),
    "brief": (agents.brief_html, agents.brief_text),
    "finish": (trials.finish_html, trials.finish_text),
    "ablation": (effects.ablation_html, effects.ablation_text),
    "effects": (effects.effects_html, effects.effects_text),
    "blend": (choice.blend_html, choice.blend_text),
    "selection": (choice.selection_html, choice.selection_text),
    "submission": (choice.submission_html, choice.submission_text),
    "placeholder": (choice.placeholder_html, choice.placeholder_text),
    "audit": (audit.audit_html, audit.audit_text),
}
KINDS = tuple(_PAGES)
_ODD = (AttributeError, IndexError, KeyError, TypeError, ValueError)  # raised by data of another shape


def html(kind: str, data: Mapping[str, Any]) -> str:
    """Render a result as safe HTML: inline styles, charts as images, no scripts."""
    if kind in _PAGES:
        try:
            return _PAGES[kind][0](data)
        except _ODD:
            pass
    return parts.page(parts.title(kind), parts.pre(_plain(data)))


def text(kind: str, data: Mapping[str, Any]) -> str:
    """Render a result as plain text; the first line has the most important facts."""
    if kind in _PAGES:
        try:
            return _PAGES[kind][1](data)
        except _ODD:
            pass
    return f"{kind}: {_plain(data)}"


def headline(kind: str, data: Mapping[str, Any]) -> str:
    """Return the first line of `text`."""
    return words.cut(text(kind, data).partition("\n")[0], 300)


def _plain(data: Mapping[str, Any]) -> str:
    """Return the text of a recalled record; other data as JSON."""
    if set(data) == {"id", "text"}:
        return f"{data['id']}\n{data['text']}"
    return _json(data)


def _json(data: Any) -> str:
    shown = json.dumps(data, ensure_ascii=False, default=str, indent=1)
    return shown if len(shown) <= 4_000 else shown[:4_000] + " …"
