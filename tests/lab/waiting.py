"""Waiting for a condition: a test never waits for a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.patience import PATIENCE


def until(look: Callable[[], Any], what: str) -> Any:
    """Look again and again until something true is seen. → what was seen."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"it never was: {what}")
