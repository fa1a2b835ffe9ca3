"""A local chat model in a folder; the playbook takes over if it fails."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from cobra_jupyter.brains.kind import (
    Availability,
    BrainKind,
    BrainRefused,
    BrainRequest,
    Brains,
    Environment,
    Spent,
    Team,
)


def _available(environment: Environment) -> Availability:
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        return Availability(False, f"transformers needs {' and '.join(missing)}", "it is not installed")
    return Availability(True, "needs --model DIR, the folder of a local chat model")


def _make(request: BrainRequest, environment: Environment, spent: Spent) -> Brains:
    from cobra_jupyter.brains.playbook import Playbook
    from cobra_jupyter.brains.transformers import LocalChat, Memory

    if request.model is None or not Path(request.model).is_dir():
        raise BrainRefused(
            "--brain transformers needs --model DIR, the folder of a local chat model (Hugging Face layout)"
        )
    folder, memory = Path(request.model), Memory()  # all agents share one model

    def team(role: str) -> Team:
        return LocalChat(folder, memory=memory), Playbook()

    return Brains("transformers", team, "asked for", LocalChat(folder, memory=memory).check)


BRAIN = BrainKind("transformers", 3, _make, _available)
