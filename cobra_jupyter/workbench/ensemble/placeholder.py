"""A submission without a model: the same for all rows. It stands from the first seconds of a run until a
trial is submitted, so that there is always a valid file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter import competition as competitions
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.ensemble import submission
from cobra_jupyter.workbench.protocol.protocol import truth_of
from cobra_jupyter.workbench.scoring import metrics
from cobra_jupyter.workbench.scoring.metrics import Metric, MetricError, MetricUndefined

Array = np.ndarray[Any, Any]
MOST_ROWS = 100_000  # labels that decide which constant is best
MOST_VALUES = 20  # columns whose value the record shows
COPIED = "a copy of the sample submission, until the labels have been read"


class Placeholder:
    """The placeholder of a run, in the run's `folder`; `record` is None while there is none."""

    def __init__(self, folder: Path, emit: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._path, self._emit = folder / "submission.csv", emit
        self.record: results.Placeholder | None = None
        self.over = False  # whether a trial was submitted

    def copy_sample(self, folder: Path | str) -> None:
        """Write a copy of the sample submission, in seconds at any size. Do nothing if it cannot be read."""
        if self.over or self._path.exists():
            return
        try:
            made = competitions.sample(folder)
        except (competitions.CompetitionError, OSError):
            return  # `open` reads the folder next, and says what is wrong
        self._write(made, list(made.columns[1:]), COPIED)

    def write_constant(self, competition: competitions.Competition, data: competitions.Data) -> None:
        """Write the best constant that the labels suggest, if no trial was submitted yet."""
        if self.over or (self._path.exists() and self.record is None):
            return
        if made := constant(competition, data):
            self._write(made[0], list(competition.outputs), made[1])

    def _write(self, made: pd.DataFrame, outputs: list[str], why: str) -> None:
        written = submission.write(made, self._path)
        values = {name: str(made[name].iloc[0]) for name in outputs[:MOST_VALUES] if len(made)}
        self.record = {
            "path": "submission.csv",
            "sha256": written.sha256,
            "rows": written.rows,
            "values": {} if why == COPIED else values,
            "why": why,
        }
        self._emit(results.PLACEHOLDER, self.record)


def constant(
    competition: competitions.Competition, data: competitions.Data
) -> tuple[pd.DataFrame, str] | None:
    """The best constant submission and its description; None if the labels cannot be used."""
    try:
        truth = np.asarray(truth_of(competition, data.train))
        metric = metrics.get(competition.metric or metrics.default_for(competition.task))
    except (MetricError, KeyError, TypeError, ValueError, IndexError):  # the card has a question about it
        return None
    if not len(truth):
        return None
    best = max(_choices(competition, truth, metric), key=lambda choice: choice[0])
    _, what, raw, params = best
    rows = np.repeat(raw[None, :], len(data.sample), axis=0)
    made = submission.table(competition, data.sample, rows, metric, params, None)
    try:
        submission.check(made, data.sample, competition.outputs)
    except submission.SubmissionError:
        return None
    return made, f"{what} of the training labels in every row"


Choice = tuple[
    float, str, Array, dict[str, Any]
]  # its score (higher is better), its name, raw values, params


def _choices(competition: competitions.Competition, truth: Array, metric: Metric) -> Iterator[Choice]:
    task = competition.task
    drawn = np.random.default_rng(0).permutation(len(truth))[:MOST_ROWS]
    for what, raw in _centres(task, truth, len(competition.classes)):
        for params in metrics.decode_grid(metric, task, competition.classes):
            rows = np.repeat(raw[None, :], len(drawn), axis=0)
            try:
                score = metric.function(truth[drawn], metrics.decode(rows, metric.wants, task, params))
            except (MetricUndefined, MetricError, ValueError):
                score = np.nan
            yield (metrics.sign(metric) * score if np.isfinite(score) else -np.inf), what, raw, params


def _centres(task: str, truth: Array, classes: int) -> Iterator[tuple[str, Array]]:
    if task in ("binary", "multiclass"):
        yield "the class shares", np.bincount(truth, minlength=classes) / len(truth)
        return
    yield "the mean", np.nanmean(truth, axis=0)
    if task == "regression":
        yield "the median", np.nanmedian(truth, axis=0)
        if np.nanmin(truth) >= 0:
            yield "the mean of the logs", np.expm1(np.nanmean(np.log1p(truth), axis=0))
