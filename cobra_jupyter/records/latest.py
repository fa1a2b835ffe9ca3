"""The latest record of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from cobra_jupyter.workbench.kind import Kind
from cobra_jupyter.workbench.rebuild import Line, Rebuilt

T = TypeVar("T", bound=Mapping[str, Any])


class Latest(Rebuilt):
    """Holds the data of the latest record of each kind; `take` must receive every record."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def take(self, line: Line) -> None:
        self._found[line.kind] = line.data

    def __contains__(self, kind: str) -> bool:
        return kind in self._found

    def __getitem__(self, kind: Kind[T]) -> T:
        """Raises KeyError if there is none."""
        return cast("T", self._found[kind])

    def get(self, kind: Kind[T]) -> T | None:
        return cast("T | None", self._found.get(kind))
