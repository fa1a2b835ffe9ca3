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
from cobra_jupyter.workbench.ensemble import blending, mixing, submission, suspicion, training
from cobra_jupyter.workbench.ensemble.blending import Blend
from cobra_jupyter.workbench.ensemble.selection import Selection, rank
from cobra_jupyter.workbench.ensemble.stored import read_oof, write_oof
from cobra_jupyter.workbench.ensemble.suspicion import Suspicion
from cobra_jupyter.workbench.ensemble.training import BAG, Training, Used
from cobra_jupyter.workbench.errors import NotReady
from cobra_jupyter.workbench.protocol.views import Views
from cobra_jupyter.workbench.scoring import metrics, resample
from cobra_jupyter.workbench.scoring.metrics import MetricUndefined
from cobra_jupyter.workbench.scoring.scorer import Difference, OutOfFold, Score, Scorer
from cobra_jupyter.workbench.search import refits
from cobra_jupyter.workbench.search.refits import Refit
from cobra_jupyter.workbench.search.trials import DROPPED, Trial, Trials, decode_settings

Array = np.ndarray[Any, Any]
CLEARLY = 2.0  # paired standard errors


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
        self._used: dict[str, Used] = {}  # by trial or blend that was submitted
        self._refits: dict[str, Refit] = {}  # what they gain, by trial
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
            self._refuse_dropped(ids)
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

    def _refuse_dropped(self, ids: Sequence[str]) -> None:
        if gone := self._trials.dropped & set(ids):
            raise ValueError(f"{', '.join(sorted(gone))}: {DROPPED}")

    def in_the_race(self, best: int) -> set[str]:
        """The trials whose predictions and models stay: so many of the best that could be selected, members
        of blends and submissions, and the finalists of the latest selection."""
        finished = [trial for trial in self._trials.finished() if trial.score and trial.oof is not None]
        standing = [trial for trial in finished if trial.final] or finished
        standing.sort(key=self.goodness, reverse=True)
        named = {trial.id for trial in standing[:best]} | set(self._used)
        named |= {self.selected.chosen, self.selected.runner_up or ""} if self.selected else set()
        members = {trial.id for blend in self.blends.values() for trial in blend.trials}
        return (named | members) - set(self.blends)

    def goodness(self, trial: Trial) -> float:
        """A trial's score, higher is better."""
        return self._scorer.sign * trial.score.value if trial.score else -np.inf

    def count(self, trial: Trial) -> None:
        """Forget the selection if it was made without this trial, which stands for it too."""
        others = (known.final for known in self._trials.finished() if known.id != trial.id)
        if trial.final or (trial.oof is not None and not any(others)):
            self.selection = None

    def blend(self, id: str, pool: Sequence[Trial], cost_limit: float) -> Blend:
        """Blend full-size trials; the members cost at most `cost_limit` worker seconds together."""
        begun = time.monotonic()
        pool, apart = _with_shared_folds(pool)
        found = blending.find(self._scorer, pool, cost_limit, self._stored)
        members, nested = found.members, found.oof
        score = self._scorer.score(nested)
        best = min(pool, key=lambda t: -self._scorer.sign * t.score.value if t.score else np.inf)
        over = self._scorer.difference(best.oof, nested) if best.oof else None
        blend = Blend(
            id=id,
            members=tuple((t.id, w) for t, w in members),
            score=score,
            in_sample=found.in_sample,
            rule=found.rule,
            dropped=(*found.dropped, *apart),
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

    def _stored(self, trial: Trial) -> bool:
        """Whether a trial's models are stored, so that its proof need not train them again."""
        return all((Path(fit.folder) / "model.pkl").exists() for fit in trial.fits)

    def oof_path(self, id: str) -> Path:
        """Path of a blend's nested out-of-fold predictions."""
        return self._folder / "blends" / f"{id}.npz"

    def restore_blend(self, record: results.Blend) -> Blend:
        """Restore a recorded blend with its stored predictions."""
        known = {trial.id: trial for trial in self._trials.finished()}
        weights = [(member["trial"], member["weight"]) for member in record["members"]]
        oof = read_oof(self.oof_path(record["id"]), record["sha256"])
        if len(weights) == 1:  # it has the trial's own decoding, if any
            oof = blending.first_repeats(known[weights[0][0]], len(oof.raw))
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
        self._refuse_dropped([what])
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
        raw, decoded = self._bag(what, test, "test", cancelled, self.used(what)), None
        if self.decodes_itself(what):
            decoded = self._own_decode(members[0][0], score, raw, test, "test")
        sample, metric = self._data.sample, self._scorer.metric
        made = submission.table(self._competition, sample, raw, metric, score.params, decoded)
        submission.check(made, sample, self._competition.outputs)
        if decoded is None:
            decoded = metrics.decode(raw, metric.wants, self._scorer.protocol.task, score.params)
        return made, np.asarray(decoded)

    def refuse_worse(self, what: str, standing: str) -> None:
        """Raise ValueError if a trial or blend is clearly worse than the one that was submitted."""
        _, score = self.members(what)
        ours, theirs = (self._out_of_fold(id) for id in (what, standing))
        if what == standing or ours is None or theirs is None:
            return
        found = self._scorer.difference(theirs, ours)
        if found.gain < -CLEARLY * found.se:
            raise ValueError(
                f"{what} is clearly worse than {standing}, which stands as the submission: "
                f"{found.gain:+.5f} ± {found.se:.5f} {self._scorer.metric.name} (score {score.value:.5f}). "
                f"cobra.submit({what!r}, force=True) replaces it all the same."
            )

    def _out_of_fold(self, what: str) -> OutOfFold | None:
        return self.blends[what].oof if what in self.blends else self.members(what)[0][0][0].oof

    def used(self, what: str) -> Used:
        """The fits that predict the test rows for a trial or blend."""
        return self._used.get(what, BAG)

    def leading(self) -> str:
        """The trial or blend with the best score. Raises NotReady if there is none."""
        scores = {trial.id: trial.score.value for trial in self.trials() if trial.score}
        scores |= {blend.id: blend.score.value for blend in self.blends.values()}
        return max(scores, key=lambda id: self._scorer.sign * scores[id])

    def worker_seconds(self, what: str, plan: Training) -> tuple[float, float]:
        """Forecast the worker seconds to submit a trial or blend as planned, and to train it for a proof."""
        members, _ = self.members(what)
        asked = [self._views.count_asked((0, trial.spec.folds[0])) for trial, _ in members]
        shares = [len(self._data.test) / max(1, rows) for rows in asked]
        return training.forecast(members, plan, len(self._data.train), shares, self._stored)

    def training(self, what: str, seconds: float, cancelled: threading.Event | None = None) -> Training:
        """Decide how to train what is submitted; `seconds`: worker seconds left. It is measured what a refit
        and what the mean of models gain, if it can be `cancelled`; else it is only forecast."""
        members, _ = self.members(what)
        return training.choose(
            members,
            len(self._data.train),
            self._views.look_ahead,
            seconds,
            all(self._stored(trial) for trial, _ in members),
            self._averaging(what) if cancelled else None,
            self._refit(members, seconds, cancelled),
        )

    def _refit(
        self, members: Sequence[tuple[Trial, float]], seconds: float, cancelled: threading.Event | None
    ) -> Refit | None:
        """What a refit of the member with the largest weight gains over its folds' models."""
        trial = max(members, key=lambda member: member[1])[0]
        if trial.id not in self._refits and cancelled and not self._views.look_ahead:
            found = refits.measure(self._trials, trial, seconds, cancelled)
            self._refits[trial.id] = replace(found, why=f"{found.why} ({trial.id})")
        return self._refits.get(trial.id)

    def _averaging(self, what: str) -> Difference | None:
        """What the mean over repeats gains over one repeat; its models are a part of those that predict."""
        oof = self._out_of_fold(what)
        if oof is None or len(oof.raw) < 2 or oof.decoded is not None:
            return None
        mean = np.mean(oof.raw, axis=0)
        return self._scorer.difference(oof, OutOfFold((mean,) * len(oof.raw), oof.fold))

    def train(self, what: str, plan: Training, cancelled: threading.Event) -> None:
        """Fit the members on all rows if planned; if it fails, the model that knows most predicts."""
        members, _ = self.members(what)
        try:
            fits = {t.id: self._trials.refit(t, plan.refits, cancelled) for t, _ in members if plan.refits}
            why = plan.why
        except RuntimeError as error:
            fits = {trial.id: training.latest(trial) for trial, _ in members}
            why = f"{error}; so the model of the fold with the most training rows predicts"
        self._used[what] = Used(fits, why)

    def restore_submission(self, record: results.Submission) -> None:
        """Restore the refits of a recorded submission. Raises ValueError if they were changed."""
        found = {}
        for member, (trial, _) in zip(record["members"], self.members(record["what"])[0], strict=True):
            if "fits" in member:
                found[trial.id] = tuple(self._trials.restore_fit(fit, trial.spec) for fit in member["fits"])
        self._used[record["what"]] = Used(found, record.get("training", ""))

    def submit(
        self,
        what: str,
        plan: Training,
        cancelled: threading.Event,
        explained: str = "",
        admit: Callable[[Sequence[Suspicion]], None] = lambda found: None,
    ) -> results.Written:
        """Train as planned, predict the test rows, decode, check and write. Returns the submission's record.

        `explained`: a finding that lets test rows differ, or "". `admit` raises if it must not be written."""
        begun = time.monotonic()
        members, score = self.members(what)
        self.train(what, plan, cancelled)
        used = self.used(what)
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
            "cost": round(used.cost(members), 3),
            "seconds": round(time.monotonic() - begun, 3),
            "members": [_member(trial, weight, used) for trial, weight in members],
            "suspect": [each.reason for each in suspect],
            "training": used.training,
        }

    def _suspicions(self, what: str, made: pd.DataFrame, predicted: Array, explained: str) -> list[Suspicion]:
        """The reasons to doubt a submission: its form, and its distance from the out-of-fold predictions."""
        c, blend = self._competition, self.blends.get(what)
        oof = blend.oof if blend else self.members(what)[0][0][0].oof
        assert oof is not None
        before = self._scorer.decoded(oof).predictions[0][oof.rows(0)]
        names = _names(c, predicted.shape[1] if predicted.ndim > 1 else 1)
        expected = suspicion.Expected(before, names, _varies(c, self._scorer.truth), explained)
        return suspicion.of(made, self._data.sample, c.outputs, c.layout, predicted, expected)

    def decodes_itself(self, what: str) -> bool:
        """Whether it is one trial with its own decode; blends of several use the standard one."""
        members, _ = self.members(what)
        return len(members) == 1 and "decode" in members[0][0].spec.candidate.functions

    def _bag(self, what: str, rows: Path, name: str, cancelled: threading.Event, used: Used = BAG) -> Any:
        members, _ = self.members(what)
        raws = [self._trials.predict(trial, rows, name, cancelled, used.of(trial)) for trial, _ in members]
        weights = [weight for _, weight in members]
        return mixing.mixed(weights, raws, self._scorer.protocol.task, self.rule(what))

    def rule(self, what: str) -> str:
        """How the members' predictions are averaged."""
        return self.blends[what].rule if what in self.blends else mixing.MEAN

    def _prediction(self, what: str, rows: Path, name: str, cancelled: threading.Event) -> Any:
        """Predict other rows with a trial or blend, in the form that the metric wants."""
        members, score = self.members(what)
        raw = self._bag(what, rows, name, cancelled)
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


