"""A browser tab's own line to a runner: frames pass as they are, in order, without being read."""

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
READABLE = 1 << 20  # bytes: no status is longer
_OPERATION = b'{"event":"operation"'
_ANSWER = re.compile(rb'\s*\{\s*"id"\s*:\s*(\d+)')
_SURROGATE = re.compile("[\ud800-\udfff]")


class TabLink:
    """One line of one tab: a shared one would give it what others follow, and let a slow tab hold up the rest."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, entry: Entry, places: Paths
    ) -> None:
        self.waiting: set[int] = set()  # ids of calls without an answer yet
        self._reader, self._writer, self._entry, self._places = reader, writer, entry, places

    @classmethod
    async def open(cls, entry: Entry, places: Paths) -> TabLink:
        """Raises AttachError (Gone)."""
        return cls(*await attach.connect(entry), entry, places)

    async def send(self, frame: Json, big: bool) -> None:
        """A `big` one is written down in a thread. Raises AttachError (Gone, or Malformed for what JSON has no word for)."""
        self.waiting.add(frame["id"])  # from now on: the line may end while it is written down
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
        """The next frame for the browser: valid UTF-8, a status with paths of the contents API. Raises EOFError."""
        body = await attach.read_body(self._reader)
        answers = _ANSWER.match(body)
        if answers:
            self.waiting.discard(int(answers[1]))
        if len(body) > READABLE:
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
        """The frame with a translated status, if it holds one; as do the events `status` and `ended`."""
        answer = frame.get("answer")
        if isinstance(answer, dict) and isinstance(answer.get("status"), dict):
            return {**frame, "answer": {**answer, "status": self._status(answer["status"])}}
        if frame.get("event") not in ("status", "ended"):
            return None
        if isinstance(frame.get("status"), dict):
            return {**frame, "status": self._status(frame["status"])}
        return None

    def _status(self, status: Json) -> Json:
        return self._places.status(status, self._entry.run.resolve(), self._entry.id)


def _valid(body: bytes) -> bytes:
    """A websocket's text must be UTF-8, which has no half of a pair; JSON can say it with an escape."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("utf-8", "surrogatepass")
        return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode("utf-8", "replace")
    return body
