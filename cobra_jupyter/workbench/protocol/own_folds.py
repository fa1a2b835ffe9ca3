"""Folds from a `%%protocol` cell: it runs in a worker on rows without labels; what it returns is checked."""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cobra_jupyter.workbench import syntax
from cobra_jupyter.workbench.protocol.errors import ProtocolError
from cobra_jupyter.workbench.protocol.protocol import Folds, Positions
from cobra_jupyter.workbench.workers.frames import write_frame
from cobra_jupyter.workbench.workers.pool import Pool
from cobra_jupyter.workbench.workers.worker import Work

SECONDS = 120
Splits = tuple[tuple[Positions, Positions], ...]


@dataclass(frozen=True)
class OwnFolds:
    """A cell's folds, its name and its text."""

    name: str
    source: str
    folds: Folds

    def code(self, targets: Sequence[str]) -> str:
        """Plain code that makes the same folds, for notebooks."""
        return (
            f"{self.source.strip()}\n\n\n"
            "units, vault = np.arange(len(train)), np.arange(0)\n"
            f"made = folds(train.drop(columns={list(targets)!r}), test)\n"
            "folds = [[(np.asarray(a), np.asarray(b)) for a, b in made]]"
        )


def run(
    name: str,
    source: str,
    train: pd.DataFrame,
    test: pd.DataFrame,
    folder: Path,
    pool: Pool,
    closed: tuple[str, ...],
) -> OwnFolds:
    """Run the cell's `folds(units, test)` in a worker. `train` has no labels. Raises ProtocolError."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise ProtocolError(f"{name!r} is no name for a protocol: lower-case letters, digits and _")
    tree = syntax.parse(name, source, ProtocolError)
    if not any(isinstance(node, ast.FunctionDef) and node.name == "folds" for node in tree.body):
        raise ProtocolError(f"{name}: define folds(units, test), returning [(training, held_out), …]")
    folder.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    frames = (out / "train.frame", out / "test.frame")
    for frame, path in zip((train, test), frames, strict=True):
        write_frame(frame, path)
    cell = out / f"protocol_{name}.py"
    cell.write_text(source, encoding="utf-8")
    done = pool.run(Work("split", out, cell, rows=frames, forbidden=closed), SECONDS)
    if done.failure:
        raise ProtocolError(f"{name}: {done.failure.message} {done.failure.place or ''}".rstrip())
    with np.load(out / "folds.npz", allow_pickle=False) as stored:
        splits = tuple((stored[f"a{k}"], stored[f"b{k}"]) for k in range(len(stored.files) // 2))
    checked = _checked(name, splits, len(train))
    return OwnFolds(name, source, Folds((checked,), np.arange(len(train)), np.arange(0)))


def _checked(name: str, splits: Splits, rows: int) -> Splits:
    """Returns the folds. Raises ProtocolError that names the fold and the rule that it breaks."""
    if len(splits) < 2:
        raise ProtocolError(f"{name}: folds() returned {len(splits)} folds; at least two are needed")
    seen = np.zeros(rows, bool)
    for number, sides in enumerate(splits):
        for side, found in zip(("training", "held-out"), sides, strict=True):
            where = f"{name}, fold {number}: the {side} positions"
            if found.ndim != 1 or not len(found) or found.dtype.kind not in "iu":
                raise ProtocolError(f"{where} are no list of whole numbers, or empty")
            if found.min() < 0 or found.max() >= rows:
                raise ProtocolError(f"{where} leave 0 … {rows - 1}, the rows of train")
            if len(np.unique(found)) < len(found):
                raise ProtocolError(f"{where} name a row twice")
        training, held_out = sides
        if np.intersect1d(training, held_out).size:
            raise ProtocolError(f"{name}, fold {number}: rows are in training and held out")
        if seen[held_out].any():
            raise ProtocolError(f"{name}, fold {number}: rows are held out that another fold holds out")
        seen[held_out] = True
    return tuple((a.astype(np.int64), b.astype(np.int64)) for a, b in splits)
