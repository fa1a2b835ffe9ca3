"""The Jupyter messaging protocol with one kernel: requests out, replies and outputs in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.session import Session

Output = dict[str, Any]
OnOutput = Callable[[Output], None]
OnForeign = Callable[[str, Output], None]

_OTHER_WAIT = 2.0  # seconds that a reply and the iopub's "idle" wait for each other; a kernel may drop either
_LATE = 500  # requests that are over whose late outputs are still taken
_LOOKS = 4  # in that time: one alone would be late, not the kernel, where our own event loop was held up
_log = logging.getLogger(__name__)


@dataclass
class Request:
    """One request on its way. `done` is set when the reply and the kernel's "idle" have both come."""

    msg_id: str
    on_output: OnOutput | None
    done: asyncio.Future[None]
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # the kernel runs the code and heeds SIGINT
    since: float = 0.0  # when it began, by `time.monotonic`
    reply: dict[str, Any] | None = None
    idle: bool = False
    interrupted: bool = False
    failure: BaseException | None = None  # what on_output raised

    def begin(self) -> None:
        self.since = time.monotonic()
        self.begun.set()

    def settle(self) -> None:
        if self.reply is not None and self.idle and not self.done.done():
            self.done.set_result(None)


class Wire:
    """Sockets to one kernel, read without pause so that nothing is dropped.

    What threads show after their cell has ended goes where its outputs went. `on_foreign(msg_id, event)` gets
    what belongs to no request of ours: cells that a person runs. Events are outputs, and `execute_input` and
    `idle`.
    """

    def __init__(self, info: dict[str, Any], on_foreign: OnForeign | None = None) -> None:
        key = info["key"]
        self._session = Session(
            key=key if isinstance(key, bytes) else str(key).encode(),
            signature_scheme=info.get("signature_scheme", "hmac-sha256"),
            username="cobra",
        )
        self._on_foreign = on_foreign
        self._context = zmq.asyncio.Context()
        self._shell = self._connect(info, zmq.DEALER, "shell")
        self._iopub = self._connect(info, zmq.SUB, "iopub")
        self._open: dict[str, Request] = {}
        self._over: dict[str, OnOutput | None] = {}  # the latest that were forgotten
        self._tasks = [
            asyncio.create_task(self._read(self._shell, self._on_shell)),
            asyncio.create_task(self._read(self._iopub, self._on_iopub)),
        ]

    def request(self, kind: str, content: dict[str, Any], on_output: OnOutput | None = None) -> Request:
        """Send a request on the shell channel."""
        message = self._session.msg(kind, content)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        request = Request(message["header"]["msg_id"], on_output, done)
        self._open[request.msg_id] = request
        # not Session.send: sending past the asyncio socket could swallow the event that wakes its reader
        self._shell.send_multipart(self._session.serialize(message))
        return request

    def forget(self, request: Request) -> None:
        """Wait for a request no longer; outputs that come late are still taken."""
        self._open.pop(request.msg_id, None)
        self._over[request.msg_id] = request.on_output
        if len(self._over) > _LATE:
            del self._over[next(iter(self._over))]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._context.destroy(linger=0)

    def _connect(self, info: dict[str, Any], kind: int, channel: str) -> zmq.asyncio.Socket:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = 0  # a fast printer must not lose lines
        socket.sndhwm = 0
        if kind == zmq.SUB:
            socket.subscribe(b"")
        separator = "-" if info["transport"] == "ipc" else ":"
        socket.connect(f"{info['transport']}://{info['ip']}{separator}{info[channel + '_port']}")
        return socket

    async def _read(self, socket: zmq.asyncio.Socket, handle: Callable[[dict[str, Any]], None]) -> None:
        while True:
            parts = await socket.recv_multipart()
            try:
                _, message = self._session.feed_identities(parts)
                handle(self._session.deserialize(message))
            except Exception:  # one malformed message must not end the conversation
                _log.exception("a message of the kernel could not be read")

    def _on_shell(self, message: dict[str, Any]) -> None:
        request = self._open.get(message["parent_header"].get("msg_id", ""))
        if request is None:
            return
        request.reply = message["content"]
        request.settle()
        if not request.idle:
            self._await_other(request)

    def _await_other(self, request: Request, looks: int = _LOOKS) -> None:
        """Wait for what is still missing of "idle" and reply, then do without it. A kernel that SIGINT met between its own
        lines, not in the cell, says "idle" and never replies."""
        if request.done.done():
            return
        if looks:
            asyncio.get_running_loop().call_later(_OTHER_WAIT / _LOOKS, self._await_other, request, looks - 1)
            return
        if request.reply is None:
            name, value = (
                ("KeyboardInterrupt", "") if request.interrupted else ("KernelError", "no reply came")
            )
            request.reply = {"status": "error", "ename": name, "evalue": value}
        request.idle = True
        request.settle()

    def _on_iopub(self, message: dict[str, Any]) -> None:
        msg_id = message["parent_header"].get("msg_id", "")
        kind, content = message["msg_type"], message["content"]
        request = self._open.get(msg_id)
        if request is None and msg_id in self._over:
            self._take_late(self._over[msg_id], kind, content)
        elif request is None:
            self._tell_foreign(msg_id, kind, content)
        elif kind == "status":
            if content.get("execution_state") == "idle":
                request.idle = True
                request.settle()
                if request.reply is None:
                    self._await_other(request)
        elif kind == "execute_input":
            request.begin()
        elif request.on_output is not None and (output := output_from(kind, content)) is not None:
            try:
                request.on_output(output)
            except Exception as failure:  # the cell runs on; its caller learns of it at the end
                request.failure = request.failure or failure

    def _take_late(self, on_output: OnOutput | None, kind: str, content: dict[str, Any]) -> None:
        if on_output is not None and (output := output_from(kind, content)) is not None:
            on_output(output)  # should it fail, the reader says so and goes on

    def _tell_foreign(self, msg_id: str, kind: str, content: dict[str, Any]) -> None:
        if self._on_foreign is None:
            return
        if kind == "execute_input":
            event: Output | None = {"output_type": "execute_input", **content}
        elif kind == "status":
            event = {"output_type": "idle"} if content.get("execution_state") == "idle" else None
        else:
            event = output_from(kind, content)
        if event is not None:
            self._on_foreign(msg_id, event)


def output_from(kind: str, content: dict[str, Any]) -> Output | None:
    """An iopub message as an nbformat output or an event (update_display_data, clear_output); else None."""
    if kind == "stream":
        return {"output_type": kind, "name": content.get("name", "stdout"), "text": content.get("text", "")}
    if kind == "clear_output":
        return {"output_type": kind, "wait": bool(content.get("wait"))}
    if kind == "error":
        return {"output_type": kind, **{key: content.get(key) for key in ("ename", "evalue", "traceback")}}
    if kind not in ("display_data", "execute_result", "update_display_data"):
        return None
    output = {
        "output_type": kind,
        "data": content.get("data") or {},
        "metadata": content.get("metadata") or {},
    }
    if kind == "execute_result":
        output["execution_count"] = content.get("execution_count")
    if content.get("transient"):
        output["transient"] = content["transient"]
    return output
