"""Artefacts without labels, computed once for all rows: tokens, features of files, embeddings.

Files are content-addressed; workers map them into memory."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench import results, syntax
from cobra_jupyter.workbench.hashing import sha256
from cobra_jupyter.workbench.protocol.views import Views
from cobra_jupyter.workbench.workers.pool import Pool
from cobra_jupyter.workbench.workers.worker import Work


class SharedError(ValueError):
    """A %%shared cell failed; the message says why."""


class Artefacts:
    """The shared artefacts of a protocol, by name: frames of train and test rows."""

    def __init__(
        self,
        folder: Path,
        pool: Pool,
        views: Views,
        context: Callable[[], dict[str, Any]],
        forbidden: tuple[str, ...],
    ) -> None:
        self._folder, self._pool, self._views = folder, pool, views
        self._context, self._forbidden = context, forbidden
        self._paths: dict[str, list[Path]] = {}
        self._seconds: dict[str, float] = {}

    def reuse(self, before: Artefacts) -> None:
        """Reuse an earlier protocol's artefacts for the same rows, including those in progress."""
        if before._views.rows == self._views.rows:
            self._paths, self._seconds = before._paths, before._seconds

    def paths(self) -> dict[str, list[Path]]:
        return dict(self._paths)

    def seconds(self, names: Iterable[str]) -> float:
        """Return the seconds that it took to make these artefacts."""
        return sum(self._seconds.get(name, 0.0) for name in set(names))

    def sources(self, shared: Mapping[str, list[Path]]) -> dict[str, str]:
        """Return the text of the cell that made each artefact."""
        made = {name: paths[0].parent.name.removesuffix("_train") for name, paths in shared.items()}
        return {
            name: (self._folder / f"{stem}.py").read_text(encoding="utf-8") for name, stem in made.items()
        }

    def restore(self, record: results.Shared) -> bool:
        """Restore a recorded artefact from its files. Returns False if they differ from the record."""
        run = self._folder.parent
        files = {run / path: recorded for path, recorded in record["files"].items()}
        if not all(file.exists() and sha256(file) == recorded for file, recorded in files.items()):
            return False
        self._paths[record["name"]] = [file for file in files if file.suffix == ".frame"]
        self._seconds[record["name"]] = record["seconds"]
        return True

    def make(self, name: str, source: str, seconds: float, cancelled: threading.Event) -> results.Artefact:
        """Run `make(rows, ctx)` for train and for test rows. Raises SharedError."""
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
            raise SharedError(f"{name!r} is no name for an artefact: lower-case letters, digits and _")
        tree = syntax.parse(name, source, SharedError)
        if not any(isinstance(node, ast.FunctionDef) and node.name == "make" for node in tree.body):
            raise SharedError(f"{name}: define make(rows, ctx), returning one row per row of `rows`")
        digest = hashlib.sha256(f"{name}\n{source}\n{self._views.rows}".encode()).hexdigest()[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{name}_{digest}.py"
        path.write_text(source, encoding="utf-8")
        made, took = [], 0.0
        tables = {"train": self._views.all_rows(), "test": self._views.test()}
        for side, rows in tables.items():
            out = self._folder / f"{name}_{digest}_{side}"
            if not (out / "columns.json").exists():  # the last file to be written
                data = self._views.data_path(None)  # written when it is first used
                context = {**self._context(), "config": {}, "seed": 0, "side": side}
                work = Work(
                    "make",
                    out,
                    path,
                    context,
                    rows=(rows,),
                    tables=tables,
                    forbidden=self._forbidden,
                    allowed=(str(data),),
                )
                done = self._pool.run(work, seconds, cancelled)
                if done.failure:
                    why = f"{done.failure.kind}: {done.failure.message} {done.failure.place or ''}"
                    raise SharedError(f"{name} ({side} rows): {why.strip()}")
                took += done.seconds
                (out / "columns.json").write_text(json.dumps(done.answer["columns"][: results.MOST_NAMED]))
            made.append(out / "made.frame")
        self._paths[name] = made
        self._seconds[name] = max(took, self._seconds.get(name, 0.0))
        return {
            "files": {str(file.relative_to(self._folder.parent)): sha256(file) for file in [*made, path]},
            "name": name,
            "digest": digest,
            "columns": json.loads((made[0].parent / "columns.json").read_text()),
            "seconds": round(took, 3),
            "path": f"shared/{path.name}",
        }
