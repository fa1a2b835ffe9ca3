"""All runs below the server's root: those that live and those that are over, by id."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from cobra_jupyter import attach
from cobra_jupyter.server import past
from cobra_jupyter.server.living import Living
from cobra_jupyter.server.places import Places
from cobra_jupyter.server.refusal import Refusal

Json = dict[str, Any]


class Catalogue:
    """Statuses here have paths of the contents API."""

    def __init__(self, places: Places, living: Living) -> None:
        self.places = places
        self.living = living
        self._seen: dict[str, Path] = {}  # runs that were met alive, wherever they lie
        living.listeners.append(self._note)

    def _note(self, run: str, entry: attach.Entry | None, status: Json) -> None:
        if entry is not None:
            self._seen[run] = entry.run

    async def all(self) -> list[Json]:
        """Living ones first, the newest first."""
        await self.living.look()
        living = await asyncio.gather(*(self._alive(run) for run in self.living.entries))
        over = await asyncio.to_thread(self._over, frozenset(self.living.entries))
        return [*_newest(status for status in living if status), *_newest(over)]

    async def status(self, run: str) -> Json:
        """Raises Refusal for a run that is not here."""
        if (entry := await self.living.entry(run)) is not None:
            try:
                return self.places.status(await self.living.status(run), entry.run.resolve())
            except Refusal:
                if run in self.living.entries:
                    raise
        return await asyncio.to_thread(self._past, run)  # or it went while it was asked

    async def folder(self, run: str) -> Path:
        """Where a run lies. Raises Refusal for one that is not here."""
        if (entry := await self.living.entry(run)) is not None:
            return entry.run.resolve()
        return await asyncio.to_thread(self._folder, run)

    async def check_alive(self, run: str) -> None:
        """Raises Refusal for a run that is not here or has no runner."""
        await self.living.look()
        if await self.living.entry(run) is None:
            status = await self.status(run)
            cure = "resume it first" if status["resumable"] else "start a new run"
            raise Refusal(409, f"{status['name']} has {_ended(status['state'])}: {cure}")

    async def _alive(self, run: str) -> Json | None:
        try:
            return await self.status(run)
        except Refusal:  # it ended between two looks
            return None

    def _past(self, run: str) -> Json:
        folder = self._folder(run)
        return self.places.status(past.status(folder), folder)

    def _over(self, living: frozenset[str]) -> list[Json]:
        found = {attach.identity(folder): folder for folder in self._folders()}
        return [
            self.places.status(past.status(folder), folder)
            for run, folder in found.items()
            if run not in living
        ]

    def _folders(self) -> list[Path]:
        below = [path for path in _children(self.places.runs) if _is_run(path) and not path.is_symlink()]
        known = [path.resolve() for path in self._seen.values() if _is_run(path)]
        return [*below, *(path for path in dict.fromkeys(known) if path not in below)]

    def _folder(self, run: str) -> Path:
        for folder in self._folders():
            if attach.identity(folder) == run:
                return folder
        raise Refusal(
            404, f"there is no run {run} below {self.places.root}; `GET runs` lists those there are"
        )


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_run(folder: Path) -> bool:
    return (folder / "ledger.jsonl").is_file()


def _newest(statuses: Any) -> list[Json]:
    return sorted(statuses, key=lambda status: float(status.get("at") or 0), reverse=True)


def _ended(state: str) -> str:
    return {"stopped": "been stopped", "failed": "failed", "finished": "finished"}.get(state, "died")
