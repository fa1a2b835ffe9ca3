"""Out-of-fold predictions for agents: the harness writes them, the kernel reads them. They hold no labels."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.hashing import sha256

if TYPE_CHECKING:  # the kernel needs no scorer
    from cobra_jupyter.workbench.scoring.scorer import OutOfFold

FOLD = "fold"


def write(path: Path, oof: OutOfFold) -> results.PredictionFile:
    """Write the first repeat to a file. Returns its path, hash and numbers of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{threading.get_ident()}.npz")  # other threads may write the same file
    np.savez(part, fold=oof.fold[0], raw=oof.raw[0])
    digest = sha256(part)
    part.replace(path)
    return {"path": str(path), "sha256": digest, "rows": len(oof.fold[0]), "predicted": len(oof.rows(0))}


def columns(context: Mapping[str, Any]) -> list[str]:
    """Names of the prediction columns: classes or targets, renamed if one is called like the fold column."""
    classes = context["task"] in ("binary", "multiclass")
    names = [str(name) for name in context["classes" if classes else "targets"]]
    return [f"{name} predicted" if name == FOLD else name for name in names]


def read(written: Mapping[str, Any]) -> pd.DataFrame:
    """Read the file as a table by train row."""
    with np.load(written["path"], allow_pickle=False) as stored:
        table = pd.DataFrame(stored["raw"], columns=list(written["columns"]))
        table.insert(0, FOLD, stored["fold"])
    return table
