"""AutoGluon on a competition folder, in its own environment: what a good library does in the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cobra_jupyter import competition as competitions

ENVIRONMENT = Path(".venv-autogluon")
# its models that download weights (Mitra, TabICL, TabPFN, TabDPT) are left out; its log names them
PACKAGES = ["autogluon.tabular[lightgbm,catboost,xgboost,fastai,tabm,realmlp]>=1.6,<2", "pyarrow"]
OVERHEAD = 20.0  # seconds of the budget for imports, reading and predicting

# Runs in the other environment: tables in, one file of predictions a target out.
SCRIPT = """
import json, sys
import numpy as np, pandas as pd
from autogluon.tabular import TabularPredictor
place = sys.argv[1]
spec = json.load(open(f"{place}/spec.json"))
train, test = pd.read_parquet(f"{place}/train.parquet"), pd.read_parquet(f"{place}/test.parquet")
features = [c for c in test.columns if c != spec["id"]]
out = {}
for target in spec["targets"]:
    table = train[features].copy()
    table[target] = train[target] if not spec["log"] else np.log1p(train[target].astype(float))
    predictor = TabularPredictor(label=target, eval_metric=spec["metric"], problem_type=spec["problem"],
                                 path=f"{place}/models-{len(out)}", verbosity=1)
    predictor.fit(table, time_limit=spec["seconds"] / len(spec["targets"]), presets="best_v150",
                  num_cpus=spec["cores"], num_gpus=0)
    if spec["probabilities"]:
        predicted = predictor.predict_proba(test[features])
        predicted.columns = [str(c) for c in predicted.columns]
    else:
        predicted = predictor.predict(test[features])
        predicted = np.expm1(predicted) if spec["log"] else predicted
        predicted = predicted.to_frame(target)
    predicted.astype(str if predicted.dtypes.iloc[0] == object else predicted.dtypes.iloc[0]).to_csv(
        f"{place}/predicted-{len(out)}.csv", index=False)
    out[target] = True
"""
METRICS = {
    "rmse": "root_mean_squared_error",
    "rmsle": "root_mean_squared_error",
    "mean_columnwise_rmsle": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "log_loss": "log_loss",
    "accuracy": "accuracy",
    "roc_auc": "roc_auc",
    "f1": "f1",
    "r2": "r2",
    "mse": "mean_squared_error",
}


def run(folder: Path, out: Path, seconds: float) -> float:
    """Write `submission.csv` to `out`. → seconds it took."""
    competition = competitions.read(folder, {})
    data = competitions.load(competition)
    out.mkdir(parents=True, exist_ok=True)
    for name, frame in (("train", data.train), ("test", data.test)):
        safe = frame.copy()
        for column in safe.select_dtypes("object"):
            safe[column] = safe[column].map(lambda v: v if v is None or v != v else str(v))
        safe.to_parquet(out / f"{name}.parquet")
    metric = str(competition.metric)
    spec = {
        "id": competition.id,
        "targets": list(competition.targets),
        "log": "rmsle" in metric,
        "metric": METRICS.get(metric),
        "seconds": max(30.0, seconds - OVERHEAD),
        "cores": len(os.sched_getaffinity(0)),
        "problem": "regression" if competition.task == "multilabel" else competition.task,
        "probabilities": competition.layout in ("probability", "class_probabilities"),
    }
    (out / "spec.json").write_text(json.dumps(spec))
    (out / "run.py").write_text(SCRIPT)
    python = _environment()
    begun = time.monotonic()
    with (out / "autogluon.log").open("w") as log:
        subprocess.run([str(python), str(out / "run.py"), str(out)], stdout=log, stderr=log, check=True)
    took = time.monotonic() - begun
    _submission(competition, data, out).to_csv(out / "submission.csv", index=False)
    return took


def _environment() -> Path:
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python.absolute()


def _submission(competition: Any, data: Any, out: Path) -> Any:
    import pandas as pd

    made = data.sample.copy()
    tables = [pd.read_csv(out / f"predicted-{i}.csv") for i in range(len(competition.targets))]
    outputs = list(competition.outputs)
    if competition.layout == "class_probabilities":
        made[outputs] = tables[0][[str(c) for c in competition.output_classes]].to_numpy()
    elif competition.layout == "probability":
        made[outputs[0]] = tables[0].iloc[:, -1].to_numpy()
    else:
        made[outputs] = pd.concat(tables, axis=1).to_numpy()
    return made
