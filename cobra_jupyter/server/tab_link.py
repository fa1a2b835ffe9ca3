"""Connects one browser tab to a runner. Passes frames on unread and in order."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from cobra_jupyter.run import attach
from cobra_jupyter.run.attach import AttachError
from cobra_jupyter.run.registry import Entry
from cobra_jupyter.server.paths import Paths

Json = dict[str, Any]
MAX_STATUS = 1 << 20  # bytes: no status is longer
_OPERATION = b'{"event":"operation"'
_ANSWER = re.compile(rb'\s*\{\s*"id"\s*:\s*(\d+)')
_SURROGATE = re.compile("[\ud800-\udfff]")


class TabLink:
    """A tab's own connection, so that frames do not mix and a slow tab blocks nobody."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, entry: Entry, paths: Paths
    ) -> None:
        self.waiting: set[int] = set()  # ids of calls without an answer yet
        self._reader, self._writer, self._entry, self._paths = reader, writer, entry, paths

    @classmethod
    async def open(cls, entry: Entry, paths: Paths) -> TabLink:
        """Raises AttachError (Gone)."""
        return cls(*await attach.connect(entry), entry, paths)

    async def send(self, frame: Json, big: bool) -> None:
        """Sends a frame; encodes a `big` one in a thread. Raises AttachError (Gone or Malformed)."""
        self.waiting.add(frame["id"])  # before encoding, as the connection may end meanwhile
        try:
            body = await asyncio.to_thread(attach.encode, frame) if big else attach.encode(frame)
        except ValueError as error:
            self.waiting.discard(frame["id"])
            raise AttachError("Malformed", f"the frame cannot be passed on: {error}") from error
        try:
            self._writer.write(body)
            await self._writer.drain()
        except (ConnectionError, RuntimeError) as error:
            raise AttachError("Gone", "the runner is gone") from error

    async def next(self) -> bytes:
        """Returns the next frame for the browser: UTF-8, with paths of the contents API. Raises EOFError."""
        body = await attach.read_body(self._reader)
        answers = _ANSWER.match(body)
        if answers:
            self.waiting.discard(int(answers[1]))
        if len(body) > MAX_STATUS:
            return await asyncio.to_thread(_valid, body)
        return _valid(self._with_paths(body))

    def close(self) -> None:
        self._writer.close()

    def _with_paths(self, body: bytes) -> bytes:
        if body.startswith(_OPERATION) or b'"status"' not in body:
            return body
        try:
            frame = json.loads(body)
            changed = self._changed(frame)
        except (ValueError, TypeError, AttributeError, KeyError):
            return body
        return body if changed is None else json.dumps(changed, separators=(",", ":")).encode()

    def _changed(self, frame: Json) -> Json | None:
        """Returns the frame with a translated status, or None if it has no status."""
        answer = frame.get("answer")
        if isinstance(answer, dict) and isinstance(answer.get("status"), dict):
            return {**frame, "answer": {**answer, "status": self._status(answer["status"])}}
        if frame.get("event") not in ("status", "ended"):
            return None
        if isinstance(frame.get("status"), dict):
            return {**frame, "status": self._status(frame["status"])}
        return None

    def _status(self, status: Json) -> Json:
        return self._paths.status(status, self._entry.run.resolve(), self._entry.id)


def _valid(body: bytes) -> bytes:
    """Escapes lone surrogates: JSON may contain them, the UTF-8 text of a websocket may not."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("utf-8", "surrogatepass")
        return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode("utf-8", "replace")
    return body
