"""The types of the workbench's results: what a cell is shown, and what the harness writes into the record.

They are the one source: `python -m cobra_jupyter.records.schema` writes the JSON Schemas from them. A docstring and a
text in `Annotated` become descriptions there, a `Limit` becomes keywords."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict, final

from cobra_jupyter.workbench.kind import Kind, Limit

# ---- values

Count = Annotated[int, Limit(minimum=0)]
Number = Annotated[int, Limit(minimum=1)]  # counted from 1
Positive = Annotated[float, Limit(minimum=0)]  # or zero
Share = Annotated[float, Limit(minimum=0, maximum=1)]
Digest = Annotated[str, Limit(pattern="^[0-9a-f]+$")]
Sha256 = Annotated[str, Limit(pattern="^[0-9a-f]{64}$")]
Direction = Annotated[str, Limit(one_of=("maximize", "minimize"))]
Wants = Annotated[str, Limit(one_of=("probability", "label", "value"))]
Config = Annotated[dict[str, Any], "Factor or setting → value."]
Dollars = Annotated[float, "US dollars.", Limit(minimum=0)]
FitStatus = Annotated[str, Limit(one_of=("ok", "partial", "failed"))]
Verdict = Annotated[str, Limit(one_of=("better", "worse", "unclear", "failed", "not tried"))]
Role = Annotated[str, Limit(one_of=("scout", "auditor", "judge"))]
CalledBy = Annotated[str, Limit(one_of=("lead", "ladder"))]

# ---- competition and protocol


@final
class Labels(TypedDict):
    """Of labels: how often each stands there."""

    values: Count
    counts: dict[str, Count]


@final
class Numbers(TypedDict):
    """Of numbers: mean, SD and quantiles."""

    mean: float | None
    std: float | None
    quantiles: dict[str, float | None]


class Files(TypedDict):
    """Files of one pattern."""

    pattern: str
    count: Count
    bytes: Count


class Card(TypedDict):
    """What is known of the competition, with the evidence."""

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
    evidence: dict[str, str]
    questions: list[str]
    obstacles: NotRequired[list[str]]
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
    id_made: NotRequired[Annotated[list[str], "Tables whose row key was made from the order of rows."]]
    test_by_position: NotRequired[bool]
    train_without_id: NotRequired[bool]
    infinite_labels: NotRequired[bool]
    whole_labels: NotRequired[Annotated[list[str], "Targets of whole numbers, written as fractions."]]
    enforced: str
    settings: Annotated[dict[str, str], "What was set by option."]
    sha256: Annotated[dict[str, str], "Of the files that tables were read from."]


class Sanity(TypedDict):
    """How the metric was tested."""

    perfect: float | None
    shuffled: float | None
    constant: float | None
    holds: bool
    reason: str


class ProtocolAsked(TypedDict):
    """What the call asked for."""

    split: str | None
    folds: int | None
    repeats: int | None
    groups: str | None
    time: str | None
    metric: str | None
    vault: bool | None
    leave_out: list[str] | None


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


class Protocol(ProtocolTerms):
    """How candidates are judged, frozen."""

    sanity: Sanity
    wants: Wants
    asked: ProtocolAsked


class MetricFacts(TypedDict):
    """What a metric says of itself."""

    direction: Direction
    wants: Wants
    best: float


class Metric(MetricFacts):
    """A metric written in a cell."""

    name: str
    path: str
    digest: Sha256


# ---- candidates and trials


class SavedCandidate(TypedDict):
    """What a candidate's code says of itself."""

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


class Artefact(TypedDict):
    """The files of a label-free artefact."""

    name: str
    digest: Digest
    columns: list[str]
    seconds: Positive
    path: str
    files: Annotated[dict[str, str], "Path and SHA-256 of what was made for train and test rows."]


class Shared(Artefact):
    """A label-free artefact."""

    protocol: Number


class Failure(TypedDict):
    """Why work came to nothing."""

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
    fold: Count
    digest: Digest
    status: FitStatus
    rows: Count
    seed: int
    seconds: Positive
    seconds_given: Positive
    fit_seconds: Positive
    predict_seconds: Positive
    rss_mb: Positive
    raw: str
    sha256: Annotated[
        str, "Of the raw prediction's file; empty where it failed.", Limit(pattern="^([0-9a-f]{64})?$")
    ]


