"""The types of the workbench's results: cells show them, and the harness writes them to the record.

`python -m cobra_jupyter.records.schema` generates the JSON Schemas from them. Docstrings and texts in
`Annotated` become descriptions; a `Limit` becomes keywords."""

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


# ---- candidates and trials


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


class Artefact(TypedDict):
    """The files of an artefact without labels."""

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


# ---- effects


class Judgement(TypedDict):
    """Metric and protocol of a result."""

    metric: str
    direction: Direction
    protocol: Count


class MeasuredIn(Judgement):
    """Metric and protocol of effects, which may be measured in a smoother metric."""

    stands_for: NotRequired[
        Annotated[str, "The protocol's metric, where effects are measured in a smoother one."]
    ]


class Effect(TypedDict):
    """The effect of a level compared with the baseline level; a gain above 0 is better."""

    factor: str
    level: Any
    baseline: Any
    gain: float | None
    se: Positive | None
    verdict: Verdict
    confirmed: Annotated[bool, "It exceeds what seeds and all comparisons of the run bring about by chance."]
    freedom: NotRequired[Annotated[float | None, "Degrees of freedom of the standard error; null: many."]]
    cost_ratio: Positive | None
    trial: str | None
    note: Annotated[str, "With the verdict “not tried”, “running” means that its trial still runs."]


class Combination(TypedDict):
    """A combination of winners; rung 0 is the size of the effects, higher rungs are larger."""

    change: Config
    gain: float | None
    se: Positive | None
    trial: str
    rung: Count


class AblationTable(TypedDict):
    """Effects of a candidate's factors, as shown while the ablation runs."""

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
    """Effects of a candidate's factors. Notes, metric, direction and protocol may be absent while it runs."""

    notes: NotRequired[dict[str, str]]
    metric: NotRequired[str]
    direction: NotRequired[Direction]
    protocol: NotRequired[Count]
    stands_for: NotRequired[
        Annotated[str, "The protocol's metric, where effects are measured in a smoother one."]
    ]


class PlacedEffect(Effect):
    """An effect with its candidate, size and ablation."""

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
    """A full-size trial, ablation or blend in a paired comparison with the best of its family before it."""

    id: str
    family: Annotated[str, "A candidate's name, or blend."]
    protocol: Number
    best: Annotated[str | None, "The result it is compared with."]
    gain: Annotated[float | None, "Positive is better, in the metric's units."]
    se: Positive | None
    progress: Annotated[bool, "Development continues from it."]
    new: Annotated[bool, "Not tried before in its family."]


# ---- blend, selection, submission


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


# ---- audit


class Cure(TypedDict, total=False):
    """Arguments of cobra.protocol that would fix it."""

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


class Answer(TypedDict):
    """What became of a finding under a protocol."""

    check: str
    columns: list[str]
    answer: Annotated[str, Limit(one_of=("acted on", "let in", "compared", "answered"))]
    reason: str


class Audit(TypedDict):
    """Findings about data and protocol, or about one candidate, the most severe first."""

    findings: list[Finding]
    probed: Annotated[str | None, "The candidate that was probed; null for an audit of data and protocol."]
    leaking: Annotated[list[str], "Columns that must stay unused."]
    answers: NotRequired[Annotated[list[Answer], "What became of the findings; absent before a protocol."]]


# ---- jobs, agents, the session


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


def score_of(data: Trial | Blend | Submission) -> float:
    """Return the score. Raises ValueError if there is none."""
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
DISCARD: Kind[Discard] = Kind("discard")
OOF: Kind[OutOfFold] = Kind("oof")
PROBE: Kind[Probe] = Kind("probe")
ABLATION: Kind[Ablation] = Kind("ablation")
EFFECTS: Kind[Effects] = Kind("effects")
IDEA: Kind[Idea] = Kind("idea")
BLEND: Kind[Blend] = Kind("blend")
SELECTION: Kind[Selection] = Kind("selection")
SUBMISSION: Kind[Submission] = Kind("submission")
PLACEHOLDER: Kind[Placeholder] = Kind("placeholder")
AUDIT: Kind[Audit] = Kind("audit")
JOB: Kind[Job] = Kind("job")
JOBS: Kind[Jobs] = Kind("jobs")
STATUS: Kind[Status] = Kind("status")
FINISH: Kind[Finish] = Kind("finish")
BRIEF: Kind[Brief] = Kind("brief")
RECALL: Kind[Recall] = Kind("recall")
SOLUTION: Kind[Solution] = Kind("solution")
