"""Shared fixtures: small competition folders, and a harness in this process."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
import psutil
import pytest

from cobra_jupyter.workbench.rebuild import Line

if TYPE_CHECKING:
    from cobra_jupyter.brains.context import Context
    from cobra_jupyter.brains.playbook.step import Step
    from tests.fakes.recorded import RecordedRun

for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):  # no test may ask a real provider
    os.environ.pop(name, None)

DESCRIPTION = "# Overview\n\n## Evaluation\n\nSubmissions are evaluated on {}.\n"
METRICS = {"binary": "log loss", "multiclass": "log loss", "multilabel": "roc auc", "regression": "rmse"}
OUTPUTS = {"binary": ["y"], "multiclass": ["y"], "multilabel": ["t1", "t2"], "regression": ["y"]}


def table(task: str, rows: int, seed: int, noise: bool = False) -> pd.DataFrame:
    """Rows with the features a, b, colour, and labels that depend on a (on nothing with `noise`)."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": [f"r{seed}_{i}x" for i in rng.permutation(rows)],
            "a": rng.normal(size=rows),
            "b": rng.normal(size=rows),
            "colour": rng.choice(["red", "green", "blue"], rows),
        }
    )
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
    folder: Path,
    task: str = "binary",
    rows: int = 200,
    test_rows: int = 40,
    metric: str | None = None,
    noise: bool = False,
    train_path: str = "train.csv",
    change: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    sample: pd.DataFrame | None = None,
) -> Path:
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

    def __init__(self, run: Path, public: Path, make_pool: Any = None, **settings: Any) -> None:
        """`make_pool`: where work runs; by default in forked processes, as in a run."""
        from cobra_jupyter.workbench.harness.harness import Harness, Settings
        from cobra_jupyter.workbench.workers import environment, processes

        environment.limit_threads(os.environ)
        facts = {
            "folder": run,
            "competition": str(public),
            "options": {},
            "seed": 0,
            "slots": 2,
            "memory_bytes": 4 * 2**30,
            "started": time.time(),
            "budget": None,
            **settings,
        }
        self.run, self.public = run, public
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.harness = Harness(
            Settings(**facts),
            self._record,
            lambda what, args: {"asked": what},
            make_pool or processes.ProcessPool,
        )

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
        from tests.inprocess.pool import InProcessPool

        pool = self.harness.pool
        self.harness.jobs.cancel_all()
        if isinstance(pool, InProcessPool):
            pool.close()
        else:
            pool._closed = True
            for worker in pool._waiting:
                worker.pipe.close()  # at its end the worker leaves
        self.harness.studies.close()


def adopt_orphans_no_longer() -> None:
    """Undo what a pool did to this process; the warm server stays for the next pool."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error, ChildProcessError):
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


@pytest.fixture(scope="session")
def warm_server() -> Iterator[None]:
    """The first pool of this process starts a server; it serves all later pools and ends with the session."""
    yield
    server = forkserver._forkserver
    if server._forkserver_pid is not None:
        os.kill(server._forkserver_pid, signal.SIGKILL)
        server._stop()


def without_processes(patch: pytest.MonkeyPatch) -> None:
    """Runs that the command begins in this process have kernel, harness and work in it too."""
    from cobra_jupyter.cli import main as cli
    from cobra_jupyter.run import runner
    from tests.inprocess import MACHINERY

    patch.setattr(runner, "Runner", partial(runner.Runner, machinery=MACHINERY))
    patch.setattr(cli, "_process_start", time.time)


def end_playbook_after(patch: pytest.MonkeyPatch, *kinds: str) -> None:
    """The playbook goes to the end of its plan when the record has these kinds: with a generous budget a
    whole run then does not depend on the machine's speed."""
    from cobra_jupyter.brains import playbook
    from cobra_jupyter.brains.playbook import plan
    from cobra_jupyter.brains.playbook.view import View

    def step(context: Context) -> Step:
        seen = {kind for kind, _ in context.records}
        return plan._ending(View(context)) if seen.issuperset(kinds) else plan.next_step(context)

    patch.setattr(playbook, "next_step", step)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    without_processes(monkeypatch)


@pytest.fixture(scope="module")
def pools(warm_server: None) -> Iterator[None]:
    """Pools may work in this process; no child of theirs is left to the next module."""
    yield
    adopt_orphans_no_longer()


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory, pools: None) -> Iterator[Callable[..., Bench]]:
    """Makes benches: `benches(task=…, rows=…)` as in `make_competition`; `settings` are the harness's."""
    with _benches(tmp_path_factory, None) as make:
        yield make


@pytest.fixture(scope="module")
def light_benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Bench]]:
    """The same without processes: for tests that ask nothing of workers but their results."""
    from tests.inprocess.pool import InProcessPool

    with _benches(tmp_path_factory, InProcessPool) as make:
        yield make


@contextlib.contextmanager
def _benches(places: pytest.TempPathFactory, usual_pool: Any) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(
        public: Path | None = None,
        settings: dict[str, Any] | None = None,
        make_pool: Any = None,
        **options: Any,
    ) -> Bench:
        folder = places.mktemp("bench")
        public = public or make_competition(folder / "competition", **options)
        made.append(Bench(folder / "run", public, make_pool or usual_pool, **(settings or {})))
        return made[-1]

    try:
        yield make
    finally:
        for bench in made:
            bench.close()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    """The one recorded run of this session, shared by its workers."""
    from tests.fakes.recorded import recorded_run

    own = tmp_path_factory.getbasetemp()
    return recorded_run((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "recorded")


LONG = 10.0  # seconds above which a test's docstring says why it takes them


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Whether a test has a docstring travels with its reports, from the workers too."""
    item.user_properties.append(("stated", bool(getattr(getattr(item, "obj", None), "__doc__", None))))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than cores: tests of processes and servers often wait."""
    return 1 + int(joblib.cpu_count())


def pytest_sessionstart(session: pytest.Session) -> None:
    """A worker that crashes leaves its stack where the summary finds it; it would be lost otherwise."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        folder = _crashes(session.config)
        folder.mkdir(parents=True, exist_ok=True)
        faulthandler.enable(file=(folder / worker).open("w"))


def _crashes(config: pytest.Config) -> Path:
    return config.rootpath / ".pytest_cache" / "crashes"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the stacks of crashed workers; name the ten slowest tests, fixtures included, and those that take
    long without a stated reason."""
    if "PYTEST_XDIST_WORKER" in os.environ:  # a worker has a summary too, which nobody sees
        return
    for stack in sorted(_crashes(terminalreporter.config).glob("*")):
        if text := stack.read_text(errors="replace"):
            terminalreporter.section(f"{stack.name} crashed")
            terminalreporter.line(text[:5000])
        stack.unlink()
    reports = [r for found in terminalreporter.stats.values() for r in found if hasattr(r, "duration")]
    seconds: dict[str, float] = {}
    for report in reports:
        seconds[report.nodeid] = seconds.get(report.nodeid, 0.0) + report.duration
    silent = {report.nodeid for report in reports if not dict(report.user_properties).get("stated", True)}
    terminalreporter.section("the ten slowest tests")
    for name, took in sorted(seconds.items(), key=lambda item: -item[1])[:10]:
        why = "  (its docstring is to say why)" if took > LONG and name in silent else ""
        terminalreporter.line(f"{took:7.1f} s  {name}{why}")
