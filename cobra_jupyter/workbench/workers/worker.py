"""Does one piece of work in a forked process: fit and predict, predict with a model, make a shared artefact,
score.

The process is forked from a warm server that has loaded the libraries. It opens its frames, then blocks
access to all other data (`guard`), and only then runs agent-written code. It answers with JSON over its pipe
and with files in its own folder. The harness never unpickles anything from it."""

from __future__ import annotations

import faulthandler
import importlib.util
import json
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.workbench.workers.fit_context import Context, seed_everything
from cobra_jupyter.workbench.workers.frames import read_frame, write_frame
from cobra_jupyter.workbench.workers.memory import Peak
from cobra_jupyter.workbench.workers.predictions import InvalidPrediction, check_raw

LONG = 3.0  # seconds
MODEL_BYTES = 2 * 2**30  # a larger model is not stored, so its test rows need a refit


@dataclass(frozen=True)
class Work:
    """The work of one worker. The harness sets the paths; `train` and `rows` are frame files."""

    kind: str  # "fit" | "predict" | "make" | "decode" | "score" | "split"
    out: Path
    source: Path
    context: dict[str, Any] = field(default_factory=dict)
    train: Path | None = None
    positions: Path | None = None  # rows of `train` for a small-data trial; None for all rows
    units: Path | None = None
    rows: tuple[Path, ...] = ()
    tables: dict[str, Path] = field(default_factory=dict)  # all rows of "train" and "test", for "make"
    model: Path | None = None
    arrays: Path | None = None  # the input of "score" and "decode"
    keep_model: bool = True
    threads: int = 1
    gpu: bool = False  # whether its code uses the GPU
    shared: dict[str, list[Path]] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()  # folders and files that agent code must not open
    allowed: tuple[str, ...] = ()


def wait_for_work(pipe: Connection) -> None:
    """Entry point of a worker process: reports that it is ready, waits for its work and does it."""
    os.setsid()
    pipe.send_bytes(b"here")
    try:
        work, seconds = pipe.recv()  # from the harness, so it may be unpickled
    except EOFError:
        os._exit(0)
    main(work, seconds, pipe)


def main(work: Work, seconds: float, pipe: Connection) -> None:
    """Does the work within `seconds`. Never raises."""
    threading.Thread(target=_end_with_harness, name="watch", daemon=True).start()
    work.out.mkdir(parents=True, exist_ok=True)
    _redirect_output(work.out / "output.log")
    faulthandler.enable()
    os.chdir(work.out)
    started = time.monotonic()
    answer = do(work, started + seconds, Surroundings(partial(_ask_for_data, pipe), guard))
    sys.stdout.flush()
    sys.stderr.flush()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer["seconds"] = time.monotonic() - started
    answer["cpu_seconds"] = usage.ru_utime + usage.ru_stime
    answer["rss_mb"] = max(answer.get("rss_mb", 0.0), Peak().end())
    pipe.send_bytes(json.dumps(answer, default=str).encode())
    pipe.close()
    os._exit(0)  # no atexit handler or library thread may keep the slot


def _end_with_harness() -> None:
    """Ends this process when the harness ends, even if the harness is killed."""
    harness = multiprocessing.parent_process()
    assert harness
    connection.wait([harness.sentinel])
    os.killpg(0, signal.SIGKILL)


def _redirect_output(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _ask_for_data(pipe: Connection) -> Path:
    pipe.send_bytes(b'{"ask": "data"}')
    return Path(json.loads(pipe.recv_bytes())["data"])


@dataclass(frozen=True)
class Surroundings:
    """What work needs from its process: `data` returns the data folder of its fold; `guard` is called after
    the work's own files are open, before an agent's code runs."""

    data: Callable[[], Path]
    guard: Callable[[Work], None]


def do(work: Work, deadline: float, surroundings: Surroundings) -> dict[str, Any]:
    """Do the work by `deadline` (`time.monotonic`). → the answer; a failure is one too."""
    doing = DOING[work.kind]
    try:
        return doing(work, deadline, surroundings)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of agent code included
        return _failure(error, work.source)


def _context(work: Work, deadline: float, surroundings: Surroundings, units: Any) -> Context:
    seed_everything(work.context["seed"])
    ctx = Context(**work.context, out=work.out, deadline=deadline, _units=units, _data=surroundings.data)
    paths = [*work.tables.values(), *(path for paths in work.shared.values() for path in paths)]
    opened = {str(path): read_frame(path) for path in paths}
    ctx._shared, ctx._tables = work.shared, work.tables
    ctx._read_frame = lambda path: opened[str(path)]
    if ctx.n_jobs != 1:
        from threadpoolctl import threadpool_limits

        threadpool_limits(ctx.n_jobs)
    return ctx


def _fit(work: Work, deadline: float, surroundings: Surroundings) -> dict[str, Any]:
    assert work.train
    assert work.units
    train, units = read_frame(work.train), np.load(work.units)
    if work.positions:
        chosen = np.load(work.positions)
        train, units = train.iloc[chosen], units[chosen]
    frames = [read_frame(path) for path in work.rows]
    ctx = _context(work, deadline, surroundings, units)
    if ctx.weight_column:
        weights = train[ctx.weight_column].to_numpy(float)
        ctx.weights = weights / (weights.mean() or 1.0)
    surroundings.guard(work)
    module = load_module(work.source)
    answer: dict[str, Any] = {"status": "ok", "rows": len(train), "entered": time.time()}
    peak, started = Peak(), time.monotonic()
    answer["base_mb"] = before = peak.begin()
    if hasattr(module, "fit_predict"):
        raws = [module.fit_predict(train, rows, ctx) for rows in frames]
        answer["fit_seconds"], answer["fit_mb"] = time.monotonic() - started, peak.end() - before
    else:
        model = module.fit(train, ctx)
        answer["fit_seconds"], answer["fit_mb"] = time.monotonic() - started, peak.end() - before
        long = answer["fit_seconds"] >= LONG  # then fitting it again would be a waste
        answer["model"] = _store_model(model, work) if work.keep_model or long else None
        before = peak.begin()
        raws = [module.predict(model, rows, ctx) for rows in frames]
        answer["predict_mb"] = peak.end() - before
    answer["predict_seconds"] = time.monotonic() - started - answer["fit_seconds"]
    answer["rss_mb"] = peak.highest
    for number, (raw, rows) in enumerate(zip(raws, frames, strict=True)):
        answer["warnings"] = _write_raw(raw, rows, ctx, work.out / f"raw{number}.npy")
    return answer


def _predict(work: Work, deadline: float, surroundings: Surroundings) -> dict[str, Any]:
    frames = [read_frame(path) for path in work.rows]
    ctx = _context(work, deadline, surroundings, None)
    assert work.model
    stored = work.model.read_bytes()
    surroundings.guard(work)
    module = load_module(work.source)
    model = pickle.loads(stored)  # the agent made it, so open it only behind the guard
    answer: dict[str, Any] = {"status": "ok", "entered": time.time()}
    for number, rows in enumerate(frames):
        answer["warnings"] = _write_raw(
            module.predict(model, rows, ctx), rows, ctx, work.out / f"raw{number}.npy"
        )
    return answer


def _make(work: Work, deadline: float, surroundings: Surroundings) -> dict[str, Any]:
    (rows,) = (read_frame(path) for path in work.rows)
    ctx = _context(work, deadline, surroundings, None)
    surroundings.guard(work)
    module = load_module(work.source)
    made = module.make(rows, ctx)
    frame = made if isinstance(made, pd.DataFrame) else pd.DataFrame(np.asarray(made))
    if len(frame) != len(rows):
        raise InvalidPrediction(f"rows: make() returned {len(frame)} rows for {len(rows)}")
    frame.index = rows.index
    write_frame(frame, work.out / "made.frame")
    return {"status": "ok", "columns": [str(c) for c in frame.columns], "rows": len(frame)}


def _split(work: Work, deadline: float, surroundings: Surroundings) -> dict[str, Any]:
    """Runs folds(units, test) of a protocol cell on rows without labels; with the number of each repeat."""
    units, test = (read_frame(path) for path in work.rows)
    seed_everything(0)
    surroundings.guard(work)
    folds, repeats = load_module(work.source).folds, work.context["repeats"]
    numbers: list[tuple[int, ...]] = [(repeat,) for repeat in range(repeats)] if repeats > 1 else [()]
    repeated = [list(folds(units, test, *number)) for number in numbers]
    made = [fold for repeat in repeated for fold in repeat]
    arrays: dict[str, Any] = {"counts": np.array([len(repeat) for repeat in repeated])}
    for number, (training, held_out) in enumerate(made):
        arrays[f"a{number}"], arrays[f"b{number}"] = np.asarray(training), np.asarray(held_out)
    np.savez(work.out / "folds.npz", **arrays)
    return {"status": "ok"}


def _decode(work: Work, deadline: float, surroundings: Surroundings) -> dict[str, Any]:
    """Runs a candidate's decode(raw, rows, params) for every setting, without labels."""
    (rows,) = (read_frame(path) for path in work.rows)
    ctx = _context(work, deadline, surroundings, None)
    assert work.arrays
    raw = np.load(work.arrays)
    surroundings.guard(work)
    module = load_module(work.source)
    settings = work.context["config"]["__decode__"]
    for number, params in enumerate(settings):
        decoded = np.asarray(module.decode(raw, rows, params))
        if len(decoded) != len(rows):
            raise InvalidPrediction(f"rows: decode() returned {len(decoded)} values for {len(rows)} rows")
        columns = decoded.reshape(len(rows), -1)
        np.save(
            work.out / f"decoded{number}.npy", columns.astype(str) if columns.dtype.kind in "OUS" else columns
        )
    del ctx
    return {"status": "ok"}


def _score(work: Work, deadline: float, surroundings: Surroundings) -> dict[str, Any]:
    """Scores with an agent-written metric. It runs here so that it sees the labels and nothing else."""
    assert work.arrays
    with np.load(work.arrays) as stored:
        truth, predictions = stored["truth"], stored["predictions"]
        draws = np.split(stored["rows"], stored["ends"][:-1]) if len(stored["ends"]) else []
    beside = [read_frame(path) for path in work.rows]  # the rows without labels, if the metric takes them
    surroundings.guard(work)
    metric = load_module(work.source).metric
    scores = [float(metric(truth, prediction, *beside)) for prediction in predictions]
    samples = [
        [
            _resampled(metric, truth[draw], prediction[draw], *(rows.iloc[draw] for rows in beside))
            for draw in draws
        ]
        for prediction in predictions
    ]
    np.save(work.out / "samples.npy", np.asarray(samples, float).reshape(len(scores), len(draws)))
    return {"status": "ok", "scores": scores}


def _resampled(metric: Callable[..., Any], *given: Any) -> float:
    try:
        return float(metric(*given))
    except Exception:  # for example a draw without positives; the harness skips it
        return float("nan")


DOING: dict[str, Callable[[Work, float, Surroundings], dict[str, Any]]] = {
    "fit": _fit,
    "predict": _predict,
    "make": _make,
    "decode": _decode,
    "score": _score,
    "split": _split,
}


def load_module(path: Path) -> ModuleType:
    """Imports a candidate's file under its own name, so that its classes can be pickled."""
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def guard(work: Work) -> None:
    """From now on, opening a forbidden file raises PermissionError.

    An audit hook cannot be removed, but it does not bind native code or child processes. The run's record
    says whether the run was isolated."""
    forbidden = tuple(os.path.realpath(path) for path in work.forbidden)
    allowed = tuple(os.path.realpath(path) for path in (*work.allowed, str(work.out)))

    def within(path: str, roots: tuple[str, ...]) -> bool:
        return any(path == root or path.startswith(root + os.sep) for root in roots)

    # runs at every audited event, so it must be quick
    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.listdir", "os.scandir", "os.link", "os.rename", "shutil.copyfile"):
            return
        target: Any = arguments[0]
        if isinstance(target, (str, bytes, os.PathLike)):
            path = os.path.realpath(os.fsdecode(target))
            if within(path, forbidden) and not within(path, allowed):
                raise PermissionError(
                    f"{path} is not part of this fold's view; read ctx.data, which has all that a fold may "
                    "see"
                )

    sys.addaudithook(check)


def _store_model(model: Any, work: Work) -> str | None:
    path = work.out / "model.pkl"
    try:
        stored = pickle.dumps(model, protocol=5)
    except Exception as error:
        print(f"cobra: the model cannot be pickled ({error}); test rows will need a refit")
        return None
    if len(stored) > MODEL_BYTES:
        return None
    path.write_bytes(stored)
    return str(path)


def _write_raw(raw: Any, rows: pd.DataFrame, ctx: Context, path: Path) -> list[str]:
    checked, warnings = check_raw(raw, len(rows), ctx.task, len(ctx.classes), len(ctx.targets))
    np.save(path, checked)
    return warnings


def _failure(error: BaseException, source: Path) -> dict[str, Any]:
    """Returns a typed failure: kind, message, rule, and the deepest place in the candidate's own file."""
    traceback.print_exception(error)
    kind = "out_of_memory" if isinstance(error, MemoryError) else "error"
    rule = None
    if isinstance(error, InvalidPrediction):
        kind, rule = "invalid_prediction", str(error).split(":")[0]
    place = None
    frames = traceback.extract_tb(error.__traceback__)
    for frame in frames:
        if frame.filename == str(source):
            place = f"{source.name}:{frame.lineno} in {frame.name}: {frame.line}"
    message = f"{type(error).__name__}: {error}" if kind != "invalid_prediction" else str(error)
    return {"status": "failed", "kind": kind, "message": message[:2000], "rule": rule, "place": place}
