"""Records that describe a competition, without data frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from cobra_jupyter.competition.tables import Table

TASKS = ("binary", "multiclass", "multilabel", "regression")
LAYOUTS = ("values", "probability", "class_probabilities", "label")
KINDS = ("tabular", "text", "image", "other")
SETTINGS = ("id", "target", "metric", "direction", "split", "groups", "time", "kind", "task", "use")


@dataclass(frozen=True)
class FileGroup:
    """Files with one pattern, e.g. ``train/<id>/geometry.xyz`` or, inside an archive, ``train.zip:*.jpg``."""

    pattern: str
    count: int
    bytes: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Competition:
    """Everything that was found in a competition folder. ``id`` is "" if rows are matched by position."""

    folder: Path
    name: str
    description: str
    sample: Table
    train: Table | None
    test: Table | None
    id: str
    targets: tuple[str, ...]
    outputs: tuple[str, ...]
    task: str
    classes: tuple[Any, ...]
    layout: str
    metric: str | None
    direction: str | None
    label_sources: tuple[str, ...]
    kind: str
    columns: dict[str, str]
    split: str | None = None
    groups: str | None = None
    time: str | None = None
    evidence: dict[str, str] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    labels: Table | None = None
    """A second training table with the labels, joined to ``train`` on ``id``; usually None."""
    output_classes: tuple[Any, ...] = ()
    """For the layout class_probabilities the class of each of ``outputs`` (None if not in train), else ()."""
    id_parts: tuple[str, ...] = ()
    """If the tables lack ``id``: the columns that are joined with ``id_separator`` to make it."""
    id_separator: str = "_"
    files: tuple[FileGroup, ...] = ()
    obstacles: tuple[str, ...] = ()
    """The questions that must be answered before a protocol can be frozen."""
    links: tuple[str, ...] = ()
    """Links in the folder that are not followed: they lead outside, to folders, or nowhere."""
    summary: dict[str, Any] = field(default_factory=dict)
    """Counts, missing shares and target distributions found while reading (JSON values)."""

    def csv_options(self) -> dict[str, dict[str, Any]]:
        """Returns the options of ``pd.read_csv`` for the csv tables of train and test, by path."""
        tables = [table for table in (self.train, self.test) if table is not None]
        return {t.path: dict(t.options) for t in tables if t.call == "pd.read_csv" and not t.member}


@dataclass(frozen=True)
class Data:
    """The tables: ``train.index`` is 0..n-1, ``test.index`` n..n+m-1, ``sample.index`` 0..m-1."""

    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame
