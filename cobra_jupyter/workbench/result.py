"""The result of a call, as cells get it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cobra_jupyter.workbench.display import rendering


class Result(Mapping[str, Any]):
    """The result of a call: a mapping with its keys as attributes (`result.score` is `result["score"]`)."""

    def __init__(self, kind: str, data: Mapping[str, Any], is_shown: Callable[[], bool] = bool) -> None:
        """`is_shown`: whether the call has shown it in the cell that runs."""
        self._kind, self._data, self._is_shown = kind, dict(data), is_shown

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._data:
            raise AttributeError(f"a {self._kind} has no {name!r}; it has {', '.join(self._data)}")
        return self._data[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._data]

    def __repr__(self) -> str:
        return rendering.text(self._kind, self._data)

    def _ipython_display_(self) -> None:
        """Show it, once a cell: the call has shown it already if it stands at the end of the call's cell."""
        if not self._is_shown():
            rendering.Live().finish(self._kind, self._data)