class Trial(TypedDict):
    """A candidate with a config, on some folds, on a share of the rows. Without a score it failed."""

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
        dict[str, list[str]], "The shared artefacts it could read, by name: files of train and test rows."
    ]
    warnings: list[str]
    failure: Failure | None


class Fit(FoldFit):
    """A long fit that ended, whatever becomes of its trial."""

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
    """What a full-size trial is predicted to cost."""

    candidate: str
    config: Config
    measured: list[Measured]
    rows: Count
    exponent: float
    fit_seconds: Positive
    rss_mb: Positive
    trial_seconds: Positive
    memory_mb: Positive
    fits_memory: bool


# ---- effects


class Judgement(TypedDict):
    """Under which protocol, in which metric."""

    metric: str
    direction: Direction
    protocol: Count


class MeasuredIn(Judgement):
    """Of effects, which may be measured in a smoother metric."""

    stands_for: NotRequired[
        Annotated[str, "The protocol's metric, where effects are measured in a smoother one."]
    ]


class Effect(TypedDict):
    """What a level does against the baseline level; a gain above 0 is better."""

    factor: str
    level: Any
    baseline: Any
    gain: float | None
    se: Positive | None
    verdict: Verdict
    confirmed: bool
    cost_ratio: Positive | None
    trial: str | None
    note: Annotated[str, "With the verdict “not tried”, “running” says that its trial goes on."]


class Combination(TypedDict):
    """Winners together; rung 0 is the size of the effects, higher ones are larger."""

    change: Config
    gain: float | None
    se: Positive | None
    trial: str
    rung: Count


class AblationTable(TypedDict):
    """Effects of a candidate's factors, as they are shown while the ablation runs."""

    id: str
    candidate: str
    baseline: str
    fidelity: str
    fraction: Positive
    folds: Count
    effects: list[Effect]
    combinations: list[Combination]
    importance: dict[str, Positive]
    best: Config
    best_trial: str
    best_gain: float | None
    best_se: Positive | None
    rank_agreement: float | None
    seed_sd: Positive | None
    comparisons: Count
    seconds: Positive


class Ablation(AblationTable):
    """Effects of a candidate's factors. While it runs, notes, metric, direction and protocol may be absent."""

    notes: NotRequired[dict[str, str]]
    metric: NotRequired[str]
    direction: NotRequired[Direction]
    protocol: NotRequired[Count]
    stands_for: NotRequired[
        Annotated[str, "The protocol's metric, where effects are measured in a smoother one."]
    ]


class PlacedEffect(Effect):
    """An effect with where it was measured."""

    candidate: str
    fidelity: str
    ablation: str


class BestConfig(TypedDict):
    """The best configuration of a candidate."""

    candidate: str
    config: Config
    trial: str


class Effects(MeasuredIn):
    """All effects so far."""

    effects: list[PlacedEffect]
    best: list[BestConfig]


class Idea(TypedDict):
    """A full-size trial, ablation or blend against the best of its family before it, in pairs."""

    id: str
    family: Annotated[str, "A candidate's name, or blend."]
    protocol: Number
    best: Annotated[str | None, "What it is compared with."]
    gain: Annotated[float | None, "Positive is better, in the metric's units."]
    se: Positive | None
    progress: Annotated[bool, "Development goes on from it."]
    new: Annotated[bool, "Not tried before in its family."]


# ---- what is chosen


class Member(TypedDict):
    """A trial in a blend or submission."""

    trial: str
    label: str
    weight: Share
    cost: NotRequired[Positive]


class OverBest(TypedDict):
    """Against the best single trial."""

    gain: float
    se: Positive
    rows: Count


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
    sha256: Annotated[str, "Of the stored nested out-of-fold predictions.", Limit(pattern="^[0-9a-f]{64}$")]


class Blend(BlendTerms):
    """A weighted mean of trials; its score is nested."""

    metric: str
    direction: Direction


class Entry(TypedDict):
    """An entry, best first."""

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
    """The choice and its reasons."""

    chosen: str
    runner_up: str | None
    rule: str
    why: str
    table: list[Entry]
    vault: str | None
    vetoed: bool


class Selection(Selected, Judgement):
    """What is to be submitted, among whom, by which rule."""


