"""Output beyond what the notebook stores: it goes to a text file in the run's folder, for people to read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

MOST = 64 << 20  # bytes of the file: a loop that prints for hours must not fill the disk
DISPLAYS = 1 << 18  # characters of displays that a notebook still stores once a cell's text overflows


def said(log: str) -> str:
    """How a notebook names the file."""
    return f"{log} (at most {MOST >> 20} MiB of it)"


class Overflow:
    """Appends to `path`. `clean` removes what must not be written."""

    def __init__(self, path: Path, clean: Callable[[str], str]) -> None:
        self._path, self._clean = path, clean
        self._cell = ""  # the cell of the last text

    def write(self, cell_id: str, text: str, first: bool) -> None:
        """`first`: the first text of an execution. Text that cannot be written is lost; the run goes on."""
        head = f"\n==== cell {cell_id}\n" if first or cell_id != self._cell else ""
        self._cell = cell_id
        with contextlib.suppress(OSError):
            room = MOST - (self._path.stat().st_size if self._path.exists() else 0)
            if room <= 0:
                return
            data = (head + self._clean(text)).encode("utf-8", "replace")
            self._path.parent.mkdir(exist_ok=True)
            with self._path.open("ab") as file:
                file.write(data[:room])
