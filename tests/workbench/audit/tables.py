"""Small tables without defects, and their audit after one defect was planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.competition.columns import kind
from cobra_jupyter.workbench import audit
from cobra_jupyter.workbench.audit import Finding
from cobra_jupyter.workbench.protocol import protocol


@dataclass
class Known:
    """The parts of a competition that an audit reads."""

    task: str
    columns: dict[str, str]
    classes: tuple[Any, ...]
    id: str = "id"
    targets: tuple[str, ...] = ("y",)
    metric: str | None = None
    direction: str | None = None
    split: str | None = None
    groups: str | None = None
    time: str | None = None
    weights: str | None = None


def table(rows: int, task: str = "binary", seed: int = 0) -> pd.DataFrame:
    """Features a … e and colour; y depends on a, b and colour, with noise."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.normal(size=rows) for name in "abcde"})
    frame["colour"] = rng.choice(["red", "green", "blue"], rows)
    frame.insert(0, "id", [f"r{i:06d}" for i in rng.permutation(10 * rows)[:rows]])
    signal = frame["a"] + frame["b"] + (frame["colour"] == "red") + rng.normal(size=rows)
    frame["y"] = {
        "binary": (signal > 0).astype(int),
        "regression": signal,
        "multiclass": np.array(["low", "mid", "high"])[np.digitize(signal, [-1, 1])],
    }[task]
    return frame


def known(train: pd.DataFrame, test: pd.DataFrame, task: str) -> Known:
    shared = [c for c in train.columns if c in test.columns and c != "id"]
    classes = () if task == "regression" else tuple(sorted(train["y"].unique().tolist()))
    metric, direction = {
        "binary": ("roc_auc", "maximize"),
        "multiclass": ("log_loss", "minimize"),
        "regression": ("rmse", "minimize"),
    }[task]
    return Known(task, {c: kind(train[c]) for c in shared}, classes, metric=metric, direction=direction)


def audited(
    train: pd.DataFrame,
    test: pd.DataFrame,
    task: str = "binary",
    frozen: dict[str, Any] | None = None,
    seconds: float = 60.0,
    **facts: Any,
) -> list[Finding]:
    """Returns the findings about these tables; `frozen` are the arguments of a protocol, if there is one."""
    competition = known(train, test, task)
    for name, value in facts.items():
        setattr(competition, name, value)
    made: Any = (None, None)
    if frozen is not None:
        made = protocol.freeze(competition, train, test, number=1, seed=0, **frozen)
    return audit.findings(competition, train, test, *made, seconds=seconds)


def tables(
    task: str = "binary", rows: int = 1500, edit: Callable[[pd.DataFrame], pd.DataFrame] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns train and test. `edit` changes all rows, with labels, before the split."""
    whole = table(rows, task)
    if edit:
        whole = edit(whole)
    cut = int(len(whole) * 2 / 3)
    return whole.iloc[:cut].reset_index(drop=True), whole.iloc[cut:].drop(columns="y").reset_index(drop=True)


def only(found: list[Finding], check: str) -> Finding:
    """Returns the only finding of this check."""
    (one,) = [finding for finding in found if finding.check == check]
    return one


def grave(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.severity != "note"]
