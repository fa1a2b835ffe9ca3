"""How busy short trials keep the cores: worker CPU ÷ (cores × wall) for trials of 0.5 s."""

from __future__ import annotations

import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import tables
from cobra_jupyter.workbench.client import Cobra
from cobra_jupyter.workbench.harness_process import default_facts

CANDIDATE = """
import resource, time

FACTORS = {"until": [0.1, 0.5]}  # seconds of CPU

def fit(train, ctx):
    while sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) < ctx.config["until"]:
        pass
    return 0.0

def predict(model, rows, ctx):
    (ctx.out / "cpu").write_text(repr(time.process_time()))
    return rows["x0"].to_numpy()
"""


LOADING = 5.0  # seconds for what only a run's first trial pays: the harness loads Optuna


def main(trials: int = 40) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        public = tables.write(Path(folder), 5_000, 10)
        cobra = Cobra(show=lambda *_, **__: None)
        cobra.open(public)
        cobra.protocol()
        cobra.candidate("busy", CANDIDATE)
        cobra.trial("busy", {"until": 0.1}, folds=0)
        time.sleep(LOADING)
        run = next((Path(folder) / "cobra-workbench").iterdir())
        begun = time.time()
        with ThreadPoolExecutor(8) as threads:
            found = list(
                threads.map(
                    lambda seed: cobra.trial("busy", {"until": 0.5}, folds=0, seed=seed), range(trials)
                )
            )
        wall = time.time() - begun
        cpu = sum(float((run / "trials" / t.fits[0]["digest"] / "cpu").read_text()) for t in found)
        cobra.close()
        cores = default_facts()["slots"]
    print(
        json.dumps(
            {
                "worker_cpu_s": round(cpu, 2),
                "wall_s": round(wall, 2),
                "cores": cores,
                "share": round(cpu / (cores * wall), 3),
            }
        )
    )


if __name__ == "__main__":
    main()
