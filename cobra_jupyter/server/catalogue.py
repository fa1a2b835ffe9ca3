"""Lists all runs below the server's root, live and ended, by id."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from cobra_jupyter.run import registry
from cobra_jupyter.server import stored_runs
from cobra_jupyter.server.errors import RequestError
from cobra_jupyter.server.live_runs import LiveRuns
from cobra_jupyter.server.paths import Paths

Json = dict[str, Any]


class Catalogue:
    """The statuses contain paths of the contents API."""

    def __init__(self, paths: Paths, live_runs: LiveRuns) -> None:
        self.paths = paths
        self.live_runs = live_runs
        self._last_seen: dict[str, Path] = {}  # the last known folders of runs that were alive
        live_runs.listeners.append(self._note)

    def _note(self, run: str, entry: registry.Entry | None, status: Json) -> None:
        # resolve now: the entry's path may go through a link that is removed when the run ends
        self._last_seen[run] = entry.run.resolve() if entry is not None else Path(str(status["run"]))

    async def all(self) -> list[Json]:
        """Returns all statuses: live runs first, in each group the newest first."""
        await self.live_runs.look()
        live = await asyncio.gather(*(self._live_status(run) for run in self.live_runs.entries))
        ended = await asyncio.to_thread(self._ended_runs, self._live_folders())
        return [*_newest(status for status in live if status), *_newest(ended)]

    async def status(self, run: str) -> Json:
        """Returns the status of a run. Raises RequestError for an unknown run."""
        if (entry := await self.live_runs.entry(run)) is not None:
            try:
                return self.paths.status(await self.live_runs.status(run), entry.run.resolve(), run)
            except RequestError:
                if run in self.live_runs.entries:
                    return await asyncio.to_thread(self._unanswered, run, entry.run.resolve())
        return await asyncio.to_thread(
            self._stored, run, self._live_folders()
        )  # it has ended, perhaps just now

    async def folder(self, run: str) -> Path:
        """Returns a run's folder. Raises RequestError for an unknown run."""
        if (entry := await self.live_runs.entry(run)) is not None:
            return entry.run.resolve()
        return await asyncio.to_thread(self._folder, run, self._live_folders())

    async def identity(self, folder: Path) -> str:
        """Returns the id of the run in a folder. Raises RequestError if there is none."""
        real = await asyncio.to_thread(folder.resolve)
        found = await asyncio.to_thread(self._by_id, self._live_folders())
        for run, path in found.items():
            if path == real:
                return run
        raise RequestError(404, f"{folder.name}: no run there any longer")

    async def check_live(self, run: str) -> None:
        """Raises RequestError if the run is unknown or has no runner."""
        await self.live_runs.look()
        if await self.live_runs.entry(run) is None:
            status = await self.status(run)
            cure = "resume it first" if status["resumable"] else "start a new run"
            raise RequestError(409, f"{status['name']} has {_ended(status['state'])}: {cure}")

    async def _live_status(self, run: str) -> Json | None:
        try:
            return await self.status(run)
        except RequestError:  # it ended between two looks
            return None

    def _stored(self, run: str, live: dict[str, Path]) -> Json:
        folder = self._folder(run, live)
        return self.paths.status(stored_runs.status(folder, self.paths.root), folder, run)

    def _unanswered(self, run: str, folder: Path) -> Json:
        return self.paths.status(stored_runs.unanswered(folder, self.paths.root), folder, run)

    def _ended_runs(self, live: dict[str, Path]) -> list[Json]:
        found = []
        for run, folder in self._by_id(live).items():
            if run not in live:
                with contextlib.suppress(RequestError):  # it was deleted meanwhile
                    found.append(self.paths.status(stored_runs.status(folder, self.paths.root), folder, run))
        return found

    def _live_folders(self) -> dict[str, Path]:
        return {run: entry.run for run, entry in self.live_runs.entries.items()}

    def _by_id(self, live: dict[str, Path]) -> dict[str, Path]:
        """Returns the folders of all runs by id.

        A run and its copies have the same id. The live one keeps it, else the folder with the run's original
        name, else the first; the others get an id from their path."""
        found = {run: folder.resolve() for run, folder in live.items()}
        taken = set(found.values())
        for folder in sorted(self._folders(), key=lambda folder: not stored_runs.has_original_name(folder)):
            if folder not in taken:
                run = registry.identity(folder)
                found[run if run not in found else registry.identity_by_place(folder)] = folder
        return found

    def _folders(self) -> list[Path]:
        below = [
            path
            for path in _children(self.paths.new_runs)
            if stored_runs.is_run(path) and not path.is_symlink()
        ]
        known = [path.resolve() for path in self._last_seen.values() if stored_runs.is_run(path)]
        return [*below, *(path for path in dict.fromkeys(known) if path not in below)]

    def _folder(self, run: str, live: dict[str, Path]) -> Path:
        if (folder := self._by_id(live).get(run)) is not None:
            return folder
        raise RequestError(404, f"there is no run {run} below {self.paths.root}; `GET runs` lists all runs")


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _newest(statuses: Any) -> list[Json]:
    return sorted(statuses, key=lambda status: float(status.get("at") or 0), reverse=True)


def _ended(state: str) -> str:
    return {"stopped": "been stopped", "failed": "failed", "finished": "finished"}.get(state, "died")
