"""One thread a test process, as in a worker: set before numerical libraries load, as threads that wait for each other on
a busy machine burn most of its time."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
