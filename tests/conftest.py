"""Shared fixtures: small competition folders, and a harness in this process."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from cobra_jupyter.workbench.rebuild import Line

for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):  # no test may ask a real provider
    os.environ.pop(name, None)

DESCRIPTION = "# Overview\n\n## Evaluation\n\nSubmissions are evaluated on {}.\n"
METRICS = {"binary": "log loss", "multiclass": "log loss", "multilabel": "roc auc", "regression": "rmse"}
OUTPUTS = {"binary": ["y"], "multiclass": ["y"], "multilabel": ["t1", "t2"], "regression": ["y"]}


def table(task: str, rows: int, seed: int, noise: bool = False) -> pd.DataFrame:
    """Rows with the features a, b, colour, and labels that depend on a (on nothing with `noise`)."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "id": [f"r{seed}_{i}x" for i in rng.permutation(rows)], "a": rng.normal(size=rows),
        "b": rng.normal(size=rows), "colour": rng.choice(["red", "green", "blue"], rows),
    })  # fmt: skip
    score = rng.normal(size=rows) + (0 if noise else 2) * frame["a"]
    if task == "binary":
        frame["y"] = (score > 0).astype(int)
    elif task == "multiclass":
        frame["y"] = np.array(["low", "mid", "high"])[np.digitize(score, [-1, 1])]
    elif task == "multilabel":
        frame["t1"], frame["t2"] = (score > 0).astype(int), (score + rng.normal(size=rows) > 1).astype(int)
    else:
        frame["y"] = score
    return frame


def write(frame: pd.DataFrame, path: Path, **options: Any) -> None:
    """Write a table in the format its name promises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False, **options)


def make_competition(
    folder: Path, task: str = "binary", rows: int = 200, test_rows: int = 40, metric: str | None = None,
    noise: bool = False, train_path: str = "train.csv",
    change: Callable[[pd.DataFrame], pd.DataFrame] | None = None, sample: pd.DataFrame | None = None,
) -> Path:  # fmt: skip
    """A competition in MLE-bench's layout below `folder`; returns its public folder. `change` edits train and
    test."""
    public = folder / "public"
    outputs = OUTPUTS[task]
    train, test = table(task, rows, 0, noise), table(task, test_rows, 1, noise).drop(columns=outputs)
    if change:
        train, test = change(train), change(test)
    write(train, public / train_path)
    write(test, public / Path(train_path).with_stem("test").name)
    given: dict[str, Any] = {"id": test["id"]} | dict.fromkeys(outputs, 0.5 if task == "binary" else 0)
    if task == "multiclass" and sample is None:
        given = {"id": test["id"], "high": 0.3, "low": 0.3, "mid": 0.4}
    write(pd.DataFrame(given) if sample is None else sample, public / "sample_submission.csv")
    (public / "description.md").write_text(DESCRIPTION.format(metric or METRICS[task]))
    return public


class FakeCall:
    """Stands for a call of a cell."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.news: list[dict[str, Any]] = []

    def progress(self, **news: Any) -> None:
        json.dumps(news, allow_nan=False)
        self.news.append(news)


class Bench:
    """A harness in this process: its public methods, called as cells call them, with plain data as
    results."""

    def __init__(self, run: Path, public: Path, **settings: Any) -> None:
        from cobra_jupyter.workbench.harness.harness import Harness, Settings
        from cobra_jupyter.workbench.workers import pool

        pool.limit_threads(os.environ)
        facts = {
            "folder": run, "competition": str(public), "options": {}, "seed": 0, "slots": 2,
            "memory_bytes": 4 * 2**30, "started": time.time(), "budget": None, **settings,
        }  # fmt: skip
        self.run, self.public = run, public
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.harness = Harness(Settings(**facts), self._record, lambda what, args: {"asked": what})

    def _record(self, kind: str, data: dict[str, Any]) -> None:
        json.dumps(data, allow_nan=False)
        self.records.append((kind, data))

    @property
    def lines(self) -> list[Line]:
        """The records as a harness reads them."""
        return [Line(seq, 0.0, kind, data) for seq, (kind, data) in enumerate(self.records)]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.records]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from cobra_jupyter.workbench.harness.harness import PUBLIC

        if name not in PUBLIC:
            raise AttributeError(name)

        def call(*args: Any, on: FakeCall | None = None, **options: Any) -> Any:
            result = getattr(self.harness, name)(on or FakeCall(), *args, **options)
            json.dumps(result, allow_nan=False)
            return result["data"]

        return call

    def ready(self, **protocol: Any) -> Bench:
        """Open the competition and freeze a protocol."""
        self.open()
        self.protocol(**protocol)
        self.harness.pool.warm()  # so that no time that a test measures is the pool's first
        return self

    def close(self) -> None:
        """Leave the warm server to the next bench."""
        self.harness.jobs.cancel_all()
        self.harness.pool._closed = True
        for worker in self.harness.pool._waiting:
            worker.pipe.close()  # at its end the worker leaves
        self.harness.studies.close()


def stop_server() -> None:
    """End the server that the first bench started, and leave this process as it was."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: adopt orphans no longer
    server = forkserver._forkserver
    if server._forkserver_pid is not None:
        os.kill(server._forkserver_pid, signal.SIGKILL)
        server._stop()
    for child in psutil.Process().children():
        if child.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(child.pid, os.WNOHANG)


@pytest.fixture(scope="module")
def warm_server() -> Iterator[None]:
    """Benches share a warm server; tests/workbench keeps it from one module to the next."""
    yield
    stop_server()


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory, warm_server: None) -> Iterator[Callable[..., Bench]]:
    """Makes benches: `benches(task=…, rows=…)` as in `make_competition`; `settings` are the harness's."""
    made: list[Bench] = []

    def make(public: Path | None = None, settings: dict[str, Any] | None = None, **options: Any) -> Bench:
        folder = tmp_path_factory.mktemp("bench")
        public = public or make_competition(folder / "competition", **options)
        made.append(Bench(folder / "run", public, **(settings or {})))
        return made[-1]

    yield make
    for bench in made:
        bench.close()
