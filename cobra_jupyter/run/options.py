"""The options of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """The options of a run. `started`: when the process began (epoch seconds)."""

    folder: Path
    out: Path
    brain: str
    budget: float
    seed: int
    kernel: str | None
    settings: Mapping[str, str]
    started: float
    weights: tuple[str, ...] = ()  # folders of pretrained weights, besides the cache
    model: Mapping[str, Any] = field(default_factory=dict)  # settings of a language model, without secrets
    approval: str = "none"  # which cells wait for a person's approval: none, cells, costly
