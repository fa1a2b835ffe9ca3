"""Waiting for a condition: a test never waits for a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 30.0  # seconds after which what has not come is missed


def until(look: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Look again and again until something true is seen. → what was seen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")
