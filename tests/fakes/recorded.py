"""One recorded run for all tests of a session, and how its folder looked at each moment of it.

The first worker that needs the run makes it, in a process of its own; the others wait for the lock."""

from __future__ import annotations

import fcntl
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import make_competition
from tests.fakes.lives import live


@dataclass(frozen=True)
class RecordedRun:
    """`whole` is the folder of the finished run, for reading only: what changes it works on a copy."""

    place: Path

    @property
    def competition(self) -> Path:
        return self.place / "competition" / "public"

    @property
    def whole(self) -> Path:
        return self.place / "whole"

    def copy(self, to: Path) -> Path:
        """The finished run's folder, to tamper with or to go on with."""
        return Path(shutil.copytree(self.whole, to))

    def at(self, moment: str, to: Path) -> Path:
        """The run's folder as a kill at this moment (one of `lives.MOMENTS`) would have left it."""
        return Path(shutil.copytree(self.place / "moments" / moment, to))


def recorded_run(place: Path) -> RecordedRun:
    """The run in `place`, made there if nobody has made it yet."""
    place.mkdir(parents=True, exist_ok=True)
    found, made = RecordedRun(place), place / "made"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make_competition(place / "competition", "regression", rows=240, test_rows=60)
            done = live(found.competition, found.whole, "", "--copies", str(place / "moments"))
            assert done.stdout.strip() == "identical", done.stderr
            made.touch()
    return found
