"""One thread for each test process, as in a worker. It is set before numerical libraries load: on a busy
machine, threads that wait for each other burn most of the time."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
