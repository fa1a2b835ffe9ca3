"""Calls between kernel, harness and runner: JSON frames over a Unix socket.

A frame is a 4-byte big-endian length and that many bytes of JSON. Nothing is ever unpickled, because agents
write code that runs at either end.

    caller → callee   {"id": 7, "call": "trial", "args": {…}} · {"cancel": 7}
    callee → caller   {"id": 7, "progress": {…}} (any number), then
                      {"id": 7, "result": …} or {"id": 7, "error": {…}}

The runner identifies itself with a token. Then the harness may also call the runner (for records and the
agent's requests) over the same connection, with the same frames."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from pathlib import Path
from typing import Any

MAX_FRAME = 64 * 2**20  # bytes; results travel as files, so a larger frame is a mistake
SLICE = 0.1  # seconds
Json = Any


class CallError(Exception):
    """The other end refused or failed a call: `kind` is its exception's name; the message is for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ConnectionLost(ConnectionError):  # noqa: N818
    """The other end is gone."""


def encode(message: Json) -> bytes:
    """Encode one frame. Raises ValueError for NaN and infinities, which are not valid JSON."""
    body = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME:
        raise ValueError(f"a message of {len(body)} bytes is longer than {MAX_FRAME}")
    return struct.pack("!I", len(body)) + body


