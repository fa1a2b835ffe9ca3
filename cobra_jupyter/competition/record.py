"""Records that describe a competition, without data frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from cobra_jupyter.competition.joined import Joined
    from cobra_jupyter.competition.tables import Table

TASKS = ("binary", "multiclass", "multilabel", "regression")
LAYOUTS = ("values", "probability", "class_probabilities", "label")
KINDS = ("tabular", "text", "image", "other")
SETTINGS = (
    "id",
    "target",
    "metric",
    "direction",
    "split",
    "groups",
    "time",
    "kind",
    "task",
    "weights",
    "positive",
)


@dataclass(frozen=True)
class FileGroup:
    """Files with one pattern, e.g. ``train/<id>/geometry.xyz`` or, inside an archive, ``train.zip:*.jpg``."""

    pattern: str
    count: int
    bytes: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assumption:
    """The safest reading of something undecided, taken until somebody decides it.

    `about` is what it is about ("id", "target", "metric" …), `taken` what is assumed, `reason` why it had to
    be assumed, `option` the setting that decides it (``id=COLUMN``), "" if there is none."""

    about: str
    taken: str
    reason: str
    option: str = ""


@dataclass(frozen=True)
class Competition:
    """Everything that was found in a competition folder.

    ``id`` is the row key's name in train and test, "" if no single column tells the rows apart."""

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
    weights: str | None = None
    """The column of train that says how much each row weighs; None if all weigh the same."""
    joined: tuple[Joined, ...] = ()
    """Columns of other tables that are joined to train."""
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
    sample_id: str = ""
    """The row key's name in the sample submission."""
    id_columns: tuple[tuple[str, str], ...] = ()
    """Columns of sample and test that only together tell the rows apart; else ()."""
    files: tuple[FileGroup, ...] = ()
    obstacles: tuple[str, ...] = ()
    """The questions that must be answered before a protocol can be frozen."""
    assumed: tuple[Assumption, ...] = ()
    """What was assumed, since nobody decided it: questions that have an answer for now."""
    links: tuple[str, ...] = ()
    """Links in the folder that are not followed: they lead outside, to folders, or nowhere."""
    summary: dict[str, Any] = field(default_factory=dict)
    """Counts, missing shares and target distributions found while reading (JSON values)."""

    def csv_options(self) -> dict[str, dict[str, Any]]:
        """Returns the options of ``pd.read_csv`` for the csv tables of train and test, by path."""
        tables = [table for table in (self.train, self.test) if table is not None]
        plain = [t for t in tables if t.call == "pd.read_csv" and not t.member and "names" not in t.options]
        return {t.path: dict(t.options) for t in plain}


@dataclass(frozen=True)
class Data:
    """The tables: ``train.index`` is 0..n-1, ``test.index`` n..n+m-1, ``sample.index`` 0..m-1."""

    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame
