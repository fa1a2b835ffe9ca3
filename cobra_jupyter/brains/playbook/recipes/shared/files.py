"""Numbers from text files that belong to rows (`train/<id>/…`, `test/<id>.txt`, …). Labels are not used.

A line is a list of numbers with at most a few words ("atom 1.0 2.0 3.0 Ga", "walk,0.3,9.8"). Lines with the
same words have the same *type*. The features of a file are the number of lines of each type and statistics
of their columns. Lines with three numbers may be points in space; for these, distances between nearest
points of two types are added. If lattice vectors are given, distances cross the edges of the cell.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TYPES, POINTS, NEAREST = 8, 300, 6  # at most so many types, points and neighbours are used
LONGEST = 1_000_000  # bytes that are read of a file
LATTICE = re.compile(r"lattice|cell|box", re.IGNORECASE)
IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff"}
SKIP = IMAGES | {".wav", ".mp3", ".npy", ".npz", ".parquet", ".zip"}


def number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def read_types(paths: list[Path]) -> dict[str, np.ndarray]:
    """An array (lines, columns) for each type. Lines with an unusual number of columns are left out."""
    lines: dict[str, list[list[float]]] = {}
    for path in paths:
        content = path.read_bytes()[:LONGEST]
        if b"\0" in content:
            continue
        for line in content.decode("utf-8", "replace").splitlines():
            words = re.split(r"[\s,;]+", line.strip())
            values = [number(word) for word in words]
            found = [value for value in values if value is not None]
            rest = " ".join(word for word, value in zip(words, values, strict=True) if value is None)
            if found and len(rest) <= 40 and not line.startswith("#"):
                lines.setdefault(rest, []).append(found)
    widths = {rest: Counter(map(len, rows)).most_common(1)[0][0] for rest, rows in lines.items()}
    return {rest: np.array([row for row in rows if len(row) == widths[rest]]) for rest, rows in lines.items()}


def files_by_id(root: Path, side: str) -> dict[str, list[Path]]:
    """The files of each id, from folders named after the side if there are any, else from all folders."""
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()]
    found: dict[str, list[Path]] = {}
    for folder in [path for path in folders if side in path.name.lower()] or folders:
        for entry in sorted(folder.iterdir()):
            inside = sorted(entry.rglob("*")) if entry.is_dir() else [entry]
            texts = [path for path in inside if path.is_file() and path.suffix.lower() not in SKIP]
            found.setdefault(entry.name if entry.is_dir() else entry.stem, []).extend(texts)
    return found


def common_types(sample: list[list[Path]]) -> list[str]:
    """The most frequent types in the files of the sample."""
    seen = Counter(kind for paths in sample for kind in read_types(paths))
    order = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    return [kind for kind, times in order if times > len(sample) / 50][:TYPES]


def distances(points: np.ndarray, lattice: np.ndarray | None) -> np.ndarray:
    """Distances (n, n·images) from each point to all points and their images in neighbouring cells."""
    steps = np.array([[i, j, k] for i in (0, -1, 1) for j in (0, -1, 1) for k in (0, -1, 1)], dtype=float)
    shifts = np.zeros((1, 3)) if lattice is None else steps @ lattice
    images = (points[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    squared = (points**2).sum(1)[:, None] + (images**2).sum(1)[None, :] - 2 * points @ images.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def point_features(types: dict[str, np.ndarray], kinds: list[str]) -> dict[str, float]:
    """Nearest-neighbour distances for each pair of types; volume per point if the cell is known."""
    cells = [rows for kind, rows in types.items() if rows.shape == (3, 3) and LATTICE.search(kind)]
    lattice = cells[0] if cells else None
    sets = {kind: types[kind][:POINTS] for kind in kinds if kind in types and not LATTICE.search(kind)}
    sets = {kind: rows for kind, rows in sets.items() if rows.shape[1] == 3}
    if sum(map(len, sets.values())) < 2:
        return {}
    points = np.concatenate(list(sets.values()))
    names = np.concatenate([[kind] * len(rows) for kind, rows in sets.items()])
    made = {"points": float(len(points))}
    if lattice is not None:
        volume = float(abs(np.linalg.det(lattice)))
        made |= {"volume": volume, "volume per point": volume / len(points)}
    table = distances(points, lattice).astype("float32")
    np.fill_diagonal(table[:, : len(points)], np.inf)  # a point is not its own neighbour
    owners = np.tile(names, table.shape[1] // len(names))
    for a in [*sets, "any"]:
        for b in [*sets, "any"] if a != "any" else ["any"]:
            part = table[names == a] if a != "any" else table
            part = part[:, owners == b] if b != "any" else part
            near = np.sort(np.partition(part, min(NEAREST, part.shape[1] - 1), axis=1)[:, :NEAREST], axis=1)
            near = np.where(np.isfinite(near), near, np.nan)
            for k in (0, 3, 5):
                if k < near.shape[1] and np.isfinite(near[:, k]).any():
                    made[f"{a} to {b} nearest {k + 1} mean"] = float(np.nanmean(near[:, k]))
            if np.isfinite(near[:, 0]).any():
                made[f"{a} to {b} nearest std"] = float(np.nanstd(near[:, 0]))
                reach = 1.25 * np.nanmin(table)  # a little more than the shortest distance
                made[f"{a} to {b} close"] = float((part < reach).sum(1).mean())
    return made


def features_of(paths: list[Path], kinds: list[str]) -> dict[str, float]:
    types = read_types(paths)
    made: dict[str, float] = {}
    for kind in kinds:
        rows = types.get(kind, np.zeros((0, 0)))
        made[f"{kind} lines"] = float(len(rows))
        for i in range(min(rows.shape[1], 8) if len(rows) else 0):
            made |= {f"{kind} {i} mean": rows[:, i].mean(), f"{kind} {i} std": rows[:, i].std()}
            made |= {f"{kind} {i} min": rows[:, i].min(), f"{kind} {i} max": rows[:, i].max()}
    return made | point_features(types, kinds)


def make(rows: pd.DataFrame, ctx: Any) -> pd.DataFrame:
    """The features, one row per row of `rows`, NaN without files. Train and test have the same columns."""
    both = [paths for side in ("train", "test") for paths in files_by_id(ctx.data, side).values()]
    sample = both[:: max(1, len(both) // 200)]  # from train and test: it decides the columns
    kinds = common_types(sample)
    columns = sorted({name for paths in sample for name in features_of(paths, kinds)})
    files = files_by_id(ctx.data, ctx.side)
    made = [features_of(files.get(str(key), []), kinds) for key in rows[ctx.id]]
    return pd.DataFrame(made, index=rows.index, columns=columns, dtype="float64").replace(
        [np.inf, -np.inf], np.nan
    )
