"""Cobra as an extension of Jupyter Server."""

from __future__ import annotations

from typing import Any

from jupyter_server.extension.application import ExtensionApp
from tornado.ioloop import IOLoop
from traitlets import List, Unicode

from cobra_jupyter.server.extension import Extension, names
from cobra_jupyter.server.handlers import HANDLERS
from cobra_jupyter.server.paths import Paths


class CobraApp(ExtensionApp):
    """Attaches to runs, relays to browsers; runs themselves are processes of their own."""

    name = "cobra_jupyter"
    load_other_extensions = True
    description = "Cobra: an autonomous machine-learning engineer that lives in Jupyter"

    data_dirs = List(
        Unicode(),
        help="Folders outside of the server's root in which competitions may lie. They are read, never written to.",
    ).tag(config=True)
    runs_dir = Unicode(
        "runs",
        help="Where new runs get their folders: a path from the server's root. Its name must not begin with a dot, as "
        "Jupyter does not show such folders.",
    ).tag(config=True)

    cobra: Extension | None = None

    def initialize_settings(self) -> None:
        server: Any = self.serverapp
        root = getattr(server.contents_manager, "root_dir", None) or server.root_dir
        places = Paths.of(root, self.runs_dir, list(self.data_dirs))
        self.cobra = Extension(places, server, IOLoop.current().asyncio_loop)  # type: ignore[attr-defined]
        self.settings["cobra"] = self.cobra

    def initialize_handlers(self) -> None:
        self.handlers.extend(HANDLERS)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        if self.cobra is not None:
            await self.cobra.start()

    async def stop_extension(self) -> None:
        if self.cobra is not None:
            await self.cobra.stop()

    def current_activity(self) -> Any:
        """What keeps a server from ending itself."""
        return names(self.cobra.living.entries) or None if self.cobra is not None else None


main = launch_new_instance = CobraApp.launch_instance
