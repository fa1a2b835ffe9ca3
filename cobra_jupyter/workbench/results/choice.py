"""Blends, selections and submissions."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from cobra_jupyter.workbench.kind import Kind, Limit
from cobra_jupyter.workbench.results.effects import Judgement
from cobra_jupyter.workbench.results.trials import FoldFit, Trial
from cobra_jupyter.workbench.results.values import Config, Count, Direction, Positive, Sha256, Share


class Member(TypedDict):
    """A trial in a blend or submission."""

    trial: str
    label: str
    weight: Share
    cost: NotRequired[Positive]
    fits: NotRequired[Annotated[list[FoldFit], "The fits that predict, where not all of the trial's do."]]


class OverBest(TypedDict):
    """Comparison with the best single trial."""

    gain: float
    se: Positive
    rows: Count


class Dropped(TypedDict):
    """A trial that a blend was offered and does not use."""

    trial: str
    label: str
    why: str


class BlendTerms(TypedDict):
    """Members, weights and scores of a blend."""

    id: str
    protocol: Count
    members: list[Member]
    score: float
    se: Positive | None
    fold_scores: list[float | None]
    params: Config
    in_sample: float
    over_best: OverBest | None
    best_single: str
    considered: Count
    cost: Positive
    seconds: Positive
    rows: Count
    sha256: Annotated[
        str, "SHA-256 of the stored nested out-of-fold predictions.", Limit(pattern="^[0-9a-f]{64}$")
    ]
    rule: NotRequired[Annotated[str, "What is averaged.", Limit(one_of=("mean", "logit", "rank"))]]
    dropped: NotRequired[list[Dropped]]


class Blend(BlendTerms):
    """A weighted mean of trials; its score is nested."""

    metric: str
    direction: Direction


class Entry(TypedDict):
    """A trial or blend that could be selected."""

    id: str
    label: str
    score: float
    se: Positive | None
    cost: Positive
    behind: float
    behind_se: Positive
    tie: bool
    fold_scores: NotRequired[list[float | None]]


class Selected(TypedDict):
    """The selected trial or blend and the reasons."""

    chosen: str
    runner_up: str | None
    rule: str
    why: str
    table: list[Entry]
    vault: str | None
    vetoed: bool


class Selection(Selected, Judgement):
    """The trial or blend to submit, the alternatives and the rule."""


class Forecast(TypedDict):
    """What it costs to submit a trial or blend, said before it is done."""

    what: str
    seconds: Annotated[float, "Seconds that the submission takes.", Limit(minimum=0)]
    reserve: Annotated[float, "Seconds kept for it and its proof from then on.", Limit(minimum=0)]


class Written(TypedDict):
    """The file of a submission and its members."""

    what: str
    score: float
    se: Positive | None
    rows: Count
    sha256: Sha256
    path: str
    cost: Positive
    seconds: Positive
    members: list[Member]
    suspect: Annotated[list[str], "The reasons to doubt it; empty if there are none."]
    training: NotRequired[Annotated[str, "How its models were trained, and why."]]


class Submission(Written, Judgement):
    """A submission file, checked and written."""

    forecast: NotRequired[Forecast]


class Placeholder(TypedDict):
    """A submission without a model, the same for all rows. It stands until a trial is submitted."""

    path: str
    sha256: Sha256
    rows: Count
    values: Annotated[dict[str, str], "Column → value; empty for a copy of the sample submission."]
    why: str


def score_of(data: Trial | Blend | Submission) -> float:
    """Return the score. Raises ValueError if there is none."""
    found = data["score"]
    if found is None:
        raise ValueError(f"{data.get('id')} failed: it has no score")
    return found


BLEND: Kind[Blend] = Kind("blend")
SELECTION: Kind[Selection] = Kind("selection")
SUBMISSION: Kind[Submission] = Kind("submission")
PLACEHOLDER: Kind[Placeholder] = Kind("placeholder")
