"""Candidates that tests write into cells."""

from __future__ import annotations

LINEAR = '''
"""Least squares on a and b."""
import numpy as np

FACTORS = {"use": ["both", "b", "a"], "idle": [1, 2], "broken": [False, True]}
NOTES = {"use": "which features"}


def columns(rows, ctx):
    names = ["a", "b"] if ctx.config["use"] == "both" else [ctx.config["use"]]
    return np.c_[np.ones(len(rows)), rows[names].to_numpy(float)]


def fit(train, ctx):
    if ctx.config["broken"]:
        raise RuntimeError("this level cannot work")
    if ctx.classes:
        label = train[ctx.targets[0]].astype(str).to_numpy()
        y = np.stack([label == str(c) for c in ctx.classes], axis=1).astype(float)
    else:
        y = train[ctx.targets].to_numpy(float)
    return np.linalg.lstsq(columns(train, ctx), y, rcond=None)[0]


def predict(model, rows, ctx):
    raw = columns(rows, ctx) @ model
    return raw if ctx.task == "regression" else np.clip(raw, 0.01, 0.99)
'''

ONE_FEATURE = LINEAR.replace("LINEAR", "").replace('"use": ["both", "b", "a"]', '"use": ["a", "b"]')

CONSTANT = """
import numpy as np


def fit(train, ctx):
    return None


def predict(model, rows, ctx):
    return np.full(len(rows), 0.5)
"""


def body(fit: str = "return None", predict: str = "return np.full(len(rows), 0.5)", head: str = "") -> str:
    """A candidate with these function bodies."""

    def indented(text: str) -> str:
        return "\n".join("    " + line for line in text.strip().splitlines())

    return (
        "import os, signal, subprocess, sys, time\nimport numpy as np\nimport pandas as pd\n"
        f"from pathlib import Path\n{head}\n\n"
        f"def fit(train, ctx):\n{indented(fit)}\n\n\ndef predict(model, rows, ctx):\n{indented(predict)}\n"
    )
