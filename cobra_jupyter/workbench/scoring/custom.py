"""A metric from a `%%metric` cell: parsed like a candidate, never run in the harness."""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench import results, syntax
from cobra_jupyter.workbench.protocol.protocol import Positions
from cobra_jupyter.workbench.scoring.metrics import Metric, MetricUndefined, given
from cobra_jupyter.workbench.workers.frames import write_frame
from cobra_jupyter.workbench.workers.pool import Pool
from cobra_jupyter.workbench.workers.worker import Work

Array = np.ndarray[Any, Any]
TASKS = frozenset({"binary", "multiclass", "multilabel", "regression"})
SECONDS = 120  # limit of one call, bootstrap draws included


class CustomMetric:
    """A metric cell, saved as a versioned file. Each call runs in a worker; `scores` holds its arrays
    meanwhile. They contain the truth, so candidates must not be able to open that folder. `rows` are the
    train rows without labels; a metric with a third argument gets those it scores."""

    def __init__(
        self,
        name: str,
        source: str,
        code: Path,
        scores: Path,
        pool: Pool,
        forbidden: tuple[str, ...],
        rows: pd.DataFrame,
    ) -> None:
        self.name, self.facts = name, metric_facts(name, source)
        self._scores, self._pool, self._forbidden = scores, pool, forbidden
        self._rows = rows if self.facts.get("takes_rows") else None
        code.mkdir(parents=True, exist_ok=True)
        versions = sorted(code.glob(f"metric_{name}_v*.py"))
        same = [path for path in versions if path.read_text(encoding="utf-8") == source]
        self.path = same[-1] if same else code / f"metric_{name}_v{len(versions) + 1}.py"
        self.path.write_text(source, encoding="utf-8")
        direction, wants, best = self.facts["direction"], self.facts["wants"], self.facts["best"]
        self.metric = Metric(name, direction, wants, TASKS, self._one, perfect=best)

    def _one(self, truth: Array, prediction: Array) -> float:
        return self.evaluate(truth, [prediction], [])[0][0]

    def evaluate(
        self,
        truth: Array,
        predictions: list[Array],
        draws: Sequence[Positions],
        rows: Positions | None = None,
    ) -> tuple[list[float], Array]:
        """Scores of predictions, and of resampled rows: (predictions, draws on which all are defined).
        `rows` are the scored rows' positions in train; None for all in order."""
        self._scores.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(prefix=f"{self.path.stem}-", dir=self._scores))
        arrays = out / "arrays.npz"
        ends = np.cumsum([len(draw) for draw in draws])
        drawn = np.concatenate(draws) if len(draws) else np.empty(0, np.int64)
        np.savez(arrays, truth=truth, predictions=np.stack(predictions), rows=drawn, ends=ends)
        beside: tuple[Path, ...] = ()
        if self._rows is not None:
            beside = (out / "rows.frame",)
            write_frame(self._rows if rows is None else self._rows.iloc[rows], beside[0])
        work = Work("score", out, self.path, arrays=arrays, rows=beside, forbidden=self._forbidden)
        done = self._pool.run(work, SECONDS)
        arrays.unlink()
        if done.failure:
            raise MetricUndefined(f"{self.name}: {done.failure.message}. {given(truth, predictions[0])}")
        scores = [float(score) for score in done.answer["scores"]]
        if not np.isfinite(scores).all():
            raise MetricUndefined(f"{self.name} returned {scores}")
        samples = np.load(out / "samples.npy", allow_pickle=False)
        samples = samples[:, np.isfinite(samples).all(axis=0)]
        if len(draws) and samples.shape[1] < 2:
            raise MetricUndefined(f"{self.name} is undefined on nearly every resample of these rows")
        return scores, samples


def metric_facts(name: str, source: str) -> results.MetricFacts:
    """Read DIRECTION, WANTS and BEST from a metric cell. Raises ValueError that names what is missing."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise ValueError(
            f"{name!r} is not a valid metric name: use lower-case letters, digits and _, first a letter"
        )
    tree = syntax.parse(name, source, ValueError)
    values: dict[str, Any] = {"WANTS": "value"}
    arguments = 0
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            variable = node.targets[0].id
            if variable in ("DIRECTION", "WANTS", "BEST"):
                values[variable] = ast.literal_eval(node.value)
        if isinstance(node, ast.FunctionDef) and node.name == "metric":
            arguments = len(node.args.args)
    if arguments not in (2, 3):
        raise ValueError(
            f"{name}: define metric(truth, prediction) -> float; a third argument gets the"
            " rows without labels"
        )
    if values.get("DIRECTION") not in ("maximize", "minimize"):
        raise ValueError(f'{name}: set DIRECTION = "maximize" or "minimize"')
    if values["WANTS"] not in ("probability", "label", "value"):
        raise ValueError(f'{name}: WANTS is "probability", "label" or "value"')
    best = values.get("BEST", 1.0 if values["DIRECTION"] == "maximize" else 0.0)
    return {
        "direction": values["DIRECTION"],
        "wants": values["WANTS"],
        "best": float(best),
        "takes_rows": arguments == 3,
    }
