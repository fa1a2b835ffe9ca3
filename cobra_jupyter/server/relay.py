"""Between one browser tab and a run, over the lives of its runner: attached, detached, attached again."""

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
LONGEST = 8 << 20  # bytes of a browser's frame
LONG = 1 << 18  # bytes from which a frame is read in a thread
AGAIN = 0.2  # seconds before a runner that lives is tried anew
Send = Callable[[bytes], Awaitable[None]]


class Relay:
    """`send` gives the tab a frame and waits until it is on its way."""

    def __init__(self, run: str, catalogue: Catalogue, send: Send) -> None:
        self._run, self._catalogue, self._send = run, catalogue, send
        self._line: TabLink | None = None

    async def live(self) -> None:
        """Relay until cancelled."""
        told = False  # that nobody lives
        while True:
            entry = await self._catalogue.living.entry(self._run)
            if entry is None:
                if not told:
                    await self._detached()
                told = True
                await self._catalogue.living.until_changed(5.0)
                continue
            try:
                line = await TabLink.open(entry, self._catalogue.places)
            except AttachError:
                await asyncio.sleep(AGAIN)
                await self._catalogue.living.look()
                continue
            told = False
            await self._attached(line)
            await asyncio.sleep(AGAIN)
            await self._catalogue.living.look()

    async def take(self, text: str | bytes) -> None:
        """A frame from the browser. Whatever it is, it gets an answer, and the channel stays."""
        number: int | None = None
        try:
            frame = await self._read(text)
            given = frame.get("id")
            number = given if isinstance(given, int) and not isinstance(given, bool) else None
            _check(frame, number)
            args = frame.get("args") or {}
            if self._line is not None and not (frame["call"] == "follow" and args.get("file")):
                call = {"id": number, "call": frame["call"], "args": args}
                await self._line.send(call, big=len(text) > LONG)
            else:
                answer = await self._from_the_past(frame["call"], args)
                await self._send(await asyncio.to_thread(_encoded, {"id": number, "answer": answer}))
        except AttachError as error:
            await self._refuse(number, error.kind, str(error))
        except RequestError as error:
            await self._refuse(number, kind_of(error.status_code), error.message)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            _log.exception("a frame was not understood")
            await self._refuse(number, "Malformed", f"the frame was not understood ({type(error).__name__})")

    # ---- with a runner

    async def _attached(self, line: TabLink) -> None:
        self._line = line
        try:
            await self._write({"event": "attached"})
            while True:
                await self._send(await line.next())
        except EOFError:
            pass
        finally:
            self._line = None
            line.close()
        for number in sorted(line.waiting):
            await self._refuse(number, "Gone", "the runner went before it answered")

    # ---- without one

    async def _detached(self) -> None:
        try:
            status = await self._catalogue.status(self._run)
        except RequestError as error:  # its folder was deleted
            status = stored_runs.gone(self._run, error.message)
        await self._write({"event": "detached", "status": status})

    async def _from_the_past(self, call: str, args: Json) -> Json:
        folder = await self._catalogue.folder(self._run)
        if call == "watch":
            return {
                "status": await self._catalogue.status(self._run),
                "log": await asyncio.to_thread(stored_runs.log, folder),
            }
        if call in ("edit", "ran"):
            raise AttachError(
                "Refused", "the run has no runner now: save the notebook to keep this, or resume the run"
            )
        seen = args.get("seq") if call == "follow" else None
        if seen is not None and (not isinstance(seen, int) or isinstance(seen, bool)):
            raise AttachError("Malformed", '"seq" is a whole number or null')
        found = await asyncio.to_thread(
            stored_runs.notebook, folder, str(args.get("agent") or "lead"), self._catalogue.places.root, seen
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
        if size > LONGEST:
            raise AttachError("TooLarge", f"a frame of {size:,} bytes; at most {LONGEST:,} are taken")
        return await asyncio.to_thread(decode, text) if size > LONG else decode(text)

    async def _refuse(self, number: int | None, kind: str, message: str) -> None:
        await self._write({"id": number, "error": {"kind": kind, "message": message}})

    async def _write(self, frame: Json) -> None:
        """A small one."""
        await self._send(_encoded(frame))


def _encoded(frame: Json) -> bytes:
    return json.dumps(frame).encode()


def _check(frame: Json, number: int | None) -> None:
    """Raises AttachError (Malformed) for what is no call of a browser."""
    if number is None:
        raise AttachError("Malformed", 'a frame needs an "id", a whole number')
    call = frame.get("call")
    if not isinstance(call, str) or call not in CALLS:
        raise AttachError(
            "Malformed", f"a browser may call {', '.join(sorted(CALLS))}, not {str(call)[:80]!r}"
        )
    if not isinstance(frame.get("args") or {}, dict):
        raise AttachError("Malformed", '"args" is a JSON object')
