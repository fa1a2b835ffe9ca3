"""Copies every trial to an Optuna study in `studies.db`, for Optuna's dashboards and samplers."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench.search.trials import Trial

SHOWN = ("id", "label", "se", "folds", "repeats", "fraction", "seed", "status", "full", "cost", "rss_mb")


class Studies:
    """Writes trials to Optuna in a thread while no trial runs: a database write costs as much as a small
    trial.

    `close` writes the rest."""

    def __init__(self, path: Path, busy: Callable[[], bool]) -> None:
        self._path, self._busy = path, busy
        self._closing = threading.Event()
        self._queue: queue.Queue[tuple[Trial, str] | None] = queue.Queue()
        self._studies: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._write_all, name="studies", daemon=True)
        self._thread.start()

    def add(self, trial: Trial, direction: str) -> None:
        """Add a trial. `direction` of its protocol is minimize or maximize."""
        self._queue.put((trial, direction))

    def close(self) -> None:
        self._closing.set()
        self._queue.put(None)
        self._thread.join(20)

    def _write_all(self) -> None:
        while (added := self._queue.get()) is not None:
            trial, direction = added
            while self._busy() and not self._closing.wait(0.3):
                pass
            try:
                self._write(trial, direction)
            except Exception:  # the study is only a copy for other tools; the record has the trial
                logging.getLogger(__name__).exception(
                    "trial %s could not be written to %s", trial.id, self._path
                )

    def _write(self, trial: Trial, direction: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        factors = trial.spec.candidate.factors
        params = {
            f: trial.spec.config[f]
            for f, levels in factors.items()
            if _known(trial.spec.config.get(f), levels)
        }
        state = optuna.trial.TrialState.COMPLETE if trial.score else optuna.trial.TrialState.FAIL
        self._study(trial, direction).add_trial(
            optuna.trial.create_trial(
                state=state,
                value=trial.score.value if trial.score else None,
                params=params,
                distributions={
                    f: optuna.distributions.CategoricalDistribution(_levels(factors[f])) for f in params
                },
                user_attrs={"trial": {k: v for k, v in trial.record().items() if k in SHOWN}},
            )
        )

    def _study(self, trial: Trial, direction: str) -> Any:
        import optuna

        name = f"p{trial.protocol}-{trial.spec.candidate.key}"
        if name not in self._studies:
            self._studies[name] = optuna.create_study(
                storage=f"sqlite:///{self._path}",
                study_name=name,
                direction="maximize" if direction == "maximize" else "minimize",
                load_if_exists=True,
            )
        return self._studies[name]


def _known(value: Any, levels: list[Any]) -> bool:
    return isinstance(value, (str, int, float, bool, type(None))) and value in levels


def _levels(levels: list[Any]) -> list[Any]:
    return [level for level in levels if isinstance(level, (str, int, float, bool, type(None)))]
