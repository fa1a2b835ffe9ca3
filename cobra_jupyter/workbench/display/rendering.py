"""Results in cells: a JSON bundle for JupyterLab's renderer, HTML with tables and charts, plain text."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from cobra_jupyter.workbench.display import pages

Json = Mapping[str, Any]


def bundle(kind: str, data: Json) -> dict[str, Any]:
    """The MIME bundle of one result."""
    return {
        f"application/vnd.cobra.{kind}+json": dict(data),
        "text/html": pages.html(kind, data),
        "text/plain": text(kind, data),
    }


def text(kind: str, data: Json) -> str:
    return pages.text(kind, data)


def show(content: dict[str, Any], display_id: str, update: bool) -> None:
    """Show a bundle in the running cell, or replace what stands there under `display_id`."""
    from IPython import display as ipython

    put: Any = ipython.display
    put(content, raw=True, display_id=display_id, update=update)


class Live:
    """One call's output: progress that is replaced in place, at most four times a second, by the result."""

    def __init__(self, show: Callable[..., Any] = show) -> None:
        self._show = show
        self._id = uuid4().hex
        self._shown = False
        self._last = 0.0
        self._said = ""  # what stands before the number of fits

    def progress(self, news: Json) -> None:
        if "said" in news:
            self._said = str(news["said"])
            self._put({"text/plain": self._said})
            return
        if time.monotonic() - self._last < 0.25:
            return
        self._last = time.monotonic()
        if "ablation" in news:
            self._put(bundle("ablation", news["ablation"]))
        else:
            said = f"{self._said}; " if self._said else ""
            done = f"{news.get('what', '')}: {news.get('done')} of {news.get('total')} fits done"
            self._put({"text/plain": f"{said}{done}"})

    def finish(self, kind: str, data: Json) -> None:
        self._put(bundle(kind, data))

    def _put(self, content: dict[str, Any]) -> None:
        self._show(content, display_id=self._id, update=self._shown)
        self._shown = True
