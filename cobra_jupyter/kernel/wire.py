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

_OTHER_WAIT = 2.0  # seconds between a reply and the iopub's "idle"; a kernel may drop either
_LATE = 500  # finished requests that still accept late outputs
_LOOKS = 4  # checks in that time; with one check, a delay of our own event loop would count
_log = logging.getLogger(__name__)


@dataclass
class Request:
    """An open request. `done` is set after both the reply and the kernel's "idle"."""

    msg_id: str
    on_output: OnOutput | None
    done: asyncio.Future[None]
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # the kernel runs the code and handles SIGINT
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
    """Sockets to one kernel, read continuously so that nothing is dropped.

    Late outputs of threads go to the request of their cell. `on_foreign(msg_id, event)` gets everything that
    belongs to other clients' requests: cells that a person runs. Events are outputs, `execute_input` and
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
        self._over: dict[str, OnOutput | None] = {}  # the latest closed requests
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
        """Stop waiting for a request; late outputs are still accepted."""
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
        """Wait a while for the missing "idle" or reply, then give up on it.

        If SIGINT hits the kernel's own code instead of the cell, it sends "idle" but never a reply."""
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
            self._late_output(self._over[msg_id], kind, content)
        elif request is None:
            self._foreign_event(msg_id, kind, content)
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
            except Exception as failure:  # the cell continues; `execute` raises this at the end
                request.failure = request.failure or failure

    def _late_output(self, on_output: OnOutput | None, kind: str, content: dict[str, Any]) -> None:
        if on_output is not None and (output := output_from(kind, content)) is not None:
            on_output(output)  # if it fails, the reader logs that and continues

    def _foreign_event(self, msg_id: str, kind: str, content: dict[str, Any]) -> None:
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
