"""Restores parts of a run from its record: each part reads the record line by line.

A part is a subclass of `Rebuilt`. Its methods marked with `@takes(KIND)` handle records of that kind; it
ignores other kinds. The same methods follow the record of a running run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from cobra_jupyter.workbench.kind import Kind

T = TypeVar("T", bound=Mapping[str, Any])
Part = TypeVar("Part", bound="Rebuilt")
Take = Callable[[Part, T, "Line"], None]


@dataclass(frozen=True)
class Line:
    """A line of the record. `time` is seconds since the epoch."""

    seq: int
    time: float
    kind: str
    data: dict[str, Any]


def takes(kind: Kind[T]) -> Callable[[Take[Part, T]], Take[Part, T]]:
    """Mark the method that handles records of a kind. It is called with the data and the line."""

    def mark(method: Take[Part, T]) -> Take[Part, T]:
        vars(method).setdefault("takes", []).append(str(kind))
        return method

    return mark


class Rebuilt:
    """A part of a run that is restored from the record."""

    _takers: ClassVar[Mapping[str, str]] = {}  # kind → name of the method

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = {kind: name for name, value in vars(cls).items() for kind in getattr(value, "takes", ())}
        cls._takers = {**cls._takers, **own}

    def take(self, line: Line) -> Any:
        """Apply the next line."""
        if name := self._takers.get(line.kind):
            getattr(self, name)(line.data, line)


def replay(lines: Iterable[Line], *parts: Rebuilt) -> None:
    """Apply the lines to all parts, line by line."""
    for line in lines:
        for part in parts:
            part.take(line)


def all_of(lines: Iterable[Line], kind: Kind[T]) -> list[T]:
    """Return the data of every line of a kind."""
    return [cast("T", line.data) for line in lines if line.kind == kind]


def last_of(lines: Sequence[Line], kind: Kind[T]) -> T | None:
    """Return the data of the last line of a kind, or None."""
    return next((cast("T", line.data) for line in reversed(lines) if line.kind == kind), None)


def read(ledger: Path) -> Iterator[Line]:
    """Read the lines of a record, up to a torn last line. The runner checks the hash chain."""
    with ledger.open(encoding="utf-8") as file:
        for number, text in enumerate(file):
            try:
                found = json.loads(text)
            except ValueError:
                return
            yield Line(found.get("seq", number), found.get("time", 0.0), found["kind"], found["data"])
