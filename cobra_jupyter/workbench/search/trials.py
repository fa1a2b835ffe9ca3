"""Trials: a candidate with a config on some folds and a share of the rows. Equal work is done once."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.hashing import sha256
from cobra_jupyter.workbench.protocol.protocol import ALL
from cobra_jupyter.workbench.protocol.views import Key, Views
from cobra_jupyter.workbench.scoring.metrics import MetricUndefined
from cobra_jupyter.workbench.scoring.scorer import OutOfFold, Score, Scorer
from cobra_jupyter.workbench.search.candidates import Candidate
from cobra_jupyter.workbench.search.fits import Fit, facts_of, recorded, repeated, was_cancelled, worth_again
from cobra_jupyter.workbench.timed_decisions import TimedDecisions
from cobra_jupyter.workbench.workers.pool import Failure, Pool
from cobra_jupyter.workbench.workers.predictions import check_raw
from cobra_jupyter.workbench.workers.worker import Work

Array = np.ndarray[Any, Any]
DROPPED = "its predictions were dropped to make room; run it again, and it is fitted again as a new trial"
PATIENCE = 10.0  # seconds without any work after which an awaited trial is given up
LONG = 5.0  # seconds; a longer fit is recorded at once, so that it is not lost if its trial does not end


@dataclass(frozen=True)
class Spec:
    """The specification of a trial. `folds` are fold numbers; with all of them, `repeats` may exceed 1."""

    candidate: Candidate
    config: dict[str, Any]
    folds: tuple[int, ...]
    repeats: int
    fraction: float
    seed: int
    timeout: float
    shared: Mapping[str, list[Path]] | None = None  # artefacts it may read; None until `settled`
    background: bool = False
    threads: int = 1  # of each fit
    reduced: str = ""  # why it is smaller than the full-size trial that was asked for

    def shared_record(self) -> dict[str, list[str]]:
        """Return the artefacts by name, with paths relative to the run's folder."""
        shared = self.shared or {}
        return {name: [f"shared/{p.parent.name}/{p.name}" for p in paths] for name, paths in shared.items()}

    @property
    def keys(self) -> list[Key]:
        return [(repeat, fold) for repeat in range(self.repeats) for fold in self.folds]


@dataclass(frozen=True)
class Trial:
    """A finished trial. `score` is None when it failed."""

    id: str
    spec: Spec
    protocol: int
    status: str
    score: Score | None
    fits: tuple[Fit, ...]
    seconds: float
    failure: Failure | None = None
    oof: OutOfFold | None = field(default=None, repr=False, compare=False)
    full: bool = False  # every fold of at least one repeat, all data
    dropped: bool = False  # its predictions were dropped to make room; its score is known

    @property
    def final(self) -> bool:
        """Whether it may stand for selection: a full-size trial, or as large as could be afforded."""
        return self.oof is not None and (self.full or bool(self.spec.reduced))

    @property
    def cost(self) -> float:
        """Seconds of worker time, summed over all fits."""
        return sum(fit.seconds for fit in self.fits)

    @property
    def alone(self) -> float:
        """The cost without what background work beside it added: CPU seconds of such fits."""
        return sum(fit.cpu_seconds if fit.beside and fit.cpu_seconds else fit.seconds for fit in self.fits)

    @property
    def rss_mb(self) -> float:
        return max((fit.rss_mb for fit in self.fits), default=0.0)

    @property
    def label(self) -> str:
        chosen = {k: v for k, v in self.spec.config.items() if v != self.spec.candidate.config().get(k)}
        inner = ", ".join(f"{k}={v}" for k, v in chosen.items())
        return f"{self.spec.candidate.name}({inner})"

    def record(self) -> results.Trial:
        """JSON for the ledger and the cell: everything except predictions."""
        spec = self.spec
        return {
            "id": self.id,
            "candidate": spec.candidate.key,
            "name": spec.candidate.name,
            "label": self.label,
            "config": spec.config,
            "folds": list(spec.folds),
            "repeats": spec.repeats,
            "fraction": spec.fraction,
            "seed": spec.seed,
            "protocol": self.protocol,
            "status": self.status,
            "full": self.full,
            "reduced": spec.reduced,
            "threads": spec.threads,
            "score": self.score.value if self.score else None,
            "se": self.score.se if self.score else None,
            "fold_scores": list(self.score.folds) if self.score else [],
            "rows": self.score.rows if self.score else 0,
            "params": self.score.params if self.score else {},
            "seconds": round(self.seconds, 3),
            "cost": round(self.cost, 3),
            "rss_mb": round(self.rss_mb, 1),
            "fits": [fit.record() for fit in self.fits],
            "shared": spec.shared_record(),
            "warnings": sorted({w for f in self.fits for w in f.warnings}),
            "failure": self.failure.record() if self.failure else None,
        }


