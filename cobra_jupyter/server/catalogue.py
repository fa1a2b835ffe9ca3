"""All runs below the server's root: those that live and those that are over, by id."""

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
    """Statuses here have paths of the contents API."""

    def __init__(self, places: Paths, living: LiveRuns) -> None:
        self.places = places
        self.living = living
        self._seen: dict[str, Path] = {}  # where runs that were met alive lay when they were last heard of
        living.listeners.append(self._note)

    def _note(self, run: str, entry: registry.Entry | None, status: Json) -> None:
        # the link that an end takes away may be all that leads from the path of the entry to the folder
        self._seen[run] = entry.run.resolve() if entry is not None else Path(str(status["run"]))

    async def all(self) -> list[Json]:
        """Living ones first, the newest first."""
        await self.living.look()
        living = await asyncio.gather(*(self._alive(run) for run in self.living.entries))
        over = await asyncio.to_thread(self._over, self._alive_at())
        return [*_newest(status for status in living if status), *_newest(over)]

    async def status(self, run: str) -> Json:
        """Raises Refusal for a run that is not here."""
        if (entry := await self.living.entry(run)) is not None:
            try:
                return self.places.status(await self.living.status(run), entry.run.resolve(), run)
            except RequestError:
                if run in self.living.entries:
                    return await asyncio.to_thread(self._unanswered, run, entry.run.resolve())
        return await asyncio.to_thread(self._past, run, self._alive_at())  # or it went while it was asked

    async def folder(self, run: str) -> Path:
        """Where a run lies. Raises Refusal for one that is not here."""
        if (entry := await self.living.entry(run)) is not None:
            return entry.run.resolve()
        return await asyncio.to_thread(self._folder, run, self._alive_at())

    async def identity(self, folder: Path) -> str:
        """What the run in a folder goes by here. Raises Refusal where there is none."""
        real = await asyncio.to_thread(folder.resolve)
        found = await asyncio.to_thread(self._by_id, self._alive_at())
        for run, place in found.items():
            if place == real:
                return run
        raise RequestError(404, f"{folder.name}: no run there any longer")

    async def check_alive(self, run: str) -> None:
        """Raises Refusal for a run that is not here or has no runner."""
        await self.living.look()
        if await self.living.entry(run) is None:
            status = await self.status(run)
            cure = "resume it first" if status["resumable"] else "start a new run"
            raise RequestError(409, f"{status['name']} has {_ended(status['state'])}: {cure}")

    async def _alive(self, run: str) -> Json | None:
        try:
            return await self.status(run)
        except RequestError:  # it ended between two looks
            return None

    def _past(self, run: str, living: dict[str, Path]) -> Json:
        folder = self._folder(run, living)
        return self.places.status(stored_runs.status(folder, self.places.root), folder, run)

    def _unanswered(self, run: str, folder: Path) -> Json:
        return self.places.status(stored_runs.unanswered(folder, self.places.root), folder, run)

    def _over(self, living: dict[str, Path]) -> list[Json]:
        found = []
        for run, folder in self._by_id(living).items():
            if run not in living:
                with contextlib.suppress(RequestError):  # it was deleted meanwhile
                    found.append(
                        self.places.status(stored_runs.status(folder, self.places.root), folder, run)
                    )
        return found

    def _alive_at(self) -> dict[str, Path]:
        return {run: entry.run for run, entry in self.living.entries.items()}

    def _by_id(self, living: dict[str, Path]) -> dict[str, Path]:
        """All runs. Of a run and its copies, which have one id, the rest go by their places: the one that lives has it,
        else the one whose folder has the name that the run was given, else the first."""
        found = {run: folder.resolve() for run, folder in living.items()}
        places = set(found.values())
        for folder in sorted(self._folders(), key=lambda folder: not stored_runs.is_at_home(folder)):
            if folder not in places:
                run = registry.identity(folder)
                found[run if run not in found else registry.identity_by_place(folder)] = folder
        return found

    def _folders(self) -> list[Path]:
        below = [
            path
            for path in _children(self.places.new_runs)
            if stored_runs.is_run(path) and not path.is_symlink()
        ]
        known = [path.resolve() for path in self._seen.values() if stored_runs.is_run(path)]
        return [*below, *(path for path in dict.fromkeys(known) if path not in below)]

    def _folder(self, run: str, living: dict[str, Path]) -> Path:
        if (folder := self._by_id(living).get(run)) is not None:
            return folder
        raise RequestError(
            404, f"there is no run {run} below {self.places.root}; `GET runs` lists those there are"
        )


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _newest(statuses: Any) -> list[Json]:
    return sorted(statuses, key=lambda status: float(status.get("at") or 0), reverse=True)


def _ended(state: str) -> str:
    return {"stopped": "been stopped", "failed": "failed", "finished": "finished"}.get(state, "died")
