"""Folds from a `%%protocol` cell: it runs in a worker on rows without labels; what it returns is checked.

`GROUPS = "column"` in the cell names a column whose rows must stay together; then standard errors draw whole
groups. With `REPEATS = 3` the cell's `folds(units, test, repeat)` is called for repeats 0, 1 and 2."""

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
from cobra_jupyter.workbench.protocol.groups import group_code, group_values
from cobra_jupyter.workbench.protocol.protocol import Folds, Positions
from cobra_jupyter.workbench.workers.frames import write_frame
from cobra_jupyter.workbench.workers.pool import Pool
from cobra_jupyter.workbench.workers.worker import Work

SECONDS = 120
MOST_REPEATS = 20
Splits = tuple[tuple[Positions, Positions], ...]


@dataclass(frozen=True)
class OwnFolds:
    """A cell's folds, its name and its text; `groups` is the column that it names, if any."""

    name: str
    source: str
    folds: Folds
    groups: str | None = None

    def code(self, targets: Sequence[str]) -> str:
        """Plain code that makes the same folds, for notebooks."""
        units = f"pd.factorize({group_code(self.groups)})[0]" if self.groups else "np.arange(len(train))"
        hidden = f"train.drop(columns={list(targets)!r})"
        made = [f"folds({hidden}, test{arguments})" for arguments in self._repeats()]
        return (
            f"{self.source.strip()}\n\n\n"
            f"units, vault = {units}, np.arange(0)\n"
            f"made = [{', '.join(made)}]\n"
            "folds = [[(np.asarray(a), np.asarray(b)) for a, b in repeat] for repeat in made]"
        )

    def _repeats(self) -> list[str]:
        """The arguments of the cell's function that number the repeats."""
        count = len(self.folds.splits)
        return [f", {repeat}" for repeat in range(count)] if count > 1 else [""]


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
    groups, repeats = _said(name, tree, train)
    folder.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    frames = (out / "train.frame", out / "test.frame")
    for frame, path in zip((train, test), frames, strict=True):
        write_frame(frame, path)
    cell = out / f"protocol_{name}.py"
    cell.write_text(source, encoding="utf-8")
    asked = {"repeats": repeats}
    done = pool.run(Work("split", out, cell, asked, rows=frames, forbidden=closed), SECONDS)
    if done.failure:
        raise ProtocolError(f"{name}: {done.failure.message} {done.failure.place or ''}".rstrip())
    with np.load(out / "folds.npz", allow_pickle=False) as stored:
        counts = stored["counts"]
        pairs = [(stored[f"a{k}"], stored[f"b{k}"]) for k in range(int(counts.sum()))]
    if len(set(counts)) > 1:
        raise ProtocolError(f"{name}: folds() returned {counts.tolist()} folds, not as many in each repeat")
    count = int(counts[0])
    units = pd.factorize(group_values(train, groups))[0] if groups else np.arange(len(train))
    every = [tuple(pairs[r * count : (r + 1) * count]) for r in range(repeats)]
    splits = tuple(_checked(name, each, units, groups) for each in every)
    return OwnFolds(name, source, Folds(splits, units, np.arange(0)), groups)


def _said(name: str, tree: ast.Module, train: pd.DataFrame) -> tuple[str | None, int]:
    """The cell's GROUPS and REPEATS. Raises ProtocolError."""
    said = syntax.constants(tree)
    groups, repeats = said.get("GROUPS"), said.get("REPEATS", 1)
    column = groups.removesuffix("[0]") if isinstance(groups, str) and groups not in train else groups
    if groups is not None and column not in train:
        raise ProtocolError(f"{name}: GROUPS = {groups!r} is no column of train")
    if not isinstance(repeats, int) or not 1 <= repeats <= MOST_REPEATS:
        raise ProtocolError(f"{name}: REPEATS = {repeats!r} must be a number from 1 to {MOST_REPEATS}")
    return groups, repeats


def _checked(name: str, splits: Splits, units: Positions, groups: str | None) -> Splits:
    """Returns the folds. Raises ProtocolError that names the fold and the rule that it breaks."""
    rows = len(units)
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
        if groups and np.intersect1d(units[training], units[held_out]).size:
            raise ProtocolError(f"{name}, fold {number}: rows of one {groups} are in training and held out")
        if seen[held_out].any():
            raise ProtocolError(f"{name}, fold {number}: rows are held out that another fold holds out")
        seen[held_out] = True
    return tuple((a.astype(np.int64), b.astype(np.int64)) for a, b in splits)
