"""Label-free artefacts made once for all rows: tokens, features of files, embeddings. Content-addressed, mapped."""

from __future__ import annotations

import ast
import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench.pool import Pool
from cobra_jupyter.workbench.views import Views
from cobra_jupyter.workbench.worker import Work


class SharedError(ValueError):
    """A %%shared cell that came to nothing; the message says why."""


class Artefacts:
    """The shared artefacts of a protocol: name → frames of train and test rows."""

    def __init__(
        self,
        folder: Path,
        pool: Pool,
        views: Views,
        context: Callable[[], dict[str, Any]],
        forbidden: tuple[str, ...],
    ) -> None:
        self._folder, self._pool, self._views, self._context, self._forbidden = (
            folder,
            pool,
            views,
            context,
            forbidden,
        )
        self._paths: dict[str, list[Path]] = {}
        self._sources: dict[str, str] = {}

    def paths(self) -> dict[str, list[Path]]:
        return dict(self._paths)

    def sources(self, fit: Any, trials: Any) -> dict[str, str]:
        return dict(self._sources)

    def make(self, name: str, source: str, seconds: float, cancelled: threading.Event) -> dict[str, Any]:
        """Run `make(rows, ctx)` for train and for test rows. Raises SharedError."""
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
            raise SharedError(f"{name!r} is no name for an artefact: lower-case letters, digits and _")
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            raise SharedError(f"{name}: syntax error in line {error.lineno}: {error.msg}") from error
        if not any(isinstance(node, ast.FunctionDef) and node.name == "make" for node in tree.body):
            raise SharedError(f"{name}: define make(rows, ctx), returning one row per row of `rows`")
        digest = hashlib.sha256(f"{name}\n{source}".encode()).hexdigest()[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{name}_{digest}.py"
        path.write_text(source, encoding="utf-8")
        made, took, columns = [], 0.0, []
        for side, rows in (("train", self._views.all_rows()), ("test", self._views.test())):
            out = self._folder / f"{name}_{digest}_{side}"
            if not (out / "made.frame").exists():
                data = self._views.data(None)
                context = {**self._context(), "config": {}, "seed": 0, "side": side}
                work = Work(
                    "make", out, path, context, rows=(rows,), forbidden=self._forbidden, allowed=(str(data),)
                )
                done = self._pool.run(work, seconds, cancelled)
                if done.failure:
                    raise SharedError(
                        f"{name} ({side} rows): {done.failure.kind}: {done.failure.message} {done.failure.place or ''}".strip()
                    )
                took += done.seconds
                columns = done.answer["columns"]
            made.append(out / "made.frame")
        self._paths[name], self._sources[name] = made, source
        return {
            "name": name,
            "digest": digest,
            "columns": columns[:200],
            "seconds": round(took, 3),
            "path": f"shared/{path.name}",
        }
