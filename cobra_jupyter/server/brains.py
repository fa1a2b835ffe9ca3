"""Says which brains are available on this server, and why the others are not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from cobra_jupyter.brains.choice import NO_KEY
from cobra_jupyter.brains.credentials import Credentials

Json = dict[str, Any]


def describe(environment: Mapping[str, str] | None = None) -> Json:
    """Returns the default brain and all brains. Never contains a key."""
    ready, why = _gemini(os.environ if environment is None else environment)
    return {
        "default": "gemini" if ready else "playbook",
        "brains": [
            {"name": "gemini", "ready": ready, "why": why},
            {
                "name": "playbook",
                "ready": True,
                "why": "needs no key: general recipes, without a language model",
            },
        ],
    }


def _gemini(environment: Mapping[str, str]) -> tuple[bool, str]:
    try:
        found = Credentials.from_environment(environment)
    except ValueError as error:
        return False, str(error)
    if found is None:
        return False, NO_KEY.removeprefix("--brain ")
    if find_spec("google") is None or find_spec("google.genai") is None:
        return False, "gemini needs google-genai: pip install google-genai"
    return True, "a key is set"
