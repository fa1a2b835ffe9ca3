"""Registers Cobra as an extension of Jupyter Server."""

from __future__ import annotations

from typing import Any

from jupyter_server.extension.application import ExtensionApp
from tornado.ioloop import IOLoop
from traitlets import List, Unicode

from cobra_jupyter.server.extension import Extension, names
from cobra_jupyter.server.handlers import HANDLERS
from cobra_jupyter.server.paths import Paths


class CobraApp(ExtensionApp):
    """Attaches to runs and relays to browsers. The runs are separate processes."""

    name = "cobra_jupyter"
    load_other_extensions = True
    description = "Cobra: an autonomous machine-learning engineer that lives in Jupyter"

    data_dirs = List(
        Unicode(),
        help="Folders outside the server's root that may contain competitions. They are never written to.",
    ).tag(config=True)
    runs_dir = Unicode(
        "runs",
        help="The folder for new runs: a path from the server's root. Its name must not begin with a dot, "
        "because Jupyter hides such folders.",
    ).tag(config=True)

    extension: Extension | None = None

    def initialize_settings(self) -> None:
        server: Any = self.serverapp
        root = getattr(server.contents_manager, "root_dir", None) or server.root_dir
        paths = Paths.of(root, self.runs_dir, list(self.data_dirs))
        self.extension = Extension(paths, server, IOLoop.current().asyncio_loop)  # type: ignore[attr-defined]
        self.settings["cobra"] = self.extension

    def initialize_handlers(self) -> None:
        self.handlers.extend(HANDLERS)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        if self.extension is not None:
            await self.extension.start()

    async def stop_extension(self) -> None:
        if self.extension is not None:
            await self.extension.stop()

    def current_activity(self) -> Any:
        """Returns the live runs; while there are any, the server does not end itself."""
        return names(self.extension.live_runs.entries) or None if self.extension is not None else None


main = launch_new_instance = CobraApp.launch_instance
