"""The competition card: all decisions and their evidence, as JSON values for display."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.competition.columns import plain
from cobra_jupyter.competition.record import Competition

MOST_SHOWN = 30
FIELDS = (
    "name", "id", "targets", "outputs", "task", "classes", "layout", "metric", "direction", "label_sources",
    "kind", "columns", "split", "groups", "time", "weights", "evidence", "questions", "obstacles", "assumed",
    "notes",
)  # fmt: skip
OPTIONAL = {
    "lightgbm": "lightgbm is not installed, so boosting uses scikit-learn's trees; pip install lightgbm"
}


def card(competition: Competition) -> dict[str, Any]:
    """Returns everything known as JSON values. Reads no file."""
    c = competition
    known = {name: _json(getattr(c, name)) for name in FIELDS}
    known["notes"] += [note for name, note in OPTIONAL.items() if find_spec(name) is None]
    tables = {
        role: _json(getattr(c, role) and getattr(c, role).code())
        for role in ("sample", "train", "test", "labels")
    }
    files = [{"pattern": g.pattern, "count": g.count, "bytes": g.bytes} for g in c.files]
    return {**known, "folder": str(c.folder), "tables": tables, "files": files, **_json(c.summary)}


def summarize(
    train: pd.DataFrame | None,
    test: pd.DataFrame | None,
    sample: pd.DataFrame,
    targets: tuple[str, ...],
    task: str,
) -> dict[str, Any]:
    """Returns counts, shares of missing values (of columns that have any) and target distributions."""
    result: dict[str, Any] = {"sample_rows": len(sample)}
    for name, frame in (("train", train), ("test", test)):
        if frame is not None:
            missing = frame.isna().mean()
            result[f"{name}_rows"], result[f"{name}_columns"] = frame.shape
            result[f"{name}_missing"] = {str(k): round(float(v), 4) for k, v in missing[missing > 0].items()}
    if train is not None:
        result["target_distribution"] = {name: distribution(train[name], task) for name in targets}
    return result


def distribution(values: pd.Series, task: str) -> dict[str, Any]:
    """Returns counts per value for labels (the 30 most frequent), quantiles for numbers."""
    values = values.dropna()
    if task == "regression":
        quantiles = {
            f"{int(q * 100)}%": float(values.quantile(q)) for q in (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
        }
        return {"mean": float(values.mean()), "std": float(values.std()), "quantiles": quantiles}
    try:
        counts = values.value_counts()
    except TypeError:
        counts = values.astype(str).value_counts()
    shown = {str(plain(k))[:80]: int(v) for k, v in counts.head(MOST_SHOWN).items()}
    return {"values": len(counts), "counts": shown}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, np.generic):
        return _json(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)
