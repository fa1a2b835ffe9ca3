"""What a run was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """What a run was asked for. `started` is when the process began (epoch seconds)."""

    folder: Path
    out: Path
    brain: str
    budget: float
    seed: int
    kernel: str | None
    settings: Mapping[str, str]
    started: float
    weights: tuple[str, ...] = ()  # folders of pretrained weights, beside those of the cache
    model: Mapping[str, Any] = field(default_factory=dict)  # settings of a language model, no secrets
    approval: str = "none"  # which cells wait for a person's word: none, cells, costly
