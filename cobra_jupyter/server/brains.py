"""Says which brains are available on this server, and why the others are not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cobra_jupyter.brains.kinds import kinds

Json = dict[str, Any]


def describe(environment: Mapping[str, str] | None = None) -> Json:
    """Returns the default brain and all brains. Never contains a key."""
    known = os.environ if environment is None else environment
    offered = sorted((kind for kind in kinds().values() if kind.in_lab), key=lambda kind: not kind.preferred)
    found = {kind.name: kind.available(known) for kind in offered}
    default = next((kind.name for kind in offered if kind.preferred and found[kind.name].ready), "playbook")
    return {
        "default": default,
        "brains": [{"name": name, "ready": each.ready, "why": each.why} for name, each in found.items()],
    }
