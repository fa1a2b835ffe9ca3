"""The time from `cobra.trial(...)` until `fit` is entered with its data loaded, compared with a fresh Python
process that imports the usual libraries and reads the csv. 300,000 × 30 numbers, fold files cached, first use
excluded."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import tables
from cobra_jupyter.workbench.client import Cobra

CANDIDATE = """
import time

def fit(train, ctx):
    first = float(train.iloc[-1, 1])  # the data is at hand
    (ctx.out / "entered").write_text(repr(time.time()))
    return first

def predict(model, rows, ctx):
    return rows["x0"].to_numpy()
"""
FRESH = "import pandas, sklearn.ensemble, lightgbm, sys; pandas.read_csv(sys.argv[1])"


def main(repeats: int = 30) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        public = tables.write(Path(folder), 300_000, 30)
        cobra = Cobra(show=lambda *_, **__: None)
        cobra.open(public)
        cobra.protocol()
        cobra.candidate("nothing", CANDIDATE)
        run = next((Path(folder) / "cobra-workbench").iterdir())
        taken = []
        for seed in range(repeats + 5):
            begun = time.time()
            trial = cobra.trial("nothing", folds=0, seed=seed)
            entered = run / "trials" / trial.fits[0]["digest"] / "entered"
            taken.append(float(entered.read_text()) - begun)
        cobra.close()
        fresh = []
        for _ in range(3):
            begun = time.time()
            subprocess.run([sys.executable, "-c", FRESH, str(public / "train.csv")], check=True)
            fresh.append(time.time() - begun)
    median, process = statistics.median(taken[5:]) * 1e3, statistics.median(fresh) * 1e3
    print(
        json.dumps(
            {
                "median_ms": round(median, 1),
                "fresh_process_ms": round(process),
                "ratio": round(process / median, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
