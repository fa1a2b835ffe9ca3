"""The states of a run, as its record and run.json name them."""

from __future__ import annotations

LIVE = ("starting", "running", "pausing", "paused", "human", "waiting")  # the runner is alive
HELD = ("paused", "human", "waiting")  # the run's clock is stopped
RESUMABLE = ("stopped", "failed", "died")  # the run ended early
OVER = ("finished", *RESUMABLE)
APPROVALS = ("none", "cells", "costly")  # which cells wait for a person's approval
