"""Writes `submission.csv` from raw test predictions, after checks against the sample submission."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.hashing import sha256
from cobra_jupyter.workbench.scoring import metrics
from cobra_jupyter.workbench.scoring.metrics import Metric

Array = np.ndarray[Any, Any]


class SubmissionError(ValueError):
    """The submission violates a rule of its format; the message names the rule."""


@dataclass(frozen=True)
class Written:
    path: str
    sha256: str
    rows: int


def table(
    competition: Any,
    sample: pd.DataFrame,
    raw: Array,
    metric: Metric,
    params: dict[str, Any],
    decoded: Array | None,
) -> pd.DataFrame:
    """Make the submission from raw test predictions (n, width); rows are ordered as in the sample submission.

    `decoded` (label codes (n,), or (n, columns)) takes the place of the standard decoding where given.
    """
    made = sample.copy()
    outputs = list(competition.outputs)
    classes = np.asarray(competition.classes)
    if metric.wants == "probability":
        raw = metrics.decode(raw, metric.wants, competition.task, params)
    if competition.layout == "class_probabilities":
        made[outputs] = _take(raw, class_places(competition))
    elif competition.layout == "probability":
        made[outputs[0]] = raw[:, -1]
    elif competition.layout == "label":
        codes = decoded if decoded is not None else metrics.decode(raw, "label", competition.task, params)
        made[outputs[0]] = classes[np.asarray(codes, np.int64).reshape(-1)]
    else:
        values = (
            decoded if decoded is not None else metrics.decode(raw, metric.wants, competition.task, params)
        )
        made[outputs] = np.asarray(values, float).reshape(len(made), -1)
        if metric.wants == "label":
            made[outputs] = made[outputs].astype(int)
    return made


def class_places(competition: Any) -> list[int]:
    """Return each output's column in the raw prediction; -1 (zeros) for a class that is not in train."""
    codes = {str(value): code for code, value in enumerate(competition.classes)}
    return [-1 if value is None else codes[str(value)] for value in competition.output_classes]


def _take(raw: Array, places: list[int]) -> Array:
    return np.hstack([raw, np.zeros((len(raw), 1))])[:, places]


def check(made: pd.DataFrame, sample: pd.DataFrame, outputs: tuple[str, ...]) -> None:
    """Check that columns, rows and ids equal the sample's and no value is missing. Raises SubmissionError."""
    if list(made.columns) != list(sample.columns):
        raise SubmissionError(f"columns: {list(made.columns)} instead of {list(sample.columns)}")
    if len(made) != len(sample):
        raise SubmissionError(f"rows: {len(made)} instead of {len(sample)}")
    keys = [c for c in sample.columns if c not in outputs]
    if not made[keys].reset_index(drop=True).equals(sample[keys].reset_index(drop=True)):
        raise SubmissionError("ids: they differ from the sample submission's, or their order does")
    values = made[list(outputs)]
    if values.isna().to_numpy().any():
        raise SubmissionError(f"missing: {int(values.isna().any(axis=1).sum())} rows lack a value")
    numbers = values.select_dtypes("number").to_numpy(float)
    if numbers.size and not np.isfinite(numbers).all():
        raise SubmissionError("finite: some values are infinite")


def write(made: pd.DataFrame, path: Path) -> Written:
    """Write the file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    made.to_csv(part, index=False)
    digest = sha256(part)
    part.replace(path)
    return Written(str(path), digest, len(made))
