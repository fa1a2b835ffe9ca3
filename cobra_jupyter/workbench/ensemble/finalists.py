"""The finalists of one protocol: full-size trials, blends of them, the selected one and its submission."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter import competition as competitions
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.ensemble import blending, submission, suspicion
from cobra_jupyter.workbench.ensemble.blending import Blend
from cobra_jupyter.workbench.ensemble.selection import Selection, rank
from cobra_jupyter.workbench.ensemble.suspicion import Suspicion
from cobra_jupyter.workbench.errors import NotReady
from cobra_jupyter.workbench.hashing import sha256
from cobra_jupyter.workbench.protocol.views import Views
from cobra_jupyter.workbench.scoring import metrics, resample
from cobra_jupyter.workbench.scoring.metrics import MetricUndefined
from cobra_jupyter.workbench.scoring.scorer import OutOfFold, Score, Scorer
from cobra_jupyter.workbench.search.trials import Trial, Trials, decode_settings

Array = np.ndarray[Any, Any]


class Finalists:
    """Blends, selection and submission. `folder` is the run's."""

    def __init__(
        self,
        folder: Path,
        competition: competitions.Competition,
        data: competitions.Data,
        scorer: Scorer,
        views: Views,
        trials: Trials,
    ) -> None:
        self._folder, self._competition, self._data = folder, competition, data
        self._scorer, self._views, self._trials = scorer, views, trials
        self.blends: dict[str, Blend] = {}
        self.selection: Selection | None = None  # None if trials or blends were added since
        self.selected: Selection | None = None  # the latest

    # ---- trials and blends

    def trials(self, ids: Sequence[str] | None = None, among: Sequence[Trial] | None = None) -> list[Trial]:
        """Return the trials that stand for selection (of `among`), or those in `ids`. Raises NotReady.

        Full-size trials stand for it, and those that scale made smaller; without any, every trial does."""
        finished = self._trials.finished() if among is None else among
        scored = [t for t in finished if t.oof is not None]
        standing = [t for t in scored if t.final]
        if ids is not None:
            missing = set(ids) - {t.id for t in standing}
            if missing:
                raise ValueError(
                    f"{', '.join(sorted(missing))}: not a finished full-size trial; "
                    f"full-size are: {', '.join(t.id for t in standing) or 'none'}"
                )
            return [t for t in standing if t.id in ids]
        standing = standing or scored
        if not standing:
            raise NotReady("no trial has finished: run cobra.trial(name) or cobra.scale(name) first")
        return standing

    def count(self, trial: Trial) -> None:
        """Forget the selection if it was made without this trial, which stands for it too."""
        others = (known.final for known in self._trials.finished() if known.id != trial.id)
        if trial.final or (trial.oof is not None and not any(others)):
            self.selection = None

    def blend(self, id: str, pool: Sequence[Trial], cost_limit: float) -> Blend:
        """Blend full-size trials; the members cost at most `cost_limit` worker seconds together."""
        begun = time.monotonic()
        pool = _with_shared_folds(pool)
        members, nested, in_sample = blending.find(self._scorer, pool, cost_limit)
        score = self._scorer.score(nested)
        best = min(pool, key=lambda t: -self._scorer.sign * t.score.value if t.score else np.inf)
        over = self._scorer.difference(best.oof, nested) if best.oof else None
        blend = Blend(
            id=id,
            members=tuple((t.id, w) for t, w in members),
            score=score,
            in_sample=in_sample,
            over_best=over,
            best_single=best.id,
            cost=sum(t.cost for t, _ in members),
            seconds=time.monotonic() - begun,
            considered=len(pool),
            protocol=self._scorer.protocol.number,
            sha256=write_oof(self.oof_path(id), nested),
            oof=nested,
            trials=tuple(t for t, _ in members),
        )
        self.blends[blend.id], self.selection = blend, None
        return blend

    def oof_path(self, id: str) -> Path:
        """Path of a blend's nested out-of-fold predictions."""
        return self._folder / "blends" / f"{id}.npz"

    def restore_blend(self, record: results.Blend) -> Blend:
        """Restore a recorded blend with its stored predictions."""
        known = {trial.id: trial for trial in self._trials.finished()}
        weights = [(member["trial"], member["weight"]) for member in record["members"]]
        oof = read_oof(self.oof_path(record["id"]), record["sha256"])
        blend = blending.from_record(record, oof, tuple(known[id] for id, _ in weights))
        self.blends[blend.id], self.selection = blend, None
        return blend

    # ---- the choice

    def select(self, pool: Sequence[Trial], cancelled: threading.Event) -> Selection:
        """Choose what to submit, by cross-validation alone; a vault may veto."""
        ranked = rank(self._scorer, pool, list(self.blends.values()))
        self.selection = self.selected = self._vault_veto(ranked, cancelled)
        return self.selection

    def _vault_veto(self, selection: Selection, cancelled: threading.Event) -> Selection:
        """If there is a vault, compare the chosen one and the runner-up on its rows. It may only veto."""
        rows = self._scorer.folds.vault
        if not len(rows) or selection.runner_up is None:
            return selection
        predictions = [
            self._prediction(id, self._views.vault(), "vault", cancelled)
            for id in (selection.chosen, selection.runner_up)
        ]
        try:
            values, samples = self._scorer.score_rows(rows, predictions)
        except MetricUndefined as error:
            return replace(selection, vault=f"the vault tells nothing: {error}")
        loss = self._scorer.sign * (values[1] - values[0])
        se = resample.standard_error(samples[1] - samples[0], *self._scorer.drawn(rows))
        vetoed = loss > 3 * se
        note = (
            f"vault of {len(rows)} rows: chosen {values[0]:.5f}, runner-up {values[1]:.5f}, "
            f"difference {-loss:+.5f} ± {se:.5f}"
        )
        if vetoed:
            note += ": worse by more than 3 SE, vetoed; audit the split"
            return replace(
                selection, chosen=selection.runner_up, runner_up=selection.chosen, vault=note, vetoed=True
            )
        return replace(selection, vault=note)

    # ---- the submission

    def members(self, what: str) -> tuple[list[tuple[Trial, float]], Score]:
        """Return trials, weights and score of a blend or of a single trial."""
        if blend := self.blends.get(what):
            return [(t, w) for t, (_, w) in zip(blend.trials, blend.members, strict=True)], blend.score
        scored = {t.id: t for t in self._trials.finished() if t.score and t.oof is not None}
        if (trial := scored.get(what)) is None or trial.score is None:
            raise ValueError(
                f"{what}: not a blend and not a finished trial with a score; "
                f"these are: {', '.join(scored) or 'none'}"
            )
        return [(trial, 1.0)], trial.score

    def submission(self, what: str, cancelled: threading.Event) -> Any:
        """Return the checked submission table of a trial or blend. Raises SubmissionError, RuntimeError."""
        return self._made(what, cancelled)[0]

    def _made(self, what: str, cancelled: threading.Event) -> tuple[pd.DataFrame, Array]:
        """Return the checked table, and the predictions in the form of the metric."""
        members, score = self.members(what)
        test = self._views.test()
        raw, decoded = self._bag(members, test, "test", cancelled), None
        if self.decodes_itself(what):
            decoded = self._own_decode(members[0][0], score, raw, test, "test")
        sample, metric = self._data.sample, self._scorer.metric
        made = submission.table(self._competition, sample, raw, metric, score.params, decoded)
        submission.check(made, sample, self._competition.outputs)
        if decoded is None:
            decoded = metrics.decode(raw, metric.wants, self._scorer.protocol.task, score.params)
        return made, np.asarray(decoded)

    def submit(
        self,
        what: str,
        cancelled: threading.Event,
        explained: str = "",
        admit: Callable[[Sequence[Suspicion]], None] = lambda found: None,
    ) -> results.Written:
        """Predict the test rows, decode, check and write. Returns the submission's record.

        `explained`: a finding that lets test rows differ, or "". `admit` raises if it must not be written."""
        begun = time.monotonic()
        members, score = self.members(what)
        made, predicted = self._made(what, cancelled)
        suspect = self._suspicions(what, made, predicted, explained)
        admit(suspect)
        written = submission.write(made, self._folder / "submission.csv")
        return {
            "what": what,
            "score": score.value,
            "se": score.se,
            "rows": written.rows,
            "sha256": written.sha256,
            "path": "submission.csv",
            "cost": round(sum(trial.cost for trial, _ in members), 3),
            "seconds": round(time.monotonic() - begun, 3),
            "members": [{"trial": t.id, "label": t.label, "weight": w} for t, w in members],
            "suspect": [each.reason for each in suspect],
        }

    def _suspicions(self, what: str, made: pd.DataFrame, predicted: Array, explained: str) -> list[Suspicion]:
        """The reasons to doubt a submission: its form, and its distance from the out-of-fold predictions."""
        c, blend = self._competition, self.blends.get(what)
        oof = blend.oof if blend else self.members(what)[0][0][0].oof
        assert oof is not None
        before = self._scorer.decoded(oof).predictions[0][oof.rows(0)]
        columns = predicted.shape[1] if predicted.ndim > 1 else 1
        names = [str(name) for name in (c.outputs if columns == len(c.outputs) else c.classes)]
        expected = suspicion.Expected(before, names, _varies(c, self._scorer.truth), explained)
        return suspicion.of(made, self._data.sample, c.outputs, c.layout, predicted, expected)

    def decodes_itself(self, what: str) -> bool:
        """Whether it is a trial with its own decode; blends use the standard one."""
        return what not in self.blends and "decode" in self.members(what)[0][0][0].spec.candidate.functions

    def _bag(
        self, members: list[tuple[Trial, float]], rows: Path, name: str, cancelled: threading.Event
    ) -> Any:
        return np.sum([w * self._trials.predict(t, rows, name, cancelled) for t, w in members], axis=0)

    def _prediction(self, what: str, rows: Path, name: str, cancelled: threading.Event) -> Any:
        """Predict other rows with a trial or blend, in the form that the metric wants."""
        members, score = self.members(what)
        raw = self._bag(members, rows, name, cancelled)
        if self.decodes_itself(what):
            return self._own_decode(members[0][0], score, raw, rows, name)
        return metrics.decode(raw, self._scorer.metric.wants, self._scorer.protocol.task, score.params)

    def on_vault(self, what: str, cancelled: threading.Event) -> Any:
        """Predict the vault's rows with a trial or blend, in the form that the metric wants."""
        return self._prediction(what, self._views.vault(), "vault", cancelled)

    def _own_decode(self, trial: Trial, score: Score, raw: Any, rows: Path, name: str) -> Any:
        """Run a candidate's own decode with the parameters chosen on its out-of-fold rows."""
        path = self._trials.folder / trial.fits[0].digest / f"{name}_raw.npy"
        np.save(path, raw)
        parts = self._trials.decode(trial.spec, (0, trial.spec.folds[0]), path, rows, f"decode-{name}")
        return parts[decode_settings(trial.spec.candidate).index(score.params)]


