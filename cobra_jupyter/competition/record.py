"""What is known of a competition: plain records, without data frames."""

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
SETTINGS = ("id", "target", "metric", "direction", "split", "groups", "time", "kind", "task")


@dataclass(frozen=True)
class FileGroup:
    """Files of one pattern, e.g. ``train/<id>/geometry.xyz``; members of an archive as
    ``train.zip:*.jpg``.
    """

    pattern: str
    count: int
    bytes: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Competition:
    """A competition folder, understood. ``id`` is "" where the submission has no key and is matched by
    position.
    """

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
    """A second training table that holds the labels, joined to ``train`` on ``id``; usually None."""
    output_classes: tuple[Any, ...] = ()
    """For the layout class_probabilities the class of each of ``outputs`` (None: never seen in train),
    else ().
    """
    id_parts: tuple[str, ...] = ()
    """Columns whose values, joined by ``id_separator``, make ``id`` where the tables lack it."""
    id_separator: str = "_"
    files: tuple[FileGroup, ...] = ()
    obstacles: tuple[str, ...] = ()
    """Those of ``questions`` without whose answer no protocol can be frozen."""
    links: tuple[str, ...] = ()
    """Links below the folder that are not followed: they lead out of it, to folders, or nowhere."""
    summary: dict[str, Any] = field(default_factory=dict)
    """Counts, missing shares and target distributions found while reading (JSON values)."""

    def csv_options(self) -> dict[str, dict[str, Any]]:
        """How the csv tables of train and test are read: path → options of ``pd.read_csv``."""
        tables = [table for table in (self.train, self.test) if table is not None]
        return {t.path: dict(t.options) for t in tables if t.call == "pd.read_csv" and not t.member}


@dataclass(frozen=True)
class Data:
    """The tables: ``train.index`` is 0..n-1, ``test.index`` n..n+m-1, ``sample.index`` 0..m-1."""

    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame
