"""What the trials of a run keep, and what of it is dropped when it takes too much room.

The rule: predictions and models may take half of the disk that would be free without them, at most 32 GiB;
predictions are held in memory too, there at most 2 GiB. Before a call starts new trials or a blend, what
exceeds this is dropped, down to four fifths of the limit. Hash and score of each trial are kept.

* Kept whatever it takes: of the protocol in force, the twenty best trials that could be selected (of an
  earlier one: the best); members of blends and of submissions; the two finalists of the latest selection; the
  best of each candidate. The others have left the race. Nothing is dropped while an ablation runs, as it
  compares its trials.
* Models go first: those of small-data trials, then those of full-size trials. They are fitted again where
  somebody submits such a trial all the same.
* Predictions go next: those of full-size trials, then those of small-data trials; the worst first. Such a
  trial cannot be blended or submitted; to run it again fits it again, as a new trial.

A file that two trials share is kept as long as one of them keeps its own. A fit that ended early has a model
that another fit would not give, so its model goes with its predictions."""

from __future__ import annotations

import bisect
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cobra_jupyter.workbench.search.fits import Fit
from cobra_jupyter.workbench.search.trials import Trial

SHARE = 0.5  # of the disk that would be free
MOST_BYTES = 32 * 2**30
MOST_IN_MEMORY = 2 * 2**30
DOWN_TO = 0.8  # of the limit
KEPT = 20  # of the best trials
MODEL, PREDICTION = "model.pkl", "raw0.npy"


@dataclass(frozen=True)
class Plan:
    """The trials whose models, and those whose predictions and models, are dropped. `why` says why."""

    models: tuple[str, ...] = ()
    predictions: tuple[str, ...] = ()
    why: str = ""

    def __bool__(self) -> bool:
        return bool(self.models or self.predictions)

    @property
    def ids(self) -> list[str]:
        return list(dict.fromkeys((*self.models, *self.predictions)))


@dataclass(frozen=True)
class Room:
    """Bytes that trials may take on disk and, as predictions, in memory."""

    disk: int
    memory: int = MOST_IN_MEMORY

    @classmethod
    def on(cls, folder: Path, stored: int) -> Room:
        """The room of a run in `folder`, whose trials take `stored` bytes now."""
        free = shutil.disk_usage(folder).free + stored
        return cls(min(MOST_BYTES, int(SHARE * free)))


class Sizes:
    """The bytes of fits on disk, each measured once: a finished fit does not change."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, int]] = {}

    def of(self, folder: str) -> dict[str, int]:
        """Bytes of a fit's files by name."""
        if folder not in self._known:
            self._known[folder] = dict(_files_below(folder))
        return self._known[folder]

    def size(self, folder: str, name: str | None = None) -> int:
        """Bytes of one file of a fit (0 without it), or of all."""
        return sum(self.of(folder).values()) if name is None else self.of(folder).get(name, 0)

    def total(self, fits: Iterable[Fit]) -> int:
        return sum(self.size(folder) for folder in {fit.folder for fit in fits})

    def forget(self, gone: Files) -> None:
        for folder in (*gone.fits, *gone.models):
            self._known.pop(folder, None)


def _files_below(folder: str) -> Iterator[tuple[str, int]]:
    """Names, relative to a folder, and bytes of all files in it; this runs for each fit."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = f"{parent}/{name}"
            yield os.path.relpath(path, folder), os.lstat(path).st_size


def in_memory(trial: Trial) -> int:
    """Bytes of a trial's out-of-fold predictions."""
    if trial.oof is None:
        return 0
    return sum(array.nbytes for array in (*trial.oof.raw, *trial.oof.fold, *(trial.oof.decoded or ())))


@dataclass(frozen=True)
class Files:
    """Folders of fits that go whole, and those that lose their model."""

    fits: tuple[str, ...]
    models: tuple[str, ...]

    def paths(self) -> list[str]:
        """The predictions and models, relative to the run's folder."""
        names = [(folder, name) for folder in self.fits for name in (PREDICTION, MODEL)]
        names += [(folder, MODEL) for folder in self.models]
        return [f"trials/{Path(f).name}/{name}" for f, name in names if (Path(f) / name).exists()]


def plan(
    trials: Sequence[Trial], kept: set[str], goodness: Callable[[Trial], float], room: Room, sizes: Sizes
) -> Plan:
    """Choose what to drop of finished `trials`. `kept`: ids that stay; `goodness`: higher is better."""
    present = [trial for trial in trials if not trial.dropped]
    disk = sizes.total(fit for trial in present for fit in trial.fits)
    memory = sum(in_memory(trial) for trial in present)
    if disk <= room.disk and memory <= room.memory:
        return Plan()
    why = (
        f"predictions and models took {_mb(disk)} MiB of {_mb(room.disk)} on disk, and predictions "
        f"{_mb(memory)} MiB of {_mb(room.memory)} in memory"
    )
    disk_target = DOWN_TO * room.disk if disk > room.disk else disk
    memory_target = DOWN_TO * room.memory if memory > room.memory else memory
    left = sorted((t for t in present if t.id not in kept and t.oof is not None), key=goodness)
    lean = [t for t in left if any(sizes.size(folder, MODEL) for folder in _apart(t))]
    lean.sort(key=lambda trial: trial.full)
    whole = sorted(left, key=lambda trial: not trial.full)

    def first(models: int, predictions: int) -> Plan:
        return Plan(tuple(t.id for t in lean[:models]), tuple(t.id for t in whole[:predictions]), why)

    def stored(found: Plan) -> int:
        gone = files(present, found)
        spared = sum(sizes.size(folder) for folder in gone.fits)
        return disk - spared - sum(sizes.size(folder, MODEL) for folder in gone.models)

    def fits(models: int, predictions: int) -> bool:
        held = memory - sum(in_memory(trial) for trial in whole[:predictions])
        return stored(first(models, predictions)) <= disk_target and held <= memory_target

    models = _fewest(len(lean), lambda count: stored(first(count, 0)) <= disk_target)
    found = first(models, _fewest(len(whole), lambda count: fits(models, count)))
    frees = found.predictions or files(present, found).models
    return found if frees else Plan()  # else all that is left is shared with trials in the race


def _fewest(most: int, enough: Callable[[int], bool]) -> int:
    """The smallest number that is enough, at most `most`; a larger one is enough too."""
    return bisect.bisect_left(range(most), True, key=enough)


def files(trials: Iterable[Trial], plan: Plan) -> Files:
    """The folders of fits that no other trial uses."""
    whole = {trial.id for trial in trials if trial.id in plan.predictions}
    lean = {*plan.models, *whole}
    users: dict[str, set[str]] = {}
    ended: set[str] = set()
    for trial in trials:
        for fit in trial.fits:
            users.setdefault(fit.folder, set()).add(trial.id)
        ended |= set(_apart(trial))
    fits = [folder for folder, ids in users.items() if ids <= whole]
    models = [f for f, ids in users.items() if ids <= lean and not ids <= whole and f in ended]
    return Files(tuple(sorted(fits)), tuple(sorted(models)))


def _apart(trial: Trial) -> list[str]:
    """The folders of a trial's fits whose model another fit would give again."""
    return [fit.folder for fit in trial.fits if fit.status == "ok"]


def _mb(size: int) -> int:
    return round(size / 2**20)
