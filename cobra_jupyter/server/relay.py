"""Relays frames between a browser tab and a run. Stays open while the run's runner ends and starts again."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from cobra_jupyter.run.attach import AttachError, decode
from cobra_jupyter.server import stored_runs
from cobra_jupyter.server.catalogue import Catalogue
from cobra_jupyter.server.errors import RequestError, kind_of
from cobra_jupyter.server.tab_link import TabLink

Json = dict[str, Any]
_log = logging.getLogger(__name__)
CALLS = frozenset({"watch", "follow", "edit", "ran", "cell"})
MAX_FRAME = 8 << 20  # bytes of a frame from the browser
BIG_FRAME = 1 << 18  # bytes above which a frame is decoded in a thread
RETRY_AFTER = 0.2  # seconds between two attempts to reach a live runner
Send = Callable[[bytes], Awaitable[None]]


class Relay:
    """`send` sends a frame to the tab and waits until it is on its way."""

    def __init__(self, run: str, catalogue: Catalogue, send: Send) -> None:
        self._run, self._catalogue, self._send = run, catalogue, send
        self._link: TabLink | None = None

    async def run(self) -> None:
        """Relays until cancelled."""
        reported = False  # the tab knows that there is no runner
        while True:
            entry = await self._catalogue.live_runs.entry(self._run)
            if entry is None:
                if not reported:
                    await self._detached()
                reported = True
                await self._catalogue.live_runs.until_changed(5.0)
                continue
            try:
                link = await TabLink.open(entry, self._catalogue.paths)
            except AttachError:
                await asyncio.sleep(RETRY_AFTER)
                await self._catalogue.live_runs.look()
                continue
            reported = False
            await self._attached(link)
            await asyncio.sleep(RETRY_AFTER)
            await self._catalogue.live_runs.look()

    async def receive(self, text: str | bytes) -> None:
        """Answers a frame from the browser. A bad frame gets an error, and the channel stays open."""
        number: int | None = None
        try:
            frame = await self._read(text)
            frame_id = frame.get("id")
            number = frame_id if isinstance(frame_id, int) and not isinstance(frame_id, bool) else None
            _check(frame, number)
            args = frame.get("args") or {}
            if self._link is not None and not (frame["call"] == "follow" and args.get("file")):
                call = {"id": number, "call": frame["call"], "args": args}
                await self._link.send(call, big=len(text) > BIG_FRAME)
            else:
                answer = await self._answer_from_disk(frame["call"], args)
                await self._send(await asyncio.to_thread(_encoded, {"id": number, "answer": answer}))
        except AttachError as error:
            await self._send_error(number, error.kind, str(error))
        except RequestError as error:
            await self._send_error(number, kind_of(error.status_code), error.message)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            _log.exception("a frame was not understood")
            await self._send_error(
                number, "Malformed", f"the frame was not understood ({type(error).__name__})"
            )

    # ---- with a runner

    async def _attached(self, link: TabLink) -> None:
        self._link = link
        try:
            await self._write({"event": "attached"})
            while True:
                await self._send(await link.next())
        except EOFError:
            pass
        finally:
            self._link = None
            link.close()
        for number in sorted(link.waiting):
            await self._send_error(number, "Gone", "the runner ended before it answered")

    # ---- without a runner

    async def _detached(self) -> None:
        try:
            status = await self._catalogue.status(self._run)
        except RequestError as error:  # its folder was deleted
            status = stored_runs.unknown(self._run, error.message)
        await self._write({"event": "detached", "status": status})

    async def _answer_from_disk(self, call: str, args: Json) -> Json:
        folder = await self._catalogue.folder(self._run)
        if call == "watch":
            return {
                "status": await self._catalogue.status(self._run),
                "log": await asyncio.to_thread(stored_runs.log, folder),
            }
        if call in ("edit", "ran"):
            raise AttachError(
                "Refused",
                "the run has no runner now: save the notebook to keep this change, or resume the run",
            )
        seen = args.get("seq") if call == "follow" else None
        if seen is not None and (not isinstance(seen, int) or isinstance(seen, bool)):
            raise AttachError("Malformed", '"seq" must be a whole number or null')
        found = await asyncio.to_thread(
            stored_runs.notebook, folder, str(args.get("agent") or "lead"), self._catalogue.paths.root, seen
        )
        if call == "follow":
            return found
        for cell in found["notebook"]["cells"]:
            if cell["id"] == args.get("cell_id"):
                return {"cell": cell}
        raise AttachError("Unknown", f"there is no cell {args.get('cell_id')!r}")

    # ---- frames

    async def _read(self, text: str | bytes) -> Json:
        size = len(text)
        if size > MAX_FRAME:
            raise AttachError("TooLarge", f"the frame has {size:,} bytes; at most {MAX_FRAME:,} are accepted")
        return await asyncio.to_thread(decode, text) if size > BIG_FRAME else decode(text)

    async def _send_error(self, number: int | None, kind: str, message: str) -> None:
        await self._write({"id": number, "error": {"kind": kind, "message": message}})

    async def _write(self, frame: Json) -> None:
        """Sends a small frame."""
        await self._send(_encoded(frame))


def _encoded(frame: Json) -> bytes:
    return json.dumps(frame).encode()


def _check(frame: Json, number: int | None) -> None:
    """Raises AttachError (Malformed) unless the frame is a call that a browser may make."""
    if number is None:
        raise AttachError("Malformed", 'a frame needs an "id" that is a whole number')
    call = frame.get("call")
    if not isinstance(call, str) or call not in CALLS:
        raise AttachError(
            "Malformed", f"a browser may call {', '.join(sorted(CALLS))}, not {str(call)[:80]!r}"
        )
    if not isinstance(frame.get("args") or {}, dict):
        raise AttachError("Malformed", '"args" must be a JSON object')