class DecodeFailed(RuntimeError):  # noqa: N818
    """A candidate's own decode failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def decode_settings(candidate: Candidate) -> list[dict[str, Any]]:
    """Return the combinations of a candidate's DECODE levels, at most 60; [{}] if there are none."""
    grid = itertools.product(*candidate.decode.values())
    return [dict(zip(candidate.decode, values, strict=True)) for values in itertools.islice(grid, 60)] or [{}]


class Trials:
    """Runs the trials of one protocol and remembers every fit, so that equal work is done once."""

    def __init__(
        self,
        folder: Path,
        pool: Pool,
        views: Views,
        scorer: Scorer,
        *,
        context: Callable[[], dict[str, Any]],
        forbidden: tuple[str, ...],
        next_id: Callable[[str], str],
        shared: Callable[[], dict[str, list[Path]]],
        on_trial: Callable[[Trial], None] = lambda trial: None,
        on_fit: Callable[[dict[str, Any]], None] = lambda record: None,
        decisions: TimedDecisions | None = None,
    ) -> None:
        """`next_id` returns the id for a trial's key."""
        self.folder, self.pool, self.views, self.scorer = folder, pool, views, scorer
        self._make_context, self._forbidden = context, forbidden
        self._next_id, self._shared = next_id, shared
        self._on_trial, self._on_fit = on_trial, on_fit
        self._decisions = decisions or TimedDecisions(lambda kind, data: None)
        self._fits: dict[str, Future[Fit]] = {}
        self._trials: dict[str, Trial] = {}
        self.dropped: set[str] = set()  # trials whose predictions were dropped
        self._running: dict[str, threading.Event] = {}  # by trial key: set when the trial has ended
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(64, thread_name_prefix="fit")

    def known(self, spec: Spec) -> Trial | None:
        """Return the trial that did exactly this, unless its predictions were dropped, or it ran out of time
        and `spec` allows more."""
        trial = self._trials.get(self._trial_key(spec))
        if trial is None or trial.dropped or any(worth_again(fit, spec.timeout) for fit in trial.fits):
            return None
        return trial

    def close(self) -> None:
        """Start no more fits."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def run(
        self, spec: Spec, cancelled: threading.Event, on_fit: Callable[[Fit, int, int], None] | None = None
    ) -> Trial:
        """Run a trial, or return the one that did exactly this, after waiting for it if it still runs."""
        spec = self.settled(spec)
        while True:
            if trial := self.known(spec):
                return trial
            key, mine = self._trial_key(spec), threading.Event()
            with self._lock:
                other = self._running.setdefault(key, mine)
            if other is mine:
                break
            other.wait()
            if cancelled.is_set():
                break
        try:
            return self._run(spec, cancelled, on_fit)
        finally:
            mine.set()
            with self._lock:
                if self._running.get(key) is mine:
                    del self._running[key]

    def _run(
        self, spec: Spec, cancelled: threading.Event, on_fit: Callable[[Fit, int, int], None] | None
    ) -> Trial:
        begun = time.monotonic()
        futures = [self._fit_future(spec, key, cancelled) for key in spec.keys]
        fits: list[Fit] = []
        for number, (key, future) in enumerate(zip(spec.keys, futures, strict=True)):
            fit = future.result()
            if was_cancelled(fit) and not cancelled.is_set():  # another trial shared it and was cancelled
                fit = self._fit_future(spec, key, cancelled).result()
            fits.append(fit)
            if on_fit:
                on_fit(fits[-1], number + 1, len(futures))
        trial = self._judged(spec, tuple(fits), time.monotonic() - begun)
        if trial.failure is None or trial.failure.kind != "cancelled":
            with self._lock:
                self._trials[self._trial_key(spec)] = trial
            self._write(trial)
            self._on_trial(trial)
        return trial

    def drop(self, ids: Collection[str], fits: Collection[str], models: Collection[str]) -> None:
        """Forget the predictions of trials; remove these folders of fits, and the models in the others."""
        self.dropped.update(ids)
        with self._lock:
            for key, trial in self._trials.items():
                if trial.id in ids:
                    self._trials[key] = replace(trial, oof=None, dropped=True)
            running = {digest for key in self._running for digest in key.split("|")}
            for folder in (Path(each) for each in (*fits, *models)):
                digest = folder.name.partition("-")[0]
                if digest in running:
                    continue  # a trial has begun that shares it
                if str(folder) in models:
                    (folder / "model.pkl").unlink(missing_ok=True)
                    continue
                shutil.rmtree(folder, ignore_errors=True)

    def _trial_key(self, spec: Spec) -> str:
        return "|".join(self._digest(spec, key) for key in spec.keys)

    def _digest(self, spec: Spec, key: Key) -> str:
        what = [
            spec.candidate.key,
            spec.candidate.digest,
            spec.config,
            key,
            spec.fraction,
            spec.seed,
            self.scorer.protocol.digest,
            {name: [p.parent.name for p in paths] for name, paths in self.shared_of(spec).items()},
        ]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:20]

    def settled(self, spec: Spec) -> Spec:
        """Fix the shared artefacts of a trial: later ones do not change it."""
        return spec if spec.shared is not None else replace(spec, shared=self.shared_of(spec))

    def shared_of(self, spec: Spec) -> dict[str, list[Path]]:
        """Return the shared artefacts that a candidate names in its source; it may read only these."""
        if spec.shared is not None:
            return dict(spec.shared)
        source = Path(spec.candidate.path).read_text(encoding="utf-8")
        return {
            name: paths
            for name, paths in self._shared().items()
            if f'"{name}"' in source or f"'{name}'" in source
        }

    def _fit_future(self, spec: Spec, key: Key, cancelled: threading.Event) -> Future[Fit]:
        digest = self._digest(spec, key)
        with self._lock:
            known = self._fits.get(digest)
            if known is not None and _serves(known, spec.timeout):
                return known
            out = self.folder / (digest if known is None else f"{digest}-{uuid.uuid4().hex[:6]}")
            future = self._fits[digest] = self._threads.submit(self._fit, spec, key, digest, out, cancelled)
            return future

    def _fit(self, spec: Spec, key: Key, digest: str, out: Path, cancelled: threading.Event) -> Fit:
        shutil.rmtree(out, ignore_errors=True)  # from before a restart
        known = self._decisions.fit(digest)
        if known is not None and known.lost:
            self._decisions.fitted(digest)
            return repeated(known, out)
        fit = self._fit_now(spec, key, digest, out, cancelled)
        if not was_cancelled(fit):
            self._decisions.fitted(digest)
        if known is not None and fit.failure is None:
            fit = replace(fit, **known.measures())
        if fit.status == "ok" and fit.seconds >= LONG:
            self._on_fit(self._fit_record(fit, spec))
        return fit

    def _fit_now(self, spec: Spec, key: Key, digest: str, out: Path, cancelled: threading.Event) -> Fit:
        work = self.work("fit", spec, key, out, rows=(self.views.asked(key),))
        outcome = self.pool.run(work, spec.timeout, cancelled, spec.background)
        facts: dict[str, Any] = {
            "digest": digest,
            "repeat": key[0],
            "fold": key[1],
            "folder": str(out),
            "seed": self.seed(spec, key),
            "seconds": round(outcome.seconds, 3),
            "seconds_given": spec.timeout,
            "beside": outcome.beside,
        }
        if outcome.failure is None:
            if broken := self._broken(out / "raw0.npy", key):
                return Fit(status="failed", failure=broken, **facts)
            return Fit(status="ok", **facts, **facts_of(outcome.answer), sha256=sha256(out / "raw0.npy"))
        if outcome.failure.kind == "timeout" and (out / "snapshot.pkl").exists():
            (out / "snapshot.pkl").replace(out / "model.pkl")
            work = self.work("predict", spec, key, out, rows=(self.views.asked(key),))
            predicted = self.pool.run(replace(work, model=out / "model.pkl"), 120, cancelled)
            if predicted.failure is None:
                return Fit(
                    status="partial", failure=outcome.failure, **facts, sha256=sha256(out / "raw0.npy")
                )
        return Fit(status="failed", failure=outcome.failure, **facts)

    def _fit_record(self, fit: Fit, spec: Spec) -> dict[str, Any]:
        """Record of a fit for the ledger, from which it can be restored without its trial."""
        return {
            **fit.record(),
            "candidate": spec.candidate.key,
            "config": spec.config,
            "fraction": spec.fraction,
            "trial_seed": spec.seed,
            "protocol": self.scorer.protocol.number,
            "shared": spec.shared_record(),
        }

    def _broken(self, raw: Path, key: Key) -> Failure | None:
        """Check the prediction file here, because an agent's code runs in the worker."""
        context, rows = self._make_context(), self.views.count_asked(key)
        try:
            array = np.load(raw, allow_pickle=False)
            check_raw(array, rows, context["task"], len(context["classes"]), len(context["targets"]))
        except (OSError, ValueError) as error:
            return Failure("invalid_prediction", str(error), rule=str(error).split(":")[0])
        return None

    def _uses_gpu(self, candidate: Candidate) -> bool:
        if self._make_context().get("device") != "cuda":
            return False
        source = Path(candidate.path).read_text(encoding="utf-8")
        return "device" in source or "cuda" in source

    def seed(self, spec: Spec, key: Key) -> int:
        """Return a different seed for each fit, so that a trial averages over seeds."""
        return spec.seed + 100 * key[0] + key[1] % 100

    def work(self, kind: str, spec: Spec, key: Key, out: Path, rows: tuple[Path, ...]) -> Work:
        data = self.views.data_path(key)
        return Work(
            kind=kind,
            out=out,
            source=Path(spec.candidate.path),
            context={
                **self._make_context(),
                "config": spec.config,
                "seed": self.seed(spec, key),
                "n_jobs": spec.threads,
                "_time_ordered": self.views.time_ordered,
            },
            train=self.views.train(key),
            units=self.views.units(key),
            positions=self.views.positions(key, spec.fraction, spec.seed),
            rows=rows,
            model=self.folder / self._digest(spec, key) / "model.pkl",
            keep_model=spec.fraction >= 1 or bool(spec.reduced),
            threads=spec.threads,
            gpu=self._uses_gpu(spec.candidate),
            shared=self.shared_of(spec),
            forbidden=self._forbidden,
            allowed=(str(data),),
        )

    def _judged(self, spec: Spec, fits: tuple[Fit, ...], seconds: float) -> Trial:
        protocol = self.scorer.protocol
        full = spec.fraction >= 1 and len(spec.folds) == protocol.folds
        facts: dict[str, Any] = {
            "id": self._next_id("|".join(fit.digest for fit in fits)),
            "spec": spec,
            "protocol": protocol.number,
            "fits": fits,
            "seconds": seconds,
        }
        for fit in fits:
            if fit.status == "failed":
                return Trial(**facts, status="failed", score=None, failure=fit.failure)
        try:
            oof = self.out_of_fold(spec, fits)
            score = self.scorer.score(oof)
        except DecodeFailed as error:
            return Trial(**facts, status="failed", score=None, failure=error.failure)
        except MetricUndefined as error:
            failure = Failure("invalid_prediction", f"no score: {error}", rule="scorable")
            return Trial(**facts, status="failed", score=None, failure=failure)
        status = "partial" if any(f.status == "partial" for f in fits) else "ok"
        failure_ = next((f.failure for f in fits if f.failure), None)
        return Trial(**facts, status=status, score=score, oof=oof, full=full, failure=failure_)

    def out_of_fold(self, spec: Spec, fits: tuple[Fit, ...]) -> OutOfFold:
        """Combine the stored predictions of these fits."""
        parts = {(f.repeat, f.fold): np.load(Path(f.folder) / "raw0.npy", allow_pickle=False) for f in fits}
        oof = self.scorer.collect(parts)
        return self._decoded(spec, fits, oof) if "decode" in spec.candidate.functions else oof

    def _decoded(self, spec: Spec, fits: tuple[Fit, ...], oof: OutOfFold) -> OutOfFold:
        """Run the candidate's own decode, without labels, for every setting of its DECODE grid."""
        settings = decode_settings(spec.candidate)
        decoded: list[Array] = []
        for repeat in range(len(oof.raw)):
            whole: Array | None = None
            for fit in (f for f in fits if f.repeat == repeat):
                key = (fit.repeat, fit.fold)
                parts = self.decode(spec, key, Path(fit.folder) / "raw0.npy", self.views.asked(key), "decode")
                if whole is None:
                    whole = np.zeros(
                        (len(settings), len(oof.fold[repeat]), *parts[0].shape[1:]), parts[0].dtype
                    )
                whole[:, self.scorer.folds.held_out(*key)] = np.stack(parts)
            assert whole is not None
            decoded.append(whole)
        return OutOfFold(oof.raw, oof.fold, tuple(decoded), tuple(settings))

    def decode(self, spec: Spec, key: Key, raw: Path, rows: Path, name: str) -> list[Array]:
        """Run the candidate's decode. Returns per setting codes (n,) for labels, else (n, columns)."""
        out = self.folder / self._digest(spec, key) / name
        settings = decode_settings(spec.candidate)
        work = self.work("decode", spec, key, out, (rows,))
        work = replace(
            work, arrays=raw, context={**work.context, "config": {**spec.config, "__decode__": settings}}
        )
        outcome = self.pool.run(work, max(spec.timeout, 60))
        if outcome.failure:
            raise DecodeFailed(outcome.failure)
        arrays = [np.load(out / f"decoded{i}.npy", allow_pickle=False) for i in range(len(settings))]
        if self.scorer.metric.wants == "label" and self.scorer.protocol.task in ("binary", "multiclass"):
            return [self._codes(array) for array in arrays]
        return arrays

    def _codes(self, labels: Array) -> Array:
        codes = {str(value): code for code, value in enumerate(self._make_context()["classes"])}
        unknown = {str(v) for v in labels.ravel()} - set(codes)
        if unknown:
            what = f"labels: decode() returned {sorted(unknown)[:3]}, which are no classes of the target"
            raise DecodeFailed(Failure("invalid_prediction", what, rule="labels"))
        return np.array([codes[str(v)] for v in labels.ravel()], np.int64)

    def _write(self, trial: Trial) -> None:
        folder = self.folder / trial.id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trial.json").write_text(json.dumps(trial.record(), indent=1, allow_nan=False))

    def refit(self, trial: Trial, most: int, cancelled: threading.Event) -> tuple[Fit, ...]:
        """Fit a trial's candidate on all rows, with at most so many seeds; one where seeds change nothing.

        A refit predicts the test rows. Raises RuntimeError if one fails."""
        fits: list[Fit] = []
        for keys in ([(nth, ALL) for nth in range(min(2, most))], [(nth, ALL) for nth in range(2, most)]):
            futures = [self._fit_future(trial.spec, key, cancelled) for key in keys]
            fits += [future.result() for future in futures]
            if failed := next((fit for fit in fits if fit.status != "ok"), None):
                why = failed.failure.message if failed.failure else ""
                raise RuntimeError(f"{trial.id}: the refit on all rows failed: {why}")
            if len(fits) > 1 and fits[0].sha256 == fits[1].sha256:
                return (fits[0],)
        return tuple(fits)

    def predict(
        self, trial: Trial, rows: Path, name: str, cancelled: threading.Event, fits: Sequence[Fit] = ()
    ) -> Array:
        """Predict other rows (test, vault): the mean raw prediction (n, width) of a trial's fold models.

        `fits`: take these instead; refits on all rows predict test only. Raises RuntimeError with the fold
        that failed."""
        futures = [
            self._threads.submit(
                self._predict_one, trial, (fit.repeat, fit.fold), Path(fit.folder), rows, name, cancelled
            )
            for fit in fits or trial.fits
        ]
        raws = [future.result() for future in futures]
        return np.asarray(np.mean(raws, axis=0))

    def _predict_one(
        self, trial: Trial, key: Key, folder: Path, rows: Path, name: str, cancelled: threading.Event
    ) -> Array:
        out = folder if key[1] == ALL else folder / name
        if key[1] != ALL and not (out / "done").exists():
            refit = not (folder / "model.pkl").exists()
            work = self.work("fit" if refit else "predict", trial.spec, key, out, (rows,))
            work = replace(work, model=folder / "model.pkl")  # even if artefacts were shared since
            outcome = self.pool.run(work, max(trial.spec.timeout, 60), cancelled)
            if outcome.failure:
                raise RuntimeError(
                    f"{trial.id}: fold {key[1]} did not predict {name}: {outcome.failure.message}"
                )
            (out / "done").touch()
        return np.asarray(np.load(out / "raw0.npy", allow_pickle=False))

    def restore(self, record: results.Trial, candidate: Candidate, dropped: bool = False) -> Trial:
        """Restore a recorded trial with its stored predictions, unless they were `dropped`. Raises ValueError
        if these were changed."""
        fits = record["fits"]
        spec = Spec(
            candidate=candidate,
            config=dict(record["config"]),
            folds=tuple(record["folds"]),
            repeats=record["repeats"],
            fraction=record["fraction"],
            seed=record["seed"],
            timeout=max(fit["seconds_given"] for fit in fits),
            shared=self.recorded_shared(record["shared"]),
            reduced=record["reduced"],
            threads=record["threads"],
        )
        failure = Failure(**record["failure"]) if record["failure"] else None
        restored = tuple(
            self._as_fit(fit, failure) if dropped else self.restore_fit(fit, spec, failure) for fit in fits
        )
        self.dropped |= {record["id"]} if dropped else set()
        scored = record["score"] is not None
        score = (
            Score(
                results.score_of(record),
                record["se"] or 0.0,
                tuple(record["fold_scores"]),
                record["rows"],
                dict(record["params"]),
            )
            if scored
            else None
        )
        trial = Trial(
            id=record["id"],
            spec=spec,
            protocol=record["protocol"],
            status=record["status"],
            score=score,
            fits=restored,
            seconds=record["seconds"],
            failure=failure,
            oof=self.out_of_fold(spec, restored) if scored and not dropped else None,
            full=record["full"],
            dropped=dropped,
        )
        self._trials[self._trial_key(spec)] = trial
        return trial

    def recorded_shared(self, shared: Mapping[str, list[str]]) -> dict[str, list[Path]]:
        return {name: [self.folder.parent / path for path in paths] for name, paths in shared.items()}

    def restore_fit(self, record: results.FoldFit, spec: Spec, failure: Failure | None = None) -> Fit:
        """Restore a recorded fit. Raises ValueError if its code, data, folds or prediction were changed."""
        out = self.folder / Path(record["raw"]).parent.name
        key = (record["repeat"], record["fold"])
        if self._digest(spec, key) != record["digest"]:
            raise ValueError(f"a fit of {spec.candidate.key} was made from other code, data or folds")
        if record["status"] != "failed" and sha256(out / "raw0.npy") != record["sha256"]:
            raise ValueError(f"{record['raw']} is not the prediction that was recorded")
        fit = self._as_fit(record, failure)
        done: Future[Fit] = Future()
        done.set_result(fit)
        self._fits[fit.digest] = done
        return fit

    def _as_fit(self, record: results.FoldFit, failure: Failure | None) -> Fit:
        out = self.folder / Path(record["raw"]).parent.name
        failure = failure if record["status"] != "ok" else None
        return Fit(folder=str(out), failure=failure, **recorded(record))

    def await_all(self, ids: Sequence[str], cancelled: threading.Event) -> None:
        """Wait until these trials have finished, as long as work runs."""
        idle = 0.0
        while idle < PATIENCE and not cancelled.is_set():
            if set(ids) <= {trial.id for trial in list(self._trials.values())}:
                return
            idle = 0.0 if self.pool.busy or self._running else idle + 0.05
            time.sleep(0.05)

    def finished(self) -> list[Trial]:
        return sorted(self._trials.copy().values(), key=lambda trial: int(trial.id[1:]))


def config_key(config: Mapping[str, Any]) -> str:
    return json.dumps(dict(config), sort_keys=True)


def _serves(known: Future[Fit], seconds: float) -> bool:
    """Whether a fit need not be repeated: it runs, or it ended well or as well as it can, and is stored."""
    if not known.done():
        return True
    if known.exception():
        return False
    fit = known.result()
    return not worth_again(fit, seconds) and Path(fit.folder).exists()
