"""Files with the out-of-fold predictions of blends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cobra_jupyter.workbench.hashing import sha256
from cobra_jupyter.workbench.scoring.scorer import OutOfFold


def write_oof(path: Path, oof: OutOfFold) -> str:
    """Store out-of-fold predictions. Returns the SHA-256 of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    arrays: dict[str, Any] = {f"raw{r}": raw for r, raw in enumerate(oof.raw)}
    arrays |= {f"fold{r}": fold for r, fold in enumerate(oof.fold)}
    np.savez(part, **arrays)
    digest = sha256(part)
    part.replace(path)
    return digest


def read_oof(path: Path, recorded: str) -> OutOfFold:
    """Read out-of-fold predictions. Raises ValueError if the file was changed."""
    if sha256(path) != recorded:
        raise ValueError(f"{path.name} is not the file that was recorded")
    with np.load(path, allow_pickle=False) as stored:
        count = len(stored.files) // 2
        return OutOfFold(
            tuple(stored[f"raw{r}"] for r in range(count)), tuple(stored[f"fold{r}"] for r in range(count))
        )
