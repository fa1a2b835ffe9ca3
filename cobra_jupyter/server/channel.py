"""The websocket through which a browser tab follows a run; each tab has its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from cobra_jupyter.server.relay import MAX_FRAME, Relay

RESOURCE = "cobra"


class ChannelHandler(ExtensionHandlerMixin, WebSocketMixin, WebSocketHandler, JupyterHandler):
    """`WebSocketMixin` checks the origin and sends pings."""

    auth_resource = RESOURCE
    relay: Relay | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def max_message_size(self) -> int:
        return 8 * MAX_FRAME  # a frame above MAX_FRAME gets an error; only one above this closes the socket

    def set_default_headers(self) -> None:
        """A websocket needs none of the headers of pages."""

    def get_compression_options(self) -> Any:
        return self.settings.get("websocket_compression_options", None)

    @ws_authenticated
    async def get(self, run: str, *args: Any, **kwargs: Any) -> None:
        allowed = await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, "execute", RESOURCE)
        )
        if not allowed:
            raise HTTPError(403, "not authorized to follow runs")
        await self.settings["cobra"].catalogue.folder(run)  # 404 for an unknown run
        await super().get(run, *args, **kwargs)

    def open(self, run: str, *args: Any, **kwargs: Any) -> None:
        super().open(run, *args, **kwargs)
        self.relay = Relay(run, self.settings["cobra"].catalogue, self._write)
        self._task = asyncio.create_task(self._run_relay(self.relay))

    async def on_message(self, message: str | bytes) -> None:
        if self.relay is not None:
            with contextlib.suppress(WebSocketClosedError):
                await self.relay.receive(message)

    def on_close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        super().on_close()

    async def _run_relay(self, relay: Relay) -> None:
        try:
            await relay.run()
        except WebSocketClosedError:
            pass
        except asyncio.CancelledError:
            raise
        except Exception:
            self.log.exception("the channel of a run failed")
            self.close(1011, "the channel failed; connect again")

    async def _write(self, frame: bytes) -> None:
        await self.write_message(frame, binary=False)