def _varies(competition: competitions.Competition, truth: Array) -> list[bool]:
    """For each output, whether its labels differ."""
    if truth.ndim > 1 and truth.shape[1] == len(competition.outputs):
        return [bool(np.nanmin(column) < np.nanmax(column)) for column in truth.T]
    varies = bool(len(truth)) and bool(np.nanmin(truth) < np.nanmax(truth))
    if competition.layout == "class_probabilities":
        return [varies and place >= 0 for place in submission.class_places(competition)]
    return [varies] * len(competition.outputs)


def _with_shared_folds(pool: Sequence[Trial]) -> list[Trial]:
    """The trials that can be blended: those on two folds or more, and the same two. Raises NotReady."""
    several = [trial for trial in pool if len(trial.spec.folds) > 1]
    if not several or len(set.intersection(*(set(trial.spec.folds) for trial in several))) < 2:
        raise NotReady("a blend needs trials that share two folds: nested weights of a fold need another")
    return several


def write_oof(path: Path, oof: OutOfFold) -> str:
    """Store out-of-fold predictions. Returns the SHA-256 of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    arrays: dict[str, Any] = {f"raw{r}": raw for r, raw in enumerate(oof.raw)}
    arrays |= {f"fold{r}": fold for r, fold in enumerate(oof.fold)}
    np.savez(part, **arrays)
    digest = sha256(part)
    part.replace(path)
    return digest


def read_oof(path: Path, recorded: str) -> OutOfFold:
    """Read out-of-fold predictions. Raises ValueError if the file was changed."""
    if sha256(path) != recorded:
        raise ValueError(f"{path.name} is not the file that was recorded")
    with np.load(path, allow_pickle=False) as stored:
        count = len(stored.files) // 2
        return OutOfFold(
            tuple(stored[f"raw{r}"] for r in range(count)), tuple(stored[f"fold{r}"] for r in range(count))
        )
