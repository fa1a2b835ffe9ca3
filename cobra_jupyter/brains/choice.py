"""Which brains a run has: who leads, and who takes its place."""

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


def choose(wish: BrainRequest, environment: Mapping[str, str], spent: Spent = (0, 0.0)) -> Brains:
    """`environment` holds the keys too; `spent` (tokens, dollars) by earlier lives of the run is counted on
    from there. Raises BrainRefused."""
    chosen = _choose(wish, environment, spent)
    if wish.record is None:
        return chosen
    from cobra_jupyter.brains import keys
    from cobra_jupyter.brains.recording import Recorder, recorded

    file, secrets = Path(wish.record), [environment[name] for name in keys.NAMES if environment.get(name)]

    try:
        first = recorded((chosen.lead, *chosen.others), file, secrets)
    except OSError as error:
        raise BrainRefused(
            f"--record {wish.record} cannot be written ({error.strerror}): name another file"
        ) from None

    def team(role: str) -> Team:
        if role == "lead":
            return first
        return tuple(Recorder(brain, file, secrets) for brain in chosen.team(role))

    return replace(chosen, team=team)


async def ready(brains: Brains, wish: BrainRequest) -> Brains:
    """The brains, once their provider has let them in; with --brain auto the playbook where no provider answers.
    Raises BrainGone for a key or model that is refused."""
    if brains.check is None:
        return brains
    try:
        await brains.check()
    except OutOfReach as error:
        if wish.brain == kinds.AUTO:
            return playbook.made(f"a key is set, but no provider answers: {error}")
        raise BrainGone(f"{error}{WITHOUT}") from None
    except BrainGone as error:
        raise BrainGone(f"{error}{WITHOUT}") from None
    return brains


def _choose(wish: BrainRequest, environment: Mapping[str, str], spent: Spent) -> Brains:
    if wish.brain == kinds.AUTO:
        return _preferred(wish, environment, spent)
    kind = kinds.kinds().get(wish.brain)
    if kind is None:
        raise BrainRefused(f"there is no brain {wish.brain!r} here; there are {', '.join(kinds.names())}")
    return kind.make(wish, environment, spent)


def _preferred(wish: BrainRequest, environment: Mapping[str, str], spent: Spent) -> Brains:
    """The first preferred brain that is available, else the playbook."""
    why = []
    for kind in kinds.kinds().values():
        if kind.preferred:
            found = kind.available(environment)
            if found.ready:
                return replace(kind.make(wish, environment, spent), why=found.why)
            if found.mistake:
                raise BrainRefused(found.why)
            why.append(found.brief or found.why)
    return playbook.made("; ".join(why))
