"""Candidates, shared artefacts and trials."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from cobra_jupyter.workbench.kind import Kind, Limit
from cobra_jupyter.workbench.results.values import Config, Count, Digest, FitStatus, Number, Positive, Sha256


class SavedCandidate(TypedDict):
    """Facts from a candidate's source."""

    name: str
    version: Count
    path: str
    digest: Digest
    factors: dict[str, list[Any]]
    notes: dict[str, str]
    functions: list[str]
    decode: dict[str, list[Any]]
    summary: str


class Candidate(SavedCandidate):
    """A version of a candidate."""

    new: bool


MOST_NAMED = 200  # columns that the record of an artefact names


class Artefact(TypedDict):
    """The files of an artefact without labels; `columns` holds the first `MOST_NAMED`."""

    name: str
    digest: Digest
    columns: list[str]
    seconds: Positive
    path: str
    files: Annotated[dict[str, str], "Path and SHA-256 of the files for train and test rows."]


class Shared(Artefact):
    """An artefact without labels."""

    protocol: Number


class Failure(TypedDict):
    """Why work failed."""

    kind: Annotated[
        str,
        Limit(one_of=("error", "timeout", "out_of_memory", "killed", "invalid_prediction", "cancelled")),
    ]
    message: str
    rule: str | None
    place: str | None
    tail: str


class FoldFit(TypedDict):
    """One fold's fit."""

    repeat: Count
    fold: Annotated[int, "-1: a refit on all rows; then `repeat` is its number.", Limit(minimum=-1)]
    digest: Digest
    status: FitStatus
    rows: Count
    seed: int
    seconds: Positive
    seconds_given: Positive
    fit_seconds: Positive
    predict_seconds: Positive
    rss_mb: Positive
    base_mb: Annotated[float, "MiB held before the fit; the next two come on top of it."]
    fit_mb: float
    predict_mb: float
    raw: str
    sha256: Annotated[
        str, "SHA-256 of the raw prediction's file; empty if it failed.", Limit(pattern="^([0-9a-f]{64})?$")
    ]
    beside: NotRequired[
        Annotated[bool, "It ran beside background work, or in the background: its time forecasts nothing."]
    ]


class Trial(TypedDict):
    """A candidate with a config on some folds and a share of the rows. It has no score if it failed."""

    id: str
    candidate: str
    name: str
    label: str
    config: Config
    folds: list[Count]
    repeats: Count
    fraction: Annotated[float, Limit(above=0, maximum=1)]
    seed: int
    protocol: Count
    status: FitStatus
    full: bool
    threads: Annotated[int, "Threads of each fit.", Limit(minimum=1)]
    reduced: Annotated[str, "Why it is smaller than the full-size trial that was asked for, else empty."]
    score: float | None
    se: Positive | None
    fold_scores: list[float | None]
    rows: Count
    params: Config
    seconds: Positive
    cost: Positive
    rss_mb: Positive
    fits: list[FoldFit]
    shared: Annotated[
        dict[str, list[str]],
        "The shared artefacts that it could read, by name: files of train and test rows.",
    ]
    warnings: list[str]
    failure: Failure | None


class Discard(TypedDict):
    """Files of trials that left the race, removed to make room. Hash and score stay in the record."""

    models: Annotated[list[str], "Trials whose models were removed; they can be fitted again."]
    predictions: Annotated[list[str], "Trials whose predictions were removed too."]
    files: Annotated[list[str], "The predictions and models that no other trial uses, by path."]
    why: str


class Fit(FoldFit):
    """A long fit, recorded when it ends, before its trial ends."""

    candidate: str
    config: Config
    fraction: float
    trial_seed: int
    protocol: Number
    shared: dict[str, list[str]]


class PredictionFile(TypedDict):
    """A file of predictions."""

    path: str
    sha256: Sha256
    rows: Count
    predicted: Annotated[int, "Rows that a fold predicted.", Limit(minimum=0)]


class OutOfFold(PredictionFile):
    """Out-of-fold predictions of a trial or blend, in a file."""

    id: str
    columns: list[str]
    protocol: Number


class Measured(TypedDict):
    """One measured fit."""

    rows: Count
    seconds: Positive
    rss_mb: Positive


class Probe(TypedDict):
    """The predicted cost of a full-size trial."""

    candidate: str
    config: Config
    measured: list[Measured]
    rows: Count
    exponent: float
    fit_seconds: Annotated[float, "One fit on all rows, without prediction.", Limit(minimum=0)]
    predict_seconds: Annotated[float, "Prediction of one fold's held-out rows.", Limit(minimum=0)]
    start_seconds: Annotated[float, "Start of a fit, and reading its rows.", Limit(minimum=0)]
    base_mb: Positive
    fit_mb: Positive
    predict_mb: Positive
    rss_mb: Positive
    trial_seconds: Positive
    memory_mb: Positive
    fits_memory: bool
    proof: NotRequired[Annotated[str, "What its proof will cost, if it is submitted."]]


CANDIDATE: Kind[Candidate] = Kind("candidate")
SHARED: Kind[Shared] = Kind("shared")
TRIAL: Kind[Trial] = Kind("trial")
DISCARD: Kind[Discard] = Kind("discard")
FIT: Kind[Fit] = Kind("fit")
OOF: Kind[OutOfFold] = Kind("oof")
PROBE: Kind[Probe] = Kind("probe")
