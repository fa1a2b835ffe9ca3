"""The memory of this process: what it holds, and the peak of one phase of its work."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """Measures phases. `highest` is the highest of all, in MiB."""

    def __init__(self) -> None:
        self.highest = 0.0

    def begin(self) -> float:
        """Begin a phase. → the MiB that the process holds now."""
        self.end()
        with contextlib.suppress(OSError):
            _CLEAR.write_text("5")  # Linux: forget the peak so far
        return _status("VmRSS")

    def end(self) -> float:
        """→ the peak since the phase began, in MiB; without Linux, since the process began."""
        peak = _status("VmHWM")
        self.highest = max(self.highest, peak)
        return peak


def _status(name: str) -> float:
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = _STATUS.read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024