class Written(TypedDict):
    """The file of a submission, and of what it is made."""

    what: str
    score: float
    se: Positive | None
    rows: Count
    sha256: Sha256
    path: str
    cost: Positive
    seconds: Positive
    members: list[Member]


class Submission(Written, Judgement):
    """A submission file, checked and written."""


# ---- audit


class Cure(TypedDict, total=False):
    """Arguments of cobra.protocol that would cure it."""

    split: str
    groups: str
    time: str
    leave_out: list[str]


Scores = TypedDict("Scores", {"with": float, "without": float, "metric": str})
Scores.__doc__ = "A quick model's score with these columns and without them."


class Finding(TypedDict):
    """One finding."""

    check: str
    severity: Annotated[str, Limit(one_of=("leak", "warning", "note"))]
    evidence: str
    proposal: str
    protocol: Cure | None
    columns: Annotated[list[str], "Columns it concerns."]
    scores: Scores | None


class Audit(TypedDict):
    """Findings about data and protocol, or about one candidate, gravest first."""

    findings: list[Finding]
    probed: Annotated[
        str | None, "The candidate whose permutation probe this is; null for data and protocol."
    ]
    leaking: Annotated[list[str], "Columns that must be left unused."]


# ---- jobs, agents, the session


class JobAsked(TypedDict):
    """The call it serves."""

    call: str
    args: dict[str, Any]
    protocol: NotRequired[Annotated[int, "Of a trial.", Limit(minimum=1)]]
    shared: NotRequired[Annotated[dict[str, list[str]], "Of a trial: the artefacts that it reads."]]


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
    """Time, resources, what runs."""

    seconds_left: float
    reserve: Positive
    budget: Positive | None
    jobs: list[Job]
    slots: Count
    memory_mb: Positive
    protocol: Count


class Finish(TypedDict):
    """The agent's last word and the runner's answer."""

    why: str
    answer: Any


class Brief(TypedDict):
    """What an agent that was called in came back with."""

    id: Annotated[str, Limit(pattern="^d[0-9]+$")]
    agent: str
    role: Role
    by: CalledBy
    asked: str
    report: Annotated[str, Limit(longest=1500)]
    ended: Annotated[str, "With a report, or why without."]
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
    """The model of one fold."""

    repeat: Count
    fold: Count
    path: str


class SolutionMember(TypedDict):
    """A trial that the submission is made of: enough to train it anew."""

    trial: str
    name: str
    label: str
    source: str
    config: Config
    weight: Share
    folds: list[Count]
    repeats: Count
    seed: int
    cost: Positive
    seconds_given: Positive
    functions: list[str]
    shared: dict[str, str]
    models: list[SavedModel]


class Solution(Judgement):
    """What solution.ipynb is made of; asked by the runner, never shown."""

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
    time_ordered: bool
    time: str | None


def score_of(data: Trial | Blend | Submission) -> float:
    """The score of what has one."""
    found = data["score"]
    if found is None:
        raise ValueError(f"{data.get('id')} failed: it has no score")
    return found


CARD: Kind[Card] = Kind("card")
PROTOCOL: Kind[Protocol] = Kind("protocol")
METRIC: Kind[Metric] = Kind("metric")
CANDIDATE: Kind[Candidate] = Kind("candidate")
SHARED: Kind[Shared] = Kind("shared")
TRIAL: Kind[Trial] = Kind("trial")
FIT: Kind[Fit] = Kind("fit")
OOF: Kind[OutOfFold] = Kind("oof")
PROBE: Kind[Probe] = Kind("probe")
ABLATION: Kind[Ablation] = Kind("ablation")
EFFECTS: Kind[Effects] = Kind("effects")
IDEA: Kind[Idea] = Kind("idea")
BLEND: Kind[Blend] = Kind("blend")
SELECTION: Kind[Selection] = Kind("selection")
SUBMISSION: Kind[Submission] = Kind("submission")
AUDIT: Kind[Audit] = Kind("audit")
JOB: Kind[Job] = Kind("job")
JOBS: Kind[Jobs] = Kind("jobs")
STATUS: Kind[Status] = Kind("status")
FINISH: Kind[Finish] = Kind("finish")
BRIEF: Kind[Brief] = Kind("brief")
RECALL: Kind[Recall] = Kind("recall")
SOLUTION: Kind[Solution] = Kind("solution")
