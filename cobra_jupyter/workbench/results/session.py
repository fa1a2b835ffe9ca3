"""Jobs, agents and the session."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from cobra_jupyter.workbench.kind import Kind, Limit
from cobra_jupyter.workbench.results.choice import Forecast
from cobra_jupyter.workbench.results.effects import Judgement
from cobra_jupyter.workbench.results.values import (
    CalledBy,
    Config,
    Count,
    Dollars,
    Number,
    Positive,
    Role,
    Sha256,
    Share,
    Wants,
)


class JobAsked(TypedDict):
    """The call of a job."""

    call: str
    args: dict[str, Any]
    protocol: NotRequired[Annotated[int, "The trial's protocol.", Limit(minimum=1)]]
    shared: NotRequired[Annotated[dict[str, list[str]], "The artefacts that the trial reads."]]
    reduced: NotRequired[Annotated[str, "Why the trial is smaller than full size."]]


class Job(TypedDict):
    """Work in the background."""

    id: str
    what: str
    asked: JobAsked
    state: Annotated[str, Limit(one_of=("running", "done", "failed", "cancelled"))]
    error: str | None
    seconds: Positive
    result: str | None


class Jobs(TypedDict):
    """Background jobs."""

    jobs: list[Job]


class Status(TypedDict):
    """Time, resources and jobs."""

    submit: NotRequired[Annotated[Forecast | None, "Of what has the best score."]]
    seconds_left: float
    reserve: Positive
    budget: Positive | None
    jobs: list[Job]
    slots: Count
    memory_mb: Positive
    protocol: Count


class Finish(TypedDict):
    """The agent's reason for ending the run and the runner's answer."""

    why: str
    answer: Any


class Brief(TypedDict):
    """The report of a delegated agent."""

    id: Annotated[str, Limit(pattern="^d[0-9]+$")]
    agent: str
    role: Role
    by: CalledBy
    asked: str
    report: Annotated[str, Limit(longest=1500)]
    ended: Annotated[str, "With a report, or the reason for its absence."]
    results: Annotated[list[str], "Ids of its trials, ablations, blends."]
    turns: Count
    seconds: Positive
    tokens: Count
    cost: Dollars
    notebook: str


class Recall(TypedDict):
    """An earlier record."""

    id: str
    text: str


class SavedModel(TypedDict):
    """A model that predicts: of one fold, or of all rows."""

    repeat: Count
    fold: Annotated[int, "-1: a refit on all rows; then `repeat` is its number.", Limit(minimum=-1)]
    path: str


class SolutionMember(TypedDict):
    """A trial in the submission, with everything that is needed to train it again."""

    trial: str
    name: str
    label: str
    source: str
    config: Config
    weight: Share
    folds: list[Count]
    repeats: Count
    fraction: Annotated[float, Limit(above=0, maximum=1)]
    seed: int
    cost: Positive
    seconds_given: Positive
    functions: list[str]
    shared: dict[str, str]
    threads: Number
    models: list[SavedModel]


class Solution(Judgement):
    """The contents of solution.ipynb; the runner asks for it, it is never shown."""

    what: str
    load: str
    protocol_code: str
    folder: str
    id: str
    sha256: Sha256
    context: dict[str, Any]
    members: list[SolutionMember]
    layout: str
    outputs: list[str]
    class_places: Any
    wants: Wants
    params: Config
    own_decode: bool
    slots: Count
    overhead: Annotated[float, "Seconds to read the tables and make shared features.", Limit(minimum=0)]
    time_ordered: bool
    time: str | None
    rule: NotRequired[str]


JOB: Kind[Job] = Kind("job")
JOBS: Kind[Jobs] = Kind("jobs")
STATUS: Kind[Status] = Kind("status")
FINISH: Kind[Finish] = Kind("finish")
BRIEF: Kind[Brief] = Kind("brief")
RECALL: Kind[Recall] = Kind("recall")
SOLUTION: Kind[Solution] = Kind("solution")
