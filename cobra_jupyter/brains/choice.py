"""Chooses the brains of a run: the leading one and its successors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cobra_jupyter.brains import kinds
from cobra_jupyter.brains.base import BrainGone, OutOfReach
from cobra_jupyter.brains.kind import BrainRefused, BrainRequest, Brains, Spent, Team
from cobra_jupyter.brains.kinds import playbook

__all__ = ["BrainRefused", "BrainRequest", "Brains", "choose", "ready"]

WITHOUT = ". Without a model, --brain playbook works"


def choose(request: BrainRequest, environment: Mapping[str, str], spent: Spent = (0, 0.0)) -> Brains:
    """Choose the brains of a run. Raises BrainRefused.

    `environment` includes the keys. `spent` is the usage (tokens, dollars) before the run was resumed."""
    chosen = _choose(request, environment, spent)
    if request.record is None:
        return chosen
    from cobra_jupyter.brains import keys
    from cobra_jupyter.brains.recording import Recorder, recorded

    file, secrets = Path(request.record), [environment[name] for name in keys.NAMES if environment.get(name)]

    try:
        first = recorded((chosen.lead, *chosen.others), file, secrets)
    except OSError as error:
        raise BrainRefused(
            f"--record {request.record} cannot be written ({error.strerror}): name another file"
        ) from None

    def team(role: str) -> Team:
        if role == "lead":
            return first
        return tuple(Recorder(brain, file, secrets) for brain in chosen.team(role))

    return replace(chosen, team=team)


async def ready(brains: Brains, request: BrainRequest) -> Brains:
    """Check that the provider accepts the brains, and return them.

    With --brain auto, returns the playbook if no provider answers. Raises BrainGone if key or model is
    refused."""
    if brains.check is None:
        return brains
    try:
        await brains.check()
    except OutOfReach as error:
        if request.brain == kinds.AUTO:
            return playbook.made(f"a key is set, but no provider answers: {error}")
        raise BrainGone(f"{error}{WITHOUT}") from None
    except BrainGone as error:
        raise BrainGone(f"{error}{WITHOUT}") from None
    return brains


def _choose(request: BrainRequest, environment: Mapping[str, str], spent: Spent) -> Brains:
    if request.brain == kinds.AUTO:
        return _preferred(request, environment, spent)
    kind = kinds.kinds().get(request.brain)
    if kind is None:
        raise BrainRefused(f"there is no brain {request.brain!r} here; there are {', '.join(kinds.names())}")
    return kind.make(request, environment, spent)


def _preferred(request: BrainRequest, environment: Mapping[str, str], spent: Spent) -> Brains:
    """The first preferred brain that is available, else the playbook."""
    why = []
    for kind in kinds.kinds().values():
        if kind.preferred:
            found = kind.available(environment)
            if found.ready:
                return replace(kind.make(request, environment, spent), why=found.why)
            if found.mistake:
                raise BrainRefused(found.why)
            why.append(found.brief or found.why)
    return playbook.made("; ".join(why))
