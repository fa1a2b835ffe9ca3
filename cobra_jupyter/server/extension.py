"""The parts of the extension and how they are connected."""

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
TIDY_EVERY = 5.0  # seconds between two checks of links, children and activity
_log = logging.getLogger(__name__)


class Extension:
    """Exists once per server. `server` is Jupyter's ServerApp."""

    def __init__(self, paths: Paths, server: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.paths = paths
        self.live_runs = LiveRuns(paths)
        self.catalogue = Catalogue(paths, self.live_runs)
        self.launcher = Launcher()
        self._server = server
        self.ownership = Ownership(paths.root)
        self.kernels = Kernels(
            paths,
            kernels=server.kernel_manager,
            sessions=server.session_manager,
            specs=server.kernel_spec_manager,
            sockets=getattr(server, "kernel_websocket_connection_class", None),
        )
        self.contents = RunContents(
            server.contents_manager,
            paths,
            ownership=self.ownership,
            kernels=self.kernels,
            pause_looking=self.live_runs.paused,
            notice=self.live_runs.entry,
            loop=loop,
        )
        lifecycle = Lifecycle(server.event_logger)
        parts = (self.ownership, self.kernels, lifecycle)
        self.live_runs.listeners += [*(part.on_status for part in parts), self._publish_notebooks]
        self._gate = Gate(server.kernel_manager, server.session_manager)
        self._task: asyncio.Task[None] | None = None
        self.contents.install()

    async def start(self) -> None:
        """Finds the live runs and restores their sessions. Only then does the server list sessions."""
        try:
            await self.live_runs.start()
            await asyncio.gather(
                *(
                    self.kernels.ensure(entry, self.live_runs.statuses[run])
                    for run, entry in self.live_runs.entries.items()
                    if run in self.live_runs.statuses
                )
            )
        finally:
            self._gate.open()
        self._task = asyncio.create_task(self._tidy())

    async def stop(self) -> None:
        """Detaches; the runs keep running."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._gate.open()
        self.contents.uninstall()
        await self.kernels.close()
        await self.live_runs.stop()

    async def status_at(self, folder: Path) -> Json:
        """Returns the status of a run that was just started or resumed. Raises RequestError."""
        await self.live_runs.look()
        return await self.catalogue.status(await self.catalogue.identity(folder))

    async def notebook_of(self, run: str) -> Path:
        """Returns the path of the lead's notebook after the runner has written it. Raises RequestError."""
        folder = await self.catalogue.folder(run)
        entry = await self.live_runs.entry(run)
        if entry is None:
            return await asyncio.to_thread(stored_runs.notebook_path, folder, LEAD, self.paths.root)
        with contextlib.suppress(AttachError):
            await ask(entry, "flush", 60.0, agent=LEAD)
        for agent in (await self.live_runs.status(run)).get("agents", ()):
            if agent["name"] == LEAD:
                path = folder / str(agent["notebook"])
                if self.paths.shown(path) is None:
                    raise RequestError(
                        403,
                        "the run's notebook is outside the server's root: export it with `cobra export`",
                    )
                return path
        raise RequestError(409, "the run has no notebook yet: try again when it has started")

    async def _tidy(self) -> None:
        while True:
            try:
                await asyncio.to_thread(links.clean, list(self.live_runs.entries.values()))
                self.launcher.reap()
                if self.live_runs.entries:
                    self._report_activity()
            except Exception:  # try again next time
                _log.exception("tidying failed")
            await asyncio.sleep(TIDY_EVERY)

    def _publish_notebooks(self, run: str, entry: Entry | None, status: Json) -> None:
        """Tells pages the notebooks of live runs, so that jupyter-collaboration leaves them alone."""
        self._server.web_app.settings.setdefault("page_config_data", {})["cobraNotebooks"] = [
            path
            for run, entry in self.live_runs.entries.items()
            for agent in self.live_runs.statuses.get(run, {}).get("agents", ())
            if (path := self.paths.shown(entry.run / str(agent["notebook"]))) is not None
        ]

    def _report_activity(self) -> None:
        """Marks the server as active while a run is alive, so that nothing ends it as idle."""
        from jupyter_server._tz import utcnow

        self._server.web_app.settings.setdefault("last_activity_times", {})["cobra"] = utcnow()


def names(entries: dict[str, Entry]) -> list[str]:
    return [entry.run.name for entry in entries.values()]
