"""`cobra` in cells: a thin client of the harness. It only shows results; the runner writes the record."""

from __future__ import annotations

import atexit
import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cobra_jupyter.workbench.display import rendering
from cobra_jupyter.workbench.harness_process import default_facts, start_process
from cobra_jupyter.workbench.result import Result
from cobra_jupyter.workbench.rpc import CallError, ConnectionLost, Peer

if TYPE_CHECKING:
    import pandas as pd

SOCKET = "COBRA_SOCKET"  # set by the runner in the kernel's environment


class CobraError(Exception):
    """A call was refused or failed; the message says what to do. Notebooks show it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"CobraError: {self}"]


class Cobra:
    """The workbench: open a competition, freeze a protocol, try candidates, blend the best, submit.

    A session, in order:

        cobra.open()                       # shows targets, features and metric
        cobra.protocol()                   # freeze folds and metric
        %%candidate ridge                  # a cell with fit(train, ctx) and predict(model, rows, ctx)
        cobra.trial("ridge")               # cross-validated score ± standard error
        cobra.ablate("ridge")              # which of its FACTORS matter, on small data
        cobra.scale("ridge", {...})        # the best combination at full size
        cobra.blend(); cobra.select()      # weights on out-of-fold predictions; the rule chooses
        cobra.submit()                     # submission.csv

    Every call shows its result and returns it. Scores come from the harness; only the harness holds the
    labels. For help on a call type `cobra.trial?`."""

    def __init__(
        self,
        show: Callable[..., Any] | None = None,
        socket: str = "",
        cell: Callable[[], int | None] = lambda: None,
    ) -> None:
        """`socket`: the path of the harness's socket; by default taken from the environment. `cell` returns
        the number of the cell that runs, if it is known."""
        self._show = show or rendering.show
        self._socket, self._cell = socket, cell
        self._peer: Peer | None = None
        self._beside: Path | None = None  # the folder of the socket
        self._process: subprocess.Popen[bytes] | None = None
        self._stop: Callable[[], None] | None = None

    # ---- the steps

    def open(self, folder: str | Path | None = None, **options: Any) -> Result:
        """Read a competition folder (MLE-bench's `public/` layout) and show its card.

        In a run the folder is known; elsewhere name it. The card gives evidence for each decision and lists
        open questions. Options correct it: `cobra.open("data/x", target="price", metric="rmse")`. They are
        id, target, metric, direction, split, groups, time, kind, task, weights and positive. `metric` may
        be the name of a `%%metric` cell; `groups` and `weights` may come from a table: `owners.csv:owner`."""
        self._connect(folder)
        return self._call("open", folder=str(Path(folder).resolve()) if folder else None, options=options)

    def protocol(
        self,
        *,
        split: str | None = None,
        folds: int | None = None,
        repeats: int | None = None,
        groups: str | pd.Series | None = None,
        time: str | None = None,
        metric: str | None = None,
        vault: bool | None = None,
        leave_out: list[str] | None = None,
        gap: float | None = None,
        weights: str | pd.Series | None = None,
    ) -> Result:
        """Freeze how candidates are judged: split, folds, repeats and metric. Do this before the first trial.

        By default the split is derived from the data, with a reason. `split` is kfold, stratified, group,
        stratified_group or time. Rows with equal values in the column `groups` stay together (`column[0]`:
        the part before the first separator; "owners.csv:owner": a column of another table, by the key;
        "duplicates": rows with equal features). `weights` says how much each row weighs. Both may be a Series
        too, with the row key or the order of the rows of train as its index. The column `time` orders rows:
        each fold predicts a window as long as the test's, and trains on what is earlier, by more than `gap`
        days (of a column of numbers: units) where labels are known late. The metric is tested first: the
        truth itself must beat shuffled truth and a constant. No candidate sees the columns in `leave_out`
        (default: those that the audit found leaking). A second call makes protocol 2, and so on; trials of
        different protocols are never compared."""
        return self._call(
            "protocol",
            split=split,
            folds=folds,
            repeats=repeats,
            groups=self._sent("groups", groups),
            time=time,
            metric=metric,
            vault=vault,
            leave_out=leave_out,
            gap=gap,
            **({} if weights is None else {"weights": self._sent("weights", weights)}),
        )

    def folds(self, name: str, source: str) -> Result:
        """Freeze a protocol with folds of your own; the `%%protocol NAME` cell magic calls this.

            %%protocol by_season
            def folds(units, test):    # the rows of train without labels, and the rows of test
                return [(training, held_out), ...]     # positions in units, at least two folds

        It runs in a worker. A row is held out at most once and never in its own training rows. If training
        rows are left out of a fold on purpose (later ones, say), all rows train the submission. `GROUPS =
        "column"` in the cell keeps rows together, which is checked, and standard errors count groups; with
        `REPEATS = 3`, `folds(units, test, repeat)` is called for each repeat.
        """
        return self._call("protocol", name=name, cell=source)

    def candidate(self, name: str, source: str) -> Result:
        """Save a candidate; the `%%candidate NAME` cell magic calls this with the cell's text.

            %%candidate ridge
            FACTORS = {"alpha": [1.0, 0.1, 10.0]}  # the first level is the default
            NOTES = {"alpha": "matters little; free; less with more rows"}
            def fit(train, ctx):                # train: DataFrame with features and targets
                ...; return model               # ctx: config, targets, classes, columns, seed, n_jobs,
            def predict(model, rows, ctx):      #      inner(), save(model), data, shared(name), seconds_left
                ...; return raw                 # class → (n, C) probabilities in ctx.classes' order (binary:
                                                #   P(positive) will do); numbers → (n, targets) floats

        It must be self-contained (its own imports). Changed text makes a new version; equal text does not.
        Optional: `decode(raw, rows, params)` with `DECODE = {"threshold": [0.4, 0.5]}`; the harness chooses
        `params` on out-of-fold rows.
        """
        return self._call("candidate", name=name, source=source)

    def shared(self, name: str, source: str) -> Result:
        """Compute features without labels, once for all rows; the `%%shared NAME` cell magic calls this.

            %%shared tokens
            def make(rows, ctx):       # called for all train rows, then for all test rows (see ctx.side)
                return DataFrame       # one row per row of `rows`; ctx.data holds no labels

        Candidates read it with `ctx.shared("tokens").loc[rows.index]`.
        """
        return self._call("shared", name=name, source=source)

    def metric(self, name: str, source: str) -> Result:
        """Define your own metric; the `%%metric NAME` cell magic calls this. Then call `cobra.protocol()`.

        %%metric pinball
        DIRECTION = "minimize"     # or "maximize"
        WANTS = "value"            # "probability", "label" (codes) or "value"
        BEST = 0.0                 # the score of a perfect prediction
        def metric(truth, prediction): return float(...)
        """
        return self._call("metric", name=name, source=source)

    def trial(
        self,
        candidate: str,
        config: Mapping[str, Any] | None = None,
        *,
        folds: int | list[int] | None = None,
        fraction: float = 1.0,
        seed: int = 0,
        repeats: int = 1,
        timeout: float | None = None,
        background: bool = False,
    ) -> Result:
        """Run a candidate on the protocol's folds and score its out-of-fold predictions.

        `config` overrides factor defaults. For a small trial choose `folds` (`folds=0`, `folds=[0, 1]`;
        numbers start at 0) and `fraction` (of the training rows); held-out rows are always all scored. The
        result has `id`, `score`, `se`, `fold_scores` and `seconds`. `timeout` is in seconds and holds for the
        whole trial, all its folds and repeats. A failed trial has `failure` (kind,
        message, place, tail) and no score. Equal work is done once: the same call returns the same trial.
        `background=True` returns a job at once; see `jobs` and `wait`."""
        return self._call(
            "trial",
            candidate=candidate,
            config=config,
            folds=folds,
            fraction=fraction,
            seed=seed,
            repeats=repeats,
            timeout=timeout,
            background=background,
        )

    def ablate(
        self,
        candidate: str,
        factors: Mapping[str, list[Any]] | list[str] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        seconds: float | None = None,
        fraction: float | None = None,
        folds: list[int] | None = None,
        seed: int = 0,
    ) -> Result:
        """Measure which factors matter: each level against the baseline on small data, then the winners.

        `factors`: all of the candidate's FACTORS by default, some by name, or {factor: levels}. The data size
        is chosen so that everything fits `seconds` (default: a fifth of the budget). Effects are paired
        differences with standard errors, positive = better. The result has `effects`, `importance`, `best` (a
        config) and `best_trial`."""
        chosen_factors = dict(factors) if isinstance(factors, Mapping) else factors
        return self._call(
            "ablate",
            candidate=candidate,
            factors=chosen_factors,
            config=config,
            seconds=seconds,
            fraction=fraction,
            folds=folds,
            seed=seed,
        )

    def effects(self) -> Result:
        """Show all effects measured so far, strongest first, over all candidates."""
        return self._call("effects")

    def probe(self, candidate: str, config: Mapping[str, Any] | None = None) -> Result:
        """Predict the time and memory of the full-size trial from small fits at two sizes."""
        return self._call("probe", candidate=candidate, config=config)

    def scale(
        self,
        candidate: str,
        config: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        repeats: int | None = None,
        background: bool = False,
        seconds: float | None = None,
    ) -> Result:
        """Run the full-size trial: all rows and folds, the protocol's repeats.

        Time and memory are predicted first. If they do not suffice (or not within `seconds`), the trial runs
        on fewer repeats, folds or rows; `reduced` says why. Refused if not even a small one fits."""
        return self._call(
            "scale",
            candidate=candidate,
            config=config,
            seed=seed,
            repeats=repeats,
            background=background,
            seconds=seconds,
        )

    def blend(self, trials: list[str] | None = None, *, seconds: float | None = None) -> Result:
        """Blend all full-size trials, or those in `trials`. Weights are fitted on out-of-fold rows.

        Predictions, their logits or their ranks are averaged, whichever scores best. The score is nested: the
        weights for a row come from other rows. The result names what it `dropped` and why, and is never worse
        than the best single trial that can be afforded. Refitting all members takes
        at most `seconds`, so that there is time for the proof (default: derived from the time left)."""
        return self._call("blend", trials=trials, seconds=seconds)

    def select(self) -> Result:
        """Choose the trial or blend to submit: best cross-validated score; of tied ones, the cheapest."""
        return self._call("select")

    def submit(self, what: str | None = None, *, force: bool = False) -> Result:
        """Predict the test rows, check the format and write `submission.csv`.

        `what` is the id of any trial with a score, or of a blend; by default the selected one. One that is
        clearly worse than the present submission (by 2 paired standard errors) is refused unless `force` is
        true, and so is one that equals the sample or is the same for all rows. `suspect` lists reasons to
        doubt the submission."""
        return self._call("submit", what=what, force=force)

    def oof(self, id: str) -> pd.DataFrame:
        """Return the out-of-fold predictions of a trial or blend as a DataFrame, for the analysis of errors.

        It has one row per train row, in order, with index 0, 1, … (rows without a label are not train rows).
        Columns: `fold`, then one per class (its name as text: `oof["1"]`) or per target. Rows that no fold
        predicted have fold -1 and NaN. Values are raw predictions of the first repeat, before thresholds. It
        has no labels; read them with the `train = …` line of the card."""
        from cobra_jupyter.workbench.scoring import predictions

        return predictions.read(self._call("oof", id=id))

    def audit(
        self,
        candidate: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
    ) -> Result:
        """Look for reasons why scores could be better than on test rows; before or after `protocol`.

        It checks for columns that leak the target or are missing in test, informative ids, drift between
        train and test (adversarial validation), duplicates and near-duplicates across folds, groups and time;
        after trials also for folds that differ by more than chance, and the vault. Each finding has `check`,
        `severity` (leak, warning, note), `evidence` and `proposal`. If a protocol would fix it, `protocol`
        holds the arguments: `cobra.protocol(**finding["protocol"])`. A leaking column has `scores`, with and
        without it. The result's `leaking` lists columns that must stay unused. `seconds` limits the quick
        models (default 15).

        With `candidate` (and `config`) it probes that candidate instead: after a fit to labels permuted
        inside the folds, predictions must tell nothing about the labels of held-out rows."""
        return self._call("audit", candidate=candidate, config=config, seconds=seconds)

    def jobs(self) -> Result:
        """Show the background jobs."""
        return self._call("jobs")

    def wait(self, *ids: str, seconds: float | None = None) -> Result:
        """Wait until background jobs (all, or those in `ids`) have ended, at most `seconds`."""
        return self._call("wait", ids=list(ids) or None, seconds=seconds)

    def status(self) -> Result:
        """Show the time left, the reserve and the jobs."""
        return self._call("status")

    def delegate(self, role: str, brief: str, *, background: bool | None = None) -> Result:
        """Delegate a task to another agent (in a run). It has its own notebook, kernel and time.

        `role` is scout (works on the competition from a fresh start), auditor (examines the split) or judge
        (compares the finalists by numbers alone). `brief` describes the task. With enough cores a scout works
        in the background (`background` overrides this) and the call returns a job; see `jobs` and `wait`.
        Otherwise it returns the brief with `report` (a few sentences), `results` (ids) and `notebook`."""
        return self._call("delegate", role=role, brief=brief, background=background)

    def recall(self, id: str) -> Result:
        """Read an earlier record of the run by its id."""
        return self._call("recall", id=id)

    def finish(self, why: str = "") -> Result:
        """End the run after this cell, with the latest submission."""
        return self._call("finish", why=why)

    # ---- connection

    def _call(self, call: str, /, **args: Any) -> Result:
        peer = self._connect(None)
        live = rendering.Live(self._show)
        try:
            answer = peer.call(call, args, live.progress)
        except CallError as error:
            raise CobraError(str(error)) from None
        except ConnectionLost as error:
            raise CobraError(f"the harness is gone ({error}); run the cell again") from None
        cell = self._cell()
        result = Result(answer["kind"], answer["data"], lambda: cell is not None and cell == self._cell())
        live.finish(answer["kind"], answer["data"])
        return result

    def _sent(self, name: str, value: Any) -> Any:
        """Leave a Series beside the socket, for the harness; a column's name is sent as it is."""
        if value is None or isinstance(value, str):
            return value
        if not (hasattr(value, "index") and getattr(value, "ndim", 0) == 1):
            raise CobraError(
                f"{name}: give the name of a column, FILE:COLUMN, or a pandas Series with the row key as its "
                f"index, not {type(value).__name__}"
            )
        self._connect(None)
        assert self._beside
        text = value.rename("value").rename_axis("index").reset_index().to_csv(index=False).encode()
        digest = hashlib.sha256(text).hexdigest()
        (self._beside / f"{digest}.csv").write_bytes(text)
        return {"series": digest, "name": str(value.name)}

    def _connect(self, folder: str | Path | None) -> Peer:
        if self._peer is not None and not self._peer.closed.is_set():
            return self._peer
        try:
            path = self._socket or os.environ.get(SOCKET) or self._start_harness(folder)
            self._peer, self._beside = Peer.connect(path), Path(path).parent
        except ConnectionLost as error:
            raise CobraError(str(error)) from None
        return self._peer

    def _start_harness(self, folder: str | Path | None) -> str:
        """Start a harness for a notebook without a run, in a folder beside it. Returns its socket."""
        if folder is None:
            raise CobraError("open a competition first: cobra.open('path/to/competition')")
        private = Path(tempfile.mkdtemp(prefix="cobra-"))
        run = Path.cwd() / "cobra-workbench" / time.strftime("%Y%m%d-%H%M%S")
        run.mkdir(parents=True, exist_ok=True)
        facts = {
            **default_facts(),
            "socket": str(private / "s"),
            "folder": str(run),
            "token": secrets.token_hex(16),
        }
        self._process = start_process(facts, Path(__file__).parents[2], run / "harness.log")
        self._stop = partial(self._stop_harness, private)
        atexit.register(self.close)
        return str(facts["socket"])

    def close(self) -> None:
        """End the harness that this client started. The harness of a run goes on."""
        if self._stop:
            self._stop()
            self._stop = None

    def _stop_harness(self, private: Path) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()  # then the harness ends, and its workers
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        shutil.rmtree(private, ignore_errors=True)
