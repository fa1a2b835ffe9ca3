"""Counts work as executed lines of the package, so that a test can tell what grows without a clock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import cobra_jupyter

PACKAGE = str(Path(cobra_jupyter.__file__).parent)


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of the package `work` runs in this thread; each round of a loop counts."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