def _names(c: Any, columns: int) -> list[str]:
    """The output that each column of predictions fills, else its class."""
    if c.layout == "class_probabilities" and columns == len(c.classes):
        outputs = dict(zip(map(str, c.output_classes), map(str, c.outputs), strict=True))
        return [outputs.get(str(value), str(value)) for value in c.classes]
    return [str(name) for name in (c.outputs if columns == len(c.outputs) else c.classes)]


def _varies(competition: competitions.Competition, truth: Array) -> list[bool]:
    """For each output, whether its labels differ."""
    if truth.ndim > 1 and truth.shape[1] == len(competition.outputs):
        return [bool(np.nanmin(column) < np.nanmax(column)) for column in truth.T]
    varies = bool(len(truth)) and bool(np.nanmin(truth) < np.nanmax(truth))
    if competition.layout == "class_probabilities":
        return [varies and place >= 0 for place in submission.class_places(competition)]
    return [varies] * len(competition.outputs)


def _with_shared_folds(pool: Sequence[Trial]) -> tuple[list[Trial], list[results.Dropped]]:
    """The trials that can be blended: those on two folds or more, and the same two; and the others, with the
    reason. Raises NotReady if no two folds are shared."""
    several = [trial for trial in pool if len(trial.spec.folds) > 1]
    if not several or len(set.intersection(*(set(trial.spec.folds) for trial in several))) < 2:
        raise NotReady("a blend needs trials that share two folds: nested weights of a fold need another")
    apart: list[results.Dropped] = [
        {"trial": trial.id, "label": trial.label, "why": "it ran on one fold, and nested weights need two"}
        for trial in pool
        if trial not in several
    ]
    return several, apart


def _member(trial: Trial, weight: float, used: Used) -> results.Member:
    member: results.Member = {"trial": trial.id, "label": trial.label, "weight": weight}
    if trial.id in used.fits:
        member["fits"] = [fit.record() for fit in used.fits[trial.id]]
    return member
