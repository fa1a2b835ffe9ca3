"""What the extension holds, and how its parts hear of each other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

from cobra_jupyter.run.attach import AttachError
from cobra_jupyter.run.registry import Entry
from cobra_jupyter.server import links, stored_runs
from cobra_jupyter.server.catalogue import Catalogue
from cobra_jupyter.server.contents import RunContents
from cobra_jupyter.server.errors import RequestError
from cobra_jupyter.server.kernels import Gate, Kernels
from cobra_jupyter.server.launcher import Launcher
from cobra_jupyter.server.lifecycle import Lifecycle
from cobra_jupyter.server.live_runs import LiveRuns
from cobra_jupyter.server.ownership import Ownership
from cobra_jupyter.server.paths import Paths
from cobra_jupyter.server.runner_calls import ask
from cobra_jupyter.workbench.harness.ownership import LEAD

Json = dict[str, Any]
TIDY = 5.0  # seconds between two looks at links, children and activity
_log = logging.getLogger(__name__)


class Extension:
    """One a server. `server` is Jupyter's ServerApp."""

    def __init__(self, places: Paths, server: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.places = places
        self.living = LiveRuns(places)
        self.catalogue = Catalogue(places, self.living)
        self.starting = Launcher()
        self._server = server
        self.whose = Ownership(places.root)
        self.kernels = Kernels(
            places, server.kernel_manager, server.session_manager, server.kernel_spec_manager,
            getattr(server, "kernel_websocket_connection_class", None),
        )  # fmt: skip
        self.contents = RunContents(
            server.contents_manager,
            places,
            self.whose,
            self.kernels,
            self.living.still,
            self.living.entry,
            loop,
        )
        lifecycle = Lifecycle(server.event_logger)
        self.living.listeners += [self.whose.told, self.kernels.told, lifecycle.told, self._show_notebooks]
        self._gate = Gate(server.kernel_manager, server.session_manager)
        self._task: asyncio.Task[None] | None = None
        self.contents.install()

    async def start(self) -> None:
        """Find the runs that live, have their sessions again; only then is anybody told of sessions."""
        try:
            await self.living.start()
            await asyncio.gather(
                *(
                    self.kernels.ensure(entry, self.living.statuses[run])
                    for run, entry in self.living.entries.items()
                    if run in self.living.statuses
                )
            )
        finally:
            self._gate.open()
        self._task = asyncio.create_task(self._tidy())

    async def stop(self) -> None:
        """Detach; the runs live on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._gate.open()
        self.contents.uninstall()
        await self.kernels.close()
        await self.living.stop()

    async def status_at(self, folder: Path) -> Json:
        """The status of a run that has just been started or resumed. Raises Refusal."""
        await self.living.look()
        return await self.catalogue.status(await self.catalogue.identity(folder))

    async def notebook_of(self, run: str) -> Path:
        """The lead's notebook, with all that there is. Raises Refusal."""
        folder = await self.catalogue.folder(run)
        entry = await self.living.entry(run)
        if entry is None:
            return await asyncio.to_thread(stored_runs.notebook_path, folder, LEAD, self.places.root)
        with contextlib.suppress(AttachError):
            await ask(entry, "flush", 60.0, agent=LEAD)
        for agent in (await self.living.status(run)).get("agents", ()):
            if agent["name"] == LEAD:
                path = folder / str(agent["notebook"])
                if self.places.shown(path) is None:
                    raise RequestError(
                        403,
                        "the run's notebook lies outside of the server's root: export it with `cobra export`",
                    )
                return path
        raise RequestError(409, "the run has no notebook yet: try again when it has begun")

    async def _tidy(self) -> None:
        while True:
            try:
                await asyncio.to_thread(links.clean, list(self.living.entries.values()))
                self.starting.reap()
                if self.living.entries:
                    self._show_activity()
            except Exception:  # what failed once may do better next time
                _log.exception("tidying failed")
            await asyncio.sleep(TIDY)

    def _show_notebooks(self, run: str, entry: Entry | None, status: Json) -> None:
        """Pages are told at once which notebooks are those of living runs: jupyter-collaboration, where it is installed,
        is to leave them alone."""
        self._server.web_app.settings.setdefault("page_config_data", {})["cobraNotebooks"] = [
            path
            for run, entry in self.living.entries.items()
            for agent in self.living.statuses.get(run, {}).get("agents", ())
            if (path := self.places.shown(entry.run / str(agent["notebook"]))) is not None
        ]

    def _show_activity(self) -> None:
        """A server with a living run is not idle: JupyterHub and the server itself end those that are."""
        from jupyter_server._tz import utcnow

        self._server.web_app.settings.setdefault("last_activity_times", {})["cobra"] = utcnow()


def names(entries: dict[str, Entry]) -> list[str]:
    return [entry.run.name for entry in entries.values()]
