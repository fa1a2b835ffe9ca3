"""Where things lie: paths of the contents API and folders on disk, none outside of what may be seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.server.errors import RequestError

Json = dict[str, Any]


@dataclass(frozen=True)
class Paths:
    """`root` is the server's; runs are started in `runs`, below it; competitions may also lie in `data`. All resolved:
    a link that leads out leads nowhere."""

    root: Path
    runs: Path
    data: tuple[Path, ...] = ()

    @classmethod
    def of(cls, root: str, runs_dir: str, data_dirs: list[str]) -> Paths:
        """Raises ValueError for a runs folder outside of the root."""
        top = Path(root).expanduser().resolve()
        runs = (top / runs_dir).resolve()
        if not runs.is_relative_to(top):
            raise ValueError(f"runs_dir {runs_dir}: lies outside of the server's root, {top}")
        return cls(top, runs, tuple(Path(folder).expanduser().resolve() for folder in data_dirs))

    @property
    def new_runs(self) -> Path:
        """Where runs are started: `runs`, or where the link leads that was left as it was renamed under a living run."""
        return self.runs.resolve()

    def shown(self, path: Path) -> str | None:
        """The contents API's path of what lies below the root; None for all else."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a circle of links, a character with the code 0
            return None
        return real.relative_to(self.root).as_posix() if real.is_relative_to(self.root) else None

    def named(self, path: Path) -> str:
        """What a person calls a folder: its path from the root, or the whole of it."""
        return self.shown(path) or str(path)

    def competition(self, folder: str) -> Path:
        """A competition's folder, by its path from the root or a whole one. Raises Refusal."""
        try:
            real = (self.root / Path(folder).expanduser()).resolve()
            is_there = real.is_dir()
        except (
            OSError,
            RuntimeError,
            ValueError,
        ) as error:  # ~nobody, a name that no disk holds, a circle of links
            raise _no_folder(folder) from error
        if not any(real.is_relative_to(top) for top in (self.root, *self.data)):
            raise RequestError(
                400,
                f"{folder}: lies outside of the server's root folder; move it there, or let an administrator add its "
                "parent to CobraApp.data_dirs",
            )
        if not is_there:
            raise _no_folder(folder)
        return real

    def check_apart(self, competition: Path) -> None:
        """New runs may not lie in a competition's folder, which stays as it is. Raises Refusal."""
        if self.new_runs.is_relative_to(competition):
            raise RequestError(
                400,
                f"{competition.name}: new runs get their folders in {self.named(self.runs)}, which lies in it, and a "
                "competition's folder stays as it is: start JupyterLab in a folder above it",
            )

    def status(self, status: Json, run: Path, identity: str) -> Json:
        """A status with paths of the contents API; `run` is where the run lies now, `identity` what it goes by here."""
        agents = [
            {**agent, "notebook": self.shown(run / str(agent["notebook"]))}
            for agent in status.get("agents", ())
        ]
        return {**status, "id": identity, "run": self.shown(run), "agents": agents}


def _no_folder(folder: str) -> RequestError:
    return RequestError(
        400,
        f"{folder}: no such folder; give the competition's folder, with description.md and a sample submission",
    )
