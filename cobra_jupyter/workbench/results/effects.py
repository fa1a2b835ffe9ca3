"""Ablations, effects and ideas."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from cobra_jupyter.workbench.kind import Kind
from cobra_jupyter.workbench.results.values import Config, Count, Direction, Number, Positive, Verdict


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


ABLATION: Kind[Ablation] = Kind("ablation")
EFFECTS: Kind[Effects] = Kind("effects")
IDEA: Kind[Idea] = Kind("idea")
