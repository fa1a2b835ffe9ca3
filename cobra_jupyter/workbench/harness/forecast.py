"""What a submission and its proof will cost, said before the work that leads to it."""

from __future__ import annotations

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import describe
from cobra_jupyter.workbench.ensemble.training import Training
from cobra_jupyter.workbench.errors import NotReady
from cobra_jupyter.workbench.harness.resources import Resources
from cobra_jupyter.workbench.harness.scope import ProtocolScope
from cobra_jupyter.workbench.rpc import Call
from cobra_jupyter.workbench.search import scaling
from cobra_jupyter.workbench.search.trials import Spec


def of_submission(
    scope: ProtocolScope, what: str, plan: Training, resources: Resources, reading: float
) -> results.Forecast:
    """Forecast the seconds that `submit` takes and the reserve after it. `reading`: seconds of the tables."""
    work, proof = scope.finalists.worker_seconds(what, plan)
    seconds = work / resources.slots
    overhead = seconds + reading + scope.artefact_seconds(what)
    return {
        "what": what,
        "seconds": round(seconds, 3),
        "reserve": round(resources.reserve_for(proof, overhead), 1),
    }


def of_the_best(scope: ProtocolScope | None, resources: Resources, reading: float) -> results.Forecast | None:
    """Forecast the submission of the trial or blend with the best score; None if there is none."""
    try:
        what = scope.finalists.leading() if scope else None
    except NotReady:
        what = None
    if scope is None or what is None:
        return None
    plan = scope.finalists.training(what, resources.seconds_left * resources.slots)
    return of_submission(scope, what, plan, resources, reading)


def say(call: Call, forecast: results.Forecast) -> None:
    """Show it in the cell, before the submission is made."""
    call.progress(said=f"submission of {describe.forecast(forecast)}")


def with_proof(
    scope: ProtocolScope, probe: scaling.Probe, resources: Resources, left: float
) -> results.Probe:
    """A probe's record with what the proof of its trial will cost; `left`: seconds for new work."""
    record = probe.record()
    if resources.budget is not None:
        seconds = probe.fit_seconds if scope.views.look_ahead else probe.trial_seconds
        after = max(0.0, left - probe.trial_seconds)
        short = "" if seconds < after else ": too little, so the stored models would prove it"
        record["proof"] = (
            f"a proof trains it again for about {seconds:.3g} s; about {after:.3g} s are left after the "
            f"trial{short}"
        )
    return record


def say_proof(call: Call, scope: ProtocolScope, spec: Spec, resources: Resources) -> None:
    """Before a full-size trial, show what its proof will cost, if earlier trials of it tell."""
    if resources.budget is None or spec.fraction < 1 or len(spec.folds) < scope.protocol.folds:
        return
    told = f"{spec.candidate.key}: no earlier trial tells what it and its proof will cost"
    if known := scope.alike(spec):
        rows = len(scope.scorer.folds.training(0, spec.folds[-1]))
        probe = scaling.predict(known, rows, len(spec.keys), resources.slots, resources.memory_mb)
        left = resources.seconds_left - resources.reserve
        told = f"{spec.candidate.key}: {with_proof(scope, probe, resources, left).get('proof')}"
    call.progress(said=told)