def _read_exactly(sock: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = sock.recv(min(size, 2**20))
        if not part:
            raise ConnectionLost("the connection was closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read(sock: socket.socket) -> Json:
    """Read the next frame, a JSON object. Raises ConnectionLost at its end or on a malformed frame."""
    (size,) = struct.unpack("!I", _read_exactly(sock, 4))
    if size > MAX_FRAME:
        raise ConnectionLost(f"a frame of {size} bytes was announced")
    try:
        message = json.loads(_read_exactly(sock, size))
    except (ValueError, RecursionError) as error:
        raise ConnectionLost(f"a frame is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ConnectionLost("a frame is not a JSON object")
    return message


class Call:
    """One call that is being served: it reports progress and shows whether the caller cancelled it."""

    def __init__(self, peer: Peer, number: int) -> None:
        self._peer = peer
        self._number = number
        self.key: str | None = None  # agent, turn, name and number of the call
        self.deciding: Any = None  # see timed_decisions
        self.cancelled = threading.Event()

    def progress(self, **news: Json) -> None:
        with contextlib.suppress(OSError):
            self._peer.send({"id": self._number, "progress": news})


Handler = Callable[[Call, str, dict[str, Json]], Json]


class Peer:
    """One end of a connection: it serves the other end's calls and makes its own."""

    def __init__(self, sock: socket.socket, handler: Handler | None = None) -> None:
        self._sock = sock
        self._handler = handler
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Reply | _LaterReply] = {}
        self._serving: dict[int, Call] = {}
        self.closed = threading.Event()
        self._reader = threading.Thread(target=self._read_frames, name="cobra-rpc", daemon=True)
        self._reader.start()

    @classmethod
    def connect(cls, path: str | Path, handler: Handler | None = None) -> Peer:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(path))
        except OSError as error:
            sock.close()
            raise ConnectionLost(f"no harness answers at {path}: {error}") from error
        return cls(sock, handler)

    def call(
        self,
        name: str,
        args: Mapping[str, Json] | None = None,
        on_progress: Callable[[dict[str, Json]], None] | None = None,
    ) -> Json:
        """Call the other end and wait for the result. Raises CallError, ConnectionLost.

        A KeyboardInterrupt cancels the call at the other end and is raised again."""
        number = next(self._numbers)
        reply = _Reply()
        self._waiting[number] = reply
        try:
            self.send({"id": number, "call": name, "args": dict(args or {})})
            while True:
                message = reply.next()
                if "progress" not in message:
                    return _result(message)
                if on_progress:
                    on_progress(message["progress"])
        except KeyboardInterrupt:
            self.send({"cancel": number})
            raise
        finally:
            self._waiting.pop(number, None)

    def begin(self, name: str, args: Mapping[str, Json] | None = None) -> Future[Json]:
        """Call the other end without waiting, so that no thread waits. Returns what will hold the result,
        CallError or ConnectionLost."""
        number, reply = next(self._numbers), _LaterReply()
        self._waiting[number] = reply
        reply.future.add_done_callback(lambda _: self._waiting.pop(number, None))
        try:
            self.send({"id": number, "call": name, "args": dict(args or {})})
        except ConnectionLost as error:
            reply.put({"lost": str(error)})
        except ValueError:  # it cannot be written as JSON
            reply.future.cancel()
            raise
        return reply.future

    def send(self, message: Json) -> None:
        frame = encode(message)
        with self._lock:
            try:
                self._sock.sendall(frame)
            except OSError as error:
                self.closed.set()
                raise ConnectionLost(f"the other end is gone: {error}") from error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _read_frames(self) -> None:
        try:
            while True:
                self._take(read(self._sock))
        except (OSError, TypeError):  # the connection is lost, or the frame is malformed
            pass
        finally:
            self.closed.set()
            self.close()
            for call in list(self._serving.values()):
                call.cancelled.set()
            for reply in list(self._waiting.values()):
                reply.put({"lost": "the other end is gone"})

    def _take(self, message: dict[str, Json]) -> None:
        if "call" in message and self._handler is not None:
            number = message.get("id")
            if not isinstance(number, int) or number in self._serving:
                raise ConnectionLost("a call needs a number of its own")
            call = self._serving[number] = Call(self, number)
            threading.Thread(target=self._serve, args=(call, message), daemon=True).start()
        elif "cancel" in message:
            if call_ := self._serving.get(message["cancel"]):
                call_.cancelled.set()
        elif reply := self._waiting.get(message.get("id", 0)):
            reply.put(message)

    def _serve(self, call: Call, message: dict[str, Json]) -> None:
        number = message["id"]
        answer: dict[str, Json]
        try:
            assert self._handler is not None
            answer = {"id": number, "result": self._handler(call, message["call"], message.get("args", {}))}
            encode(answer)
        except Exception as error:  # every failure reaches the caller as a typed error
            answer = {"id": number, "error": {"kind": type(error).__name__, "message": words(error)}}
        finally:
            self._serving.pop(number, None)
        with contextlib.suppress(OSError):
            self.send(answer)


def words(error: BaseException) -> str:
    """The message of an exception; str() would quote that of a KeyError."""
    return str(error.args[0] if isinstance(error, KeyError) and error.args else error)


class _Reply:
    """The messages of one call.

    `next` waits in short slices: a signal that another thread receives, or that comes just before the wait,
    would not wake the main thread."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Json]] = []
        self._ready = threading.Condition()

    def put(self, message: dict[str, Json]) -> None:
        with self._ready:
            self._messages.append(message)
            self._ready.notify()

    def next(self) -> dict[str, Json]:
        with self._ready:
            while not self._messages:
                self._ready.wait(SLICE)
            return self._messages.pop(0)


class _LaterReply:
    """The messages of one call that nobody waits for; its progress is dropped."""

    def __init__(self) -> None:
        self.future: Future[Json] = Future()

    def put(self, message: dict[str, Json]) -> None:
        if "progress" in message:
            return
        with contextlib.suppress(InvalidStateError):  # the caller has given up, or was told already
            try:
                self.future.set_result(_result(message))
            except (CallError, ConnectionLost) as error:
                self.future.set_exception(error)


def _result(message: dict[str, Json]) -> Json:
    """The result in a call's last message. Raises CallError or ConnectionLost."""
    if "lost" in message:
        raise ConnectionLost(message["lost"])
    if "error" in message:
        raise CallError(message["error"]["kind"], message["error"]["message"])
    return message["result"]


class Listener:
    """Accepts connections on a Unix socket that only its owner may use."""

    def __init__(self, path: Path, accept: Callable[[socket.socket], None]) -> None:
        if len(str(path)) > 100:
            raise ValueError(f"{path} is too long for a Unix socket (about 107 bytes)")
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.bind(str(path))
        path.chmod(0o600)
        self._sock.listen(16)
        self._accept = accept

    def serve_forever(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            self._accept(sock)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
