"""Translates between paths of the contents API and folders on disk, and refuses forbidden folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.server.errors import RequestError

Json = dict[str, Any]


@dataclass(frozen=True)
class Paths:
    """`root` is the server's root, `runs` the folder below it for new runs, `data` further folders with
    competitions.

    All paths are resolved, so a symbolic link cannot lead outside."""

    root: Path
    runs: Path
    data: tuple[Path, ...] = ()

    @classmethod
    def of(cls, root: str, runs_dir: str, data_dirs: list[str]) -> Paths:
        """Raises ValueError if the runs folder is outside the root."""
        top = Path(root).expanduser().resolve()
        runs = (top / runs_dir).resolve()
        if not runs.is_relative_to(top):
            raise ValueError(f"runs_dir {runs_dir} is outside the server's root, {top}")
        return cls(top, runs, tuple(Path(folder).expanduser().resolve() for folder in data_dirs))

    @property
    def new_runs(self) -> Path:
        """The folder for new runs: `runs`, or its new place if it was renamed while a run was alive."""
        return self.runs.resolve()

    def shown(self, path: Path) -> str | None:
        """Returns the path in the contents API, or None if `path` is not below the root."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of symbolic links, a NUL character
            return None
        return real.relative_to(self.root).as_posix() if real.is_relative_to(self.root) else None

    def named(self, path: Path) -> str:
        """Returns a folder's name for people: its path from the root, or else its absolute path."""
        return self.shown(path) or str(path)

    def competition(self, folder: str) -> Path:
        """Returns a competition's folder; a relative path is below the root. Raises RequestError."""
        try:
            real = (self.root / Path(folder).expanduser()).resolve()
            exists = real.is_dir()
        except (
            OSError,
            RuntimeError,
            ValueError,
        ) as error:  # an unknown ~user, too long a name, a loop of links
            raise _no_folder(folder) from error
        if not any(real.is_relative_to(top) for top in (self.root, *self.data)):
            raise RequestError(
                400,
                f"{folder} is outside the server's root folder: move it there, or ask an administrator to "
                "add its parent to CobraApp.data_dirs",
            )
        if not exists:
            raise _no_folder(folder)
        return real

    def check_apart(self, competition: Path) -> None:
        """Raises RequestError if new runs would be written into the competition's folder."""
        if self.new_runs.is_relative_to(competition):
            raise RequestError(
                400,
                f"{competition.name} contains {self.named(self.runs)}, the folder for new runs, but a "
                "competition's folder must not be changed: start JupyterLab in a folder above it",
            )

    def status(self, status: Json, run: Path, identity: str) -> Json:
        """Returns a status with paths of the contents API, for the run's current folder and id."""
        agents = [
            {**agent, "notebook": self.shown(run / str(agent["notebook"]))}
            for agent in status.get("agents", ())
        ]
        return {**status, "id": identity, "run": self.shown(run), "agents": agents}


def _no_folder(folder: str) -> RequestError:
    return RequestError(
        400,
        f"{folder}: no such folder; name the competition's folder, which contains description.md and "
        "a sample submission",
    )
