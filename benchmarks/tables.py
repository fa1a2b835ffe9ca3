"""Made-up competitions of any size, in MLE-bench's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

DESCRIPTION = """# Overview
Numbers in, a number out.

## Evaluation
Submissions are evaluated on the root mean squared error (RMSE).
"""


def write(folder: Path, rows: int, columns: int, test_rows: int = 1_000) -> Path:
    """A regression of `rows` × `columns` numbers; returns its public folder."""
    public = folder / "made" / "prepared" / "public"
    public.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(columns)]
    for name, n in (("train", rows), ("test", test_rows)):
        frame = pd.DataFrame(rng.normal(size=(n, columns)), columns=names)
        frame.insert(0, "id", np.arange(n) + (0 if name == "train" else rows))
        if name == "train":
            frame["y"] = frame[names[:3]].sum(axis=1) + rng.normal(size=n)
        frame.to_csv(public / f"{name}.csv", index=False)
        if name == "test":
            pd.DataFrame({"id": frame["id"], "y": 0.5}).to_csv(public / "sample_submission.csv", index=False)
    (public / "description.md").write_text(DESCRIPTION)
    return public
