"""How others attach to a living run: where its runner listens, and what is said there (docs/live.md)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import re
import socket as sockets
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import psutil

from cobra_jupyter import runs
from cobra_jupyter.kernel.harness import write_json

MAX_FRAME = 512 * 2**20  # bytes: a notebook with all its outputs is one frame
Json = dict[str, Any]
_ID = re.compile("[0-9a-f]{12}")


class AttachError(Exception):
    """The runner refused a call: `kind` is Malformed, Unknown, Refused, TooLarge or Gone; the message is for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Entry:
    """Where a living runner listens. Whoever reads it may steer the run: it is kept as Jupyter keeps its own tokens."""

    id: str
    run: Path
    pid: int
    socket: Path
    token: str

    def to_json(self) -> Json:
        return {**asdict(self), "run": str(self.run), "socket": str(self.socket)}


def identity(folder: Path) -> str:
    """The id of a run: what run.json says, or a hash of its folder's path. A copy of its folder has the same."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("id")
    except (OSError, ValueError, AttributeError, RecursionError):
        found = None
    return found if isinstance(found, str) and _ID.fullmatch(found) else identity_by_place(folder)


def identity_by_place(folder: Path) -> str:
    """An id that no run elsewhere has."""
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]


def settle(folder: Path, identity_here: str) -> None:
    """Have a copy of a run go by the id it has here, before it goes on: else those who follow the one would be given the
    other."""
    if identity(folder) == identity_here:
        return
    path = folder / "run.json"
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), "id": identity_here})


# ---- the registry


def _registry_folder() -> Path:
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir()) / "cobra"


def register(entry: Entry) -> Path:
    """Say where a runner listens. → the file, to be removed when it ends. A copy of a run that lives itself goes by
    its place."""
    folder = _registry_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = entry.run.resolve()
    if any(other.id == entry.id and other.run.resolve() != place for other in registry()):
        entry = replace(entry, id=identity_by_place(entry.run))
    path = folder / f"{entry.id}.json"
    fresh = path.with_suffix(f".{entry.pid}.tmp")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(entry.to_json()), encoding="utf-8")
    fresh.replace(path)
    return path


def registry() -> list[Entry]:
    """The living runners; files of dead ones are taken away."""
    found = []
    for path in sorted(_registry_folder().glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            data = json.loads(path.read_text(encoding="utf-8"))
            entry = Entry(
                str(data["id"]),
                Path(data["run"]),
                int(data["pid"]),
                Path(data["socket"]),
                str(data["token"]),
            )
            if runs.lives(entry.run):
                found.append(entry)
            elif not psutil.pid_exists(entry.pid):  # else its folder is being renamed
                path.unlink()
    return found


def of(folder: Path) -> Entry | None:
    """The living runner of the run in a folder."""
    real = folder.resolve()
    return next((entry for entry in registry() if entry.run.resolve() == real), None)


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
    """The next frame. Raises EOFError at the end of the stream, AttachError (Malformed) for what is no JSON object;
    the stream can be read on."""
    return decode(await read_body(reader))


async def read_body(reader: asyncio.StreamReader) -> bytes:
    """The next frame as it is. Raises EOFError."""
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
    """A connection to a runner, with its token shown. Raises AttachError (Gone) where nobody listens."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(entry.socket), limit=2**20)
    except OSError as error:
        why = error.strerror or error
        raise AttachError("Gone", f"{entry.run.name}: its runner is gone ({why})") from error
    writer.write(encode({"token": entry.token}))
    return reader, writer


class Attachment:
    """A connection to a runner: calls, and the events of what is followed. Of one event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.closed = asyncio.Event()
        self._writer = writer
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[Json]] = {}
        self._subscribers: list[Callable[[Json], object]] = []
        self._task = asyncio.create_task(self._read(reader))

    @classmethod
    async def open(cls, entry: Entry) -> Attachment:
        """Raises AttachError (Gone) where nobody listens."""
        return cls(*await connect(entry))

    def subscribe(self, callback: Callable[[Json], object]) -> Callable[[], None]:
        """Give every event to `callback`, in order; returns what ends that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    async def call(self, name: str, **args: Any) -> Json:
        """Raises AttachError: what the runner says, or Gone."""
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
                self._take(await read_frame(reader))
        except (EOFError, AttachError):
            pass
        finally:
            self.closed.set()
            self._writer.close()
            for answer in self._open.values():
                if not answer.done():
                    answer.set_exception(AttachError("Gone", "the runner is gone"))

    def _take(self, message: Json) -> None:
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
    """One call, from where there is no event loop. Raises AttachError."""
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
