"""How long a test waits for a condition before it says that it never came.

No test that passes depends on it: it only ends one that would hang, so it leaves a slow machine its time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 120.0  # seconds


async def until(look: Callable[[], Any], what: str = "the condition") -> Any:
    """Look again and again until something true is seen; `look` may be a coroutine function. → what was
    seen."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found := await found if inspect.isawaitable(found) else found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"it never was: {what}")
