"""The inputs of a protocol: data, labels, a split of the units, and a tested metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cobra_jupyter import competition as competitions
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.errors import NotReady
from cobra_jupyter.workbench.protocol import protocol
from cobra_jupyter.workbench.protocol.protocol import Folds, Protocol
from cobra_jupyter.workbench.scoring import metrics, partly
from cobra_jupyter.workbench.scoring.custom import CustomMetric
from cobra_jupyter.workbench.scoring.metrics import Metric

TASKS = ("binary", "multiclass", "multilabel", "regression")


@dataclass(frozen=True)
class ProtocolInputs:
    """`evaluate` computes a metric that was written in a cell; `sanity` is the result of its test."""

    competition: competitions.Competition
    data: competitions.Data
    truth: Any
    protocol: Protocol
    folds: Folds
    metric: Metric
    evaluate: Callable[..., Any] | None
    sanity: results.Sanity
    weights: Any = None  # (n,) of the rows; None if all weigh the same


def prepare(
    competition: competitions.Competition,
    data: competitions.Data,
    custom: CustomMetric | None,
    request: results.ProtocolAsked,
    leave_out: Sequence[str],
    number: int,
    seed: int,
    own: protocol.Own | None = None,
) -> ProtocolInputs:
    """Split units and test the metric. `request` overrides the competition. Raises NotReady, ValueError."""
    competition = _judged_by(competition, custom, request["metric"])
    truth = protocol.truth_of(competition, data.train)
    frozen, folds = protocol.freeze(
        competition,
        data.train,
        data.test,
        number=number,
        seed=seed,
        split=request["split"] or competition.split,
        folds=request["folds"],
        repeats=request["repeats"],
        groups=request["groups"] or competition.groups,
        time=request["time"] or competition.time,
        gap=request.get("gap"),
        vault=request["vault"],
        leave_out=list(leave_out),
        own=own,
    )
    metric = custom.metric if custom else partly.of(metrics.get(frozen.metric), truth)
    sanity = metrics.sanity(metric, truth, competition.task, competition.classes, seed)
    if not sanity["holds"]:
        raise NotReady(
            f"the metric {metric.name} failed its sanity check: {sanity['reason']}. "
            f"{metrics.given_in_check(metric, truth, len(competition.classes))}. "
            "Set another with metric=… or a %%metric cell."
        )
    evaluate = custom.evaluate if custom else None
    weights = None if competition.weights is None else data.train[competition.weights].to_numpy(float)
    if weights is not None and not custom and not metric.takes_weights:
        raise NotReady(f"{metric.name} takes no weights: open with weights='none', or choose another metric")
    return ProtocolInputs(competition, data, truth, frozen, folds, metric, evaluate, sanity, weights)


def judged_by_cell(found: competitions.Competition, custom: CustomMetric) -> competitions.Competition:
    """The competition, judged by a metric that a cell defined; what was asked about the metric is settled."""
    return replace(
        found,
        metric=custom.name,
        direction=custom.metric.direction,
        evidence={**found.evidence, "metric": f"set by option: the cell %%metric {custom.name}"},
        questions=tuple(each for each in found.questions if not each.startswith("metric:")),
        obstacles=tuple(each for each in found.obstacles if not each.startswith("metric:")),
        assumed=tuple(each for each in found.assumed if each.about != "metric"),
    )


def _judged_by(
    competition: competitions.Competition, custom: CustomMetric | None, name: str | None
) -> competitions.Competition:
    """Return the competition with the metric to use. Raises NotReady if there is none."""
    if custom:
        competition = replace(competition, metric=custom.name, direction=custom.metric.direction)
    elif name:
        known = metrics.get(name)
        competition = replace(competition, metric=known.name, direction=known.direction)
    questions = " ".join(competition.questions)
    if competition.metric is None or competition.direction is None:
        raise NotReady(questions or "no metric: give one with metric=… or a %%metric cell")
    if competition.task not in TASKS:
        raise NotReady(
            questions or f"task {competition.task} cannot be judged here yet: set task=… or kind=…"
        )
    return competition
