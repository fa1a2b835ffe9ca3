"""Small competition folders for tests, and checks of what `read` makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import Competition, CompetitionError, card, load, load_code, read

EVALUATION = "# Overview\n\n## Evaluation\n\nSubmissions are evaluated on {}.\n"


def rows(count: int = 60, seed: int = 0) -> pd.DataFrame:
    """Rows with a key, three features and the labels `y` (0/1), `kind` (a/b/c) and `size` (numbers)."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"r{seed}_{i}x" for i in range(count)],
            "width": random.normal(size=count).round(3),
            "colour": random.choice(["red", "green", "blue"], count),
            "count": random.integers(0, 50, count),
            "y": np.arange(count) % 2,
            "kind": np.array(["a", "b", "c"])[np.arange(count) % 3],
            "size": random.normal(size=count).round(3),
        }
    )


def put(folder: Path, name: str, frame: pd.DataFrame, **options: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, **options)
    return path


def competition(
    folder: Path, target: str = "y", metric: str = "accuracy", sample: str = "sample_submission.csv"
) -> Path:
    """train.csv, test.csv, a sample submission and a description below `folder`."""
    train, test = rows(60), rows(20, seed=1)
    labels = [name for name in ("y", "kind", "size") if name != target]
    put(folder, "train.csv", train.drop(columns=labels))
    put(folder, "test.csv", test.drop(columns=["y", "kind", "size"]))
    put(folder, sample, pd.DataFrame({"id": test["id"], target: train[target].iloc[0]}))
    (folder / "description.md").write_text(EVALUATION.format(metric), encoding="utf-8")
    return folder


def same_frames(c: Competition) -> None:
    """Checks that `load` and the code of `load_code` give equal frames with the documented index."""
    data = load(c)
    names: dict[str, object] = {"DATA": c.folder}
    exec(load_code(c), names)
    for name in ("train", "test", "sample"):
        pd.testing.assert_frame_equal(getattr(data, name), names[name])
    n, m = len(data.train), len(data.test)
    assert list(data.train.index) == list(range(n))
    assert list(data.test.index) == list(range(n, n + m))
    assert len(data.sample) == m
    if c.id:
        assert list(data.test[c.id]) == list(data.sample[c.id])
    json.dumps(card(c), allow_nan=False)


def refused(folder: Path, *words: str) -> None:
    """Checks that reading the folder raises a one-line error that contains all `words`."""
    with pytest.raises(CompetitionError) as caught:
        read(folder)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert "\n" not in str(caught.value)
