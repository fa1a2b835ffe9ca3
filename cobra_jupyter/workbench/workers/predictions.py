"""Checks raw predictions of candidates and brings them into a standard shape."""

from __future__ import annotations

from typing import Any

import numpy as np


class InvalidPrediction(ValueError):  # noqa: N818
    """A candidate's result breaks a rule. The message begins with the rule's name."""


def check_raw(
    raw: Any, n: int, task: str, classes: int, targets: int
) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Returns a raw prediction in its standard shape, and warnings. Raises InvalidPrediction with the broken
    rule.

    Rules: numbers (it is numeric), rows (one per requested row), shape (the task's number of columns),
    finite, probabilities (none negative, no row sums to 0; rows are rescaled to sum to 1)."""
    if raw is None:
        raise InvalidPrediction("numbers: the raw prediction is None")
    try:
        array = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidPrediction(f"numbers: the raw prediction is not numeric ({error})") from error
    array = array.reshape(-1, 1) if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n:
        raise InvalidPrediction(f"rows: {n} rows were requested, the prediction has shape {np.shape(raw)}")
    if not np.isfinite(array).all():
        raise InvalidPrediction(
            f"finite: {int((~np.isfinite(array)).any(axis=1).sum())} of {n} rows contain NaN or infinity"
        )
    if task == "binary" and array.shape[1] == 1:
        if array.min() < 0 or array.max() > 1:
            raise InvalidPrediction("probabilities: values are outside 0…1")
        array = np.hstack([1 - array, array])
    width = classes if task in ("binary", "multiclass") else targets
    if array.shape[1] != width:
        raise InvalidPrediction(
            f"shape: {width} columns are needed for a {task} task, the prediction has {array.shape[1]}"
        )
    if task in ("binary", "multiclass"):
        if array.min() < 0 or (array.sum(axis=1) <= 0).any():
            raise InvalidPrediction("probabilities: some are negative, or a row sums to 0")
        array = array / array.sum(axis=1, keepdims=True)
    elif task == "multilabel" and (array.min() < 0 or array.max() > 1):
        raise InvalidPrediction("probabilities: values are outside 0…1")
    constant = n > 1 and bool((array == array[0]).all())
    return array, ["every row has the same prediction"] if constant else []
