"""Replay: the replies of a recorded run or recording are given again."""

from __future__ import annotations

from pathlib import Path

from cobra_jupyter.brains.kind import (
    Availability,
    BrainKind,
    BrainRefused,
    BrainRequest,
    Brains,
    Environment,
    Spent,
)


def _available(environment: Environment) -> Availability:
    return Availability(True, "needs --replay RUN, a run's folder or a file written with --record")


def _make(request: BrainRequest, environment: Environment, spent: Spent) -> Brains:
    from cobra_jupyter.brains.replay import Recording, replays

    if request.source is None:
        raise BrainRefused(
            "--brain replay needs --replay RUN, a run's folder or a file written with --record"
        )
    try:
        recording = Recording(Path(request.source))
    except (OSError, ValueError) as error:
        raise BrainRefused(f"--replay {request.source}: {error}") from None
    return Brains("replay", lambda role: replays(recording), f"replayed from {request.source}")


BRAIN = BrainKind("replay", 4, _make, _available)
