"""The environment that makes a fit repeatable: workers, proof and solution have the same."""

from __future__ import annotations

import os

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
REPEATABLE = {
    "PYTHONHASHSEED": "0",  # sets of texts keep their order
    "MKL_CBWR": "AUTO",  # sums do not depend on where arrays lie in memory
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # products on a GPU keep their order
}
FIXED = {**dict.fromkeys(THREAD_LIMITS, "1"), **REPEATABLE}


def limit_threads(environment: dict[str, str] | os._Environ[str]) -> None:
    """One thread per worker, because trials run in parallel, and the same order of sums and sets everywhere.

    Call before numerical libraries load and before workers start."""
    environment.update(FIXED)
