"""Talk to a running run over its runner's socket: frames, calls and events (docs/live.md)."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket as sockets
import struct
from collections.abc import Callable
from typing import IO, Any

from cobra_jupyter.run.registry import Entry

MAX_FRAME = 512 * 2**20  # bytes: a notebook with all its outputs is one frame
Json = dict[str, Any]


class AttachError(Exception):
    """A call failed. `kind`: Malformed, Unknown, Refused, TooLarge, Failed, Busy or Gone; the message is for
    people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


# ---- frames


def encode(message: Json) -> bytes:
    """One frame. Raises ValueError for NaN and for more than MAX_FRAME bytes."""
    body = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
    if len(body) > MAX_FRAME:
        raise ValueError(f"a message of {len(body)} bytes is longer than {MAX_FRAME}")
    return struct.pack("!I", len(body)) + body


async def read_frame(reader: asyncio.StreamReader) -> Json:
    """The next frame. Raises EOFError at the end of the stream, AttachError (Malformed) if the frame is not a
    JSON object; then the stream can be read on."""
    return decode(await read_body(reader))


async def read_body(reader: asyncio.StreamReader) -> bytes:
    """The bytes of the next frame. Raises EOFError."""
    try:
        return await reader.readexactly(_size(await reader.readexactly(4)))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EOFError("the connection was closed") from error


def _size(head: bytes) -> int:
    (size,) = struct.unpack("!I", head)
    if size > MAX_FRAME:
        raise EOFError(f"a frame of {size} bytes was announced")
    return int(size)


def decode(body: bytes | str) -> Json:
    """A JSON object. Raises AttachError (Malformed)."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AttachError("Malformed", f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise AttachError("Malformed", "a frame is a JSON object")
    return message


# ---- the attacher's end


async def connect(entry: Entry) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a runner and send its token. Raises AttachError (Gone) if nobody listens."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(entry.socket), limit=2**20)
    except OSError as error:
        why = error.strerror or error
        raise AttachError("Gone", f"{entry.run.name}: its runner is gone ({why})") from error
    writer.write(encode({"token": entry.token}))
    return reader, writer


class Attachment:
    """A connection to a runner, for calls and events. It belongs to one event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.closed = asyncio.Event()
        self._writer = writer
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[Json]] = {}
        self._subscribers: list[Callable[[Json], object]] = []
        self._task = asyncio.create_task(self._read(reader))

    @classmethod
    async def open(cls, entry: Entry) -> Attachment:
        """Raises AttachError (Gone) if nobody listens."""
        return cls(*await connect(entry))

    def subscribe(self, callback: Callable[[Json], object]) -> Callable[[], None]:
        """Pass every event to `callback`, in order. Returns a function that ends the subscription."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    async def call(self, name: str, **args: Any) -> Json:
        """Call the runner. Raises AttachError with the runner's error, or Gone."""
        if self.closed.is_set():
            raise AttachError("Gone", "the runner is gone")
        number = next(self._numbers)
        answer = self._open[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(encode({"id": number, "call": name, "args": args}))
            await self._writer.drain()
            return dict(await answer)
        except (ConnectionError, RuntimeError) as error:
            raise AttachError("Gone", "the runner is gone") from error
        finally:
            self._open.pop(number, None)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                self._dispatch(await read_frame(reader))
        except (EOFError, AttachError):
            pass
        finally:
            self.closed.set()
            self._writer.close()
            for answer in self._open.values():
                if not answer.done():
                    answer.set_exception(AttachError("Gone", "the runner is gone"))

    def _dispatch(self, message: Json) -> None:
        if "event" in message:
            for callback in tuple(self._subscribers):
                callback(message)
            return
        answer = self._open.get(message.get("id", 0))
        if answer is None or answer.done():
            return
        if "error" in message:
            error = message["error"]
            answer.set_exception(AttachError(str(error["kind"]), str(error["message"])))
        else:
            answer.set_result(message.get("answer") or {})


def ask(entry: Entry, call: str, seconds: float = 30.0, **args: Any) -> Json:
    """One call without an event loop. Raises AttachError."""
    try:
        with sockets.socket(sockets.AF_UNIX) as sock:
            sock.settimeout(seconds)
            sock.connect(str(entry.socket))
            sock.sendall(encode({"token": entry.token}) + encode({"id": 1, "call": call, "args": args}))
            with sock.makefile("rb") as file:
                while True:
                    message = decode(_exactly(file, _size(_exactly(file, 4))))
                    if message.get("id") == 1:
                        break
    except TimeoutError as error:
        raise AttachError(
            "Busy", f"{entry.run.name}: its runner has not answered for {seconds:.0f} s"
        ) from error
    except (OSError, EOFError) as error:
        raise AttachError("Gone", f"{entry.run.name}: its runner does not answer ({error})") from error
    if "error" in message:
        raise AttachError(str(message["error"]["kind"]), str(message["error"]["message"]))
    return dict(message.get("answer") or {})


def _exactly(file: IO[bytes], size: int) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise EOFError("the connection was closed")
    return found
