"""A competition as it was read, and its protocol."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict, final

from cobra_jupyter.workbench.kind import Kind
from cobra_jupyter.workbench.results.audit import Answer
from cobra_jupyter.workbench.results.values import Count, Digest, Direction, Number, Sha256, Wants


@final
class Labels(TypedDict):
    """Distribution of labels: how often each occurs."""

    values: Count
    counts: dict[str, Count]


@final
class Numbers(TypedDict):
    """Distribution of numbers: mean, SD and quantiles."""

    mean: float | None
    std: float | None
    quantiles: dict[str, float | None]


class Files(TypedDict):
    """Files of one pattern."""

    pattern: str
    count: Count
    bytes: Count


class Assumption(TypedDict):
    """The safest reading of something undecided, taken until somebody decides it."""

    about: str
    taken: str
    reason: str
    option: Annotated[str, "The setting that decides it, or nothing."]


class Card(TypedDict):
    """Facts about the competition, with evidence."""

    name: str
    id: str
    targets: list[str]
    outputs: list[str]
    task: str
    classes: list[Any]
    layout: str
    metric: str | None
    direction: Direction | None
    label_sources: list[str]
    kind: str
    columns: dict[str, str]
    split: str | None
    groups: str | None
    time: str | None
    weights: NotRequired[str | None]
    evidence: dict[str, str]
    questions: list[str]
    obstacles: NotRequired[list[str]]
    assumed: NotRequired[list[Assumption]]
    notes: list[str]
    folder: str
    tables: dict[str, str | None]
    files: list[Files]
    sample_rows: NotRequired[Count]
    train_rows: NotRequired[Count]
    train_columns: NotRequired[Count]
    train_missing: NotRequired[dict[str, float]]
    test_rows: NotRequired[Count]
    test_columns: NotRequired[Count]
    test_missing: NotRequired[dict[str, float]]
    target_distribution: NotRequired[dict[str, Labels | Numbers]]
    rows_without_label: NotRequired[Count]
    id_made: NotRequired[Annotated[list[str], "Tables with a row key made from the order of rows."]]
    test_by_position: NotRequired[bool]
    test_drops: NotRequired[Annotated[list[str], "Columns to predict that the test table has."]]
    key_as_text: NotRequired[Annotated[bool, "Sample and test write the row key in different ways."]]
    train_without_id: NotRequired[bool]
    infinite_labels: NotRequired[bool]
    label_texts: NotRequired[Annotated[dict[str, dict[str, str]], "How the sample writes classes."]]
    whole_labels: NotRequired[Annotated[list[str], "Targets of whole numbers, written as fractions."]]
    enforced: str
    settings: Annotated[dict[str, str], "Settings given as options."]
    sha256: Annotated[dict[str, str], "SHA-256 of the files that tables were read from."]


class Sanity(TypedDict):
    """The result of the metric's test."""

    perfect: float | None
    shuffled: float | None
    constant: float | None
    holds: bool
    reason: str


class ProtocolAsked(TypedDict):
    """The arguments of the call."""

    split: str | None
    folds: int | None
    repeats: int | None
    groups: str | None
    time: str | None
    metric: str | None
    vault: bool | None
    leave_out: list[str] | None
    gap: NotRequired[float | None]
    name: NotRequired[Annotated[str | None, "Of a %%protocol cell."]]
    cell: NotRequired[Annotated[str | None, "Its text, which makes the folds."]]


class ProtocolTerms(TypedDict):
    """Split, metric and rows."""

    number: Number
    metric: str
    direction: Direction
    task: str
    split: str
    folds: Count
    repeats: Count
    seed: int
    groups: str | None
    time: str | None
    rows: Count
    units: Count
    vault_rows: Count
    reason: str
    code: str
    digest: Digest
    leave_out: Annotated[list[str], "Columns that no candidate sees."]
    weights: NotRequired[Annotated[str | None, "The column with the weights of rows."]]


class Protocol(ProtocolTerms):
    """How candidates are judged, frozen."""

    sanity: Sanity
    wants: Wants
    asked: ProtocolAsked
    answers: NotRequired[Annotated[list[Answer], "What became of the latest audit's findings."]]


class MetricFacts(TypedDict):
    """Facts from a metric's source."""

    direction: Direction
    wants: Wants
    best: float
    takes_rows: NotRequired[Annotated[bool, "It gets the rows without labels as a third argument."]]


class Metric(MetricFacts):
    """A metric written in a cell."""

    name: str
    path: str
    digest: Sha256


CARD: Kind[Card] = Kind("card")
PROTOCOL: Kind[Protocol] = Kind("protocol")
METRIC: Kind[Metric] = Kind("metric")
