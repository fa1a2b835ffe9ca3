"""How long a test waits for a condition before it says that it never came.

No test that passes depends on it: it only ends one that would hang, so it leaves a slow machine its time."""

from __future__ import annotations

PATIENCE = 120.0  # seconds
